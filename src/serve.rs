//! `afterglow ingest|scorer|responder|console|all`: the services.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use afterglow_bus::{Broadcast, Bus, Lane};
use afterglow_console::Console;
use afterglow_crm::feed::{BrokerFeed, EXCHANGE, FeedService, FeedSettings};
use afterglow_crm::push::PushService;
use afterglow_domain::Clock;
use afterglow_drafts::{BreakerSettings, Drafter, EndpointSettings, Prices};
use afterglow_ingest::{
    Callbacks, Conversions, IceBreakerKeeper, Ingest, InsightsCollector, Links, Quotas, StoredAccounts,
    SubscriptionKeeper, Sweep, TokenKeeper, UnderWay, callbacks_router, connect_router, conversions_router,
    keep_quarantine, links_router,
};
use afterglow_insights::KpiKeeper;
use afterglow_meta::AppSecrets;
use afterglow_meta::graph::GraphClient;
use afterglow_responder::{Policy, Responder, ResponderOptions, decide, runtime_sleep};
use afterglow_runtime::{Health, Http, Services, Settings, Traces, error_chain, serve_http, signals, start_logs};
use afterglow_scorer::{RetentionKeeper, Rulebooks, Scorer};
use afterglow_store::Store;
use afterglow_tokens::Tokens;
use anyhow::{Context as _, bail};
use axum::Router;
use axum::http::{HeaderValue, header};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::installation::{clock, connect, egress, egress_reading, graph, keyring, oidc, open_bus, ready_store};
use crate::ops::Ops;

/// Bytes of a CRM's reply: it speaks of each of some hundred records.
const CRM_REPLY_MAX: usize = 4 << 20;

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Ingest,
    Scorer,
    Responder,
    Console,
    Crm,
}

impl Service {
    pub(crate) const ALL: [Service; 5] =
        [Service::Ingest, Service::Scorer, Service::Responder, Service::Console, Service::Crm];

    /// Whether it works beside a process that has the embedded bus to itself.
    const fn needs_no_bus(self) -> bool {
        matches!(self, Service::Console | Service::Crm)
    }

    const fn name(self) -> &'static str {
        match self {
            Service::Ingest => "ingest",
            Service::Scorer => "scorer",
            Service::Responder => "responder",
            Service::Console => "console",
            Service::Crm => "crm",
        }
    }
}

/// Runs services until SIGTERM or SIGINT.
#[tokio::main]
pub(crate) async fn run(which: &[Service], settings: Settings) -> anyhow::Result<ExitCode> {
    let name = if let [one] = which { one.name() } else { "all" };
    let traces = Traces::start(&settings.traces, name)?;
    start_logs(&settings.log, traces.as_ref())?;
    let metrics = afterglow_runtime::start_metrics()?;
    if settings.bus.url.is_none() && which.len() < Service::ALL.len() && !which.iter().all(|one| one.needs_no_bus()) {
        bail!(
            "services in processes of their own share a broker: set AMQP_URL=amqp://… (or bus.url). \
             `afterglow all` runs every service in one process, without a broker"
        );
    }
    let (leaving, stop) = (CancellationToken::new(), CancellationToken::new());
    let answers = which.iter().any(|service| matches!(service, Service::Ingest | Service::Console));
    let linger = Duration::from_millis(if answers { settings.ops.linger_ms } else { 0 });
    signals(&leaving, &stop, linger).context("cannot listen for signals")?;
    let ops = Ops::serve(&settings, metrics).await?;
    let Some(opened) = leaving.run_until_cancelled(Parts::open(which, settings, ops)).await else {
        return Ok(ExitCode::SUCCESS); // asked to stop while it waited
    };
    let mut parts = opened?;
    parts.leaving = leaving;
    let running = parts.start(which, &stop).await?;
    running.services.wait().await.map_err(|ended| anyhow::anyhow!(error_chain(&ended)))?;
    parts.close().await;
    if let Some(traces) = traces {
        traces.stop().await;
    }
    tracing::info!("stopped in order");
    Ok(ExitCode::SUCCESS)
}

