//! The plan's own truth, against which a run is measured.

use std::collections::HashSet;

use afterglow_domain::{AccountId, Timestamp, ViewerId};

use super::PlannedWebhook;
use crate::world::{Answer, What, Word};

/// What a webhook's events are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expect {
    /// Events told for the first time (in the plan's order; on the wire a copy may overtake).
    pub interactions: u32,
    /// Events that tell again what another one tells.
    pub duplicates: u32,
    /// Events that nobody can make sense of.
    pub quarantined: u32,
}

impl Expect {
    /// All events.
    pub const fn events(&self) -> u32 {
        self.interactions + self.duplicates + self.quarantined
    }
}

/// Something that one person said or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Whose account.
    pub account: AccountId,
    /// Who.
    pub person: ViewerId,
    /// The message id.
    pub key: String,
    /// When.
    pub at: Timestamp,
}

/// Sums and lists over a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// Webhooks.
    pub webhooks: u64,
    /// Events: `interactions + duplicates + quarantined`.
    pub events: u64,
    /// Distinct interactions.
    pub interactions: u64,
    /// Events that tell again what another one tells.
    pub duplicates: u64,
    /// Events that end in quarantine.
    pub quarantined: u64,
    /// Bodies that are not JSON: 400 is the right answer to each.
    pub unparseable: u64,
    /// Story replies with a label of "due".
    pub answers_due: Vec<Moment>,
    /// Who said stop, and when.
    pub stops: Vec<Moment>,
    /// Who said start, and when.
    pub starts: Vec<Moment>,
    seen: HashSet<String>,
}

impl Truth {
    /// The truth of a whole plan.
    pub fn of(plan: impl IntoIterator<Item = PlannedWebhook>) -> Self {
        let mut truth = Self::default();
        for webhook in plan {
            truth.add(&webhook);
        }
        truth
    }

    /// Adds one webhook. Facts of duplicates are told once.
    pub fn add(&mut self, webhook: &PlannedWebhook) {
        self.webhooks += 1;
        self.events += u64::from(webhook.expect.events());
        self.interactions += u64::from(webhook.expect.interactions);
        self.duplicates += u64::from(webhook.expect.duplicates);
        self.quarantined += u64::from(webhook.expect.quarantined);
        self.unparseable += u64::from(webhook.outgoing.unparseable);
        for fact in &webhook.outgoing.facts {
            let list = match &fact.what {
                What::StoryReply { answer: Answer::Due, .. } => &mut self.answers_due,
                What::Said(Word::Stop) => &mut self.stops,
                What::Said(Word::Start) => &mut self.starts,
                What::StoryReply { .. }
                | What::Said(Word::Perhaps)
                | What::Contact { .. }
                | What::CameThroughAd
                | What::Comment { .. }
                | What::AskedForPerson
                | What::Standby
                | What::Taken
                | What::Returned
                | What::HumanWrote { .. } => continue,
            };
            if self.seen.insert(fact.key.clone()) {
                list.push(Moment {
                    account: fact.account.clone(),
                    person: fact.person.clone(),
                    key: fact.key.clone(),
                    at: fact.at,
                });
            }
        }
    }
}
