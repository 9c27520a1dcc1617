//! Steady load on every service for as long as wanted: does memory, do handles, threads or queues grow?

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use afterglow_rig::{Installation, Layout, PrivateServers, Server, Service, Told, Trend, Usage};
use afterglow_sim::Pace;
use anyhow::ensure;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Put a steady load on every service, look at each process every minute, and judge by the slope whether it stays flat
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The release binary
    #[arg(long, default_value = "target/release/afterglow")]
    binary: PathBuf,
    /// Minutes of load; the first quarter is for warming up and is not judged. Ten or more say something
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// Mean events a second
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// One process on SQLite and an embedded bus, instead of a process for each service on PostgreSQL and RabbitMQ
    #[arg(long)]
    embedded: bool,
}

/// How often processes are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Traffic is made in pieces.
const PIECE: Duration = Duration::from_secs(15);
const SERVICES: [Service; 5] = [Service::Ingest, Service::Scorer, Service::Responder, Service::Console, Service::Crm];
/// They fill their caches, and PostgreSQL's processes share memory that is counted for each: looked at, and not judged.
const SERVERS: [&str; 2] = ["PostgreSQL", "RabbitMQ"];
const MIB: f64 = 1_048_576.0;

/// What a figure may grow by and still be flat, in its own unit: what buffers and pools take to settle.
const MEMORY: f64 = 4.0;
const HANDLES: f64 = 4.0;
const THREADS: f64 = 2.0;
/// Messages on all lanes: some are always under way.
const QUEUE: f64 = 50.0;

/// A figure of a process over time.
struct Figure {
    process: &'static str,
    name: &'static str,
    tolerated: f64,
    samples: Vec<(f64, f64)>,
}

struct Soaked {
    installation: Installation,
    servers: Option<PrivateServers>,
    figures: Vec<Figure>,
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
        Ok(Self { installation, servers, figures: Vec::new() })
    }

    fn usages(&self) -> Vec<(&'static str, Usage)> {
        let ours = SERVICES.iter().chain(&[Service::All]).filter(|service| self.installation.count(**service) > 0);
        let mut all: Vec<_> = ours.map(|service| (service.name(), self.installation.usage(*service))).collect();
        if let Some(servers) = &self.servers {
            for (name, server) in SERVERS.into_iter().zip([Server::Postgres, Server::Rabbitmq]) {
                all.push((name, Usage::of_tree(servers.pid(server))));
            }
        }
        all
    }

    #[expect(clippy::cast_precision_loss, reason = "figures to be looked at")]
    async fn look(&mut self, at: f64) {
        let mut found = Vec::new();
        for (process, usage) in self.usages() {
            found.push((process, "MiB", MEMORY, usage.resident as f64 / MIB));
            found.push((process, "handles", HANDLES, usage.handles as f64));
            found.push((process, "threads", THREADS, usage.threads as f64));
        }
        if let Some(waiting) = self.installation.waiting().await {
            found.push(("lanes", "messages", QUEUE, waiting as f64));
        }
        for (process, name, tolerated, figure) in found {
            let known = self.figures.iter_mut().find(|one| one.process == process && one.name == name);
            match known {
                Some(known) => known.samples.push((at, figure)),
                None => self.figures.push(Figure { process, name, tolerated, samples: vec![(at, figure)] }),
            }
        }
    }

    /// A line for people who watch.
    fn tell(&self, minute: u64) {
        let last = |one: &Figure| one.samples.last().map_or(0.0, |(_, figure)| *figure);
        let figures = self.figures.iter().map(|one| format!("{} {:.0} {}", one.process, last(one), one.name));
        eprintln!("{minute:>4} min: {}", figures.collect::<Vec<_>>().join(", "));
    }
}

impl Figure {
    /// How it went after `warm` seconds.
    fn trend(&self, warm: f64) -> Option<Trend> {
        let judged: Vec<_> = self.samples.iter().copied().filter(|(at, _)| *at >= warm).collect();
        Trend::of(&judged)
    }
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
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
            soaked.tell(minute);
        }
    }
    over.cancel();
    let told = loading.await??;
    let fallen = soaked.installation.fallen();
    ensure!(fallen.is_empty(), "processes ended by themselves: {fallen:?}");
    let totals = soaked.installation.at_rest().await?;
    println!(
        "{} interactions in {:.1} min, {:.0} a second; webhooks posted again {} times\n",
        totals.accepted, arguments.minutes, arguments.rate, told.retries
    );
    println!("| process | figure | mean | growth in {:.1} min | ± | verdict |", arguments.minutes * 0.75);
    println!("| --- | --- | ---: | ---: | ---: | --- |");
    let mut grown = Vec::new();
    for figure in &soaked.figures {
        let Some(trend) = figure.trend(span / 4.0) else { continue };
        let (flat, theirs) = (trend.is_flat(figure.tolerated), SERVERS.contains(&figure.process));
        let verdict = match (theirs, flat) {
            (true, _) => "not judged",
            (false, true) => "flat",
            (false, false) => "GROWS",
        };
        let Trend { mean, growth, error } = trend;
        println!("| {} | {} | {mean:.1} | {growth:+.1} | {error:.1} | {verdict} |", figure.process, figure.name);
        if !flat && !theirs {
            grown.push(format!("{} {}", figure.process, figure.name));
        }
    }
    ensure!(told.not_taken == 0, "{} webhooks were never taken", told.not_taken);
    ensure!(grown.is_empty(), "not flat: {}", grown.join(", "));
    Ok(())
}

/// Steady traffic until the time is over. What it needs of the installation is taken at once.
fn load(
    installation: &Installation,
    rate: f64,
    span: f64,
    over: CancellationToken,
) -> impl Future<Output = anyhow::Result<Told>> + Send + use<> {
    let (sim, url, source) = (Arc::clone(&installation.sim), installation.webhook_url(), installation.source());
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