/// What the services share.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) bus: Option<Arc<dyn Bus>>,
    pub(crate) clock: Clock,
    /// Cancelled when the process is about to stop, and still takes requests.
    leaving: CancellationToken,
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

    fn bus(&self) -> anyhow::Result<Arc<dyn Bus>> {
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

    async fn start_ingest(&self, services: &mut Services, stop: &CancellationToken) -> anyhow::Result<SocketAddr> {
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
        services.spawn("accounts", async move {
            accounts.keep_fresh(every, stop).await;
            Ok::<(), std::convert::Infallible>(())
        });
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
        services.spawn("openings", async move {
            openings.publish(bus, done).await;
            Ok::<(), std::convert::Infallible>(())
        });
        let secrets: Vec<&str> = self.settings.api.secrets.iter().map(|secret| secret.get().expose_secret()).collect();
        let conversions = Conversions::new(
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
        let routes = links_router(links).merge(conversions_router(conversions)).merge(callbacks);
        if self.settings.keys.ring.is_empty() && self.settings.database.url.is_some() {
            return Ok(routes); // no token could be sealed: accounts are not connected here
        }
        Ok(routes.merge(connect_router(connect(&self.settings, self.store.clone())?)))
    }

    /// What asks Meta by itself: the sweep, and the collector of Story insights.
    fn start_collectors(
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
        let collector = InsightsCollector {
            store: self.store.clone(),
            bus: self.bus()?,
            graph: self.graph()?,
            tokens: Tokens::new(self.store.clone(), Arc::new(keyring(&self.settings)?), Arc::clone(&self.clock)),
            clock: Arc::clone(&self.clock),
            every: Duration::from_millis(ingest.insights_ms),
            holder: format!("{}-{}", std::process::id(), (self.clock)()),
        };
        let done = stop.clone();
        services.spawn("story insights", async move {
            collector.run(done).await;
            Ok::<(), std::convert::Infallible>(())
        });
        let token_keeper = TokenKeeper {
            store: self.store.clone(),
            graph: self.graph()?,
            tokens: Tokens::new(self.store.clone(), Arc::new(keyring(&self.settings)?), Arc::clone(&self.clock)),
            keyring: Arc::new(keyring(&self.settings)?),
            clock: Arc::clone(&self.clock),
            every: Duration::from_millis(ingest.tokens_ms),
            holder: format!("{}-{}", std::process::id(), (self.clock)()),
        };
        let done = stop.clone();
        services.spawn("tokens", async move {
            token_keeper.run(done).await;
            Ok::<(), std::convert::Infallible>(())
        });
        let keeper = SubscriptionKeeper {
            store: self.store.clone(),
            graph: self.graph()?,
            tokens: Arc::new(Tokens::new(
                self.store.clone(),
                Arc::new(keyring(&self.settings)?),
                Arc::clone(&self.clock),
            )),
            clock: Arc::clone(&self.clock),
            every: Duration::from_millis(ingest.subscriptions_ms),
            holder: format!("{}-{}", std::process::id(), (self.clock)()),
        };
        let done = stop.clone();
        services.spawn("subscriptions", async move {
            keeper.run(done).await;
            Ok::<(), std::convert::Infallible>(())
        });
        let keeper = IceBreakerKeeper {
            store: self.store.clone(),
            graph: self.graph()?,
            tokens: Arc::new(Tokens::new(
                self.store.clone(),
                Arc::new(keyring(&self.settings)?),
                Arc::clone(&self.clock),
            )),
            clock: Arc::clone(&self.clock),
            every: Duration::from_millis(ingest.ice_breakers_ms),
            holder: format!("{}-{}", std::process::id(), (self.clock)()),
        };
        let done = stop.clone();
        services.spawn("ice-breakers", async move {
            keeper.run(done).await;
            Ok::<(), std::convert::Infallible>(())
        });
        let sweep = Sweep {
            store: self.store.clone(),
            bus: self.bus()?,
            graph: self.graph()?,
            tokens: Tokens::new(self.store.clone(), Arc::new(keyring(&self.settings)?), Arc::clone(&self.clock)),
            accounts: Arc::clone(accounts) as _,
            our_apps: self.settings.meta.app_ids.clone(),
            clock: Arc::clone(&self.clock),
            every: Duration::from_millis(ingest.sweep_ms),
            grace_ms: i64::try_from(ingest.sweep_grace_ms).unwrap_or(i64::MAX),
            holder: format!("{}-{}", std::process::id(), (self.clock)()),
        };
        let stop = stop.clone();
        services.spawn("sweep", async move {
            sweep.run(stop).await;
            Ok::<(), std::convert::Infallible>(())
        });
        Ok(())
    }

    /// The Graph API's client.
    fn graph(&self) -> anyhow::Result<GraphClient> {
        graph(&self.settings)
    }

    async fn start_scorer(&self, services: &mut Services, stop: &CancellationToken) -> anyhow::Result<()> {
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
            park_ms: i64::try_from(self.settings.scorer.park_ms).unwrap_or(i64::MAX),
        };
        services.spawn("scorer", scorer.run(stop.clone()));
        if self.store.can_forget() {
            let keeper = RetentionKeeper {
                store: self.store.clone(),
                clock: Arc::clone(&self.clock),
                every: Duration::from_millis(self.settings.scorer.retention_ms),
                quarantine_days: self.settings.scorer.quarantine_days,
                holder: format!("{}-{}", std::process::id(), (self.clock)()),
            };
            let stop = stop.clone();
            services.spawn("retention", async move {
                keeper.run(stop).await;
                Ok::<(), std::convert::Infallible>(())
            });
        } else {
            tracing::warn!("no keys.forgetting: nobody can be forgotten, and nothing is removed when its time is over");
        }
        Ok(())
    }

    fn start_responder(&self, services: &mut Services, stop: &CancellationToken) -> anyhow::Result<()> {
        let responder = &self.settings.responder;
        let timeout = Duration::from_millis(responder.send_timeout_ms);
        let responder = Responder::new(ResponderOptions {
            store: self.store.clone(),
            bus: self.bus()?,
            graph: self.graph()?,
            keyring: Arc::new(keyring(&self.settings)?),
            clock: Arc::clone(&self.clock),
            holder: format!("{}-{}", std::process::id(), (self.clock)()),
            policy: Policy::default(),
            concurrency: responder.concurrency,
            sweep_every: Duration::from_millis(responder.sweep_ms),
            send_timeout: timeout,
            sends_per_second: responder.sends_per_second,
            echo_patience: Duration::from_millis(responder.echo_patience_ms),
            fate_patience: Duration::from_millis(responder.fate_patience_ms),
            drafter: drafter(&self.settings.drafts)?.map(Arc::new),
            gate: decide,
            sleep: runtime_sleep(),
        });
        services.spawn("responder", responder.run(stop.clone()));
        Ok(())
    }

    fn start_crm(&self, services: &mut Services, stop: &CancellationToken) -> anyhow::Result<()> {
        let feed = &self.settings.feed;
        let now = (self.clock)();
        let service = FeedService {
            store: self.store.clone(),
            keyring: Arc::new(keyring(&self.settings)?),
            clock: Arc::clone(&self.clock),
            client: egress(feed)?,
            seed: now.millis().unsigned_abs().rotate_left(32) ^ u64::from(std::process::id()),
            holder: format!("{}-{now}", std::process::id()),
            settings: FeedSettings {
                poll: Duration::from_millis(feed.poll_ms),
                keep_days: feed.keep_days,
                lease_ms: i64::try_from(feed.timeout_ms).unwrap_or(i64::MAX / 8) * 6,
            },
        };
        let done = stop.clone();
        services.spawn("crm", async move {
            service.run(done).await;
            Ok::<(), std::convert::Infallible>(())
        });
        if feed.broker {
            self.start_broker_feed(services, stop)?;
        }
        let push = PushService {
            store: self.store.clone(),
            keyring: Arc::new(keyring(&self.settings)?),
            clock: Arc::clone(&self.clock),
            client: egress_reading(feed, CRM_REPLY_MAX)?,
            holder: format!("{}-{now}", std::process::id()),
            poll: Duration::from_millis(feed.poll_ms),
            lease_ms: i64::try_from(feed.timeout_ms).unwrap_or(i64::MAX / 16) * 3,
        };
        let done = stop.clone();
        services.spawn("crm push", async move {
            push.run(done).await;
            Ok::<(), std::convert::Infallible>(())
        });
        let figures = KpiKeeper {
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            every: Duration::from_millis(feed.figures_ms),
            unreachable: crate::kpis::unreachable,
            holder: format!("{}-{now}", std::process::id()),
        };
        let done = stop.clone();
        services.spawn("figures", async move {
            figures.run(done).await;
            Ok::<(), std::convert::Infallible>(())
        });
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
            holder: format!("{}-{}", std::process::id(), (self.clock)()),
            poll: Duration::from_millis(self.settings.feed.poll_ms),
        };
        let done = stop.clone();
        services.spawn("feed.broker", async move {
            feed.run(done).await;
            Ok::<(), std::convert::Infallible>(())
        });
        Ok(())
    }

    async fn start_console(&self, services: &mut Services, stop: &CancellationToken) -> anyhow::Result<SocketAddr> {
        let Settings { console: wanted, meta, .. } = &self.settings;
        if !wanted.listen.ip().is_loopback() && wanted.public_url.is_none() {
            bail!(
                "console.listen is {}, and the console answers under loopback names alone: set console.public_url to \
                 the address that people use",
                wanted.listen
            );
        }
        if self.store.engine_name() == "postgres" && self.store.brand_role().await?.is_none() {
            tracing::info!(
                "no role for brands in the database: every query names its brand, and no second wall is behind"
            );
        }
        let listener = listen(wanted.listen, "console.listen").await?;
        let address = listener.local_addr()?;
        let mut console = Console::new(self.store.clone(), Arc::clone(&self.clock));
        console.bus.clone_from(&self.bus);
        console.our_apps.clone_from(&meta.app_ids);
        console.public_url.clone_from(&wanted.public_url);
        console.stop = stop.clone();
        console.keyring = keyring(&self.settings).map(Arc::new).ok();
        let base = wanted.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        console.oidc = oidc(&self.settings, &base)?;
        tracing::info!("console at http://{address}/");
        let router = afterglow_console::router(console);
        services
            .spawn("console", serve(listener, router, self.settings.http.clone(), self.leaving.clone(), stop.clone()));
        Ok(address)
    }
}

