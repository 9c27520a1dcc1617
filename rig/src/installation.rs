//! Several members of each service, beside a simulated Meta.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use afterglow_domain::Timestamp;
use afterglow_sim::account;
use afterglow_sim::traffic::{Extent, PlannedWebhook, TrafficOptions};
use afterglow_sim::webhooks::{PosterOptions, RetrySchedule};
use afterglow_sim::world::Unanswered;
use afterglow_sim::{Sim, SimOptions};
use afterglow_store::{Store, StoreOptions, Totals};
use anyhow::{Context as _, bail, ensure};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use crate::balancer::is_ready;
use crate::http::get;
use crate::process::{Process, run};
use crate::reckoning::is_settled;
use crate::{Balancer, Signal, Usage};

/// How long anything may take. Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(3);
/// Webhooks that the simulated Meta has under way at once.
const POSTS: usize = 64;

/// A service of the installation, or all of them in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Every service in one process, on an embedded bus.
    All,
    /// Takes webhooks.
    Ingest,
    /// Folds and scores.
    Scorer,
    /// Judges and sends.
    Responder,
    /// Where people work.
    Console,
    /// What other systems are told.
    Crm,
}

impl Service {
    /// As the command line names it.
    pub const fn name(self) -> &'static str {
        match self {
            Service::All => "all",
            Service::Ingest => "ingest",
            Service::Scorer => "scorer",
            Service::Responder => "responder",
            Service::Console => "console",
            Service::Crm => "crm",
        }
    }

    const fn takes_webhooks(self) -> bool {
        matches!(self, Service::All | Service::Ingest)
    }
}

/// What to set up.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The binary.
    pub binary: PathBuf,
    /// PostgreSQL and RabbitMQ; without them one process on SQLite and an embedded bus.
    pub servers: Option<(String, String)>,
    /// Brands, each with one account.
    pub brands: u32,
    /// Every n-th brand answers nobody; 0: none.
    pub silent_every: u32,
    /// Further settings, as the environment has them.
    pub settings: Vec<(String, String)>,
}

impl Layout {
    /// Four brands that answer Story replies.
    pub fn new(binary: impl Into<PathBuf>, servers: Option<(&str, &str)>) -> Self {
        let servers = servers.map(|(database, broker)| (database.to_owned(), broker.to_owned()));
        Self { binary: binary.into(), servers, brands: 4, silent_every: 0, settings: Vec::new() }
    }

    /// With a setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }
}

#[derive(Debug)]
struct Member {
    service: Service,
    process: Process,
    ops: u16,
    webhooks: u16,
}

/// A running installation. Its processes end when it is dropped.
#[derive(Debug)]
pub struct Installation {
    /// The simulated Meta.
    pub sim: Arc<Sim>,
    /// A view of the store.
    pub store: Store,
    /// What its processes are told.
    pub environment: Vec<(String, String)>,
    balancer: Balancer,
    members: Vec<Member>,
    started: HashMap<Service, u32>,
    binary: PathBuf,
    folder: tempfile::TempDir,
}

/// Real time: the processes live in it.
#[expect(clippy::disallowed_methods, reason = "the processes live in real time")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or_default())
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Makes traffic of accounts.
#[derive(Debug, Clone)]
pub struct TrafficSource {
    accounts: Vec<account::Account>,
}

/// Events a second of an account whose people are as the traffic has them.
const EVENTS_OF_A_CROWD: f64 = 5.0;

impl TrafficSource {
    /// Lifelike traffic, `rate` events a second for a time, beginning now.
    pub fn traffic(&self, seed: u64, rate: f64, span: Duration) -> Vec<PlannedWebhook> {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let mut options = TrafficOptions::new(self.accounts.clone(), seed, now(), rate, Extent::Millis(millis));
        (options.story_every_ms, options.late) = (30_000, 0);
        // Where more happens, there are more people, and not the same ones in a frenzy: that would be taken for spam, as it should be.
        let accounts = f64::from(u32::try_from(self.accounts.len()).unwrap_or(u32::MAX));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded")]
        let crowd = (rate / accounts / EVENTS_OF_A_CROWD).clamp(1.0, 100.0) as u32;
        (options.crowd, options.people_per_account) = (crowd, options.people_per_account * crowd);
        options.plan().take_while(|webhook| webhook.at_ms <= millis).collect()
    }
}

