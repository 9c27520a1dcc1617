//! The gate: whether an intent may be spoken. A pure function of (intent, facts, now).
//!
//! | gate | says no when | source |
//! | --- | --- | --- |
//! | contact | the viewer did not speak first | Meta, "Instagram messaging: send a message": a conversation starts with the person |
//! | window | the right that the answered interaction opened has ended | `afterglow_domain::WindowRule` |
//! | consent | the viewer said stop, or may have | Meta, "Messaging policy": respect requests to stop; ours is stricter |
//! | one per interaction | the same interaction has its answer | our promise |
//! | hand-over | a person or another app has the conversation | Meta, "Conversation routing" |
//! | account | no token, or the account is paused | – |
//! | kill switch | somebody said so: a person decides | our promise |
//! | caps | the viewer was written to as often as the brand allows: later, or never if the window closes | our promise |
//! | quiet hours, room | the brand sleeps, the account has no room: later | our promise; Meta's rate limits |
//! | same text | the same was said to the viewer a short while ago | our promise |
//! | a person's own message | the stop, contact, window and text gates say no; up to 7 days where Meta granted Human Agent | Meta, "Human Agent" |
//! | play, text | the brand switched it off; the text cannot be sent | Meta, "Send messages": 1000 bytes |

use afterglow_domain::{
    Cause, ConsentState, DAY_MS, Decision, Facts, HOUR_MS, HUMAN_AGENT_MS, Intent, Reason, Rollout, Timestamp, Verdict,
    WindowRule,
};

/// Names this set of gates in the ledger.
pub const POLICY_VERSION: &str = "gate-4";

/// UTF-8 bytes that an Instagram message may have (Meta, "Send messages", read 2026).
pub const TEXT_MAX_BYTES: usize = 1000;

/// What the gate may assume of clocks and of Meta's opening hours.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Windows are taken to close this much early, in ms: our clock may be behind Meta's, and a call takes time.
    pub clock_skew_allowance_ms: i64,
    /// How long to wait for an interaction that the log does not have yet, in ms after the intent was made.
    pub cause_patience_ms: i64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { clock_skew_allowance_ms: 60_000, cause_patience_ms: 60_000 }
    }
}

/// The verdict on `intent`, given `facts`, at `now`.
///
/// Every closed gate is listed. A "no" beats a "hold": what must never be sent is not put before a person either.
pub fn decide(intent: &Intent, facts: &Facts, now: Timestamp, policy: &Policy) -> Decision {
    let Some(cause) = &facts.cause else {
        // The scorer writes the interaction and the intent in one transaction, so this is a damaged log, not a race.
        let patience = intent.created.plus(policy.cause_patience_ms);
        return if now < patience {
            Decision::defer(patience, Reason::NoContact)
        } else {
            Decision::drop(vec![Reason::NoContact])
        };
    };
    if intent.person.is_some() {
        return decide_for_a_person(intent, cause, facts, now, policy);
    }
    let mut never = never(cause, facts, now, policy);
    never.extend(play_gates(intent, facts));
    if !never.is_empty() {
        return Decision::drop(never);
    }
    let later = later(cause, facts, now, policy);
    let shadow = facts.play.as_ref().is_some_and(|play| play.rollout == Rollout::Shadow);
    let ask = ask_a_person(facts);
    if !ask.is_empty() && !shadow {
        return Decision::hold(ask);
    }
    if let Some(later) = later.filter(|_| !shadow) {
        return later;
    }
    if shadow {
        // Last of all gates: the ledger shows what would have been, and nobody is asked about what is only tried.
        let mut reasons = vec![Reason::Shadow];
        reasons.extend(ask);
        return Decision::drop(reasons);
    }
    Decision::send()
}

