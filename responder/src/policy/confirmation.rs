//! The one automatic message that may follow a stop: that it was heard. Nothing but Meta's rules and a kill switch holds it up
//! (no cap, no quiet hours, no hand-over), and it is never said twice.

use afterglow_domain::{ConsentState, Decision, Reason, WindowRule};

use super::Hearing;

/// How long it waits before it looks again whether the thread is ours, in ms.
const OTHER_APP_MS: i64 = 5 * 60_000;

pub(super) fn decide(hearing: &Hearing<'_>) -> Decision {
    let Hearing { intent, cause, facts, now, policy } = hearing;
    if facts.consent != Some(ConsentState::OptedOut) {
        // The stop travels on a lane of its own, and may be recorded a moment after this; or it was taken back since.
        let patience = intent.created.plus(policy.cause_patience_ms);
        let taken_back = facts.consent == Some(ConsentState::OptedIn);
        return if *now < patience && !taken_back {
            Decision::defer(now.plus(1_000).min(patience), Reason::NotOptedOut)
        } else {
            Decision::drop(vec![Reason::NotOptedOut])
        };
    }
    let mut never = Vec::new();
    if !cause.contact || cause.opens == WindowRule::Nothing {
        never.push(Reason::NoContact);
    } else if !hearing.cause_open(*now) {
        never.push(Reason::WindowClosed);
    }
    if facts.answered || facts.stop.is_none_or(|stop| stop.confirmed) {
        never.push(Reason::AlreadyConfirmed);
    }
    if facts.play.is_none() {
        never.push(Reason::PlayOff);
    } else if !hearing.text_fits() {
        never.push(Reason::BadText);
    }
    if !never.is_empty() {
        return Decision::drop(never);
    }
    // While another app has the thread, Meta lets nobody else write; a person's hold does not matter.
    if facts.handed_over && facts.person_spoke.is_none() {
        return Decision::defer(now.plus(OTHER_APP_MS), Reason::HandedOver);
    }
    let ask = hearing.account_holds();
    if ask.is_empty() { hearing.send_when_there_is_room() } else { Decision::hold(ask) }
}