impl Installation {
    /// Migrates, connects the accounts by the commands that an operator has; no service runs yet. The database must be empty.
    pub async fn prepare(layout: Layout) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let shape = account::Layout {
            brands: layout.brands,
            accounts_per_brand: 1,
            apps: 1,
            silent_every: layout.silent_every,
        };
        let mut options = SimOptions::new(account::accounts(shape, 1), Arc::new(now));
        // Meta's own pauses are minutes; a process that was killed is back in a second.
        let retry = RetrySchedule { pauses: vec![Duration::from_millis(200); 3_000], factor: 1.0 };
        options.poster = PosterOptions { concurrency: POSTS, timeout: Duration::from_secs(5), retry };
        let sim = Sim::start(options).await?;
        let environment = environment(&layout, &sim, folder.path())?;
        let migrated = run(&layout.binary, &["migrate"], &environment, "")?;
        ensure!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        connect_accounts(&layout.binary, &sim, &environment)?;
        let database = layout.servers.as_ref().map(|(database, _)| database.as_str());
        let store = Store::open(database, &folder.path().join("data"), StoreOptions { max_connections: 3 }).await?;
        let balancer = Balancer::start().await?;
        let (members, started) = (Vec::new(), HashMap::new());
        let sim = Arc::new(sim);
        sim.set_webhook_url(&format!("http://{}/webhooks/meta", balancer.address()));
        Ok(Self { sim, store, environment, balancer, members, started, binary: layout.binary, folder })
    }

    /// Where webhooks are posted: to any ready member.
    pub fn webhook_url(&self) -> String {
        format!("http://{}/webhooks/meta", self.balancer.address())
    }

    /// Where its processes keep their files.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The port of one member that takes webhooks, past the balancer.
    pub fn webhook_port(&self) -> Option<u16> {
        self.members.iter().find(|member| member.service.takes_webhooks()).map(|member| member.webhooks)
    }

    /// Runs a command of the binary on this installation.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<std::process::Output> {
        run(&self.binary, arguments, &self.environment, "")
    }

    /// Starts one more member of a service.
    pub fn spawn(&mut self, service: Service) -> anyhow::Result<()> {
        self.spawn_with(service, &[])
    }

    /// Starts one more member of a service, which is told something besides.
    pub fn spawn_with(&mut self, service: Service, besides: &[(String, String)]) -> anyhow::Result<()> {
        let (ops, webhooks) = (free_port()?, free_port()?);
        let number = self.started.entry(service).or_default();
        *number += 1;
        let log = self.folder.path().join(format!("{}-{number}.log", service.name()));
        let arguments = [
            service.name(),
            "--set",
            &format!("ops.listen=127.0.0.1:{ops}"),
            "--set",
            &format!("ingest.listen=127.0.0.1:{webhooks}"),
        ];
        let environment = [self.environment.as_slice(), besides].concat();
        let process = Process::start(&self.binary, &arguments, &environment, log)?;
        self.members.push(Member { service, process, ops, webhooks });
        if service.takes_webhooks() {
            self.balancer.add(webhooks, ops);
        }
        Ok(())
    }

    /// How many members of a service run.
    pub fn count(&self, service: Service) -> usize {
        self.members.iter().filter(|member| member.service == service).count()
    }

    /// The processes of a service.
    pub fn pids(&self, service: Service) -> Vec<u32> {
        self.members.iter().filter(|member| member.service == service).map(|member| member.process.pid()).collect()
    }

    /// What a service's members have used, added up.
    pub fn usage(&self, service: Service) -> Usage {
        self.pids(service).into_iter().map(Usage::of).fold(Usage::default(), |sum, one| sum + one)
    }

    fn take(&mut self, service: Service) -> anyhow::Result<Process> {
        let place = self.members.iter().position(|member| member.service == service);
        let member = self.members.remove(place.with_context(|| format!("no {} runs", service.name()))?);
        Ok(member.process)
    }

    /// Ends the oldest member of a service in order, and takes it out of the balancer's turn when it is gone.
    pub async fn terminate(&mut self, service: Service) -> anyhow::Result<ExitStatus> {
        let ops = self.members.iter().find(|member| member.service == service).map(|member| member.ops);
        let ended = self.take(service)?.terminate().await?;
        if let Some(ops) = ops {
            self.balancer.remove(ops);
        }
        Ok(ended)
    }

    /// kill -9 of the oldest member of a service.
    pub fn kill(&mut self, service: Service) -> anyhow::Result<()> {
        let ops = self.members.iter().find(|member| member.service == service).map(|member| member.ops);
        self.take(service)?.kill()?;
        if let Some(ops) = ops {
            self.balancer.remove(ops);
        }
        Ok(())
    }

    /// Sends a signal to the oldest member of a service, which stays a member; its process' number.
    pub fn signal(&self, service: Service, signal: Signal) -> anyhow::Result<u32> {
        let pid = *self.pids(service).first().with_context(|| format!("no {} runs", service.name()))?;
        signal.send(pid)?;
        Ok(pid)
    }

    /// Members that have ended by themselves; each is taken out, with the end of its log.
    pub fn fallen(&mut self) -> Vec<(Service, String)> {
        let (members, fallen): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.members).into_iter().map(running).partition(|(_, runs)| *runs);
        self.members = members.into_iter().map(|(member, _)| member).collect();
        fallen
            .into_iter()
            .map(|(member, _)| {
                self.balancer.remove(member.ops);
                (member.service, tail(&member.process))
            })
            .collect()
    }

    /// Waits until every member says that it is ready.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        for member in &mut self.members {
            let begun = Instant::now();
            while !is_ready(member.ops).await {
                if !member.process.is_running() || begun.elapsed() > PATIENCE {
                    bail!("{} is not ready:\n{}", member.service.name(), tail(&member.process));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        // The balancer asks by itself, and a little later.
        tokio::time::sleep(Duration::from_millis(250)).await;
        Ok(())
    }

    /// Lifelike traffic of all accounts, `rate` events a second for a time, beginning now.
    pub fn traffic(&self, seed: u64, rate: f64, span: Duration) -> Vec<PlannedWebhook> {
        self.traffic_of(self.sim.accounts().to_vec(), seed, rate, span)
    }

    /// Lifelike traffic of some accounts.
    pub fn traffic_of(
        &self,
        accounts: Vec<account::Account>,
        seed: u64,
        rate: f64,
        span: Duration,
    ) -> Vec<PlannedWebhook> {
        TrafficSource { accounts }.traffic(seed, rate, span)
    }

    /// What makes traffic of all accounts, to be used beside the installation.
    pub fn source(&self) -> TrafficSource {
        TrafficSource { accounts: self.sim.accounts().to_vec() }
    }

    /// Replies to which an answer was due and none came. Excused is who said stop, or was taken over, at any later time.
    pub fn unanswered(&self) -> Vec<Unanswered> {
        const LATER: i64 = 3_600_000;
        self.sim.with_world(|world| world.unanswered(now().plus(LATER), LATER))
    }

    /// Waits until nothing is on its way: every webhook and echo was taken, lanes and outbox are empty, and no intent is
    /// pending, under way or deferred.
    pub async fn at_rest(&self) -> anyhow::Result<Totals> {
        let begun = Instant::now();
        let (mut calm, mut last) = (0, String::new());
        // A message may be between two places at the moment of one look; not at several.
        while calm < 3 {
            ensure!(begun.elapsed() < PATIENCE, "still on its way: {last}\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(100)).await;
            let idle = tokio::time::timeout(Duration::from_secs(5), self.sim.wait_idle()).await.is_ok();
            let Ok(totals) = self.store.totals().await else { continue };
            let open: u64 = totals.all.intents.iter().filter(|(status, _)| !is_settled(*status)).map(|(_, n)| n).sum();
            let waiting = self.waiting().await;
            calm = if idle && totals.outbox == 0 && open == 0 && waiting == Some(0) { calm + 1 } else { 0 };
            last = format!("idle {idle}, {open} intents, {} in the outbox, waiting {waiting:?}", totals.outbox);
        }
        Ok(self.store.totals().await?)
    }

    /// Messages ready on all lanes, as a member tells.
    pub async fn waiting(&self) -> Option<u64> {
        let (status, text) = get(self.members.first()?.ops, "/metrics").await?;
        let of_lane = |line: &&str| line.starts_with("afterglow_bus_messages{") && line.contains("state=\"ready\"");
        let depths = text.lines().filter(of_lane).filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        let depths: Vec<u64> = depths.collect();
        (status == 200 && !depths.is_empty()).then(|| depths.iter().sum())
    }

    /// The end of each member's log.
    pub fn logs(&self) -> String {
        let logs = self.members.iter().map(|m| format!("--- {}\n{}", m.service.name(), tail(&m.process)));
        logs.collect::<Vec<_>>().join("\n")
    }
}

fn running(mut member: Member) -> (Member, bool) {
    let runs = member.process.is_running();
    (member, runs)
}

fn tail(process: &Process) -> String {
    let text = process.log_text();
    let lines: Vec<&str> = text.lines().rev().take(15).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

fn environment(layout: &Layout, sim: &Sim, folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let first = sim.accounts().first().context("the simulated Meta has accounts")?;
    let mut environment: Vec<(String, String)> = [
        ("AFTERGLOW_DATA_DIR", folder.join("data").display().to_string()),
        ("AFTERGLOW_META__APP_SECRETS", first.app.secret.expose_secret().to_owned()),
        ("AFTERGLOW_META__APP_IDS", first.app.id.clone()),
        ("AFTERGLOW_META__VERIFY_TOKEN", "rig".into()),
        ("AFTERGLOW_META__GRAPH_URL", sim.graph_url()),
        ("AFTERGLOW_KEYS__FORGETTING", "a key for rigs and tests".into()),
        // So that what a killed process left half-done is found within seconds.
        ("AFTERGLOW_RESPONDER__SEND_TIMEOUT_MS", "1000".into()),
        ("AFTERGLOW_RESPONDER__ECHO_PATIENCE_MS", "500".into()),
        ("AFTERGLOW_RESPONDER__FATE_PATIENCE_MS", "3000".into()),
        ("AFTERGLOW_CONSOLE__LISTEN", "127.0.0.1:0".into()),
        ("AFTERGLOW_LOG__FORMAT", "json".into()),
        ("AFTERGLOW_LOG__FILTER", "info".into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    if let Some((database, broker)) = &layout.servers {
        let key = run(&layout.binary, &["keys", "generate"], &[], "")?;
        let of_servers = [
            ("DATABASE_URL", database.clone()),
            ("AMQP_URL", broker.clone()),
            ("AFTERGLOW_KEYS__RING", String::from_utf8(key.stdout)?.trim().to_owned()),
            ("AFTERGLOW_DATABASE__MAX_CONNECTIONS", "6".into()),
        ];
        environment.extend(of_servers.map(|(name, value)| (name.to_owned(), value)));
    }
    environment.extend(layout.settings.iter().cloned());
    Ok(environment)
}

/// Makes the brands and connects their accounts.
fn connect_accounts(binary: &Path, sim: &Sim, environment: &[(String, String)]) -> anyhow::Result<()> {
    for account in sim.accounts() {
        let mut brand = vec!["brand", "add", account.brand.as_str()];
        if account.autoresponder {
            brand.extend(["--story-reply-text", "Thank you for your reply!"]);
        }
        let made = run(binary, &brand, environment, "")?;
        let arguments = ["account", "add", account.id.as_str(), "--brand", account.brand.as_str()];
        let added = run(binary, &arguments, environment, account.access_token.expose_secret())?;
        for done in [made, added] {
            ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }
    Ok(())
}
