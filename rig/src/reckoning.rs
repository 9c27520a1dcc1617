//! Whether what was answered 200 is there, once, and whether anybody was written to who should not have been.

use std::collections::HashSet;
use std::fmt;

use afterglow_domain::{AccountId, BrandId, IntentStatus, Reason, ViewerId, ViewerKey};
use afterglow_sim::TrafficReport;
use afterglow_sim::traffic::PlannedWebhook;
use afterglow_sim::world::Unanswered;
use afterglow_store::{DecisionRecord, SendStatus, Totals};

use crate::Installation;

/// What was told, in all plans so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Interactions, copies not counted.
    pub interactions: u64,
    /// Events that cannot be understood.
    pub quarantined: u64,
    /// Webhooks that were never answered 200.
    pub not_taken: u64,
    /// Attempts beyond each webhook's first.
    pub retries: u64,
}

impl Told {
    /// Adds what a plan is about to tell.
    pub fn plan<'a>(&mut self, plan: impl IntoIterator<Item = &'a PlannedWebhook>) {
        for webhook in plan {
            self.interactions += u64::from(webhook.expect.interactions);
            self.quarantined += u64::from(webhook.expect.quarantined);
        }
    }

    /// Adds what became of it.
    pub const fn report(&mut self, report: &TrafficReport) {
        self.not_taken += report.not_accepted;
        self.retries += report.retries;
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reckoning {
    /// Interactions that were told and answered 200, echoes of what was sent among them.
    pub answered: u64,
    /// Interactions in the log.
    pub kept: u64,
    /// Repetitions that were known as such.
    pub repeated: u64,
    /// Messages that Meta delivered.
    pub messages: u64,
    /// Messages that should not have been sent, second answers among them: the simulated Meta's list.
    pub violations: Vec<String>,
    /// Replies to which an answer was due and none came, without those of which a person was asked: each with what the ledger
    /// of decisions has of its author.
    pub lost: Vec<String>,
    /// Sends of which nobody can know whether they went out: a person was asked.
    pub asked: usize,
    /// Dead letters on all lanes: kept with their reason, and to be looked at. Not known if no process is there that tells.
    pub dead_letters: Option<u64>,
}

impl Reckoning {
    /// Adds up. The installation is at rest, and every webhook was taken.
    pub async fn of(installation: &Installation, told: Told, totals: &Totals) -> anyhow::Result<Self> {
        let (sim, store) = (&installation.sim, &installation.store);
        let brands: HashSet<BrandId> = sim.accounts().iter().map(|account| account.brand.clone()).collect();
        // A process that dies between "may I?" and the call leaves a send of which nobody can know; a person is asked.
        let mut asked: HashSet<ViewerId> = HashSet::new();
        for brand in brands {
            for record in store.brand(&brand).recent_decisions(u32::MAX).await? {
                if record.decision.reasons == [Reason::FateUnknown] {
                    asked.insert(record.viewer);
                }
            }
        }
        let mut lost = Vec::new();
        for reply in installation.unanswered().into_iter().filter(|reply| !asked.contains(&reply.person)) {
            if !is_answered(installation, &reply).await? {
                let known = ledger(installation, &reply.account, &reply.person).await?.join("\n");
                lost.push(format!("{} of {} at {}\n{known}", reply.reply, reply.person, reply.at));
            }
        }
        Ok(Self {
            answered: told.interactions + sim.echoes().events,
            kept: totals.accepted,
            repeated: totals.duplicates,
            messages: sim.totals().accepted,
            violations: wrongly(installation).await?,
            lost,
            asked: asked.len(),
            dead_letters: installation.dead_letters().await,
        })
    }

    /// Whether nothing was lost and nobody was written to who should not have been.
    pub fn adds_up(&self) -> bool {
        self.answered == self.kept && self.violations.is_empty() && self.lost.is_empty()
    }
}

impl fmt::Display for Reckoning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered, kept, repeated, messages, violations, lost, asked, dead_letters } = self;
        write!(
            f,
            "{answered} interactions answered 200, {kept} kept, {repeated} repetitions known; {messages} messages sent, \
             {} of them wrongly, {} people lost, {asked} sends that a person is asked about, {} dead letters",
            violations.len(),
            lost.len(),
            dead_letters.map_or_else(|| "unknown".to_owned(), |count| count.to_string()),
        )
    }
}

/// Whether a message that Meta took answers this very reply. The simulated Meta cannot see which of several replies a message
/// answers, and takes the oldest: of somebody who said stop and start in between, it may be another one.
async fn is_answered(installation: &Installation, reply: &Unanswered) -> anyhow::Result<bool> {
    let key = ViewerKey { account: reply.account.clone(), viewer: reply.person.clone() };
    let Some(account) = installation.sim.accounts().iter().find(|account| account.id == reply.account) else {
        return Ok(false);
    };
    let scope = installation.store.brand(&account.brand);
    let replies = scope.interactions(&key, u32::MAX).await?;
    let causes: HashSet<_> = replies.iter().filter(|i| i.occurred == reply.at).map(|i| i.id).collect();
    let decided = scope.decisions_of(&key, u32::MAX).await?;
    let sent = |record: &DecisionRecord| record.send.as_ref().is_some_and(|(_, status, _)| *status == SendStatus::Sent);
    Ok(decided.iter().any(|record| causes.contains(&record.cause) && sent(record)))
}

/// What was said to whom it should not have been, with what the ledger knows of them.
async fn wrongly(installation: &Installation) -> anyhow::Result<Vec<String>> {
    let mut told = Vec::new();
    for record in installation.sim.violations() {
        let mut lines = vec![format!("{} at {}: {:?}", record.violation.name(), record.at, record.violation)];
        if let Some(person) = &record.person {
            lines.extend(ledger(installation, &AccountId::new(record.account.as_str()), person).await?);
        }
        told.push(lines.join("\n"));
    }
    Ok(told)
}

/// What the ledger knows of somebody: the first thing anybody who looks into it needs.
async fn ledger(installation: &Installation, account: &AccountId, person: &ViewerId) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    let key = ViewerKey { account: account.clone(), viewer: person.clone() };
    for known in installation.sim.accounts().iter().filter(|known| known.id == *account) {
        let scope = installation.store.brand(&known.brand);
        for record in scope.decisions_of(&key, 20).await? {
            let (verdict, send) = (record.decision.verdict.as_str(), record.send.map(|(_, status, _)| status));
            lines.push(format!("  {} {} {verdict} {:?} {send:?}", record.at, record.cause, record.decision.reasons));
        }
        for happened in scope.interactions(&key, 20).await? {
            let (at, received, kind) = (happened.occurred, happened.received, happened.kind().as_str());
            lines.push(format!("  {at} {} {kind}, received {received}", happened.id));
        }
    }
    Ok(lines)
}

/// Whether an intent has come to its end.
pub(crate) const fn is_settled(status: IntentStatus) -> bool {
    match status {
        IntentStatus::Sent | IntentStatus::Held | IntentStatus::Dropped => true,
        IntentStatus::Pending | IntentStatus::Sending | IntentStatus::Deferred => false,
    }
}
