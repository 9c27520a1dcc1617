//! Puts events together into webhooks, as Meta does when much happens at once. All events of a body belong to accounts
//! of one app, since one secret signs it.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::StdRng;
use secrecy::SecretString;

use super::truth::Expect;
use super::{Event, EventKind, Form, PlannedWebhook, TrafficOptions};
use crate::webhooks::{Body, Outgoing};
use crate::world::Fact;

/// How long an event waits for company, ms.
const LINGER_MS: i64 = 250;

/// How many events go into one webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batching {
    /// Mostly one, sometimes a few, seldom many.
    Lifelike {
        /// The most, 1 to 1000 (Meta's own maximum).
        max: u32,
    },
    /// So many, as long as enough happens.
    Fixed(u32),
}

impl Batching {
    fn draw(self, rng: &mut StdRng) -> u32 {
        match self {
            Batching::Fixed(size) => size.max(1),
            Batching::Lifelike { max } => {
                let size = match rng.random_range(0..100u32) {
                    0..80 => 1,
                    80..95 => rng.random_range(2..=10),
                    _ => rng.random_range(11..=50),
                };
                size.min(max.max(1))
            }
        }
    }
}

#[derive(Debug)]
struct Open {
    opened_ms: i64,
    last_ms: i64,
    size: u32,
    body: Body,
    expect: Expect,
    facts: Vec<Fact>,
}

impl Open {
    fn new(opened_ms: i64, size: u32) -> Self {
        let (expect, facts) = (Expect::default(), Vec::new());
        Self { opened_ms, last_ms: opened_ms, size, body: Body::instagram(), expect, facts }
    }
}

#[derive(Debug)]
pub(super) struct Batcher {
    batching: Batching,
    start_ms: i64,
    /// App and secret by account.
    apps: Vec<(String, SecretString)>,
    open: BTreeMap<String, Open>,
}

impl Batcher {
    pub(super) fn new(options: &TrafficOptions) -> Self {
        Self {
            batching: options.batching,
            start_ms: options.start.millis(),
            apps: options.accounts.iter().map(|a| (a.app.id.clone(), a.app.secret.clone())).collect(),
            open: BTreeMap::new(),
        }
    }

    /// When the oldest unfinished webhook was begun.
    pub(super) fn opened(&self) -> Option<i64> {
        self.open.values().map(|o| o.opened_ms).min()
    }

    /// Adds an event that is delivered at `at_ms`; gives the webhooks that are finished by it. Times never decrease.
    pub(super) fn add(&mut self, at_ms: i64, event: Event, rng: &mut StdRng) -> Vec<PlannedWebhook> {
        let mut finished = self.close_older_than(at_ms - LINGER_MS);
        let (app, secret) = self.apps[event.account].clone();
        let (account, part) = match event.form {
            Form::Part(account, part) => (account, part),
            Form::Whole(body, unparseable) => {
                let expect = count(Expect::default(), event.kind);
                let outgoing = Outgoing { body, secret, events: 1, facts: event.facts, unparseable };
                finished.push(PlannedWebhook { at_ms, outgoing, expect });
                return finished;
            }
        };
        let open = self.open.entry(app.clone()).or_insert_with(|| Open::new(at_ms, self.batching.draw(rng)));
        open.last_ms = at_ms;
        open.body.push(&account, self.start_ms + at_ms, &part);
        open.facts.extend(event.facts);
        open.expect = count(open.expect, event.kind);
        if open.expect.events() >= open.size {
            finished.extend(self.close(&app));
        }
        finished
    }

    fn close_older_than(&mut self, ms: i64) -> Vec<PlannedWebhook> {
        let old: Vec<String> =
            self.open.iter().filter(|(_, o)| o.opened_ms <= ms).map(|(app, _)| app.clone()).collect();
        old.iter().filter_map(|app| self.close(app)).collect()
    }

    pub(super) fn close_all(&mut self) -> Vec<PlannedWebhook> {
        self.close_older_than(i64::MAX)
    }

    fn close(&mut self, app: &str) -> Option<PlannedWebhook> {
        let open = self.open.remove(app)?;
        let secret = self.apps.iter().find(|(id, _)| id == app)?.1.clone();
        let events = open.expect.events();
        let outgoing = Outgoing { body: open.body.into_bytes(), secret, events, facts: open.facts, unparseable: false };
        Some(PlannedWebhook { at_ms: open.last_ms, outgoing, expect: open.expect })
    }
}

fn count(mut expect: Expect, kind: EventKind) -> Expect {
    match kind {
        EventKind::Interaction => expect.interactions += 1,
        EventKind::Duplicate => expect.duplicates += 1,
        EventKind::Quarantine => expect.quarantined += 1,
    }
    expect
}