/// A person's own message: a person may do what a machine may not (speak in a conversation that was handed over, more than
/// once, at night, after a doubtful word), but not after a stop, not uninvited, and not outside the window.
fn decide_for_a_person(intent: &Intent, cause: &Cause, facts: &Facts, now: Timestamp, policy: &Policy) -> Decision {
    let allowance = policy.clock_skew_allowance_ms;
    let mut never = Vec::new();
    if facts.consent == Some(ConsentState::OptedOut) {
        never.push(Reason::OptedOut);
    }
    let agent_may = facts.limits.limits.human_agent
        && cause.opens == WindowRule::Standard
        && now.minus(HUMAN_AGENT_MS - allowance.max(0)) < cause.occurred;
    if !cause.contact || cause.opens == WindowRule::Nothing {
        never.push(Reason::NoContact);
    } else if !cause.window().is_open(now, allowance) && !agent_may {
        never.push(Reason::WindowClosed);
    }
    if intent.comment_id.is_some() && facts.answered {
        never.push(Reason::AlreadyAnswered);
    }
    let text = text_for(facts);
    if text.is_empty() || text.len() > TEXT_MAX_BYTES {
        never.push(Reason::BadText);
    }
    if !never.is_empty() {
        return Decision::drop(never);
    }
    let ask: Vec<Reason> = ask_a_person(facts)
        .into_iter()
        .filter(|reason| !matches!(reason, Reason::PerhapsOptedOut | Reason::HandedOver))
        .collect();
    if !ask.is_empty() {
        return Decision::hold(ask);
    }
    match facts.room_at.filter(|room| *room > now) {
        Some(room) => Decision::defer(room, Reason::RateLimited),
        None => Decision::send(),
    }
}

/// The text that an intent speaks.
pub fn text_for(facts: &Facts) -> &str {
    facts.play.as_ref().map_or("", |play| play.text.trim())
}

fn never(cause: &Cause, facts: &Facts, now: Timestamp, policy: &Policy) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if facts.consent == Some(ConsentState::OptedOut) {
        reasons.push(Reason::OptedOut);
    }
    if !cause.contact || cause.opens == WindowRule::Nothing {
        reasons.push(Reason::NoContact);
    } else if !cause.window().is_open(now, policy.clock_skew_allowance_ms) {
        reasons.push(Reason::WindowClosed);
    }
    if facts.answered {
        reasons.push(Reason::AlreadyAnswered);
    }
    reasons
}

fn play_gates(intent: &Intent, facts: &Facts) -> Vec<Reason> {
    let mut reasons = Vec::new();
    match facts.play.as_ref().map(|play| play.rollout) {
        None | Some(Rollout::Off) => return vec![Reason::PlayOff],
        Some(pilot @ Rollout::Pilot(_)) if !pilot.includes(&intent.play, &intent.viewer_key()) => {
            reasons.push(Reason::NotInPilot);
        }
        Some(_) => {}
    }
    let text = text_for(facts);
    if text.is_empty() || text.len() > TEXT_MAX_BYTES {
        reasons.push(Reason::BadText);
    }
    reasons
}

/// Whether it has to wait: for the brand's morning, for room towards the viewer, for room of the account. What would have to
/// wait until its window is closed is not said at all.
fn later(cause: &Cause, facts: &Facts, now: Timestamp, policy: &Policy) -> Option<Decision> {
    let limits = &facts.limits.limits;
    let mut waits: Vec<(Timestamp, Reason)> = Vec::new();
    if let Some(until) = limits.quiet_hours.and_then(|quiet| quiet.until(now, &facts.limits.time_zone)) {
        waits.push((until, Reason::QuietHours));
    }
    for (cap, span_ms) in [(limits.per_viewer_day, DAY_MS), (limits.per_viewer_week, 7 * DAY_MS)] {
        let within: Vec<Timestamp> =
            facts.written.iter().map(|written| written.at).filter(|at| now.since(*at) < span_ms).collect();
        // The latest come first: room is there when the one that fills the last place has left the span.
        let filling = usize::try_from(cap).ok().filter(|cap| *cap > 0).and_then(|cap| within.get(cap - 1));
        if let Some(filling) = filling {
            waits.push((filling.plus(span_ms), Reason::ViewerCap));
        }
    }
    let same_ms = i64::from(limits.same_text_hours) * HOUR_MS;
    // Two who judge at once: one's "written" may lie a few milliseconds in the other's future.
    if same_ms > 0 && facts.written.iter().any(|written| written.same_text && now.since(written.at) < same_ms) {
        return Some(Decision::drop(vec![Reason::SameText]));
    }
    if let Some(room) = facts.room_at.filter(|room| *room > now) {
        waits.push((room, Reason::RateLimited));
    }
    let until = waits.iter().map(|(until, _)| *until).max()?;
    let mut reasons: Vec<Reason> = waits.into_iter().map(|(_, reason)| reason).collect();
    reasons.dedup();
    if cause.window().is_open(until, policy.clock_skew_allowance_ms) {
        return Some(Decision { verdict: Verdict::Defer, until: Some(until), reasons });
    }
    reasons.push(Reason::WindowClosed);
    Some(Decision::drop(reasons))
}

