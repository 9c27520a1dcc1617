//! `afterglow crm`: the feed of changes, to endpoints, to the broker and into CRMs; and the figures.

use std::sync::Arc;
use std::time::Duration;

use afterglow_bus::Broadcast;
use afterglow_crm::feed::{BrokerFeed, EXCHANGE, FeedService, FeedSettings};
use afterglow_crm::push::PushService;
use afterglow_insights::KpiKeeper;
use afterglow_runtime::Services;
use anyhow::bail;
use tokio_util::sync::CancellationToken;

use super::parts::Parts;
use crate::installation::{egress, egress_reading, keyring};

/// Bytes of a CRM's reply: it speaks of each of some hundred records.
const CRM_REPLY_MAX: usize = 4 << 20;

impl Parts {
    pub(super) fn start_crm(&self, services: &mut Services, stop: &CancellationToken) -> anyhow::Result<()> {
        let feed = &self.settings.feed;
        let now = (self.clock)();
        let service = FeedService {
            store: self.store.clone(),
            keyring: Arc::new(keyring(&self.settings)?),
            clock: Arc::clone(&self.clock),
            client: egress(feed)?,
            seed: now.millis().unsigned_abs().rotate_left(32) ^ u64::from(std::process::id()),
            holder: self.holder(),
            settings: FeedSettings {
                poll: Duration::from_millis(feed.poll_ms),
                keep_days: feed.keep_days,
                lease_ms: i64::try_from(feed.timeout_ms).unwrap_or(i64::MAX / 8) * 6,
            },
        };
        let done = stop.clone();
        services.spawn_loop("crm", async move { service.run(done).await });
        if feed.broker {
            self.start_broker_feed(services, stop)?;
        }
        let push = PushService {
            store: self.store.clone(),
            keyring: Arc::new(keyring(&self.settings)?),
            clock: Arc::clone(&self.clock),
            client: egress_reading(feed, CRM_REPLY_MAX)?,
            holder: self.holder(),
            poll: Duration::from_millis(feed.poll_ms),
            lease_ms: i64::try_from(feed.timeout_ms).unwrap_or(i64::MAX / 16) * 3,
        };
        let done = stop.clone();
        services.spawn_loop("crm push", async move { push.run(done).await });
        let figures = KpiKeeper {
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            every: Duration::from_millis(feed.figures_ms),
            unreachable: crate::kpis::unreachable,
            holder: self.holder(),
        };
        let done = stop.clone();
        services.spawn_loop("figures", async move { figures.run(done).await });
        Ok(())
    }

    /// Changes to the broker's topic exchange.
    fn start_broker_feed(&self, services: &mut Services, stop: &CancellationToken) -> anyhow::Result<()> {
        let bus = &self.settings.bus;
        let Some(url) = &bus.url else {
            bail!(
                "feed.broker is on, and the embedded form has no broker: set AMQP_URL=amqp://… (or bus.url), or leave \
                 changes to endpoints and to /v1/brands/BRAND/changes"
            );
        };
        let feed = BrokerFeed {
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            broadcast: Broadcast::new(url.expose(), &format!("{}.{EXCHANGE}", bus.prefix), "changes"),
            holder: self.holder(),
            poll: Duration::from_millis(self.settings.feed.poll_ms),
        };
        let done = stop.clone();
        services.spawn_loop("feed.broker", async move { feed.run(done).await });
        Ok(())
    }
}
