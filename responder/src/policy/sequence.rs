//! The later steps of a sequence, each judged afresh when its time has come. Nothing that was true when the sequence began is
//! relied on: whoever answered, bought, said stop or was taken over since is not written to.

use afterglow_domain::{Decision, IntentStatus, Reason, SequenceFacts, Timestamp, Window, WindowRule};

use super::Hearing;

/// How long a step waits before it looks again at the one before, in ms.
const LOOK_AGAIN_MS: i64 = 10 * 60_000;
/// How long it waits for interactions to be taken in, in ms.
const BACKLOG_MS: i64 = 30_000;

/// Why the sequence ends here.
pub(super) fn never(hearing: &Hearing<'_>) -> Vec<Reason> {
    let Some(sequence) = &hearing.facts.sequence else { return Vec::new() };
    let mut reasons = Vec::new();
    let said = sequence.previous.and_then(|previous| previous.said);
    // Before the step before was said there was nothing to answer but what the sequence itself answers.
    if said.is_some_and(|said| sequence.answered.is_some_and(|answered| answered > said)) {
        reasons.push(Reason::ViewerAnswered);
    }
    if sequence.converted {
        reasons.push(Reason::Converted);
    }
    if sequence.superseded {
        reasons.push(Reason::Superseded);
    }
    if hearing.led_by_others() {
        reasons.push(Reason::HandedOver);
    }
    let ended = match sequence.previous.map(|previous| previous.status) {
        Some(IntentStatus::Dropped | IntentStatus::Held) => true,
        Some(IntentStatus::Pending | IntentStatus::Sending | IntentStatus::Deferred) | None => {
            is_patience_over(hearing)
        }
        Some(IntentStatus::Sent) => false,
    };
    if ended {
        reasons.push(Reason::SequenceEnded);
    }
    reasons
}

/// What a step has to wait for.
pub(super) fn wait(hearing: &Hearing<'_>) -> Option<Decision> {
    let sequence = hearing.facts.sequence.as_ref()?;
    if sequence.waiting >= hearing.policy.backlog {
        return Some(Decision::defer(hearing.now.plus(BACKLOG_MS), Reason::Backlog));
    }
    match sequence.previous.map(|previous| previous.status) {
        Some(IntentStatus::Sent) => None,
        _ => Some(Decision::defer(hearing.now.plus(LOOK_AGAIN_MS), Reason::PreviousStep)),
    }
}

/// Whether the conversation is open for a later step: since the viewer's last action of the kind that opens it, or because they
/// came through an ad. A comment's private reply is the first step's; later ones need a conversation.
pub(super) fn is_open(hearing: &Hearing<'_>, sequence: &SequenceFacts, at: Timestamp) -> bool {
    let opened = sequence.opened.map(|opened| Window { rule: WindowRule::Standard, opened });
    opened.is_some_and(|window| window.is_open(at, hearing.allowance()))
        || hearing.cause.opens == WindowRule::Ad && hearing.cause_open(at)
}

fn is_patience_over(hearing: &Hearing<'_>) -> bool {
    let since = hearing.intent.due.unwrap_or(hearing.intent.created);
    hearing.now.since(since) >= hearing.policy.step_patience_ms
}
