//! The gate: whether an intent may be spoken. A pure function of (intent, facts, now).
//!
//! | gate | says no when | source |
//! | --- | --- | --- |
//! | contact | the viewer did not speak first | Meta, "Instagram messaging: send a message": a conversation starts with the person |
//! | window | the right that the answered interaction opened has ended | `afterglow_domain::WindowRule` |
//! | consent | the viewer said stop, or may have | Meta, "Messaging policy": respect requests to stop; ours is stricter |
//! | one per interaction | the same interaction has its answer | our promise |
//! | hand-over | a person or another app has the conversation | Meta, "Conversation routing" |
//! | needs a person | what the message asks, or another of the viewer's that nobody took up, is not a machine's to answer | our promise |
//! | moderation | the viewer wrote spam or abuse | our promise |
//! | sequence | the viewer answered, bought, or began again; the step before was not said | our promise |
//! | account | no token, or the account is paused | – |
//! | kill switch | somebody said so: a person decides | our promise |
//! | caps | the viewer was written to as often as the brand allows: later, or never if the window closes | our promise |
//! | quiet hours, room | the brand sleeps, the account has no room: later | our promise; Meta's rate limits |
//! | same text | the same was said to the viewer a short while ago | our promise |
//! | a person's own message | the stop, contact, window and text gates say no; up to 7 days where Meta granted Human Agent | Meta, "Human Agent" |
//! | confirmation of a stop | there is no stop in force, or it is confirmed; nothing else holds it up | our promise |
//! | play | the brand switched it off, tries it on others, or only shows what it would do | – |
//! | text, draft | it cannot be filled in or sent as it is; a draft is to be read: a person decides | Meta, "Send messages": 1000 bytes |
//!
//! | file | for |
//! | --- | --- |
//! | `play` | what a play says by itself |
//! | `sequence` | its later steps |
//! | `limits` | how much, and when not |
//! | `person` | what a person wrote |
//! | `confirmation` | the one message that may follow a stop |

mod confirmation;
mod limits;
mod person;
mod play;
mod sequence;
#[cfg(test)]
mod tests;

use afterglow_domain::{Cause, Decision, Facts, Intent, Reason, Timestamp};

/// Names this set of gates in the ledger.
pub const POLICY_VERSION: &str = "gate-5";

/// UTF-8 bytes that an Instagram message may have (Meta, "Send messages", read 2026).
pub const TEXT_MAX_BYTES: usize = 1000;

/// What the gate may assume of clocks and of Meta's opening hours.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Windows are taken to close this much early, in ms: our clock may be behind Meta's, and a call takes time.
    pub clock_skew_allowance_ms: i64,
    /// How long to wait for an interaction that the log does not have yet, in ms after the intent was made; and for a stop that
    /// is to be confirmed and is not recorded yet.
    pub cause_patience_ms: i64,
    /// How long a step of a sequence waits for the end of the one before, in ms after its own time. Then the sequence ends.
    pub step_patience_ms: i64,
    /// From so many interactions that wait to be taken in on, later steps of sequences wait too: the viewer's answer may be among
    /// them.
    pub backlog: u64,
    /// How long a draft may take to be written, in ms.
    pub draft_patience_ms: i64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            clock_skew_allowance_ms: 60_000,
            cause_patience_ms: 60_000,
            step_patience_ms: 2 * afterglow_domain::DAY_MS,
            backlog: 1_000,
            draft_patience_ms: 60_000,
        }
    }
}

/// The verdict on `intent`, given `facts`, at `now`.
///
/// Every closed gate is listed. A "no" beats a "hold": what must never be sent is not put before a person either.
pub fn decide(intent: &Intent, facts: &Facts, now: Timestamp, policy: &Policy) -> Decision {
    if let Some(due) = intent.due.filter(|due| now < *due) {
        return Decision::defer(due, Reason::NotYetDue);
    }
    let Some(cause) = &facts.cause else {
        // The scorer writes the interaction and the intent in one transaction, so this is a damaged log, not a race.
        let patience = intent.created.plus(policy.cause_patience_ms);
        return if now < patience {
            Decision::defer(patience, Reason::NoContact)
        } else {
            Decision::drop(vec![Reason::NoContact])
        };
    };
    let hearing = Hearing { intent, cause, facts, now, policy };
    if intent.person.is_some() {
        person::decide(&hearing)
    } else if intent.is_confirmation() {
        confirmation::decide(&hearing)
    } else {
        play::decide(&hearing)
    }
}

/// The text that an intent speaks.
pub fn text_for(facts: &Facts) -> &str {
    facts.play.as_ref().map_or("", |play| play.text.trim())
}

/// What lies before a gate.
struct Hearing<'a> {
    intent: &'a Intent,
    cause: &'a Cause,
    facts: &'a Facts,
    now: Timestamp,
    policy: &'a Policy,
}

impl Hearing<'_> {
    fn allowance(&self) -> i64 {
        self.policy.clock_skew_allowance_ms.max(0)
    }

    /// Whether the right that the answered interaction opened is open at `at`.
    fn cause_open(&self, at: Timestamp) -> bool {
        let length = self.facts.limits.limits.window_ms(self.cause.opens);
        self.cause.window().is_open_for(length, at, self.allowance())
    }

    /// Whether the text is one that Meta takes.
    fn text_fits(&self) -> bool {
        let text = text_for(self.facts);
        !text.is_empty() && text.len() <= TEXT_MAX_BYTES
    }

    /// A person, or another app, has the conversation. What a person had is given back after a while without a word of theirs.
    fn led_by_others(&self) -> bool {
        let idle =
            |spoke: Timestamp| self.facts.limits.idle_ms > 0 && self.now.since(spoke) >= self.facts.limits.idle_ms;
        self.facts.handed_over && !self.facts.person_spoke.is_some_and(idle)
    }

    /// Why the account cannot speak, and who silenced it.
    fn account_holds(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if self.facts.silenced.is_some() {
            reasons.push(Reason::Silenced);
        }
        match &self.facts.account {
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

    /// Sends, or waits for room.
    fn send_when_there_is_room(&self) -> Decision {
        match self.facts.room_at.filter(|room| *room > self.now) {
            Some(room) => Decision::defer(room, Reason::RateLimited),
            None => Decision::send(),
        }
    }
}
