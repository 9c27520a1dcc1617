//! The running simulator.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use afterglow_domain::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::echo::{Busy, EchoPoster};
use crate::graph_server::{FaultDice, Faults, Graph, ResetHandle, ResettableListener, all_fields, lock, router};
use crate::report::TrafficReport;
use crate::traffic::PlannedWebhook;
use crate::webhooks::{Poster, PosterOptions};
use crate::world::{Ledger, Rules, Totals, Unanswered, ViolationRecord, World};

/// What time it is. The simulator asks nobody else.
pub type TimeSource = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Echoes that wait to be posted. A full queue slows the Send API.
const ECHO_QUEUE: usize = 4096;
/// Webhooks under way, those that wait for their next attempt included.
pub(crate) const OUTSTANDING: usize = 8192;

/// Why the simulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The HTTP client cannot be built.
    #[error("cannot build the HTTP client")]
    Client(#[source] reqwest::Error),
    /// Faults outside 0..1, or more than 1 together.
    #[error("the shares of faults lie in 0..1 and sum to at most 1")]
    Faults,
}

/// How to start.
#[derive(Clone)]
pub struct SimOptions {
    /// The accounts that Meta hosts: see [`accounts`](crate::account::accounts).
    pub accounts: Vec<Account>,
    /// Where the Graph API listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What goes wrong.
    pub faults: Faults,
    /// The time.
    pub clock: TimeSource,
    /// Limits and the judge's settings.
    pub rules: Rules,
    /// How webhooks are posted.
    pub poster: PosterOptions,
    /// Whether messages that were sent come back as echoes.
    pub echoes: bool,
}

impl SimOptions {
    /// On a free local port, without faults, with echoes.
    pub fn new(accounts: Vec<Account>, clock: TimeSource) -> Self {
        Self {
            accounts,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            faults: Faults::default(),
            clock,
            rules: Rules::default(),
            poster: PosterOptions::default(),
            echoes: true,
        }
    }
}

/// When a plan's webhooks are posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At their offsets, counted from the beginning of the run.
    Planned,
    /// As fast as they are taken, in the plan's order.
    Fast,
}

/// A running simulator. Dropping it stops it at once; [`Sim::stop`] lets it finish what is under way.
#[derive(Debug)]
pub struct Sim {
    address: SocketAddr,
    accounts: Vec<Account>,
    world: Arc<Mutex<World>>,
    dice: Arc<Mutex<FaultDice>>,
    clock: TimeSourceBox,
    poster: Poster,
    webhook_url: watch::Sender<Option<String>>,
    outstanding: watch::Sender<usize>,
    echo_report: Arc<Mutex<TrafficReport>>,
    cancel: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

struct TimeSourceBox(TimeSource);

impl std::fmt::Debug for TimeSourceBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TimeSource")
    }
}

impl Sim {
    /// Starts the Graph API and the echoes' poster.
    pub async fn start(options: SimOptions) -> Result<Self, SimError> {
        if !options.faults.is_valid() {
            return Err(SimError::Faults);
        }
        let unbound = |source| SimError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(unbound)?;
        let address = listener.local_addr().map_err(unbound)?;
        let world = Arc::new(Mutex::new(World::new(options.accounts.clone(), options.rules)));
        let dice = Arc::new(Mutex::new(FaultDice::new(options.faults)));
        let poster = Poster::new(options.poster, Arc::clone(&world), Arc::clone(&options.clock))?;
        let cancel = CancellationToken::new();
        let (echoes, echo_queue) = mpsc::channel(ECHO_QUEUE);
        let subscriptions: HashMap<_, _> =
            options.accounts.iter().map(|a| (a.id.as_str().to_owned(), all_fields())).collect();
        let outstanding = watch::Sender::new(0);
        let graph = Graph {
            world: Arc::clone(&world),
            dice: Arc::clone(&dice),
            subscriptions: Arc::new(Mutex::new(subscriptions)),
            ice_breakers: Arc::default(),
            clock: Arc::clone(&options.clock),
            echoes: options.echoes.then_some(echoes),
            outstanding: outstanding.clone(),
            cancel: cancel.clone(),
        };
        let webhook_url = watch::Sender::new(None);
        let echo_report = Arc::new(Mutex::new(TrafficReport::default()));
        let echo = EchoPoster {
            poster: poster.clone(),
            url: webhook_url.subscribe(),
            report: Arc::clone(&echo_report),
            cancel: cancel.clone(),
        };
        let server = tokio::spawn(serve(listener, graph, cancel.clone()));
        let echoes = tokio::spawn(echo.run(echo_queue));
        Ok(Self {
            address,
            accounts: options.accounts,
            world,
            dice,
            clock: TimeSourceBox(options.clock),
            poster,
            webhook_url,
            outstanding,
            echo_report,
            cancel,
            tasks: vec![server, echoes],
        })
    }

