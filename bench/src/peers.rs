//! Afterglow's ingest beside what a team would otherwise write, as processes of their own, on one machine with the load: read
//! the ratios. All check the signature, publish each event with confirm to a quorum queue, and answer when all are confirmed.
//! Rounds are interleaved; the best of each counts, and the spread is told.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use afterglow_rig::{Installation, Layout, PrivateServers, Service, Signal, Usage, free_port};
use afterglow_runtime::Settings;
use anyhow::{Context as _, ensure};
use lapin::options::QueuePurgeOptions;
use lapin::{Connection, ConnectionProperties};
use secrecy::ExposeSecret as _;

use crate::limits;
use crate::load::{Load, Measured};

/// Measure ingest beside the peers that a team would write in Node.js and Python
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The release binary to measure
    #[arg(long, default_value = "target/release/afterglow")]
    binary: PathBuf,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Rounds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Keep-alive connections
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=512))]
    connections: u32,
}

/// At which rate processor time is compared.
const CALM: f64 = 1_000.0;
const QUEUE: &str = "afterglow-bench-peer";
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// Processes that are asked to end, so that their own children end too.
struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = Signal::Terminate.send(child.id()); // it may have ended
            let _ = child.wait();
        }
    }
}

struct Peer {
    name: &'static str,
    port: u16,
    pid: u32,
    queue: &'static str,
    /// Requests a second of each round, for one event and for fifty.
    rounds: [Vec<Measured>; 2],
    /// Cores in use at the calm rate.
    calm: f64,
    /// Memory after the load, bytes: all that is resident, and what of it is no file, such as the program itself.
    resident: u64,
    anonymous: u64,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let servers = PrivateServers::start()?;
    let places = Settings::default().ingest.in_flight_max.max(usize::try_from(arguments.connections)?);
    let mut layout = Layout::new(&arguments.binary, Some((servers.database_url(), servers.amqp_url())))
        .with("AFTERGLOW_INGEST__BRAND_EVENTS_PER_SECOND", "0")
        // The peers take whatever comes; ingest refuses what goes beyond its places.
        .with("AFTERGLOW_INGEST__IN_FLIGHT_MAX", places.to_string())
        .with("AFTERGLOW_LOG__FILTER", "warn");
    layout.brands = 1;
    let mut installation = Installation::prepare(layout).await?;
    installation.spawn(Service::Ingest)?;
    installation.ready().await?;
    let account = installation.sim.accounts().first().context("there is an account")?.clone();
    let secret = account.app.secret.clone();
    let mut running = Running(Vec::new());
    let environment = [("AMQP_URL", servers.amqp_url()), ("QUEUE", QUEUE), ("SECRET", secret.expose_secret())];
    let (node, fastapi) = (node(&environment)?, fastapi(&environment)?);
    let ours = (installation.webhook_port().context("ingest runs")?, installation.pids(Service::Ingest)[0]);
    let mut peers = vec![peer(("Afterglow ingest", ours.0, ours.1, "afterglow.interactions"))];
    for (name, (child, port)) in [("Express + amqplib", node), ("FastAPI + aio-pika, 2 workers", fastapi)] {
        peers.push(peer((name, port, child.id(), QUEUE)));
        running.0.push(child);
        listening(port).await?;
    }
    let bodies = [1, 50].map(|events| limits::body(events).replace("17841405726653026", account.id.as_str()));
    let broker = Connection::connect(servers.amqp_url(), ConnectionProperties::default()).await?;
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        for peer in &mut peers {
            for (kind, body) in bodies.iter().enumerate() {
                let measured = load(arguments, peer.port, body, &secret, None).await?;
                peer.rounds[kind].push(measured);
                purge(&broker, peer.queue).await?;
            }
            let usage = Usage::of_tree(peer.pid);
            peer.resident = peer.resident.max(usage.resident);
            peer.anonymous = peer.anonymous.max(usage.anonymous);
            load(arguments, peer.port, &bodies[0], &secret, Some(CALM)).await?;
            let used = Usage::of_tree(peer.pid).cpu.saturating_sub(usage.cpu).as_secs_f64();
            peer.calm = used / Duration::from_secs(arguments.seconds).as_secs_f64();
            purge(&broker, peer.queue).await?;
        }
    }
    print(arguments, &peers);
    Ok(())
}

