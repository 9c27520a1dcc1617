//! The loop: whoever changed is counted anew, and the sums change by the difference.

use std::collections::HashMap;
use std::time::Duration;

use afterglow_domain::{AccountId, BrandSettings, CONFIRMATION, Clock, ViewerId, ViewerKey};
use afterglow_runtime::error_chain;
use afterglow_store::{Brand, BrandStore, Exposed, KpiChange, Store, StoreError, WrittenSend};
use tokio_util::sync::CancellationToken;

use crate::count::{Counts, Fate, History, Written, count};
use crate::outcome;

/// One process counts for all; in ms.
const LEASE: (&str, i64) = ("kpis", 60_000);
/// Changes in one round.
const CHANGES: u32 = 500;
/// Of a viewer's history, the latest: more than anybody writes to a brand.
const HISTORY: u32 = 5_000;

/// Tells a refusal that means that the reader cannot be written to from others, by Meta's code and subcode.
pub type Unreachable = fn(Option<i64>, Option<i64>) -> bool;

/// Keeps the figures of every brand.
pub struct KpiKeeper {
    /// Where they are.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// How often it is looked for who changed.
    pub every: Duration,
    /// What a refusal means.
    pub unreachable: Unreachable,
    /// Names this process among those that share leases.
    pub holder: String,
}

impl KpiKeeper {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(self.every)).await.is_some() {
            // Cut short by the end: what was counted and what it changes are written together, or not at all.
            if let Some(Err(error)) = stop.run_until_cancelled(self.round()).await {
                tracing::warn!(error = %error_chain(&error), "figures wait to be counted");
            }
        }
        let _ = self.store.release_lease(LEASE.0, &self.holder).await; // else it runs out
    }

    /// Counts whoever changed since, of every brand.
    pub async fn round(&self) -> Result<(), StoreError> {
        for brand in self.store.brands().await? {
            let scoped = self.store.brand(&brand.id);
            loop {
                if !self.store.lease(LEASE.0, &self.holder, (self.clock)(), LEASE.1).await? {
                    return Ok(()); // another process counts
                }
                let head = scoped.kpi_head().await?;
                let (viewers, last) = scoped.changed_viewers(head, CHANGES).await?;
                if viewers.is_empty() {
                    break;
                }
                let begun = tokio::time::Instant::now();
                recount(&scoped, &brand, &viewers, last, self.unreachable).await?;
                metrics::counter!("afterglow_kpi_viewers_total").increment(viewers.len() as u64);
                metrics::histogram!("afterglow_kpi_round_seconds").record(begun.elapsed().as_secs_f64());
            }
        }
        Ok(())
    }
}

/// Counts a brand from the beginning. `told` is given how many viewers were counted so far. What is no longer in the log, because it
/// was older than the brand keeps, is lost to the figures.
pub async fn rebuild(
    store: &Store,
    brand: &Brand,
    unreachable: Unreachable,
    mut told: impl FnMut(u64),
) -> Result<u64, StoreError> {
    let scoped = store.brand(&brand.id);
    // What changes from here on is counted by the loop; twice does no harm.
    let head = scoped.feed_tail().await?.head;
    scoped.clear_kpis(head).await?;
    let mut after = ViewerKey { account: AccountId::new(""), viewer: ViewerId::new("") };
    let mut done = 0;
    loop {
        let rows = scoped.viewers_after(&after, CHANGES).await?;
        let Some(last) = rows.last() else { return Ok(done) };
        after = last.key.clone();
        let viewers: Vec<ViewerKey> = rows.into_iter().map(|row| row.key).collect();
        recount(&scoped, brand, &viewers, head, unreachable).await?;
        done += viewers.len() as u64;
        told(done);
    }
}

async fn recount(
    scoped: &BrandStore<'_>,
    brand: &Brand,
    viewers: &[ViewerKey],
    head: u64,
    unreachable: Unreachable,
) -> Result<(), StoreError> {
    let before: HashMap<ViewerKey, Counts> = scoped
        .kpi_counts(viewers)
        .await?
        .into_iter()
        .map(|(viewer, json)| (viewer, serde_json::from_str(&json).unwrap_or_default()))
        .collect();
    let mut exposures = HashMap::<ViewerKey, Vec<Exposed>>::new();
    for exposed in scoped.exposures_of(viewers).await? {
        exposures.entry(exposed.viewer.clone()).or_default().push(exposed);
    }
    let mut counted = Vec::with_capacity(viewers.len());
    let mut noted = Vec::new();
    for viewer in viewers {
        let history = history(scoped, viewer, unreachable).await?;
        // A person who was forgotten has no history; what they added stays, and says nothing of them.
        if history.happened.is_empty() {
            continue;
        }
        noted.extend(outcome::noted(&history, exposures.remove(viewer).unwrap_or_default()));
        let known = before.get(viewer).cloned().unwrap_or_default();
        let now = counts_of(&history, viewer, brand, &known);
        let changes = now.since(&known);
        if changes.is_empty() {
            continue;
        }
        let counts = serde_json::to_string(&now).unwrap_or_default(); // texts and numbers always serialise
        counted.push(KpiChange { viewer: viewer.clone(), counts, changes });
    }
    // First: were it not to come to the head, the same is noted again.
    scoped.note_outcomes(&noted).await?;
    scoped.count_kpis(&counted, head).await
}

/// The counts of a history; of days before its beginning, what was counted when the log still reached back to them.
fn counts_of(history: &History, viewer: &ViewerKey, brand: &Brand, known: &Counts) -> Counts {
    let now = count(history, viewer.account.as_str(), &brand.time_zone, sla_ms(&brand.settings));
    let first = history.happened.iter().map(|i| i.occurred.min(i.received)).min();
    match first {
        Some(first) => now.with_days_before(known, &first.day_in(&brand.time_zone)),
        None => now,
    }
}

fn sla_ms(settings: &BrandSettings) -> i64 {
    settings.sla.target_ms(afterglow_domain::Segment::Warm)
}

async fn history(scoped: &BrandStore<'_>, viewer: &ViewerKey, unreachable: Unreachable) -> Result<History, StoreError> {
    let happened = scoped.interactions(viewer, HISTORY).await?;
    let written = scoped.written_to(viewer).await?;
    let stops = scoped.stops_of(viewer).await?;
    let fate = |send: &WrittenSend| match send.sent {
        true => Fate::Sent,
        false if unreachable(send.code, send.subcode) => Fate::Unreachable,
        false => Fate::Refused,
    };
    let written = written
        .into_iter()
        // That a stop was heard is no message of a play's.
        .filter(|send| send.play != CONFIRMATION)
        .map(|send| Written {
            fate: fate(&send),
            at: send.at,
            play: send.play,
            snippet: send.snippet,
            person: send.person,
        })
        .collect();
    Ok(History { happened, written, stops })
}
