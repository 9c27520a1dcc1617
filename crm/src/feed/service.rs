//! The loops: number what changed, give it to endpoints, deliver it, and let go of what is old.

use std::sync::Arc;
use std::time::Duration;

use afterglow_domain::{Clock, DAY_MS};
use afterglow_runtime::{Keyring, error_chain};
use afterglow_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use super::queue::StoreQueue;
use super::render::render;
use super::weekly::tell_weeks;
use crate::egress::EgressClient;
use crate::webhook::{Deliverer, DelivererSettings};

/// One process numbers for all; in ms. It spares the others the work and is no lock (the store has one for each brand's numbers), so it
/// may be short: for as long nothing is numbered after a process has died.
const LEASE: (&str, i64) = ("feed", 5_000);
/// Marks that are numbered in one transaction.
const MARKS: u32 = 1_000;
/// Brands in one round.
const BRANDS: u32 = 200;
/// How often it is looked for weeks that are over.
const WEEKS: Duration = Duration::from_mins(1);
/// How often it is looked for what is old.
const TRIM: Duration = Duration::from_mins(5);
/// Changes and attempts that are removed in one go.
const TRIMMED: u32 = 5_000;
/// How long attempts are kept, in days.
const ATTEMPT_DAYS: i64 = 7;

/// How the service goes.
#[derive(Debug, Clone, Copy)]
pub struct FeedSettings {
    /// How often it is looked for what changed, and for what is due.
    pub poll: Duration,
    /// How long changes can be read again, in days, ≥ 1.
    pub keep_days: u32,
    /// How long a claim on a delivery holds, in ms; longer than an exchange may take.
    pub lease_ms: i64,
}

/// Numbers, gives, delivers.
pub struct FeedService {
    /// Where changes are.
    pub store: Store,
    /// Opens the endpoints' secrets.
    pub keyring: Arc<Keyring>,
    /// The time.
    pub clock: Clock,
    /// How endpoints are called.
    pub client: EgressClient,
    /// Random; makes this process's waits its own.
    pub seed: u64,
    /// Names this process among those that share leases.
    pub holder: String,
    /// How it goes.
    pub settings: FeedSettings,
}

impl FeedService {
    /// Works until `stop`; then finishes what is under way.
    pub async fn run(self, stop: CancellationToken) {
        let queue = Arc::new(StoreQueue::new(self.store.clone(), Arc::clone(&self.keyring)));
        let settings = DelivererSettings { poll: self.settings.poll, lease_ms: self.settings.lease_ms };
        let deliverer = Deliverer::new(queue, self.client.clone(), Arc::clone(&self.clock), self.seed, settings);
        tokio::join!(deliverer.run(stop.clone()), self.feed(&stop));
    }

    async fn feed(&self, stop: &CancellationToken) {
        let (mut trimmed, mut told) = (tokio::time::Instant::now(), None::<tokio::time::Instant>);
        while stop.run_until_cancelled(tokio::time::sleep(self.settings.poll)).await.is_some() {
            if let Err(error) = self.round().await {
                tracing::warn!(error = %error_chain(&error), "changes wait to be numbered");
            }
            if told.is_none_or(|told| told.elapsed() >= WEEKS) {
                told = Some(tokio::time::Instant::now());
                match tell_weeks(&self.store, (self.clock)()).await {
                    Ok(n) => metrics::counter!("afterglow_weeks_told_total").increment(n),
                    Err(error) => tracing::warn!(error = %error_chain(&error), "weeks wait to be told"),
                }
            }
            if trimmed.elapsed() >= TRIM {
                trimmed = tokio::time::Instant::now();
                if let Err(error) = self.trim().await {
                    tracing::warn!(error = %error_chain(&error), "old changes wait to be removed");
                }
            }
        }
        let _ = self.store.release_lease(LEASE.0, &self.holder).await; // else it runs out
    }

    /// Numbers what is marked and gives it to endpoints, until nothing is left.
    pub async fn round(&self) -> Result<(), StoreError> {
        loop {
            let now = (self.clock)();
            if !self.store.lease(LEASE.0, &self.holder, now, LEASE.1).await? {
                return Ok(()); // another process does
            }
            let mut more = false;
            for brand in self.store.brands_with_marks(BRANDS).await? {
                let scoped = self.store.brand(&brand);
                let Some(known) = scoped.brand().await? else { continue };
                let scoring = known.settings.scoring;
                let tell = |sequence, subject: &_| render((&brand, &scoring), sequence, subject, now);
                let taken = scoped.number_changes(MARKS, &tell).await?;
                metrics::counter!("afterglow_feed_changes_total").increment(taken);
                more |= taken == u64::from(MARKS);
            }
            for endpoint in self.store.feed_endpoints_behind().await? {
                self.store.brand(&endpoint.brand).give_feed(&endpoint.id, now).await?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    async fn trim(&self) -> Result<(), StoreError> {
        let now = (self.clock)();
        let changes = now.minus(i64::from(self.settings.keep_days.max(1)) * DAY_MS);
        while self.store.trim_feed(changes, now.minus(ATTEMPT_DAYS * DAY_MS), TRIMMED).await? >= u64::from(TRIMMED) {}
        Ok(())
    }
}
