//! What the services of a process share, and how they are started and closed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use afterglow_bus::{Bus, Lane};
use afterglow_domain::Clock;
use afterglow_runtime::{Health, Services, Settings, error_chain};
use afterglow_store::Store;
use afterglow_tokens::Tokens;
use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::Service;
use crate::installation::{clock, keyring, open_bus, ready_store};
use crate::ops::Ops;

/// What the services share.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) bus: Option<Arc<dyn Bus>>,
    pub(crate) clock: Clock,
    /// Cancelled when the process is about to stop, and still takes requests.
    pub(super) leaving: CancellationToken,
    health: Health,
}

/// Services at work, and where they listen.
pub(crate) struct Running {
    pub(crate) services: Services,
    pub(crate) webhooks: Option<SocketAddr>,
    pub(crate) console: Option<SocketAddr>,
}

impl Parts {
    /// Opens what the services share, and waits for a database, a schema or a broker that is to come.
    pub(crate) async fn open(which: &[Service], settings: Settings, ops: Ops) -> anyhow::Result<Self> {
        let store = ops.patiently(|| ready_store(&settings)).await?;
        let name = if let [one] = which { one.name() } else { "all" };
        // The embedded bus belongs to one process: a console beside it only shows.
        let beside = which.iter().all(|one| one.needs_no_bus()) && settings.bus.url.is_none();
        let bus = if beside { None } else { Some(ops.patiently(|| open_bus(&settings, name)).await?) };
        let health = ops.begun(bus.as_ref());
        Ok(Self { settings, store, bus, clock: clock(), leaving: CancellationToken::new(), health })
    }

    /// Starts services; they end when `stop` is cancelled.
    pub(crate) async fn start(&self, which: &[Service], stop: &CancellationToken) -> anyhow::Result<Running> {
        let drain = Duration::from_millis(self.settings.ops.drain_ms);
        let mut services = Services::new(stop.clone(), drain);
        let listening = Arc::new(AtomicBool::new(false));
        self.check_health(&listening);
        let (mut webhooks, mut console) = (None, None);
        for service in which {
            match service {
                Service::Ingest => webhooks = Some(self.start_ingest(&mut services, stop).await?),
                Service::Scorer => self.start_scorer(&mut services, stop).await?,
                Service::Responder => self.start_responder(&mut services, stop)?,
                Service::Console => console = Some(self.start_console(&mut services, stop).await?),
                Service::Crm => self.start_crm(&mut services, stop)?,
            }
        }
        listening.store(true, Ordering::Release);
        Ok(Running { services, webhooks, console })
    }

    /// Closes what was opened, after the services have ended.
    pub(crate) async fn close(&self) {
        if let Some(bus) = &self.bus {
            bus.close().await;
        }
        self.store.close().await;
    }

    pub(super) fn bus(&self) -> anyhow::Result<Arc<dyn Bus>> {
        self.bus.clone().context("this service needs the bus")
    }

    fn check_health(&self, listening: &Arc<AtomicBool>) {
        let (store, health) = (self.store.clone(), &self.health);
        // Whoever is told that a process is ready sends it what it is there for.
        let listening = Arc::clone(listening);
        health.check("services", move || {
            let begun = listening.load(Ordering::Acquire);
            async move { if begun { Ok(()) } else { Err("they are being started".to_owned()) } }
        });
        health.check("database", move || {
            let store = store.clone();
            async move { store.ping().await.map_err(|error| error_chain(&error)) }
        });
        if let Some(bus) = self.bus.clone() {
            health.check("bus", move || {
                let bus = Arc::clone(&bus);
                async move { bus.depth(Lane::Interactions).await.map(drop).map_err(|error| error_chain(&error)) }
            });
        }
        let (draining, leaving) = (health.clone(), self.leaving.clone());
        tokio::spawn(async move {
            leaving.cancelled().await;
            draining.drain();
        });
    }

    /// Access tokens, opened for one user of them.
    pub(super) fn tokens(&self) -> anyhow::Result<Tokens> {
        Ok(Tokens::new(self.store.clone(), Arc::new(keyring(&self.settings)?), Arc::clone(&self.clock)))
    }

    /// By what work that one process at a time does is claimed.
    pub(super) fn holder(&self) -> String {
        format!("{}-{}", std::process::id(), (self.clock)())
    }
}
