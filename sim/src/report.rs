//! What became of the webhooks that were posted.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::webhooks::{Answered, Delivery};

/// What became of webhooks.
///
/// `events` counts the events of every webhook that was taken: answered 2xx, or 400 where the body is no JSON. A webhook
/// counts once for each time it was *taken*, which is once; Meta's failed attempts do not count, and a planned copy is a
/// webhook of its own. So downstream: `accepted + duplicates + quarantined = events`, if no attempt is in doubt. An
/// attempt is in doubt when no answer came: the receiver may have taken it, and takes it again when it is retried. So
/// in general: `events <= accepted + duplicates + quarantined <= events + events_in_doubt`. (What a receiver published
/// before it answered 5xx comes on top, if it counts that.)
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrafficReport {
    /// Webhooks of which at least one attempt was made.
    pub webhooks_posted: u64,
    /// Webhooks that were taken.
    pub deliveries: u64,
    /// Events in the webhooks that were taken.
    pub events: u64,
    /// Attempts beyond each webhook's first.
    pub retries: u64,
    /// Webhooks that were never taken: given up after the last retry, or cut off by the cancellation.
    pub not_accepted: u64,
    /// Their events.
    pub events_not_accepted: u64,
    /// Attempts without an answer.
    pub attempts_in_doubt: u64,
    /// Their events, once for each such attempt.
    pub events_in_doubt: u64,
    /// Last answers of the webhooks that were never taken, by status; 0 stands for no answer.
    pub refusals: BTreeMap<u16, u64>,
    /// The run was cancelled before the plan's end.
    pub cancelled: bool,
    /// Of each webhook that was taken: from the beginning of its first attempt until then, pauses between attempts included.
    pub took: Vec<Duration>,
}

impl TrafficReport {
    pub(crate) fn add(&mut self, delivery: &Delivery) {
        let events = u64::from(delivery.events);
        if delivery.attempts > 0 {
            self.webhooks_posted += 1;
            self.retries += u64::from(delivery.attempts) - 1;
            self.attempts_in_doubt += u64::from(delivery.in_doubt);
            self.events_in_doubt += events * u64::from(delivery.in_doubt);
        }
        if delivery.taken.is_some() {
            self.deliveries += 1;
            self.took.push(delivery.took);
            self.events += events;
        } else if let Some(last) = delivery.last {
            self.not_accepted += 1;
            self.events_not_accepted += events;
            let status = match last {
                Answered::Status(status) => status,
                Answered::Nothing => 0,
            };
            *self.refusals.entry(status).or_default() += 1;
        }
    }
}
