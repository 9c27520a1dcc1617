//! Steady load on every service for as long as wanted: does memory, do handles, threads or queues grow?

mod record;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use afterglow_rig::{Installation, Layout, PrivateServers, Server, Service, Told, Usage};
use afterglow_sim::Pace;
use anyhow::ensure;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::record::{CRITERION, Figure, Record};

/// Put a steady load on every service, look at each process every few seconds, and judge by the slope of the second half
/// whether it stays flat
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The release binary
    #[arg(long, default_value = "target/release/afterglow")]
    binary: PathBuf,
    /// Minutes of load, 1 to 1440; the first half is for warming up and is not judged. Twenty say something
    #[arg(long, default_value_t = 20.0, value_parser = minutes)]
    minutes: f64,
    /// Mean events a second
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// One process on SQLite and an embedded bus, instead of a process for each service on PostgreSQL and RabbitMQ
    #[arg(long)]
    embedded: bool,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "a number of minutes".to_owned())?;
    if (1.0..=1440.0).contains(&minutes) { Ok(minutes) } else { Err("1 to 1440 minutes".to_owned()) }
}

/// How often processes are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Traffic is made in pieces.
const PIECE: Duration = Duration::from_secs(15);
const SERVICES: [Service; 5] = [Service::Ingest, Service::Scorer, Service::Responder, Service::Console, Service::Crm];
/// They fill their caches, and PostgreSQL's processes share memory that is counted for each: looked at, and not judged.
const SERVERS: [(&str, Server); 2] = [("PostgreSQL", Server::Postgres), ("RabbitMQ", Server::Rabbitmq)];
const MIB: f64 = 1_048_576.0;

struct Soaked {
    installation: Installation,
    servers: Option<PrivateServers>,
    record: Record,
    /// When each process was last looked at, in seconds, and what it had used of the processor.
    used: HashMap<&'static str, (f64, Duration)>,
}

impl Soaked {
    async fn begin(arguments: &Arguments) -> anyhow::Result<Self> {
        let servers = if arguments.embedded { None } else { Some(PrivateServers::start()?) };
        let urls = servers.as_ref().map(|servers| (servers.database_url(), servers.amqp_url()));
        let mut installation = Installation::prepare(Layout::new(&arguments.binary, urls)).await?;
        let services: &[Service] = if arguments.embedded { &[Service::All] } else { &SERVICES };
        for service in services {
            installation.spawn(*service)?;
        }
        installation.ready().await?;
        Ok(Self { installation, servers, record: Record::default(), used: HashMap::new() })
    }

    #[expect(clippy::cast_precision_loss, reason = "figures to be looked at")]
    async fn look(&mut self, at: f64) {
        let first = self.used.is_empty();
        let ours = SERVICES.iter().chain(&[Service::All]).filter(|service| self.installation.count(**service) > 0);
        let ours = ours.map(|service| ((service.name(), true), self.installation.usage(*service)));
        let servers = self.servers.iter();
        let theirs = servers.flat_map(|all| SERVERS.map(|(name, one)| ((name, false), Usage::of_tree(all.pid(one)))));
        for (process, usage) in ours.chain(theirs) {
            let Some((before, used)) = self.used.insert(process.0, (at, usage.cpu)) else { continue };
            let share = usage.cpu.saturating_sub(used).as_secs_f64() / (at - before).max(f64::EPSILON);
            self.record.add(at, process, Figure::Processor, share * 100.0);
            self.record.add(at, process, Figure::Heap, usage.anonymous as f64 / MIB);
            let of_files = usage.resident.saturating_sub(usage.anonymous);
            self.record.add(at, process, Figure::Files, of_files as f64 / MIB);
            self.record.add(at, process, Figure::Handles, usage.handles.saturating_sub(usage.sockets) as f64);
            self.record.add(at, process, Figure::Sockets, usage.sockets as f64);
            self.record.add(at, process, Figure::Threads, usage.threads as f64);
        }
        if first {
            return; // from now on it is known what each uses
        }
        if let Some(waiting) = self.installation.waiting().await {
            self.record.add(at, ("lanes", true), Figure::Messages, waiting as f64);
        }
        if self.servers.is_none() {
            let bytes = write_ahead_logs(&self.installation.data_folder());
            self.record.add(at, ("data folder", true), Figure::Logs, bytes as f64 / MIB);
        }
    }
}

/// Bytes of `SQLite`'s write-ahead logs in a folder: a reader that never ends would let them grow for ever.
fn write_ahead_logs(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let logs = files.filter(|file| file.file_name().to_string_lossy().ends_with("-wal"));
    logs.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

#[expect(clippy::print_stdout, reason = "the tables are what the command is for")]
#[expect(clippy::cast_precision_loss, reason = "figures to be looked at")]
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut soaked = Soaked::begin(arguments).await?;
    let span = arguments.minutes * 60.0;
    let over = CancellationToken::new();
    let loading = tokio::spawn(load(&soaked.installation, arguments.rate, span, over.clone()));
    let (begun, mut minute) = (Instant::now(), 0);
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while begun.elapsed().as_secs_f64() < span {
        ticks.tick().await;
        soaked.look(begun.elapsed().as_secs_f64()).await;
        if begun.elapsed().as_secs() / 60 > minute {
            minute = begun.elapsed().as_secs() / 60;
            eprintln!("{minute:>4} min: {}", soaked.record.last());
        }
    }
    over.cancel();
    let told = loading.await??;
    let fallen = soaked.installation.fallen();
    ensure!(fallen.is_empty(), "processes ended by themselves: {fallen:?}");
    // Not at rest: after a quarter of an hour the brake silences accounts, for simulated people say stop more often than it
    // allows, and what it sets aside waits.
    let totals = soaked.installation.store.totals().await?;
    let (half, events) = (span / 2.0, totals.accepted as f64 / span);
    println!(
        "{} interactions in {:.1} min, {events:.0} a second; webhooks posted again {} times\n",
        totals.accepted, arguments.minutes, told.retries
    );
    println!("{}", soaked.record.by_minute());
    println!("{}", soaked.record.slopes(half, events));
    println!("{CRITERION}");
    let grown = soaked.record.grown(half);
    ensure!(told.not_taken == 0, "{} webhooks were never taken", told.not_taken);
    println!("Verdict: {}", if grown.is_empty() { "flat".to_owned() } else { format!("grows: {}", grown.join(", ")) });
    ensure!(grown.is_empty(), "not flat");
    Ok(())
}

/// Steady traffic until the time is over. What it needs of the installation is taken at once.
fn load(
    installation: &Installation,
    rate: f64,
    span: f64,
    over: CancellationToken,
) -> impl Future<Output = anyhow::Result<Told>> + Send + use<> {
    let source = installation.source().lasting(Duration::from_secs_f64(span));
    let (sim, url) = (Arc::clone(&installation.sim), installation.webhook_url());
    async move {
        let (mut told, begun) = (Told::default(), Instant::now());
        for piece in 0.. {
            if over.is_cancelled() || begun.elapsed().as_secs_f64() >= span {
                break;
            }
            let plan = source.traffic(piece, rate, PIECE);
            told.plan(&plan);
            told.report(&sim.run_traffic(&url, plan, Pace::Planned, &CancellationToken::new()).await);
        }
        Ok(told)
    }
}
