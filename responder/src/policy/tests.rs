use afterglow_domain::Verdict::{Defer, Drop, Hold, Send};
use afterglow_domain::{
    AccountFacts, AccountId, BrandId, CONFIRMATION, ConsentState, DAY_MS, DerivedId, DraftFacts, HOUR_MS, IntentStatus,
    InteractionId, Kind, LimitFacts, Moderated, PersonsMessage, PlayFacts, PlayId, PreviousStep, QuietHours, Rollout,
    SendLimits, SequenceFacts, StopFacts, Verdict, ViewerId, WhenClosed, WindowRule, Written,
};
use proptest::prelude::*;

use super::*;

const T: i64 = 1_700_000_000_000;

fn intent() -> Intent {
    let cause = InteractionId::derive(&["message", "a", "mid"]);
    Intent {
        id: Intent::derive_id(&PlayId::new("thanks"), cause, 0),
        brand: BrandId::new("lumen"),
        account: AccountId::new("1"),
        viewer: ViewerId::new("2"),
        play: PlayId::new("thanks"),
        cause,
        cause_kind: Kind::StoryReply,
        cause_occurred: Timestamp::from_millis(T),
        comment_id: None,
        step: 0,
        say: None,
        due: None,
        language: None,
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
        play: Some(PlayFacts::saying(Rollout::On, "Hi")),
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
        ("no text", play(|p| p.text = "  ".into()), 0, (Hold, Reason::BadText)),
        ("1001 bytes in 1000 letters", play(|p| p.text = format!("é{}", "x".repeat(999))), 0, (Hold, Reason::BadText)),
        ("no template", play(|p| p.problem = Some("line 1".into())), 0, (Hold, Reason::NoTemplate)),
        ("needs a person", with(|f| f.needs_person = Some("refund".into())), 0, (Hold, Reason::NeedsPerson)),
        ("a spammer", with(|f| f.moderated = Some(Moderated::Viewer)), 0, (Drop, Reason::Moderated)),
        ("perhaps spam", with(|f| f.moderated = Some(Moderated::Cause)), 0, (Hold, Reason::Moderated)),
        ("a draft to come", play(|p| p.draft = Some(DraftFacts::Awaited)), 0, (Defer, Reason::DraftAwaited)),
        ("a draft to read", play(|p| p.draft = Some(DraftFacts::ToRead)), 0, (Hold, Reason::DraftToRead)),
        ("a draft that passes", play(|p| p.draft = Some(DraftFacts::Passes)), 0, (Send, Reason::AllGatesOpen)),
        ("no draft", play(|p| p.draft = Some(DraftFacts::Failed)), 0, (Hold, Reason::DraftFailed)),
    ] {
        assert_eq!(verdict(&facts, after_ms), (expected.0, vec![expected.1]), "{name}");
    }
}

/// A person's hold on a conversation ends after a while without a word of theirs; another app's does not.
#[test]
fn a_conversation_is_given_back_when_the_person_is_idle() {
    let mut facts = open();
    facts.handed_over = true;
    facts.limits.idle_ms = 2 * HOUR_MS;
    facts.person_spoke = Some(Timestamp::from_millis(T));
    assert_eq!(verdict(&facts, 2 * HOUR_MS - 1), (Hold, vec![Reason::HandedOver]));
    assert_eq!(verdict(&facts, 2 * HOUR_MS), (Send, vec![Reason::AllGatesOpen]));
    facts.person_spoke = None;
    assert_eq!(verdict(&facts, 2 * HOUR_MS), (Hold, vec![Reason::HandedOver]));
}

#[test]
fn an_ads_window_is_as_long_as_the_brand_says_and_meta_allows() {
    let with = |days: u8| {
        let mut facts = open();
        facts.cause.as_mut().unwrap().opens = WindowRule::Ad;
        facts.limits.limits.ad_window_days = days;
        facts
    };
    let skew = Policy::default().clock_skew_allowance_ms;
    for (days, lasts) in [(0, 1), (1, 1), (3, 3), (7, 7), (30, 7)] {
        assert_eq!(verdict(&with(days), lasts * DAY_MS - skew - 1).0, Send, "{days} days");
        assert_eq!(verdict(&with(days), lasts * DAY_MS - skew), (Drop, vec![Reason::WindowClosed]), "{days} days");
    }
}

type Change = Box<dyn Fn(&mut Facts, &mut SequenceFacts)>;

