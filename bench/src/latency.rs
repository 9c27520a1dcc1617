//! From the webhook to the call of the Send API, with real processes in both forms.
//!
//! A simulated Meta posts lifelike traffic at a steady rate and notes, for each Story reply that got its answer, when the
//! first attempt to post it began and when the Send request arrived. Both ends are the simulator's clock.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use afterglow_domain::Timestamp;
use afterglow_rig::free_port;
use afterglow_sim::account::{self, Layout};
use afterglow_sim::traffic::{Batching, Extent, TrafficOptions};
use afterglow_sim::{Pace, Sim, SimOptions};
use anyhow::{Context as _, bail};
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

/// Measure the time from a webhook to the call of the Send API, in both forms
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The release binary to measure
    #[arg(long, default_value = "target/release/afterglow")]
    binary: PathBuf,
    /// RabbitMQ, for the production form; `scripts/test --services` starts a private one
    #[arg(long, env = "AFTERGLOW_TEST_AMQP_URL")]
    amqp_url: Option<String>,
    /// An empty PostgreSQL database, for the production form
    #[arg(long, env = "AFTERGLOW_TEST_DATABASE_URL")]
    database_url: Option<String>,
    /// Mean events a second
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Seconds of traffic
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

struct Measured {
    form: &'static str,
    answers: usize,
    violations: usize,
    p50_ms: i64,
    p99_ms: i64,
    max_ms: i64,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut rows = vec![measure(arguments, None).await?];
    match (&arguments.database_url, &arguments.amqp_url) {
        (Some(database), Some(broker)) => rows.push(measure(arguments, Some((database, broker))).await?),
        _ => eprintln!("no servers: only the embedded form is measured; see `scripts/test --services`"),
    }
    print(arguments, &rows);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
fn print(arguments: &Arguments, rows: &[Measured]) {
    println!("{} events/s for {} s", arguments.rate, arguments.seconds);
    println!("| form | answers | p50 ms | p99 ms | max ms | violations |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for Measured { form, answers, violations, p50_ms, p99_ms, max_ms } in rows {
        println!("| {form} | {answers} | {p50_ms} | {p99_ms} | {max_ms} | {violations} |");
    }
}

/// Processes that end with the measurement.
pub(crate) struct Processes(pub(crate) Vec<Child>);

impl Drop for Processes {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill(); // it may have ended
            let _ = child.wait();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the processes that are measured live in real time")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or_default())
}

async fn measure(arguments: &Arguments, servers: Option<(&String, &String)>) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir()?;
    let accounts = account::accounts(Layout { brands: 2, accounts_per_brand: 2, apps: 1, silent_every: 0 }, 1);
    let sim = Sim::start(SimOptions::new(accounts, Arc::new(now))).await?;
    let (webhooks, ports) = (free_port()?, [free_port()?, free_port()?, free_port()?]);
    let mut environment = environment(&sim, folder.path(), servers, webhooks, &arguments.binary)?;
    // What exceeds a brand's quota waits 200 ms on purpose: `neighbour` measures what that is for.
    environment.push(("AFTERGLOW_INGEST__BRAND_EVENTS_PER_SECOND".to_owned(), "0".to_owned()));
    let afterglow = |list: &[&str]| {
        let mut command = Command::new(&arguments.binary);
        command.args(list).envs(environment.iter().map(|(k, v)| (k, v))).stdin(Stdio::null());
        command
    };
    let migrated = afterglow(&["migrate"]).stdout(Stdio::null()).status();
    if !migrated.with_context(|| format!("cannot run {}", arguments.binary.display()))?.success() {
        bail!("the database is not to be migrated: is it empty?");
    }
    connect(&sim, &afterglow)?;
    let services: &[&str] = if servers.is_some() { &["ingest", "scorer", "responder"] } else { &["all"] };
    let mut running = Processes(Vec::new());
    for (service, port) in services.iter().zip(ports) {
        let ops = format!("ops.listen=127.0.0.1:{port}");
        running.0.push(afterglow(&[service, "--set", &ops]).spawn()?);
        ready(port).await?;
    }
    let millis = i64::try_from(arguments.seconds * 1000)?;
    let mut traffic = TrafficOptions::new(
        sim.accounts().to_vec(),
        now().millis().unsigned_abs(),
        now(),
        arguments.rate,
        Extent::Millis(millis),
    );
    (traffic.story_every_ms, traffic.late, traffic.batching) = (30_000, 0, Batching::Lifelike { max: 50 });
    let url = format!("http://127.0.0.1:{webhooks}/webhooks/meta");
    let plan = traffic.plan().take_while(|webhook| webhook.at_ms <= millis);
    sim.run_traffic(&url, plan, Pace::Planned, &CancellationToken::new()).await;
    sim.wait_idle().await;
    let mut latencies = sim.with_world(|world| world.answer_latencies_ms());
    latencies.sort_unstable();
    let at = |share: usize| latencies.get((latencies.len() * share / 100).min(latencies.len().saturating_sub(1)));
    let (p50_ms, p99_ms) = (*at(50).context("no answer came")?, *at(99).context("no answer came")?);
    Ok(Measured {
        form: if servers.is_some() { "PostgreSQL and RabbitMQ, three processes" } else { "embedded, one process" },
        answers: latencies.len(),
        violations: sim.violations().len(),
        p50_ms,
        p99_ms,
        max_ms: *at(100).context("no answer came")?,
    })
}

