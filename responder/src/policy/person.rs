//! What a person wrote themself: a person may do what a machine may not (speak in a conversation that was handed over, more
//! than once, at night, after a doubtful word), but not after a stop, not uninvited, and not outside the window.

use afterglow_domain::{ConsentState, Decision, HUMAN_AGENT_MS, Reason, WindowRule};

use super::Hearing;

pub(super) fn decide(hearing: &Hearing<'_>) -> Decision {
    let Hearing { intent, cause, facts, .. } = hearing;
    let mut never = Vec::new();
    if facts.consent == Some(ConsentState::OptedOut) {
        never.push(Reason::OptedOut);
    }
    if !cause.contact || cause.opens == WindowRule::Nothing {
        never.push(Reason::NoContact);
    } else if !hearing.cause_open(hearing.now) && !agent_may(hearing) {
        never.push(Reason::WindowClosed);
    }
    if intent.comment_id.is_some() && facts.answered {
        never.push(Reason::AlreadyAnswered);
    }
    if !hearing.text_fits() {
        never.push(Reason::BadText);
    }
    if !never.is_empty() {
        return Decision::drop(never);
    }
    let ask = hearing.account_holds();
    if ask.is_empty() { hearing.send_when_there_is_room() } else { Decision::hold(ask) }
}

/// Whether a person may still answer under Meta's Human Agent tag.
pub(super) fn agent_may(hearing: &Hearing<'_>) -> bool {
    hearing.facts.limits.limits.human_agent
        && hearing.cause.opens.is_conversation()
        && hearing.now.minus(HUMAN_AGENT_MS - hearing.allowance()) < hearing.cause.occurred
}
