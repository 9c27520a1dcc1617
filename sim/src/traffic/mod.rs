//! Lifelike traffic from a seed: the same seed gives the same bytes, and every event carries its true label.
//!
//! Stories go up and attention flares; people of very different eagerness reply, write, react, tap, comment, fall silent
//! and say stop in several languages. Meta repeats itself (a webhook or a single event comes again; a comment comes once
//! more through the ad that boosts its post), delivers late and out of order, and sends a few things that nobody can
//! make sense of. "The same bytes" holds for one version of this crate and of `rand`'s `StdRng`.

mod batch;
mod mill;
mod mix;
mod people;
mod stories;
mod texts;
mod truth;

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use afterglow_domain::Timestamp;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::account::Account;
use crate::webhooks::Outgoing;
use batch::Batcher;
pub use batch::Batching;
use mill::{Event, EventKind, Form, Mill};
use mix::chance;
pub use truth::{Expect, Moment, Truth};

/// How much traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Exactly so many events, copies and nonsense included.
    Events(u64),
    /// What happens in so many milliseconds (deliveries may come later).
    Millis(i64),
}

/// What traffic to make.
#[derive(Debug, Clone)]
pub struct TrafficOptions {
    /// The accounts it happens to, at least one.
    pub accounts: Vec<Account>,
    /// The same seed gives the same traffic.
    pub seed: u64,
    /// Event times are this plus an offset.
    pub start: Timestamp,
    /// Mean events a second, all accounts together, copies not counted. More than 0.
    pub rate: f64,
    /// When to end.
    pub extent: Extent,
    /// People of each account.
    pub people_per_account: u32,
    /// How many are as eager as each other, 1 or more: at a high rate one person could not do what falls to the most eager.
    pub crowd: u32,
    /// Pause between two Stories of an account, ms.
    pub story_every_ms: i64,
    /// How events are put together into webhooks.
    pub batching: Batching,
    /// Thousandths of the events that are told a second time.
    pub duplicates: u32,
    /// Thousandths of the events that are delivered up to a minute late, and so out of order.
    pub late: u32,
}

impl TrafficOptions {
    /// Lifelike traffic of `rate` events a second.
    pub fn new(accounts: Vec<Account>, seed: u64, start: Timestamp, rate: f64, extent: Extent) -> Self {
        Self {
            accounts,
            seed,
            start,
            rate,
            extent,
            people_per_account: 5000,
            crowd: 1,
            story_every_ms: 6 * 3_600_000,
            batching: Batching::Lifelike { max: 50 },
            duplicates: 15,
            late: 20,
        }
    }

    /// The plan.
    pub fn plan(&self) -> Plan {
        Plan::new(self)
    }
}

/// One webhook of a plan.
#[derive(Debug, Clone)]
pub struct PlannedWebhook {
    /// When it is first posted, ms since the plan's start.
    pub at_ms: i64,
    /// What is posted, and the facts it tells.
    pub outgoing: Outgoing,
    /// What its events are.
    pub expect: Expect,
}

impl PlannedWebhook {
    /// The bytes on the wire.
    pub fn body(&self) -> &Bytes {
        &self.outgoing.body
    }
}

/// Something due at a time; equal times keep the order in which they were made.
#[derive(Debug)]
struct Due<T> {
    at_ms: i64,
    order: u64,
    what: T,
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl<T> Eq for Due<T> {}
impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ms, self.order).cmp(&(other.at_ms, other.order))
    }
}

/// Timed webhooks, the earliest first, made as they are asked for.
#[derive(Debug)]
pub struct Plan {
    rng: StdRng,
    mill: Mill,
    batcher: Batcher,
    rate_per_ms: f64,
    extent: Extent,
    duplicates: u32,
    late: u32,
    /// When the next thing happens; `None` when nothing more will.
    next_ms: Option<f64>,
    made: u64,
    order: u64,
    events: BinaryHeap<Reverse<Due<Event>>>,
    webhooks: BinaryHeap<Reverse<Due<PlannedWebhook>>>,
}

impl Plan {
    fn new(options: &TrafficOptions) -> Self {
        let mut rng = StdRng::seed_from_u64(options.seed);
        let mill = Mill::new(options, &mut rng);
        let empty = options.accounts.is_empty() || options.rate.is_nan() || options.rate <= 0.0;
        Self {
            batcher: Batcher::new(options),
            mill,
            rng,
            rate_per_ms: options.rate / 1000.0,
            extent: options.extent,
            duplicates: options.duplicates,
            late: options.late,
            next_ms: (!empty).then_some(0.0),
            made: 0,
            order: 0,
            events: BinaryHeap::new(),
            webhooks: BinaryHeap::new(),
        }
    }