#[test]
fn later_steps_are_judged_afresh() {
    let at = |ms: i64| Timestamp::from_millis(T + ms);
    let step = Intent { step: 1, due: Some(at(2 * HOUR_MS)), ..intent() };
    let going = SequenceFacts {
        previous: Some(PreviousStep { status: IntentStatus::Sent, said: Some(at(1_000)) }),
        answered: Some(at(0)),
        opened: Some(at(0)),
        ..SequenceFacts::default()
    };
    let judge = |change: &dyn Fn(&mut Facts, &mut SequenceFacts), now: i64| {
        let (mut facts, mut sequence) = (open(), going.clone());
        change(&mut facts, &mut sequence);
        facts.sequence = Some(sequence);
        let decision = decide(&step, &facts, at(now), &Policy::default());
        (decision.verdict, decision.reasons)
    };
    let due = 2 * HOUR_MS;
    let previous = |status| Some(PreviousStep { status, said: None });
    let cases: Vec<(&str, Change, i64, (Verdict, Reason))> = vec![
        ("too early", Box::new(|_, _| ()), due - 1, (Defer, Reason::NotYetDue)),
        ("due", Box::new(|_, _| ()), due, (Send, Reason::AllGatesOpen)),
        ("answered", Box::new(move |_, s| s.answered = Some(at(1_001))), due, (Drop, Reason::ViewerAnswered)),
        ("bought", Box::new(|_, s| s.converted = true), due, (Drop, Reason::Converted)),
        ("began again", Box::new(|_, s| s.superseded = true), due, (Drop, Reason::Superseded)),
        ("said stop", Box::new(|f, _| f.consent = Some(ConsentState::OptedOut)), due, (Drop, Reason::OptedOut)),
        ("taken over", Box::new(|f, _| f.handed_over = true), due, (Drop, Reason::HandedOver)),
        (
            "not said before",
            Box::new(move |_, s| s.previous = previous(IntentStatus::Dropped)),
            due,
            (Drop, Reason::SequenceEnded),
        ),
        (
            "held before",
            Box::new(move |_, s| s.previous = previous(IntentStatus::Held)),
            due,
            (Drop, Reason::SequenceEnded),
        ),
        (
            "not yet said before",
            Box::new(move |_, s| s.previous = previous(IntentStatus::Deferred)),
            due,
            (Defer, Reason::PreviousStep),
        ),
        ("not known before", Box::new(|_, s| s.previous = None), due, (Defer, Reason::PreviousStep)),
        ("a flood", Box::new(|_, s| s.waiting = 1_000), due, (Defer, Reason::Backlog)),
        ("the window closed", Box::new(|_, _| ()), DAY_MS, (Drop, Reason::WindowClosed)),
        (
            "opened again by a reaction",
            Box::new(move |_, s| s.opened = Some(at(DAY_MS - HOUR_MS))),
            DAY_MS,
            (Send, Reason::AllGatesOpen),
        ),
        (
            "a comment alone is no conversation",
            Box::new(|f, s| {
                f.cause.as_mut().unwrap().opens = WindowRule::PrivateReply;
                s.opened = None;
            }),
            due,
            (Drop, Reason::WindowClosed),
        ),
        (
            "to a person when closed",
            Box::new(|f, _| {
                f.limits.limits.human_agent = true;
                f.play.as_mut().unwrap().closed = WhenClosed::Person;
            }),
            2 * DAY_MS,
            (Hold, Reason::WindowClosed),
        ),
        (
            "but not for ever",
            Box::new(|f, _| {
                f.limits.limits.human_agent = true;
                f.play.as_mut().unwrap().closed = WhenClosed::Person;
            }),
            7 * DAY_MS,
            (Drop, Reason::WindowClosed),
        ),
    ];
    for (name, change, now, expected) in cases {
        assert_eq!(judge(&*change, now), (expected.0, vec![expected.1]), "{name}");
    }
    // What the step before never ends ends the sequence.
    let stuck = judge(
        &|_, s: &mut SequenceFacts| {
            s.previous = previous(IntentStatus::Pending);
            s.opened = Some(at(3 * DAY_MS));
        },
        3 * DAY_MS,
    );
    assert_eq!(stuck, (Drop, vec![Reason::SequenceEnded]));
}