fn ask_a_person(facts: &Facts) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if facts.consent == Some(ConsentState::Ambiguous) {
        reasons.push(Reason::PerhapsOptedOut);
    }
    if facts.handed_over {
        reasons.push(Reason::HandedOver);
    }
    if facts.silenced.is_some() {
        reasons.push(Reason::Silenced);
    }
    match &facts.account {
        None => reasons.push(Reason::NoToken),
        Some(account) => {
            if !account.has_token {
                reasons.push(Reason::NoToken);
            }
            if account.paused.is_some() {
                reasons.push(Reason::AccountPaused);
            }
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use afterglow_domain::Verdict::{Defer, Drop, Hold, Send};
    use afterglow_domain::{
        AccountFacts, AccountId, BrandId, DerivedId, InteractionId, Kind, LimitFacts, PersonsMessage, PlayFacts,
        PlayId, QuietHours, SendLimits, ViewerId, Written,
    };
    use proptest::prelude::*;

    use super::*;

    const T: i64 = 1_700_000_000_000;

    fn intent() -> Intent {
        let cause = InteractionId::derive(&["message", "a", "mid"]);
        Intent {
            id: Intent::derive_id(&PlayId::new("thanks"), cause),
            brand: BrandId::new("lumen"),
            account: AccountId::new("1"),
            viewer: ViewerId::new("2"),
            play: PlayId::new("thanks"),
            cause,
            cause_kind: Kind::StoryReply,
            cause_occurred: Timestamp::from_millis(T),
            comment_id: None,
            person: None,
            created: Timestamp::from_millis(T),
        }
    }

    fn open() -> Facts {
        Facts {
            cause: Some(Cause {
                kind: Kind::StoryReply,
                occurred: Timestamp::from_millis(T),
                contact: true,
                opens: WindowRule::Standard,
            }),
            last_contact: Some(Timestamp::from_millis(T)),
            account: Some(AccountFacts { has_token: true, paused: None }),
            play: Some(PlayFacts { rollout: Rollout::On, text: "Hi".into() }),
            ..Facts::default()
        }
    }

    fn verdict(facts: &Facts, after_ms: i64) -> (Verdict, Vec<Reason>) {
        let decision = decide(&intent(), facts, Timestamp::from_millis(T + after_ms), &Policy::default());
        assert_eq!(decision.until.is_some(), decision.verdict == Verdict::Defer);
        (decision.verdict, decision.reasons)
    }

    #[test]
    fn each_gate() {
        let with = |change: fn(&mut Facts)| {
            let mut facts = open();
            change(&mut facts);
            facts
        };
        let cause = |change: fn(&mut Cause)| {
            let mut facts = open();
            facts.cause.as_mut().map(change);
            facts
        };
        let play = |change: fn(&mut PlayFacts)| {
            let mut facts = open();
            facts.play.as_mut().map(change);
            facts
        };
        let late = DAY_MS - Policy::default().clock_skew_allowance_ms;
        for (name, facts, after_ms, expected) in [
            ("open", open(), 0, (Send, Reason::AllGatesOpen)),
            ("last moment", open(), late - 1, (Send, Reason::AllGatesOpen)),
            ("one ms too late", open(), late, (Drop, Reason::WindowClosed)),
            ("stop", with(|f| f.consent = Some(ConsentState::OptedOut)), 0, (Drop, Reason::OptedOut)),
            ("perhaps", with(|f| f.consent = Some(ConsentState::Ambiguous)), 0, (Hold, Reason::PerhapsOptedOut)),
            ("started again", with(|f| f.consent = Some(ConsentState::OptedIn)), 0, (Send, Reason::AllGatesOpen)),
            ("answered", with(|f| f.answered = true), 0, (Drop, Reason::AlreadyAnswered)),
            ("handed over", with(|f| f.handed_over = true), 0, (Hold, Reason::HandedOver)),
            ("observed only", cause(|c| c.contact = false), 0, (Drop, Reason::NoContact)),
            ("opens nothing", cause(|c| c.opens = WindowRule::Nothing), 0, (Drop, Reason::NoContact)),
            ("cause not there yet", with(|f| f.cause = None), 0, (Defer, Reason::NoContact)),
            ("cause never came", with(|f| f.cause = None), 60_000, (Drop, Reason::NoContact)),
            ("unknown account", with(|f| f.account = None), 0, (Hold, Reason::NoToken)),
            (
                "no token",
                with(|f| f.account = Some(AccountFacts { has_token: false, paused: None })),
                0,
                (Hold, Reason::NoToken),
            ),
            (
                "paused",
                with(|f| f.account = Some(AccountFacts { has_token: true, paused: Some("restricted".into()) })),
                0,
                (Hold, Reason::AccountPaused),
            ),
            ("play off", play(|p| p.rollout = Rollout::Off), 0, (Drop, Reason::PlayOff)),
            ("play gone", with(|f| f.play = None), 0, (Drop, Reason::PlayOff)),
            ("shadow", play(|p| p.rollout = Rollout::Shadow), 0, (Drop, Reason::Shadow)),
            ("a pilot of others", play(|p| p.rollout = Rollout::Pilot(1)), 0, (Drop, Reason::NotInPilot)),
            ("a kill switch", with(|f| f.silenced = Some("play".into())), 0, (Hold, Reason::Silenced)),
            ("no room", with(|f| f.room_at = Some(Timestamp::from_millis(T + 9))), 0, (Defer, Reason::RateLimited)),
            ("no text", play(|p| p.text = "  ".into()), 0, (Drop, Reason::BadText)),
            (
                "1001 bytes in 1000 letters",
                play(|p| p.text = format!("é{}", "x".repeat(999))),
                0,
                (Drop, Reason::BadText),
            ),
        ] {
            assert_eq!(verdict(&facts, after_ms), (expected.0, vec![expected.1]), "{name}");
        }
    }

    #[test]
    fn a_person_may_what_a_machine_may_not() {
        let own = Intent { person: Some(PersonsMessage { by: "ada".into(), text: "Hi".into() }), ..intent() };
        let at = |ms: i64| Timestamp::from_millis(T + ms);
        let with = |change: fn(&mut Facts)| {
            let mut facts = open();
            change(&mut facts);
            facts
        };
        let night = SendLimits { quiet_hours: Some(QuietHours { from: 0, to: 1439 }), ..SendLimits::default() };
        let mut quiet = open();
        quiet.limits = LimitFacts { limits: night, time_zone: "UTC".into() };
        for (name, facts, after_ms, expected) in [
            ("open", open(), 0, (Send, Reason::AllGatesOpen)),
            ("handed over", with(|f| f.handed_over = true), 0, (Send, Reason::AllGatesOpen)),
            ("a second time", with(|f| f.answered = true), 0, (Send, Reason::AllGatesOpen)),
            ("perhaps", with(|f| f.consent = Some(ConsentState::Ambiguous)), 0, (Send, Reason::AllGatesOpen)),
            ("at night", quiet, 0, (Send, Reason::AllGatesOpen)),
            ("stop", with(|f| f.consent = Some(ConsentState::OptedOut)), 0, (Drop, Reason::OptedOut)),
            ("after a day", open(), DAY_MS, (Drop, Reason::WindowClosed)),
            ("granted", with(|f| f.limits.limits.human_agent = true), DAY_MS, (Send, Reason::AllGatesOpen)),
            ("a week", with(|f| f.limits.limits.human_agent = true), 7 * DAY_MS, (Drop, Reason::WindowClosed)),
            ("uninvited", with(|f| f.cause.as_mut().unwrap().contact = false), 0, (Drop, Reason::NoContact)),
            ("a kill switch", with(|f| f.silenced = Some("all".into())), 0, (Hold, Reason::Silenced)),
            ("no room", with(|f| f.room_at = Some(Timestamp::from_millis(T + 9))), 0, (Defer, Reason::RateLimited)),
        ] {
            let decision = decide(&own, &facts, at(after_ms), &Policy::default());
            assert_eq!((decision.verdict, decision.reasons), (expected.0, vec![expected.1]), "{name}");
        }
        assert!(own.human_agent(at(0)).is_none() && own.human_agent(at(DAY_MS)).is_some());
        assert!(intent().human_agent(at(DAY_MS)).is_none(), "a machine never has the tag");
    }

    #[test]
    fn caps_quiet_hours_and_repetitions() {
        let at = |ms: i64| Timestamp::from_millis(T + ms);
        let written = |ms: &[i64]| ms.iter().map(|ms| Written { at: at(*ms), same_text: false }).collect::<Vec<_>>();
        let judge = |limits: SendLimits, written: Vec<Written>, now: i64| {
            let mut facts = open();
            facts.limits = LimitFacts { limits, time_zone: "UTC".into() };
            facts.written = written;
            decide(&intent(), &facts, at(now), &Policy::default())
        };
        let caps = SendLimits { per_viewer_day: 2, per_viewer_week: 3, ..SendLimits::default() };
        assert_eq!(judge(caps.clone(), written(&[-HOUR_MS]), 0).verdict, Send);
        let full = judge(caps.clone(), written(&[-HOUR_MS, -20 * HOUR_MS]), 0);
        assert_eq!((full.verdict, full.until), (Defer, Some(at(4 * HOUR_MS))), "when the older one leaves the day");
        let week = judge(caps.clone(), written(&[-30 * HOUR_MS, -40 * HOUR_MS, -50 * HOUR_MS]), 0);
        assert_eq!(week.reasons, [Reason::ViewerCap, Reason::WindowClosed], "the window closes before there is room");
        let none = SendLimits { per_viewer_day: 0, per_viewer_week: 0, ..SendLimits::default() };
        assert_eq!(judge(none, written(&[-1; 100]), 0).verdict, Send);
        // T is 22:13 UTC.
        let night = SendLimits { quiet_hours: Some(QuietHours { from: 22 * 60, to: 8 * 60 }), ..SendLimits::default() };
        let quiet = judge(night, Vec::new(), 0);
        assert_eq!((quiet.verdict, quiet.reasons), (Defer, vec![Reason::QuietHours]));
        let same = SendLimits { same_text_hours: 24, ..SendLimits::default() };
        let again = vec![Written { at: at(-23 * HOUR_MS), same_text: true }];
        assert_eq!(judge(same.clone(), again.clone(), 0).reasons, [Reason::SameText]);
        assert_eq!(judge(same, again, 2 * HOUR_MS).verdict, Send);
        let just_now = vec![Written { at: at(5), same_text: true }];
        assert_eq!(
            judge(SendLimits::default(), just_now, 0).verdict,
            Send,
            "nothing is limited unless the brand wants it"
        );
    }

    proptest! {
        /// Whatever else is true: no send after stop, without contact, outside the window, or twice.
        #[test]
        fn never_unwanted(
            consent in prop::sample::select(vec![None, Some(ConsentState::OptedOut), Some(ConsentState::Ambiguous), Some(ConsentState::OptedIn)]),
            handed_over: bool, answered: bool, contact: bool, has_token: bool, paused: bool,
            rollout in prop::sample::select(vec![Rollout::Off, Rollout::Shadow, Rollout::Pilot(50), Rollout::On]),
            opens in prop::sample::select(vec![WindowRule::Nothing, WindowRule::Standard, WindowRule::PrivateReply]),
            after_ms in -DAY_MS..10 * DAY_MS,
        ) {
            let mut facts = open();
            facts.consent = consent;
            facts.handed_over = handed_over;
            facts.answered = answered;
            facts.play = Some(PlayFacts { rollout, text: "Hi".into() });
            facts.account = Some(AccountFacts { has_token, paused: paused.then(|| "x".into()) });
            facts.cause = Some(Cause { contact, opens, ..facts.cause.clone().unwrap() });
            let (verdict, reasons) = verdict(&facts, after_ms);
            prop_assert!(!reasons.is_empty());
            if verdict == Verdict::Send {
                prop_assert!(consent != Some(ConsentState::OptedOut) && consent != Some(ConsentState::Ambiguous));
                prop_assert!(contact && !answered && !handed_over && has_token && !paused);
                prop_assert!(rollout.includes(&intent().play, &intent().viewer_key()) && rollout != Rollout::Shadow);
                prop_assert!(after_ms < opens.length_ms());
            }
        }
    }
}