/// Asks a model for drafts, if an endpoint is set.
fn drafter(drafts: &afterglow_runtime::Drafts) -> anyhow::Result<Option<Drafter>> {
    let Some(url) = &drafts.url else { return Ok(None) };
    let mut endpoint = EndpointSettings::new(url, &drafts.model);
    endpoint.api_key.clone_from(&drafts.api_key);
    endpoint.timeout = Duration::from_millis(drafts.timeout_ms);
    let prices = Prices { input: drafts.input_price_micros, output: drafts.output_price_micros };
    let drafter = Drafter::new(endpoint, prices, BreakerSettings::default()).context("drafts.url cannot be used")?;
    Ok(Some(drafter))
}

pub(crate) async fn listen(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: is it in use? Choose another with --set {setting}=…"))
}

/// Serves until `stop`, then answers what is under way. While the process is leaving, answers ask clients to come by a new
/// connection next time, which a load balancer gives to another: none is then cut off in the middle of a request.
async fn serve(
    listener: TcpListener,
    router: Router,
    http: Http,
    leaving: CancellationToken,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let part = move |mut response: axum::response::Response| {
        if leaving.is_cancelled() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        std::future::ready(response)
    };
    let router = router.layer(axum::middleware::map_response(part));
    serve_http(listener, router, &http, stop).await
}