#[test]
fn a_stop_is_confirmed_once_whatever_else_would_hold_it_up() {
    let confirmation = Intent { play: PlayId::new(CONFIRMATION), ..intent() };
    let judge = |change: &dyn Fn(&mut Facts), now: i64| {
        let mut facts = open();
        facts.consent = Some(ConsentState::OptedOut);
        facts.stop = Some(StopFacts::default());
        change(&mut facts);
        let decision = decide(&confirmation, &facts, Timestamp::from_millis(T + now), &Policy::default());
        (decision.verdict, decision.reasons)
    };
    let always = SendLimits {
        quiet_hours: Some(QuietHours { from: 0, to: 1439 }),
        per_viewer_day: 1,
        same_text_hours: 24,
        ..SendLimits::default()
    };
    let busy = move |facts: &mut Facts| {
        facts.handed_over = true;
        facts.person_spoke = Some(Timestamp::from_millis(T));
        facts.moderated = Some(Moderated::Viewer);
        facts.needs_person = Some("complaint".into());
        facts.limits.limits = always.clone();
        facts.written = vec![Written { at: Timestamp::from_millis(T), same_text: true }];
    };
    assert_eq!(judge(&busy, 0), (Send, vec![Reason::AllGatesOpen]));
    for (change, now, expected) in [
        (&(|f: &mut Facts| f.consent = None) as &dyn Fn(&mut Facts), 0, (Defer, Reason::NotOptedOut)),
        (&|f: &mut Facts| f.consent = None, 60_000, (Drop, Reason::NotOptedOut)),
        (&|f: &mut Facts| f.consent = Some(ConsentState::OptedIn), 0, (Drop, Reason::NotOptedOut)),
        (&|f: &mut Facts| f.consent = Some(ConsentState::Ambiguous), 60_000, (Drop, Reason::NotOptedOut)),
        (&|f: &mut Facts| f.stop = Some(StopFacts { confirmed: true }), 0, (Drop, Reason::AlreadyConfirmed)),
        (&|f: &mut Facts| f.stop = None, 0, (Drop, Reason::AlreadyConfirmed)),
        (&|f: &mut Facts| f.answered = true, 0, (Drop, Reason::AlreadyConfirmed)),
        (&|f: &mut Facts| f.play = None, 0, (Drop, Reason::PlayOff)),
        (&|f: &mut Facts| f.handed_over = true, 0, (Defer, Reason::HandedOver)),
        (&|f: &mut Facts| f.cause.as_mut().unwrap().contact = false, 0, (Drop, Reason::NoContact)),
        (&|_: &mut Facts| (), DAY_MS, (Drop, Reason::WindowClosed)),
        (&|f: &mut Facts| f.silenced = Some("all".into()), 0, (Hold, Reason::Silenced)),
    ] {
        assert_eq!(judge(change, now), (expected.0, vec![expected.1]));
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
    quiet.limits = LimitFacts { limits: night, time_zone: "UTC".into(), idle_ms: 0 };
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
        facts.limits = LimitFacts { limits, time_zone: "UTC".into(), idle_ms: 0 };
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
    assert_eq!(judge(SendLimits::default(), just_now, 0).verdict, Send, "nothing is limited unless the brand wants it");
}

proptest! {
    /// Whatever else is true: no send after stop, without contact, outside the window, or twice.
    #[test]
    fn never_unwanted(
        consent in prop::sample::select(vec![None, Some(ConsentState::OptedOut), Some(ConsentState::Ambiguous), Some(ConsentState::OptedIn)]),
        handed_over: bool, answered: bool, contact: bool, has_token: bool, paused: bool,
        rollout in prop::sample::select(vec![Rollout::Off, Rollout::Shadow, Rollout::Pilot(50), Rollout::On]),
        opens in prop::sample::select(vec![WindowRule::Nothing, WindowRule::Standard, WindowRule::Ad, WindowRule::PrivateReply]),
        moderated in prop::sample::select(vec![None, Some(Moderated::Viewer), Some(Moderated::Cause)]),
        needs_person: bool,
        after_ms in -DAY_MS..10 * DAY_MS,
    ) {
        let mut facts = open();
        facts.consent = consent;
        facts.handed_over = handed_over;
        facts.answered = answered;
        facts.play = Some(PlayFacts::saying(rollout, "Hi"));
        facts.moderated = moderated;
        facts.needs_person = needs_person.then(|| "refund".into());
        facts.account = Some(AccountFacts { has_token, paused: paused.then(|| "x".into()) });
        facts.cause = Some(Cause { contact, opens, ..facts.cause.clone().unwrap() });
        let (verdict, reasons) = verdict(&facts, after_ms);
        prop_assert!(!reasons.is_empty());
        if verdict == Verdict::Send {
            prop_assert!(consent != Some(ConsentState::OptedOut) && consent != Some(ConsentState::Ambiguous));
            prop_assert!(contact && !answered && !handed_over && has_token && !paused);
            prop_assert!(rollout.includes(&intent().play, &intent().viewer_key()) && rollout != Rollout::Shadow);
            prop_assert!(moderated.is_none() && !needs_person);
            prop_assert!(after_ms < facts.limits.limits.window_ms(opens));
        }
    }
}
