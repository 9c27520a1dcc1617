//! `afterglow scorer`: folds what came in, and removes what is older than brands keep.

use std::sync::Arc;
use std::time::Duration;

use afterglow_runtime::Services;
use afterglow_scorer::{RetentionKeeper, Rulebooks, Scorer};
use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::parts::Parts;

impl Parts {
    pub(super) async fn start_scorer(&self, services: &mut Services, stop: &CancellationToken) -> anyhow::Result<()> {
        let rulebooks = Rulebooks::load(&self.store).await.context("cannot read the brands' rules")?;
        let scorer = Scorer {
            store: self.store.clone(),
            bus: self.bus()?,
            clock: Arc::clone(&self.clock),
            rulebooks,
            rules_refresh: Duration::from_millis(self.settings.scorer.rules_refresh_ms),
            batch_max: self.settings.scorer.batch_max.max(1),
            batch_wait: Duration::from_millis(self.settings.scorer.batch_wait_ms),
            workers: if self.settings.database.url.is_some() { self.settings.scorer.workers } else { 1 },
            our_apps: self.settings.meta.app_ids.clone(),
            park_ms: i64::try_from(self.settings.scorer.park_ms).unwrap_or(i64::MAX),
        };
        services.spawn("scorer", scorer.run(stop.clone()));
        if self.store.can_forget() {
            let keeper = RetentionKeeper {
                store: self.store.clone(),
                clock: Arc::clone(&self.clock),
                every: Duration::from_millis(self.settings.scorer.retention_ms),
                quarantine_days: self.settings.scorer.quarantine_days,
                holder: self.holder(),
            };
            let stop = stop.clone();
            services.spawn_loop("retention", async move { keeper.run(stop).await });
        } else {
            tracing::warn!("no keys.forgetting: nobody can be forgotten, and nothing is removed when its time is over");
        }
        Ok(())
    }
}