pub(crate) fn environment(
    sim: &Sim,
    folder: &Path,
    servers: Option<(&String, &String)>,
    webhooks: u16,
    binary: &Path,
) -> anyhow::Result<Vec<(String, String)>> {
    let first = sim.accounts().first().context("the simulator has accounts")?;
    let mut environment: Vec<(String, String)> = [
        ("AFTERGLOW_DATA_DIR", folder.display().to_string()),
        ("AFTERGLOW_META__APP_SECRETS", first.app.secret.expose_secret().to_owned()),
        ("AFTERGLOW_META__APP_IDS", first.app.id.clone()),
        ("AFTERGLOW_META__VERIFY_TOKEN", "bench".into()),
        ("AFTERGLOW_META__GRAPH_URL", sim.graph_url()),
        ("AFTERGLOW_INGEST__LISTEN", format!("127.0.0.1:{webhooks}")),
        ("AFTERGLOW_CONSOLE__LISTEN", "127.0.0.1:0".into()),
        ("AFTERGLOW_LOG__FILTER", "warn".into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    if let Some((database, broker)) = servers {
        let key = Command::new(binary).args(["keys", "generate"]).output()?;
        let key = String::from_utf8(key.stdout)?.trim().to_owned();
        let prefix = format!("afterglow-bench-{}", std::process::id());
        let of_servers = [
            ("DATABASE_URL", database.clone()),
            ("AMQP_URL", broker.clone()),
            ("AFTERGLOW_BUS__PREFIX", prefix),
            ("AFTERGLOW_KEYS__RING", key),
        ];
        environment.extend(of_servers.map(|(name, value)| (name.to_owned(), value)));
    }
    Ok(environment)
}

pub(crate) fn connect(sim: &Sim, afterglow: &dyn Fn(&[&str]) -> Command) -> anyhow::Result<()> {
    for account in sim.accounts() {
        let brand = account.brand.as_str();
        let made = afterglow(&["brand", "add", brand, "--story-reply-text", "Thank you for your reply!"]).status()?;
        let mut adding =
            afterglow(&["account", "add", account.id.as_str(), "--brand", brand]).stdin(Stdio::piped()).spawn()?;
        let mut input = adding.stdin.take().context("a pipe")?;
        std::io::Write::write_all(&mut input, account.access_token.expose_secret().as_bytes())?;
        drop(input);
        if !made.success() || !adding.wait()?.success() {
            bail!("an account cannot be connected");
        }
    }
    Ok(())
}

/// Waits until a process says that it is ready.
pub(crate) async fn ready(port: u16) -> anyhow::Result<()> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        if let Ok(mut stream) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await {
            stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            if answer.contains(" 200 ") {
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("a service is not ready after 30 s")
}