fn peer((name, port, pid, queue): (&'static str, u16, u32, &'static str)) -> Peer {
    Peer { name, port, pid, queue, rounds: [Vec::new(), Vec::new()], calm: 0.0, resident: 0, anonymous: 0 }
}

async fn load(
    arguments: &Arguments,
    port: u16,
    body: &str,
    secret: &secrecy::SecretString,
    per_second: Option<f64>,
) -> anyhow::Result<Measured> {
    let signature = afterglow_meta::sign(secret, body.as_bytes());
    let (connections, span) = (arguments.connections, Duration::from_secs(arguments.seconds));
    Load { port, connections, span, body, signature: &signature, per_second }.run().await
}

async fn purge(broker: &Connection, queue: &str) -> anyhow::Result<()> {
    let channel = broker.create_channel().await?;
    channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await?;
    Ok(channel.close(200, "purged".into()).await?)
}

fn node(environment: &[(&str, &str)]) -> anyhow::Result<(Child, u16)> {
    let folder = installed("node", |folder| {
        Command::new("npm").args(["install", "--no-audit", "--no-fund", "--silent"]).current_dir(folder).status()
    })?;
    let port = free_port()?;
    let mut command = Command::new("node");
    command.arg("server.mjs").env("PORT", port.to_string()).env("NODE_ENV", "production");
    Ok((start(command, &folder, environment)?, port))
}

fn fastapi(environment: &[(&str, &str)]) -> anyhow::Result<(Child, u16)> {
    let folder = installed("fastapi", |folder| {
        Command::new("python3").args(["-m", "venv", "venv"]).current_dir(folder).status()?;
        let pip = ["install", "-q", "--disable-pip-version-check", "-r", "requirements.txt"];
        Command::new(folder.join("venv/bin/pip")).args(pip).current_dir(folder).status()
    })?;
    let port = free_port()?;
    let mut command = Command::new(folder.join("venv/bin/uvicorn"));
    command.args(["server:app", "--workers", "2", "--no-access-log", "--log-level", "warning", "--port"]);
    command.arg(port.to_string());
    Ok((start(command, &folder, environment)?, port))
}

/// A copy of a peer under `target/`, with what it needs installed.
fn installed(
    name: &str,
    install: impl Fn(&Path) -> std::io::Result<std::process::ExitStatus>,
) -> anyhow::Result<PathBuf> {
    let folder = std::env::current_dir()?.join("target/peers").join(name);
    std::fs::create_dir_all(&folder)?;
    for file in std::fs::read_dir(Path::new(PEERS).join(name))? {
        let file = file?;
        std::fs::copy(file.path(), folder.join(file.file_name()))?;
    }
    ensure!(install(&folder)?.success(), "what the peer {name} needs cannot be installed");
    Ok(folder)
}

fn start(mut command: Command, folder: &Path, environment: &[(&str, &str)]) -> anyhow::Result<Child> {
    command.current_dir(folder).envs(environment.iter().copied()).stdin(Stdio::null());
    command.spawn().context("a peer cannot be started")
}

async fn listening(port: u16) -> anyhow::Result<()> {
    for _ in 0..600 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("a peer does not listen after 30 s")
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
fn print(arguments: &Arguments, peers: &[Peer]) {
    println!("{} connections, {} rounds of {} s\n", arguments.connections, arguments.rounds, arguments.seconds);
    println!(
        "| | one event: req/s (spread) | p50, ms | p99, ms | 50 events: ev/s (spread) | memory, MiB | without files, MiB | cores at 1,000 req/s |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for Peer { name, rounds: [single, batch], calm, resident, anonymous, .. } in peers {
        let best = |rounds: &[Measured]| {
            rounds.iter().copied().max_by(|a, b| a.per_second.total_cmp(&b.per_second)).unwrap_or_default()
        };
        let spread = |rounds: &[Measured]| {
            let least = rounds.iter().map(|m| m.per_second).fold(f64::INFINITY, f64::min);
            (1.0 - least / best(rounds).per_second.max(1.0)) * 100.0
        };
        let (one, fifty) = (best(single), best(batch));
        println!(
            "| {name} | {:.0} ({:.0} %) | {:.1} | {:.1} | {:.0} ({:.0} %) | {} | {} | {calm:.2} |",
            one.per_second,
            spread(single),
            one.p50_ms,
            one.p99_ms,
            fifty.per_second * 50.0,
            spread(batch),
            resident / (1 << 20),
            anonymous / (1 << 20),
        );
    }
}
