//! What brands no longer want to keep goes, by the hour. One process does it for all.

use std::time::Duration;

use afterglow_domain::{Clock, DAY_MS, Retention, Timestamp};
use afterglow_runtime::{error_chain, regularly};
use afterglow_store::{Brand, Kept, Store, StoreError};
use tokio_util::sync::CancellationToken;

const LEASE: (&str, i64) = ("retention", 300_000);
/// How much time's data one transaction removes, in ms: locks are short.
const SPAN_MS: i64 = 3_600_000;
/// Viewers that are removed between two looks at the lease.
const VIEWERS: u32 = 100;

/// Removes what is older than brands keep.
pub struct RetentionKeeper {
    /// Where it is.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// How often; never if it is zero.
    pub every: Duration,
    /// How long what could not be understood is kept, in days; 0: for ever.
    pub quarantine_days: u32,
    /// Who this process is, to others who would remove.
    pub holder: String,
}

/// The moment before which data is too old; `None` if it is kept for ever.
fn before(now: Timestamp, days: u32) -> Option<Timestamp> {
    (days > 0).then(|| now.minus(i64::from(days) * DAY_MS))
}

fn days(retention: &Retention, kind: Kept) -> u32 {
    match kind {
        Kept::Fragments => retention.fragments_days,
        Kept::StoryFigures => retention.story_figures_days,
        Kept::Decisions => retention.decisions_days,
    }
}

impl RetentionKeeper {
    /// Removes at once and then regularly, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let look = || async {
            if let Err(error) = self.all().await {
                tracing::warn!(error = %error_chain(&error), "what is too old waits to be removed");
            }
        };
        regularly(self.every, &stop, look).await;
        let _ = self.store.release_lease(LEASE.0, &self.holder).await; // else it runs out
    }

    async fn is_ours(&self) -> Result<bool, StoreError> {
        self.store.lease(LEASE.0, &self.holder, (self.clock)(), LEASE.1).await
    }

    async fn all(&self) -> Result<(), StoreError> {
        for brand in self.store.brands().await? {
            if !self.brand(&brand).await? {
                return Ok(()); // another process removes
            }
        }
        if let Some(before) = before((self.clock)(), self.quarantine_days) {
            count("quarantine", self.store.expire_quarantine(before).await?);
        }
        Ok(())
    }

    /// `false` if the work is another process's.
    async fn brand(&self, brand: &Brand) -> Result<bool, StoreError> {
        let retention = &brand.settings.retention;
        for kind in Kept::ALL {
            let Some(before) = before((self.clock)(), days(retention, kind)) else { continue };
            loop {
                if !self.is_ours().await? {
                    return Ok(false);
                }
                let Some(rows) = self.store.expire(&brand.id, kind, before, SPAN_MS).await? else { break };
                count(kind.as_str(), rows);
            }
        }
        let Some(before) = before((self.clock)(), retention.viewers_days) else { return Ok(true) };
        loop {
            let idle = self.store.idle_viewers(&brand.id, before, VIEWERS).await?;
            if idle.is_empty() {
                return Ok(true);
            }
            for viewer in idle {
                if !self.is_ours().await? {
                    return Ok(false);
                }
                count("viewers", self.store.remove_idle(&brand.id, &viewer, (self.clock)()).await?);
            }
        }
    }
}

fn count(kind: &'static str, rows: u64) {
    if rows > 0 {
        metrics::counter!("afterglow_expired_rows_total", "kind" => kind).increment(rows);
    }
}
