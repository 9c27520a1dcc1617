//! The summary that adds up, or says why not.

use std::collections::BTreeMap;
use std::fmt;

use afterglow_domain::IntentStatus;
use afterglow_sim::{Sim, TrafficReport};
use afterglow_store::Totals;
use serde::Serialize;

use super::status::count;

/// What happened, as both sides count it.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Summary {
    webhooks_posted: u64,
    events: u64,
    accepted: u64,
    duplicates: u64,
    quarantined: u64,
    intents: u64,
    sent: u64,
    deferred: u64,
    held: u64,
    dropped: u64,
    violations: u64,
    violations_by_name: BTreeMap<String, u64>,
    /// Interactions that no webhook told of: figures of Stories that were asked for. Not among the accepted ones.
    collected: u64,
    /// Messages that the simulated Meta delivered.
    delivered: u64,
    /// Story replies to which an answer was due and none came.
    unanswered: u64,
    /// Events that may have been taken twice, since no answer came the first time.
    events_in_doubt: u64,
    /// Webhooks that nobody took.
    not_accepted: u64,
    /// Nothing was on its way any more.
    at_rest: bool,
}

impl Summary {
    pub(super) fn new(
        report: &TrafficReport,
        sim: &Sim,
        totals: &Totals,
        collected: u64,
        (at_rest, patience_ms): (bool, i64),
    ) -> Self {
        let (echoes, meta) = (sim.echoes(), sim.totals());
        let intents = |status| count(&totals.all.intents, status);
        Self {
            webhooks_posted: report.webhooks_posted + echoes.webhooks_posted,
            events: report.events + echoes.events,
            accepted: totals.accepted,
            duplicates: totals.duplicates,
            quarantined: totals.quarantined,
            intents: totals.all.intents.iter().map(|(_, n)| n).sum(),
            sent: intents(IntentStatus::Sent),
            deferred: intents(IntentStatus::Deferred),
            held: intents(IntentStatus::Held),
            dropped: intents(IntentStatus::Dropped),
            violations: meta.violations.values().sum(),
            violations_by_name: meta.violations,
            collected,
            delivered: meta.accepted,
            unanswered: sim.unanswered(patience_ms).len() as u64,
            events_in_doubt: report.events_in_doubt + echoes.events_in_doubt,
            not_accepted: report.not_accepted + echoes.not_accepted,
            at_rest,
        }
    }

    /// What does not add up; nothing, if all is well.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let taken = self.accepted + self.duplicates + self.quarantined;
        if taken < self.events || taken > self.events + self.events_in_doubt {
            problems.push(format!("{} events were posted, {taken} were taken", self.events));
        }
        let ended = self.sent + self.deferred + self.held + self.dropped;
        if self.intents != ended {
            problems.push(format!("{} intents were wished, {ended} were settled", self.intents));
        }
        if self.sent != self.delivered {
            problems.push(format!("{} messages count as sent, Meta delivered {}", self.sent, self.delivered));
        }
        if self.violations > 0 {
            problems.push(format!("Meta counted {} violations: {:?}", self.violations, self.violations_by_name));
        }
        if self.unanswered > 0 {
            problems.push(format!("{} people were due an answer and got none", self.unanswered));
        }
        if !self.at_rest {
            problems.push("something was still on its way".into());
        }
        problems
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // numbers and names always serialise
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { webhooks_posted, events, accepted, duplicates, quarantined, .. } = self;
        writeln!(f, "\nwebhooks posted {webhooks_posted}, with {events} events")?;
        writeln!(f, "  = accepted {accepted} + duplicates {duplicates} + quarantined {quarantined}")?;
        let Self { intents, sent, deferred, held, dropped, violations, .. } = self;
        writeln!(f, "intents {intents}")?;
        writeln!(f, "  = sent {sent} + deferred {deferred} + held {held} + dropped {dropped}")?;
        writeln!(f, "figures of Stories collected {}", self.collected)?;
        writeln!(f, "violations {violations}, people left without a due answer {}", self.unanswered)?;
        match self.problems() {
            problems if problems.is_empty() => writeln!(f, "It adds up."),
            problems => writeln!(f, "It does not add up:\n  {}", problems.join("\n  ")),
        }
    }
}
