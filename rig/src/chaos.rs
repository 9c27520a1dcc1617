//! Faults in mid-load, on real processes and servers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use afterglow_sim::{Pace, TrafficReport};
use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{Installation, Layout, Link, PrivateServers, Reckoning, Server, Service, Signal, Told, Weather};

/// What to do.
#[derive(Debug, Clone)]
pub struct Chaos {
    /// The binary.
    pub binary: PathBuf,
    /// The same seed chooses the same faults, in the same order.
    pub seed: u64,
    /// Mean events a second.
    pub rate: f64,
}

/// What came of it.
#[derive(Debug)]
pub struct Aftermath {
    /// What went wrong, in order.
    pub happened: Vec<Fault>,
    /// How long it took.
    pub took: Duration,
    /// Whether it adds up.
    pub reckoning: Reckoning,
    /// What was told.
    pub told: Told,
}

/// Where Debian's package `faketime` puts its library; without it the clock is not skewed.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
const SERVICES: [Service; 3] = [Service::Ingest, Service::Scorer, Service::Responder];
const SPAN: Duration = Duration::from_secs(5);

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// kill -9 of a process.
    Kill,
    /// A process stands still for seconds.
    Freeze,
    /// A process' clock is wrong by seconds.
    SkewClock,
    /// kill -9 of PostgreSQL or RabbitMQ.
    KillServer,
    /// One of them is restarted in order.
    StopServer,
    /// The network to one of them is slow.
    Slow,
    /// It swallows everything.
    Silent,
    /// Connections are cut.
    Cut,
    /// The broker's disk is full.
    DiskFull,
}

impl Fault {
    /// The weights: what happens often comes often, and the server that takes seconds to start comes seldom.
    const DRAWN: [Fault; 16] = [
        Fault::Kill,
        Fault::Kill,
        Fault::Kill,
        Fault::Kill,
        Fault::Freeze,
        Fault::Freeze,
        Fault::SkewClock,
        Fault::KillServer,
        Fault::KillServer,
        Fault::StopServer,
        Fault::Slow,
        Fault::Slow,
        Fault::Silent,
        Fault::Cut,
        Fault::Cut,
        Fault::DiskFull,
    ];

    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::Kill => "kill -9 of a process",
            Fault::Freeze => "SIGSTOP for seconds",
            Fault::SkewClock => "clock skewed by seconds",
            Fault::KillServer => "kill -9 of a server",
            Fault::StopServer => "restart of a server",
            Fault::Slow => "slow network",
            Fault::Silent => "network swallows all",
            Fault::Cut => "connections cut",
            Fault::DiskFull => "disk full",
        }
    }
}

impl Chaos {
    /// Faults for a time, on two members of each service, PostgreSQL and RabbitMQ; `tells` hears of each.
    pub async fn production(&self, span: Duration, tells: impl Fn(Duration, Fault)) -> anyhow::Result<Aftermath> {
        let mut ground = Ground::start(&self.binary).await?;
        let mut dice = StdRng::seed_from_u64(self.seed);
        let (mut told, mut happened): (Told, Vec<Fault>) = (Told::default(), Vec::new());
        let begun = Instant::now();
        let mut traffic: Vec<JoinHandle<TrafficReport>> = Vec::new();
        let mut piece = begun;
        while begun.elapsed() < span {
            if piece.elapsed() >= SPAN || traffic.is_empty() {
                piece = Instant::now();
                traffic.push(self.spawn(&ground.installation, traffic.len() as u64, &mut told));
            }
            let fault = Fault::DRAWN[dice.random_range(0..Fault::DRAWN.len())];
            tells(begun.elapsed(), fault);
            ground.befall(fault, &mut dice).await.with_context(|| format!("while: {}", fault.name()))?;
            happened.push(fault);
            ground.mend()?;
            sleep(Duration::from_millis(dice.random_range(200..1_500))).await;
        }
        for run in traffic {
            told.report(&run.await?);
            ground.mend()?;
        }
        ground.aftermath(happened, begun.elapsed(), told).await
    }

    /// kill -9 of the one process, again and again, on SQLite and an embedded bus.
    pub async fn embedded(&self, kills: u32) -> anyhow::Result<Aftermath> {
        let mut installation = Installation::prepare(Layout::new(&self.binary, None)).await?;
        installation.spawn(Service::All)?;
        installation.ready().await?;
        let mut dice = StdRng::seed_from_u64(self.seed);
        let (mut told, mut traffic, begun) = (Told::default(), Vec::new(), Instant::now());
        for kill in 0..kills {
            if kill % 4 == 0 {
                traffic.push(self.spawn(&installation, u64::from(kill), &mut told));
            }
            sleep(Duration::from_millis(dice.random_range(50..900))).await;
            installation.kill(Service::All)?;
            installation.spawn(Service::All)?;
            installation.ready().await?;
        }
        for run in traffic {
            told.report(&run.await?);
        }
        let totals = installation.at_rest().await?;
        let reckoning = Reckoning::of(&installation, told, &totals).await?;
        Ok(Aftermath { happened: vec![Fault::Kill; kills as usize], took: begun.elapsed(), reckoning, told })
    }

