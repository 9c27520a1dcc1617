//! What a play says by itself.

use afterglow_domain::{
    ConsentState, Decision, DraftFacts, Moderated, PlayFacts, Reason, Rollout, WhenClosed, WindowRule,
};

use super::{Hearing, limits, person, sequence};

pub(super) fn decide(hearing: &Hearing<'_>) -> Decision {
    let facts = hearing.facts;
    let mut never = never(hearing);
    never.extend(sequence::never(hearing));
    never.extend(play_gates(hearing));
    // Last, so that what says more stands first.
    let closed = !is_open(hearing, hearing.now);
    let ask_after_closing = closed && never.is_empty() && may_ask_after_closing(hearing);
    if closed && !ask_after_closing && may_answer(hearing) {
        never.push(Reason::WindowClosed);
    }
    if !never.is_empty() {
        return Decision::drop(never);
    }
    if let Some(wait) = sequence::wait(hearing) {
        return wait;
    }
    let shadow = facts.play.as_ref().is_some_and(|play| play.rollout == Rollout::Shadow);
    let mut ask = ask_a_person(hearing);
    if ask_after_closing {
        ask.push(Reason::WindowClosed);
    }
    if shadow {
        // Last of all gates: the ledger shows what would have been, and nobody is asked about what is only tried.
        let mut reasons = vec![Reason::Shadow];
        reasons.extend(ask);
        return Decision::drop(reasons);
    }
    if !ask.is_empty() {
        return Decision::hold(ask);
    }
    if let Some(later) = limits::later(hearing) {
        return later;
    }
    match facts.play.as_ref().and_then(|play| play.draft) {
        Some(DraftFacts::Awaited) => {
            Decision::defer(hearing.now.plus(hearing.policy.draft_patience_ms), Reason::DraftAwaited)
        }
        Some(DraftFacts::ToRead) => Decision::hold(vec![Reason::DraftToRead]),
        Some(DraftFacts::Failed) => Decision::hold(vec![Reason::DraftFailed]),
        Some(DraftFacts::Passes) | None => Decision::send(),
    }
}

/// Whether the viewer did something that can be answered at all.
fn may_answer(hearing: &Hearing<'_>) -> bool {
    hearing.cause.contact && hearing.cause.opens != WindowRule::Nothing
}

/// Whether something may be said at a moment: the right that the answered interaction opened, or, for a later step, that which
/// the viewer opened since.
pub(super) fn is_open(hearing: &Hearing<'_>, at: afterglow_domain::Timestamp) -> bool {
    match &hearing.facts.sequence {
        None => hearing.cause_open(at),
        Some(sequence) => sequence::is_open(hearing, sequence, at),
    }
}

/// A later step may be put before a person, who may write for longer.
fn may_ask_after_closing(hearing: &Hearing<'_>) -> bool {
    hearing.facts.sequence.is_some()
        && hearing.facts.play.as_ref().is_some_and(|play| play.closed == WhenClosed::Person)
        && person::agent_may(hearing)
}

fn never(hearing: &Hearing<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if hearing.facts.consent == Some(ConsentState::OptedOut) {
        reasons.push(Reason::OptedOut);
    }
    if !may_answer(hearing) {
        reasons.push(Reason::NoContact);
    }
    if hearing.facts.answered {
        reasons.push(Reason::AlreadyAnswered);
    }
    if hearing.facts.moderated == Some(Moderated::Viewer) {
        reasons.push(Reason::Moderated);
    }
    reasons
}

fn play_gates(hearing: &Hearing<'_>) -> Vec<Reason> {
    match hearing.facts.play.as_ref().map(|play| play.rollout) {
        None | Some(Rollout::Off) => vec![Reason::PlayOff],
        Some(pilot @ Rollout::Pilot(_)) if !pilot.includes(&hearing.intent.play, &hearing.intent.viewer_key()) => {
            vec![Reason::NotInPilot]
        }
        Some(_) => Vec::new(),
    }
}

/// What only a person can decide. A text that cannot be sent as it is loses nobody: a person writes one.
fn ask_a_person(hearing: &Hearing<'_>) -> Vec<Reason> {
    let facts = hearing.facts;
    let mut reasons = Vec::new();
    if facts.consent == Some(ConsentState::Ambiguous) {
        reasons.push(Reason::PerhapsOptedOut);
    }
    if hearing.led_by_others() {
        reasons.push(Reason::HandedOver);
    }
    if facts.needs_person.is_some() {
        reasons.push(Reason::NeedsPerson);
    }
    if facts.moderated == Some(Moderated::Cause) {
        reasons.push(Reason::Moderated);
    }
    reasons.extend(hearing.account_holds());
    if let Some(play) = &facts.play {
        reasons.extend(text_gates(hearing, play));
    }
    reasons
}

fn text_gates(hearing: &Hearing<'_>, play: &PlayFacts) -> Option<Reason> {
    match play.draft {
        // There is nothing to be sent yet, or never will be: the draft has reasons of its own.
        Some(DraftFacts::Awaited | DraftFacts::Failed) => None,
        _ if play.problem.is_some() => Some(Reason::NoTemplate),
        _ if !hearing.text_fits() => Some(Reason::BadText),
        _ => None,
    }
}
