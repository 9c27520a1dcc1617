//! An installation in one of its two forms, beside a simulated Meta.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use afterglow_bus::AmqpBus;
use afterglow_domain::{IntentStatus, Timestamp};
use afterglow_rig::{free_port, with_scratch_database};
use afterglow_sim::account::{self, Layout};
use afterglow_sim::traffic::{Extent, PlannedWebhook, TrafficOptions};
use afterglow_sim::webhooks::{PosterOptions, RetrySchedule};
use afterglow_sim::world::Unanswered;
use afterglow_sim::{Sim, SimOptions};
use afterglow_store::{Store, StoreOptions, Totals};
use secrecy::ExposeSecret as _;

use crate::processes::{Process, run};

/// How long anything may take. Generous: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// The services of the production form.
pub(crate) const SERVICES: [&str; 3] = ["ingest", "scorer", "responder"];

/// Declares each case once for each form.
macro_rules! in_both_forms {
    ($($case:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case($crate::installation::Installation::embedded().await).await;
            })+
        }
        mod production {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::installation::in_production_form(super::$case).await;
            })+
        }
    };
}
pub(crate) use in_both_forms;

pub(crate) struct Installation {
    pub(crate) sim: Arc<Sim>,
    pub(crate) store: Store,
    pub(crate) environment: Vec<(String, String)>,
    processes: BTreeMap<&'static str, Process>,
    ports: BTreeMap<&'static str, u16>,
    folder: tempfile::TempDir,
}

/// A time source: real time.
#[expect(clippy::disallowed_methods, reason = "the processes under test live in real time")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

