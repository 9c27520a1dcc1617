//! The processes of the feed, which are started, killed and started again.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use afterglow_domain::BrandId;
use afterglow_rig::{Installation, Layout, PrivateServers, Process, free_port, now};
use anyhow::{Context as _, ensure};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties, ExchangeKind};
use sqlx::{Connection as _, PgConnection};
use tokio::time::Instant;

use super::consumer::QUEUE;

/// How long anything may take that nobody disturbs.
const PATIENCE: Duration = Duration::from_mins(20);

pub(super) struct Bed {
    pub(super) installation: Installation,
    pub(super) brand: BrandId,
    pub(super) database: PgConnection,
    account: String,
    binary: PathBuf,
    processes: HashMap<&'static str, Process>,
    hook: u16,
    console: u16,
    token: String,
    folder: tempfile::TempDir,
    servers: PrivateServers,
}

impl Bed {
    pub(super) async fn prepare(binary: &PathBuf, viewers: u32) -> anyhow::Result<Self> {
        let servers = PrivateServers::start()?;
        let console = free_port()?;
        let mut layout = Layout::new(binary, Some((servers.database_url(), servers.amqp_url())));
        layout.brands = 1;
        for (name, value) in [
            ("AFTERGLOW_FEED__ALLOWED_NETWORKS", "127.0.0.0/8"),
            ("AFTERGLOW_FEED__PLAIN_HTTP", "true"),
            ("AFTERGLOW_FEED__POLL_MS", "50"),
            ("AFTERGLOW_FEED__TIMEOUT_MS", "1000"),
            ("AFTERGLOW_FEED__FIGURES_MS", "86400000"),
            ("AFTERGLOW_FEED__BROKER", "true"),
        ] {
            layout = layout.with(name, value);
        }
        layout = layout.with("AFTERGLOW_CONSOLE__LISTEN", format!("127.0.0.1:{console}"));
        let installation = Installation::prepare(layout).await?;
        let account = installation.sim.accounts().first().context("there is an account")?;
        let (brand, account) = (account.brand.clone(), account.id.to_string());
        let mut database = PgConnection::connect(servers.database_url()).await?;
        let sql = "INSERT INTO viewer (account, viewer, brand, username, state, segment, score_rank, last_contact_ms,
                first_seen_ms, last_seen_ms, rules_version, tags)
            SELECT $1, 'v' || n, $2, 'viewer.' || n,
                '{\"counts\":{\"story_reply\":3,\"message\":2},\"signals\":{\"story_reply\":{\"h\":172800000,\"s\":{\"10300\":3300000000}}}}',
                n % 3, 10000 + random() * 300, $3, $3, $3, '1', '[]' FROM generate_series(1, $4::bigint) AS n";
        let query = sqlx::query(sql).bind(&account).bind(brand.as_str()).bind(now().millis()).bind(i64::from(viewers));
        query.execute(&mut database).await?;
        queue(servers.amqp_url()).await?;
        let made = installation.command(&["api-token", "add", "bench", "--brand", brand.as_str()])?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Ok(Self {
            installation,
            brand,
            database,
            account,
            binary: binary.clone(),
            processes: HashMap::new(),
            hook: free_port()?,
            console,
            token: String::from_utf8(made.stdout)?.trim().to_owned(),
            folder: tempfile::tempdir()?,
            servers,
        })
    }

    /// Where a consumer writes what it takes.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.taken"))
    }

    /// Starts a process: `crm-…`, `console`, or a consumer.
    pub(super) fn start(&mut self, name: &'static str) -> anyhow::Result<()> {
        let mut environment = self.installation.environment.clone();
        let diary = self.folder.path().join(format!("{name}.log"));
        let process = if let Some(at) = self.consumed_at(name) {
            environment.push(("AFTERGLOW_BENCH_TOKEN".into(), self.token.clone()));
            let (bench, log) = (std::env::current_exe()?, self.log(name).display().to_string());
            Process::start(&bench, &["feed-consumer", name, "--log", &log, "--at", &at], &environment, diary)?
        } else {
            let service = name.split('-').next().unwrap_or(name);
            let ops = format!("ops.listen=127.0.0.1:{}", free_port()?);
            Process::start(&self.binary, &[service, "--set", &ops], &environment, diary)?
        };
        self.processes.insert(name, process);
        Ok(())
    }

    fn consumed_at(&self, name: &str) -> Option<String> {
        match name {
            "webhook" => Some(format!("127.0.0.1:{}", self.hook)),
            "pull" => Some(format!("http://127.0.0.1:{}/v1/brands/{}/changes", self.console, self.brand)),
            "amqp" => Some(self.servers.amqp_url().to_owned()),
            _ => None,
        }
    }

    /// kill -9.
    pub(super) fn kill(&mut self, name: &'static str) -> anyhow::Result<()> {
        self.processes.remove(name).with_context(|| format!("{name} does not run"))?.kill()
    }

    /// Runs a command of an operator.
    pub(super) fn command(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let done = self.installation.command(&[arguments, &["--brand", self.brand.as_str()]].concat())?;
        ensure!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    }

    /// Makes an endpoint, from now on; where the consumer listens unless at another address.
    pub(super) fn endpoint(&self, name: &str, elsewhere: Option<&str>) -> anyhow::Result<()> {
        let here = format!("http://127.0.0.1:{}/", self.hook);
        let url = elsewhere.unwrap_or(&here);
        let fast = ["--per-minute", "600000", "--concurrency", "64"];
        self.command(&[["feed", "endpoint", "add", name, "--url", url].as_slice(), &fast].concat())
    }

    /// Has something changed of the viewers from `from` to `to`.
    pub(super) async fn mark(&mut self, from: u32, to: u32) -> anyhow::Result<()> {
        let sql = "INSERT INTO feed_mark (brand, account, viewer, at_ms)
            SELECT $1, $2, 'v' || n, $3 FROM generate_series($4::bigint, $5::bigint) AS n";
        let query = sqlx::query(sql).bind(self.brand.as_str()).bind(&self.account).bind(now().millis());
        query.bind(i64::from(from)).bind(i64::from(to)).execute(&mut self.database).await?;
        Ok(())
    }

    /// The number of the latest change; `None` while some wait to be numbered.
    pub(super) async fn head(&self) -> anyhow::Result<Option<u64>> {
        let store = &self.installation.store;
        let marked = !store.brands_with_marks(1).await?.is_empty();
        Ok((!marked).then_some(store.brand(&self.brand).feed_tail().await?.head))
    }

    /// How far everything is, in words.
    pub(super) async fn state(&self) -> anyhow::Result<String> {
        let scoped = self.installation.store.brand(&self.brand);
        let head = scoped.feed_tail().await?.head;
        let (mut delivered, published) = (0, scoped.feed_broker_place().await?.map_or(0, |place| place.cursor));
        for one in scoped.feed_endpoints().await?.iter().filter(|one| one.id == "chaos") {
            delivered = one.cursor - scoped.feed_waiting(&one.id).await?.0;
        }
        Ok(format!("{head} numbered, {delivered} delivered, {published} published"))
    }

    /// Whether all has arrived at an endpoint.
    pub(super) async fn is_delivered(&self, endpoint: &str) -> anyhow::Result<bool> {
        let Some(head) = self.head().await? else { return Ok(false) };
        let scoped = self.installation.store.brand(&self.brand);
        let given = scoped.feed_endpoints().await?.iter().any(|one| one.id == endpoint && one.cursor == head);
        Ok(given && scoped.feed_waiting(endpoint).await? == (0, 0))
    }

    /// Whether the broker has confirmed all.
    pub(super) async fn is_published(&self) -> anyhow::Result<bool> {
        let Some(head) = self.head().await? else { return Ok(false) };
        let place = self.installation.store.brand(&self.brand).feed_broker_place().await?;
        Ok(place.is_some_and(|place| place.cursor == head))
    }

    /// Waits until all is at an endpoint.
    pub(super) async fn delivered(&self, endpoint: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !self.is_delivered(endpoint).await? {
            ensure!(begun.elapsed() < PATIENCE, "{endpoint} never had all of it");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Reads the whole feed by its API, as one reader that does nothing else. How long it took.
    pub(super) async fn read_all(&self) -> anyhow::Result<(u64, Duration)> {
        let client = afterglow_runtime::http_client(Duration::from_secs(30))?;
        let at = self.consumed_at("pull").unwrap_or_default();
        let (begun, mut cursor, mut count) = (Instant::now(), "0".to_owned(), 0);
        loop {
            let url = format!("{at}?format=ndjson&limit=1000&cursor={cursor}");
            let answer = client.get(url).bearer_auth(&self.token).send().await?.error_for_status()?;
            let next = answer.headers().get("x-cursor").context("the answer has its cursor")?.to_str()?.to_owned();
            let lines = answer.text().await?.lines().count() as u64;
            if lines == 0 {
                return Ok((count, begun.elapsed()));
            }
            (cursor, count) = (next, count + lines);
        }
    }
}

/// The consumer's queue, there before anything is published.
async fn queue(url: &str) -> anyhow::Result<()> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let none = FieldTable::default;
    channel.exchange_declare("afterglow.changes".into(), ExchangeKind::Topic, durable, none()).await?;
    channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), none()).await?;
    let bind = QueueBindOptions::default();
    channel.queue_bind(QUEUE.into(), "afterglow.changes".into(), "#".into(), bind, none()).await?;
    Ok(connection.close(200, "done".into()).await?)
}