    /// Events that may still be made.
    fn room(&self) -> u64 {
        match self.extent {
            Extent::Events(total) => total.saturating_sub(self.made),
            Extent::Millis(_) => u64::MAX,
        }
    }

    fn order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// Lets the next thing happen.
    fn happen(&mut self, now: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "a plan of 2^53 ms would last 285 thousand years")]
        let now_ms = now as i64;
        let over = match self.extent {
            Extent::Events(_) => self.room() == 0,
            Extent::Millis(length) => now_ms >= length,
        };
        if over {
            self.next_ms = None;
            return;
        }
        let attention = self.mill.attention(now_ms);
        for event in self.mill.happen(now_ms, &mut self.rng) {
            self.schedule(event);
        }
        let draw: f64 = self.rng.random_range(f64::MIN_POSITIVE..1.0);
        self.next_ms = Some(now - libm::log(draw) / (self.rate_per_ms * attention));
    }

    /// Decides when an event is delivered, and whether it is told again.
    fn schedule(&mut self, event: Event) {
        if self.room() == 0 {
            return;
        }
        self.made += 1;
        let again = event.kind == EventKind::Interaction && self.room() > 0 && chance(&mut self.rng, self.duplicates);
        let copy = again.then(|| self.mill.again(&event, &mut self.rng));
        let at_ms = event.at_ms + self.delay();
        self.deliver_at(at_ms, event);
        if let Some(copy) = copy {
            self.made += 1;
            let later = at_ms + self.rng.random_range(1..5_000);
            self.deliver_at(later, copy);
        }
    }

    fn deliver_at(&mut self, at_ms: i64, event: Event) {
        let order = self.order();
        self.events.push(Reverse(Due { at_ms, order, what: event }));
    }

    fn delay(&mut self) -> i64 {
        if chance(&mut self.rng, self.late) {
            self.rng.random_range(1_000..60_000)
        } else {
            self.rng.random_range(30..400)
        }
    }

    /// Moves what is due before `horizon` into webhooks.
    fn batch(&mut self, horizon: i64) {
        while self.events.peek().is_some_and(|due| due.0.at_ms < horizon) {
            let Some(Reverse(due)) = self.events.pop() else { break };
            for webhook in self.batcher.add(due.at_ms, due.what, &mut self.rng) {
                self.finish(webhook);
            }
        }
    }

    /// A finished webhook; now and then Meta posts one a second time, byte for byte.
    fn finish(&mut self, webhook: PlannedWebhook) {
        let repeat = webhook.expect.quarantined == 0
            && u64::from(webhook.expect.events()) <= self.room()
            && chance(&mut self.rng, self.duplicates / 3);
        if repeat {
            let mut copy = webhook.clone();
            let events = webhook.expect.events();
            copy.expect = Expect { duplicates: events, ..Expect::default() };
            copy.at_ms += self.rng.random_range(1..10_000);
            self.made += u64::from(events);
            self.push(copy);
        }
        self.push(webhook);
    }

    fn push(&mut self, webhook: PlannedWebhook) {
        let order = self.order();
        self.webhooks.push(Reverse(Due { at_ms: webhook.at_ms, order, what: webhook }));
    }
}

impl Iterator for Plan {
    type Item = PlannedWebhook;

    fn next(&mut self) -> Option<PlannedWebhook> {
        while let Some(now) = self.next_ms {
            #[expect(clippy::cast_possible_truncation, reason = "see `happen`")]
            let now_ms = now as i64;
            self.batch(now_ms);
            // Nothing that is still to come, and no batch that is still open, can be finished before this.
            let horizon = self.batcher.opened().map_or(now_ms, |opened| opened.min(now_ms));
            if self.webhooks.peek().is_some_and(|due| due.0.at_ms < horizon) {
                return self.webhooks.pop().map(|Reverse(due)| due.what);
            }
            self.happen(now);
        }
        self.batch(i64::MAX);
        for webhook in self.batcher.close_all() {
            self.finish(webhook);
        }
        self.webhooks.pop().map(|Reverse(due)| due.what)
    }
}

#[cfg(test)]
mod tests;