    fn spawn(&self, installation: &Installation, piece: u64, told: &mut Told) -> JoinHandle<TrafficReport> {
        let plan = installation.traffic(self.seed * 1_000 + piece, self.rate, SPAN);
        told.plan(&plan);
        let (sim, url) = (Arc::clone(&installation.sim), installation.webhook_url());
        tokio::spawn(async move { sim.run_traffic(&url, plan, Pace::Planned, &CancellationToken::new()).await })
    }
}

struct Ground {
    servers: PrivateServers,
    /// To PostgreSQL, and to RabbitMQ.
    links: [Link; 2],
    installation: Installation,
}

impl Ground {
    async fn start(binary: &Path) -> anyhow::Result<Self> {
        let servers = PrivateServers::start()?;
        let links = [Link::to(address(servers.database_url())?).await?, Link::to(address(servers.amqp_url())?).await?];
        let through = |url: &str, link: &Link| {
            let (head, _) = url.rsplit_once("127.0.0.1:").unwrap_or((url, ""));
            let tail = url.rsplit_once('/').filter(|(head, _)| head.contains("127.0.0.1")).map_or("", |(_, tail)| tail);
            format!("{head}{}/{tail}", link.address())
        };
        let layout = Layout::new(binary, Some((servers.database_url(), servers.amqp_url())))
            .with("DATABASE_URL", through(servers.database_url(), &links[0]))
            .with("AMQP_URL", through(servers.amqp_url(), &links[1]).trim_end_matches('/').to_owned());
        let mut installation = Installation::prepare(layout).await?;
        for service in SERVICES {
            installation.spawn(service)?;
            installation.spawn(service)?;
        }
        installation.ready().await?;
        Ok(Self { servers, links, installation })
    }

    async fn befall(&mut self, fault: Fault, dice: &mut StdRng) -> anyhow::Result<()> {
        let service = SERVICES[dice.random_range(0..SERVICES.len())];
        let server = [Server::Postgres, Server::Rabbitmq][dice.random_range(0..2)];
        let link = &self.links[dice.random_range(0..2)];
        let long = Duration::from_millis(dice.random_range(500..6_000));
        match fault {
            Fault::Kill => self.installation.kill(service)?,
            Fault::Freeze => {
                let pid = self.installation.signal(service, Signal::Stop)?;
                sleep(long).await;
                Signal::Continue.send(pid)?;
            }
            Fault::SkewClock => {
                self.installation.kill(service)?;
                let skew = ["+4s", "-4s"][dice.random_range(0..2)];
                let besides = [("LD_PRELOAD", FAKETIME), ("FAKETIME", skew), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
                let besides = besides.map(|(name, value)| (name.to_owned(), value.to_owned()));
                let there = std::path::Path::new(FAKETIME).exists();
                self.installation.spawn_with(service, if there { &besides } else { &[] })?;
            }
            Fault::KillServer => {
                self.servers.kill(server)?;
                sleep(long / 4).await;
                self.servers.start_again(server)?;
            }
            Fault::StopServer => {
                self.servers.stop(server)?;
                self.servers.start_again(server)?;
            }
            Fault::Slow => self.weather(link, Weather::Slow(Duration::from_millis(150)), long).await,
            Fault::Silent => self.weather(link, Weather::Silent, long).await,
            Fault::Cut => self.weather(link, Weather::Cut, long / 4).await,
            Fault::DiskFull => {
                self.servers.fill_disk()?;
                sleep(long).await;
                self.servers.free_disk()?;
            }
        }
        Ok(())
    }

    async fn weather(&self, link: &Link, weather: Weather, long: Duration) {
        link.set(weather);
        sleep(long).await;
        link.set(Weather::Fair);
    }

    /// What Kubernetes does: starts what has ended.
    fn mend(&mut self) -> anyhow::Result<()> {
        for (service, log) in self.installation.fallen() {
            eprintln!("        a {} ended by itself: {}", service.name(), log.lines().last().unwrap_or_default());
        }
        for service in SERVICES {
            while self.installation.count(service) < 2 {
                self.installation.spawn(service)?;
            }
        }
        Ok(())
    }

    async fn aftermath(&mut self, happened: Vec<Fault>, took: Duration, told: Told) -> anyhow::Result<Aftermath> {
        self.mend()?;
        self.installation.ready().await?;
        let totals = self.installation.at_rest().await?;
        let reckoning = Reckoning::of(&self.installation, told, &totals).await?;
        Ok(Aftermath { happened, took, reckoning, told })
    }
}

fn address(url: &str) -> anyhow::Result<std::net::SocketAddr> {
    let (_, rest) = url.rsplit_once('@').context("an address with a user")?;
    Ok(rest.split('/').next().unwrap_or(rest).parse()?)
}