/// Runs a case against servers of its own: a database and a prefix on the broker.
pub(crate) async fn in_production_form<F>(case: impl FnOnce(Installation) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let servers = (std::env::var("AFTERGLOW_TEST_DATABASE_URL"), std::env::var("AFTERGLOW_TEST_AMQP_URL"));
    let (Ok(database), Ok(broker)) = servers else {
        let required = std::env::var("AFTERGLOW_TEST_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
        assert!(!required, "the servers' addresses are not set, and this run requires them: see scripts/test");
        eprintln!("skipped: AFTERGLOW_TEST_DATABASE_URL or AFTERGLOW_TEST_AMQP_URL is not set");
        return;
    };
    let ended = with_scratch_database(&database, "afterglow_e2e", async |url, name| {
        let installation = Installation::production(url, &broker, name).await;
        let ended = tokio::spawn(case(installation)).await;
        let janitor = AmqpBus::connect(&broker, name, "test").await?;
        janitor.delete_topology().await?;
        Ok(ended)
    });
    if let Err(error) = ended.await.unwrap() {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Long enough for everything that was due to have come.
const LATER: i64 = 3_600_000;

impl Installation {
    pub(crate) async fn embedded() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = vec![("AFTERGLOW_DATA_DIR".to_owned(), folder.path().join("data").to_str().unwrap().to_owned())];
        Self::start(folder, own, None, &["all"]).await
    }

    async fn production(database: &str, broker: &str, prefix: &str) -> Self {
        let key = run(&["keys", "generate"], &[], "");
        let key = String::from_utf8(key.stdout).unwrap();
        let own = [
            ("DATABASE_URL", database),
            ("AMQP_URL", broker),
            ("AFTERGLOW_BUS__PREFIX", prefix),
            ("AFTERGLOW_KEYS__RING", key.trim()),
            ("AFTERGLOW_KEYS__FORGETTING", "a key for these tests"),
            ("AFTERGLOW_DATABASE__MAX_CONNECTIONS", "4"),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self::start(tempfile::tempdir().unwrap(), own, Some(database), &SERVICES).await
    }

    async fn start(
        folder: tempfile::TempDir,
        mut environment: Vec<(String, String)>,
        database: Option<&str>,
        services: &[&'static str],
    ) -> Self {
        let accounts = account::accounts(Layout { brands: 2, accounts_per_brand: 1, apps: 2, silent_every: 2 }, 1);
        let mut options = SimOptions::new(accounts, Arc::new(now));
        // Meta's own pauses are minutes; a process that was killed is back in a second.
        let retry = RetrySchedule { pauses: vec![Duration::from_millis(200); 300], factor: 1.0 };
        options.poster = PosterOptions { concurrency: 16, timeout: Duration::from_secs(10), retry };
        let sim = Sim::start(options).await.unwrap();
        let secrets: Vec<&str> = sim.accounts().iter().map(|a| a.app.secret.expose_secret()).collect();
        let apps: Vec<&str> = sim.accounts().iter().map(|a| a.app.id.as_str()).collect();
        for (name, value) in [
            ("AFTERGLOW_META__APP_SECRETS", secrets.join(",")),
            ("AFTERGLOW_META__APP_IDS", apps.join(",")),
            ("AFTERGLOW_META__VERIFY_TOKEN", "t0ken".into()),
            ("AFTERGLOW_META__GRAPH_URL", sim.graph_url()),
            // So that what a killed process left half-done is found within seconds.
            ("AFTERGLOW_RESPONDER__SEND_TIMEOUT_MS", "1000".into()),
            ("AFTERGLOW_RESPONDER__ECHO_PATIENCE_MS", "500".into()),
            ("AFTERGLOW_RESPONDER__FATE_PATIENCE_MS", "3000".into()),
            ("AFTERGLOW_CONSOLE__LISTEN", format!("127.0.0.1:{}", free_port().unwrap())),
            ("AFTERGLOW_API__SECRETS", "brand-1:a secret of the shop's".into()),
            ("AFTERGLOW_LOG__FORMAT", "json".into()),
            ("AFTERGLOW_LOG__FILTER", "info".into()),
        ] {
            environment.push((name.into(), value));
        }
        assert!(run(&["migrate"], &environment, "").status.success());
        connect_accounts(&sim, &environment);
        let data = folder.path().join("data");
        let store = Store::open(database, &data, StoreOptions { max_connections: 3 }).await.unwrap();
        let ports = services.iter().chain(&["webhooks", "crm"]).map(|name| (*name, free_port().unwrap())).collect();
        let mut this = Self { sim: Arc::new(sim), store, environment, processes: BTreeMap::new(), ports, folder };
        for service in services {
            this.spawn(service);
        }
        this.ready().await;
        this
    }

    pub(crate) fn services(&self) -> Vec<&'static str> {
        self.processes.keys().copied().collect()
    }

    /// Services that do not run now.
    pub(crate) fn stopped(&self) -> Vec<&'static str> {
        let names = self.ports.keys().copied();
        names.filter(|name| !["webhooks", "crm"].contains(name) && !self.processes.contains_key(name)).collect()
    }

    pub(crate) fn spawn(&mut self, service: &'static str) {
        let ops = format!("ops.listen=127.0.0.1:{}", self.ports[service]);
        let listen = format!("ingest.listen=127.0.0.1:{}", self.ports["webhooks"]);
        let arguments = [service, "--set", &ops, "--set", &listen];
        self.processes.insert(service, Process::start(&arguments, &self.environment, self.folder.path()));
    }

    /// Where the embedded form keeps what it has.
    pub(crate) fn data_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// The process of a service.
    pub(crate) fn pid(&self, service: &str) -> u32 {
        self.processes[service].id()
    }

    pub(crate) fn take(&mut self, service: &str) -> Process {
        self.processes.remove(service).unwrap()
    }

    pub(crate) fn webhook_url(&self) -> String {
        format!("http://127.0.0.1:{}/webhooks/meta", self.ports["webhooks"])
    }

    /// Where strangers connect: to the endpoint for webhooks, and to the console where one runs.
    pub(crate) fn open_ports(&self) -> Vec<u16> {
        let console = self.environment.iter().find(|(name, _)| name == "AFTERGLOW_CONSOLE__LISTEN").unwrap();
        let console = console.1.rsplit_once(':').unwrap().1.parse().unwrap();
        let runs = self.processes.contains_key("all");
        [Some(self.ports["webhooks"]), runs.then_some(console)].into_iter().flatten().collect()
    }

    pub(crate) fn ops_url(&self, service: &str, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[service])
    }

    /// Waits until every process says that it is ready.
    pub(crate) async fn ready(&mut self) {
        for service in self.services() {
            let url = self.ops_url(service, "/readyz");
            let begun = Instant::now();
            while get(&url).await.is_none_or(|(status, _)| status != 200) {
                let process = self.processes.get_mut(service).unwrap();
                assert!(process.is_running() && begun.elapsed() < PATIENCE, "{service}:\n{}", process.log_text());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Lifelike traffic of about `events` events that end now.
    pub(crate) fn plan(&self, seed: u64, events: u64) -> Vec<PlannedWebhook> {
        let start = now().minus(60_000);
        let accounts = self.sim.accounts().to_vec();
        let mut options = TrafficOptions::new(accounts, seed, start, 100.0, Extent::Events(events));
        options.people_per_account = 300;
        options.story_every_ms = 2_000;
        options.late = 0;
        options.plan().collect()
    }

    /// People who said stop and were never told that it was heard.
    pub(crate) fn unconfirmed(&self) -> usize {
        self.sim.with_world(|world| world.unconfirmed(now().plus(LATER), LATER)).len()
    }

    /// Replies to which an answer was due and none came. Excused is who said stop, or was taken over, at any later time:
    /// webhooks are posted much faster than they happened.
    pub(crate) fn unanswered(&self) -> Vec<Unanswered> {
        self.sim.with_world(|world| world.unanswered(now().plus(LATER), LATER))
    }

    pub(crate) async fn totals(&self) -> Totals {
        self.store.totals().await.unwrap()
    }

    /// Waits until nothing is on its way: every webhook and echo was taken, queues and outbox are empty, and no intent is
    /// pending, under way or deferred.
    pub(crate) async fn at_rest(&self) -> Totals {
        tokio::time::timeout(PATIENCE, self.sim.wait_idle()).await.unwrap();
        let begun = Instant::now();
        let (mut calm, mut last) = (0, String::new());
        // A message may be between two places at the moment of one look, or in the hands of a busy process; not at many.
        while calm < 8 {
            assert!(begun.elapsed() < PATIENCE, "still on its way: {last}\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(100)).await;
            let totals = self.totals().await;
            let open = totals.all.intents.iter().filter(|(status, n)| *n > 0 && !is_settled(*status)).count();
            let waiting = self.waiting().await;
            calm = if totals.outbox == 0 && open == 0 && waiting == Some(0) { calm + 1 } else { 0 };
            last = format!("{totals:?}, waiting {waiting:?}");
        }
        tokio::time::timeout(PATIENCE, self.sim.wait_idle()).await.unwrap();
        self.totals().await
    }

    /// Messages ready on all lanes, as a process tells.
    async fn waiting(&self) -> Option<u64> {
        let (status, text) = get(&self.ops_url(self.processes.keys().next()?, "/metrics")).await?;
        let line = |line: &str| {
            let of_lane = line.starts_with("afterglow_bus_messages{") && line.contains("state=\"ready\"");
            of_lane.then(|| line.rsplit_once(' ').and_then(|(_, n)| n.parse::<u64>().ok())).flatten()
        };
        let depths: Vec<u64> = text.lines().filter_map(line).collect();
        (status == 200 && depths.len() == afterglow_bus::Lane::ALL.len()).then(|| depths.iter().sum())
    }

    /// All that the processes that run have logged.
    pub(crate) fn all_logs(&self) -> String {
        self.processes.values().map(Process::log_text).collect()
    }

    pub(crate) fn logs(&self) -> String {
        let tail = |process: &Process| {
            let text = process.log_text();
            let lines: Vec<&str> = text.lines().rev().take(15).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        let logs = self.processes.iter().map(|(name, process)| format!("--- {name}\n{}", tail(process)));
        logs.collect::<Vec<_>>().join("\n")
    }
}

const fn is_settled(status: IntentStatus) -> bool {
    match status {
        IntentStatus::Sent | IntentStatus::Held | IntentStatus::Dropped => true,
        IntentStatus::Pending | IntentStatus::Sending | IntentStatus::Deferred => false,
    }
}

/// Makes the brands and connects their accounts, by the commands that an operator has.
fn connect_accounts(sim: &Sim, environment: &[(String, String)]) {
    for account in sim.accounts() {
        let mut brand = vec!["brand", "add", account.brand.as_str()];
        if account.autoresponder {
            brand.extend(["--story-reply-text", "Thank you for your reply!"]);
        }
        assert!(run(&brand, environment, "").status.success());
        let arguments = ["account", "add", account.id.as_str(), "--brand", account.brand.as_str()];
        let added = run(&arguments, environment, account.access_token.expose_secret());
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    }
}

#[expect(clippy::disallowed_methods, reason = "a plain client, as a stranger would use")]
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap()
}

/// Status and text; `None` if nobody answers.
pub(crate) async fn get(url: &str) -> Option<(u16, String)> {
    let response = client().get(url).send().await.ok()?;
    Some((response.status().as_u16(), response.text().await.ok()?))
}
