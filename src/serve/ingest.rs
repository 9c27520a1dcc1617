//! `afterglow ingest`: what comes in, and what asks Meta by itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use afterglow_ingest::{
    Callbacks, IceBreakerKeeper, Ingest, InsightsCollector, Links, Partners, Quotas, Rounds, StoredAccounts,
    SubscriptionKeeper, Sweep, TokenKeeper, UnderWay, callbacks_router, connect_router, keep_quarantine, links_router,
    partners_router,
};
use afterglow_meta::AppSecrets;
use afterglow_runtime::{Services, Settings};
use anyhow::{Context as _, bail};
use axum::Router;
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use super::listen::{listen, serve};
use super::parts::Parts;
use crate::installation::{connect, graph, keyring};

impl Parts {
    pub(super) async fn start_ingest(
        &self,
        services: &mut Services,
        stop: &CancellationToken,
    ) -> anyhow::Result<SocketAddr> {
        let Settings { meta, ingest, .. } = &self.settings;
        if meta.app_secrets.is_empty() {
            bail!("no app secret: set AFTERGLOW_META__APP_SECRETS, or nothing that Meta sends can be verified");
        }
        let secrets: Vec<_> = meta.app_secrets.iter().map(|secret| secret.get().clone()).collect();
        if meta.verify_token.is_none() {
            tracing::warn!("no meta.verify_token: Meta's handshake will be refused");
        }
        if meta.app_ids.is_empty() {
            tracing::warn!("no meta.app_ids: every hand-over counts as one to somebody else");
        }
        let accounts = Arc::new(StoredAccounts::load(self.store.clone()).await.context("cannot read the accounts")?);
        let router = afterglow_ingest::router(Ingest {
            secrets: AppSecrets::new(&secrets),
            verify_token: meta.verify_token.as_ref().map(|token| token.get().clone()).unwrap_or_default(),
            accounts: Arc::clone(&accounts) as _,
            our_apps: meta.app_ids.clone(),
            bus: self.bus()?,
            clock: Arc::clone(&self.clock),
            confirm_deadline: Duration::from_millis(ingest.confirm_deadline_ms),
            quotas: Quotas::new(ingest.brand_events_per_second, ingest.brand_events_burst),
            under_way: UnderWay::default(),
            in_flight_max: ingest.in_flight_max.max(1),
            held_refusals: afterglow_ingest::HeldRefusals::default(),
            body_limit: ingest.body_limit,
        });
        let router = router.merge(self.partners(services, stop, &accounts).await?);
        let listener = listen(ingest.listen, "ingest.listen").await?;
        let address = listener.local_addr()?;
        tracing::info!(%address, "taking webhooks at /webhooks/meta");
        services
            .spawn("ingest", serve(listener, router, self.settings.http.clone(), self.leaving.clone(), stop.clone()));
        services.spawn("quarantine keeper", keep_quarantine(self.store.clone(), self.bus()?, stop.clone()));
        self.start_collectors(services, stop, &accounts)?;
        let (every, stop) = (Duration::from_millis(ingest.accounts_refresh_ms), stop.clone());
        services.spawn_loop("accounts", async move { accounts.keep_fresh(every, stop).await });
        Ok(address)
    }

    /// What others than Meta tell: openings of links, conversions.
    async fn partners(
        &self,
        services: &mut Services,
        stop: &CancellationToken,
        accounts: &Arc<StoredAccounts>,
    ) -> anyhow::Result<Router> {
        let (links, openings) = Links::load(self.store.clone(), Arc::clone(&self.clock)).await?;
        let (bus, done) = (self.bus()?, stop.clone());
        services.spawn_loop("openings", async move { openings.publish(bus, done).await });
        let secrets: Vec<&str> = self.settings.api.secrets.iter().map(|secret| secret.get().expose_secret()).collect();
        let partners = Partners::new(
            secrets,
            self.bus()?,
            Arc::clone(&links),
            Arc::clone(accounts) as _,
            Arc::clone(&self.clock),
        )?;
        let secrets: Vec<_> = self.settings.meta.app_secrets.iter().map(|secret| secret.get().clone()).collect();
        let callbacks = callbacks_router(Callbacks {
            secrets: AppSecrets::new(&secrets),
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            public_url: self.settings.ingest.public_url.clone(),
        });
        let routes = links_router(links).merge(partners_router(partners)).merge(callbacks);
        if self.settings.keys.ring.is_empty() && self.settings.database.url.is_some() {
            return Ok(routes); // no token could be sealed: accounts are not connected here
        }
        Ok(routes.merge(connect_router(connect(&self.settings, self.store.clone())?)))
    }

    /// What asks Meta by itself: the sweep, and the collector of Story insights.
    pub(super) fn start_collectors(
        &self,
        services: &mut Services,
        stop: &CancellationToken,
        accounts: &Arc<StoredAccounts>,
    ) -> anyhow::Result<()> {
        let ingest = &self.settings.ingest;
        if self.settings.keys.ring.is_empty() && self.settings.database.url.is_some() {
            tracing::warn!("no keys.ring: access tokens cannot be opened, and nothing that webhooks miss is found");
            return Ok(());
        }
        let rounds = |every_ms| Rounds {
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            every: Duration::from_millis(every_ms),
            holder: self.holder(),
        };
        let collector = InsightsCollector {
            rounds: rounds(ingest.insights_ms),
            bus: self.bus()?,
            graph: graph(&self.settings)?,
            tokens: self.tokens()?,
        };
        let done = stop.clone();
        services.spawn_loop("story insights", async move { collector.run(done).await });
        let token_keeper = TokenKeeper {
            rounds: rounds(ingest.tokens_ms),
            graph: graph(&self.settings)?,
            tokens: self.tokens()?,
            keyring: Arc::new(keyring(&self.settings)?),
        };
        let done = stop.clone();
        services.spawn_loop("tokens", async move { token_keeper.run(done).await });
        let keeper = SubscriptionKeeper {
            rounds: rounds(ingest.subscriptions_ms),
            graph: graph(&self.settings)?,
            tokens: self.tokens()?,
        };
        let done = stop.clone();
        services.spawn_loop("subscriptions", async move { keeper.run(done).await });
        let keeper = IceBreakerKeeper {
            rounds: rounds(ingest.ice_breakers_ms),
            graph: graph(&self.settings)?,
            tokens: self.tokens()?,
        };
        let done = stop.clone();
        services.spawn_loop("ice-breakers", async move { keeper.run(done).await });
        let sweep = Sweep {
            rounds: rounds(ingest.sweep_ms),
            bus: self.bus()?,
            graph: graph(&self.settings)?,
            tokens: self.tokens()?,
            accounts: Arc::clone(accounts) as _,
            our_apps: self.settings.meta.app_ids.clone(),
            grace_ms: i64::try_from(ingest.sweep_grace_ms).unwrap_or(i64::MAX),
        };
        let stop = stop.clone();
        services.spawn_loop("sweep", async move { sweep.run(stop).await });
        Ok(())
    }
}