    /// The Graph API's base: `http://127.0.0.1:port`. Append `/{version}/…`.
    pub fn graph_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The accounts, with their secrets and tokens.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Where echoes are posted. Until it is known, they wait.
    pub fn set_webhook_url(&self, url: &str) {
        self.webhook_url.send_replace(Some(url.to_owned()));
    }

    /// Changes what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) -> Result<(), SimError> {
        if !faults.is_valid() {
            return Err(SimError::Faults);
        }
        lock(&self.dice).set(faults);
        Ok(())
    }

    /// Posts a plan to `webhook_url` and waits until every webhook was taken or given up. Echoes go to the same address,
    /// and are not in the report: see [`Sim::echoes`].
    pub async fn run_traffic(
        &self,
        webhook_url: &str,
        plan: impl IntoIterator<Item = PlannedWebhook>,
        pace: Pace,
        cancel: &CancellationToken,
    ) -> TrafficReport {
        self.set_webhook_url(webhook_url);
        let begun = Instant::now();
        let mut report = TrafficReport::default();
        let mut posts = JoinSet::new();
        let room = Arc::new(Semaphore::new(OUTSTANDING));
        for planned in plan {
            let due = match pace {
                Pace::Planned => begun + Duration::from_millis(planned.at_ms.try_into().unwrap_or(0)),
                Pace::Fast => begun,
            };
            let permit = tokio::select! {
                biased;
                () = cancel.cancelled() => None,
                () = self.cancel.cancelled() => None,
                permit = async { tokio::time::sleep_until(due).await; Arc::clone(&room).acquire_owned().await.ok() } => permit,
            };
            let Some(permit) = permit else {
                report.cancelled = true;
                break;
            };
            while let Some(Ok(delivery)) = posts.try_join_next() {
                report.add(&delivery);
            }
            let (poster, url, cancel) = (self.poster.clone(), webhook_url.to_owned(), cancel.clone());
            let busy = Busy::new(&self.outstanding);
            posts.spawn(async move {
                let delivery = poster.deliver(&url, &planned.outgoing, &cancel).await;
                drop((permit, busy));
                delivery
            });
        }
        while let Some(joined) = posts.join_next().await {
            if let Ok(delivery) = joined {
                report.add(&delivery);
            }
        }
        report.cancelled |= cancel.is_cancelled();
        report
    }

    /// What became of the echoes so far.
    pub fn echoes(&self) -> TrafficReport {
        lock(&self.echo_report).clone()
    }

    /// Waits until nothing is left to post: no webhook, no retry, no echo. Echoes wait for ever if no address was set.
    pub async fn wait_idle(&self) {
        let mut outstanding = self.outstanding.subscribe();
        let _ = outstanding.wait_for(|n| *n == 0).await; // the sender lives as long as we do
    }

    /// Every send request, with its outcome; the violations; the sums.
    pub fn ledger(&self) -> Ledger {
        lock(&self.world).ledger(usize::MAX)
    }

    /// The sums alone.
    pub fn totals(&self) -> Totals {
        lock(&self.world).totals().clone()
    }

    /// Every broken promise.
    pub fn violations(&self) -> Vec<ViolationRecord> {
        lock(&self.world).violations().to_vec()
    }

    /// Story replies that were acknowledged at least `patience_ms` ago, had an answer due, and got none.
    pub fn unanswered(&self, patience_ms: i64) -> Vec<Unanswered> {
        let now = (self.clock.0)();
        lock(&self.world).unanswered(now, patience_ms)
    }

    /// Changes the world by hand, or asks it: for scenarios that no plan has.
    pub fn with_world<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut lock(&self.world))
    }

    /// Stops: answers what is under way, posts nothing more.
    pub async fn stop(mut self) {
        self.cancel.cancel();
        for task in self.tasks.drain(..) {
            let _ = task.await; // a task that panicked has stopped as well
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

async fn serve(listener: TcpListener, graph: Graph, cancel: CancellationToken) {
    let service = router(graph).into_make_service_with_connect_info::<ResetHandle>();
    let served =
        axum::serve(ResettableListener(listener), service).with_graceful_shutdown(cancel.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the Graph API stopped");
    }
}
