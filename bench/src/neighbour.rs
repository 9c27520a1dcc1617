//! A noisy neighbour: one brand at a hundred times its load. How much later are another brand's answers?

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use afterglow_rig::{Installation, Layout, PrivateServers, Reckoning, Service, Told, now, percentile};
use afterglow_sim::Pace;
use afterglow_sim::account::Account;
use anyhow::{Context as _, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sqlx::Connection as _;
use tokio_util::sync::CancellationToken;

/// Measure one brand's answers alone, and beside another brand at many times its usual load
///
/// On a disk that now and then stands still, that is what is measured: TMPDIR=/dev/shm before the command keeps the servers' data in
/// memory.
#[derive(Clone, clap::Args)]
pub(crate) struct Arguments {
    /// The release binary to measure
    #[arg(long, default_value = "target/release/afterglow")]
    binary: PathBuf,
    /// Events a second of the brand that is measured; it keeps to its quota, its echoes included
    #[arg(long, default_value_t = 30.0)]
    rate: f64,
    /// Events a second of the other brand while it is calm
    #[arg(long, default_value_t = 1.0)]
    usual: f64,
    /// How many times as much it has when it is loud
    #[arg(long, default_value_t = 100.0)]
    times: f64,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..=300))]
    seconds: u64,
    /// Rounds; calm and loud are measured in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Tell where the answers spent their time
    #[arg(long)]
    stages: bool,
    /// Without a quota and an account's part of the places, to see what they are worth
    #[arg(long)]
    unfair: bool,
    /// A setting of the services, to see what it is worth; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
}

/// `ingest.listen=…` as the environment has it.
fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is wanted, such as ingest.brand_events_burst=500")?;
    Ok((format!("AFTERGLOW_{}", key.to_uppercase().replace('.', "__")), value.to_owned()))
}

/// How long traffic flows before anything is measured.
const WARM_UP_SECONDS: u64 = 10;

struct Measured {
    /// From webhook to send, in ms, sorted.
    latencies: Vec<i64>,
    /// Of the other brand.
    events_per_second: f64,
}

/// How long the answers of one round took, in ms.
#[derive(Default)]
struct Round {
    calm: Vec<i64>,
    loud: Vec<i64>,
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let servers = PrivateServers::start()?;
    let mut layout = Layout::new(&arguments.binary, Some((servers.database_url(), servers.amqp_url())));
    layout.brands = 2;
    if arguments.unfair {
        layout = layout.with("AFTERGLOW_INGEST__BRAND_EVENTS_PER_SECOND", "0");
    }
    layout.settings.extend(arguments.settings.iter().cloned());
    let mut installation = Installation::prepare(layout).await?;
    for service in [Service::Ingest, Service::Scorer, Service::Responder] {
        installation.spawn(service)?;
    }
    installation.ready().await?;
    let mut told = Told::default();
    println!("| the other brand | round | its events/s | answers | p50, ms | p99, ms |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let mut rounds = Vec::new();
    // What a process does once, when it has just begun, is no neighbour's doing.
    let warm_up = Arguments { seconds: WARM_UP_SECONDS, ..arguments.clone() };
    measure(&installation, &warm_up, (0, 1.0), &mut told).await?;
    for round in 1..=arguments.rounds {
        let mut both = Round::default();
        for (name, times, all) in [("calm", 1.0, &mut both.calm), ("loud", arguments.times, &mut both.loud)] {
            let begun = now().millis();
            let seed = u64::from(round) * 10 + u64::from(times > 1.0);
            let measured = measure(&installation, arguments, (seed, times), &mut told).await?;
            let Measured { latencies, events_per_second } = measured;
            let (answers, p50, p99) = (latencies.len(), percentile(&latencies, 500), percentile(&latencies, 990));
            println!("| {name} | {round} | {events_per_second:.0} | {answers} | {p50} | {p99} |");
            *all = latencies;
            if arguments.stages {
                println!("  {}", stages(servers.database_url(), installation.sim.accounts(), begun).await?);
            }
        }
        rounds.push(both);
    }
    let totals = installation.at_rest().await?;
    let reckoning = Reckoning::of(&installation, told, &totals).await?;
    let every: Vec<&Round> = rounds.iter().collect();
    let (lower, upper) = bounds(&rounds);
    println!();
    for (name, permille) in [("p50", 500), ("p90", 900), ("p99", 990)] {
        let (calm, loud, moved) = moved(&every, permille);
        println!("all rounds together: {name} moves from {calm} to {loud} ms: {moved:+.0} %");
    }
    println!("nine of ten draws of as many rounds move p99 by {lower:+.0} to {upper:+.0} %. {reckoning}");
    ensure!(reckoning.adds_up(), "it does not add up:\n{}", reckoning.lost.join("\n"));
    Ok(())
}

/// A percentile of all calm answers and of all loud ones, in ms, and by how many percent it moves.
fn moved(rounds: &[&Round], permille: usize) -> (i64, i64, f64) {
    let of = |which: fn(&Round) -> &[i64]| {
        let mut all: Vec<i64> = rounds.iter().flat_map(|round| which(round)).copied().collect();
        all.sort_unstable();
        percentile(&all, permille)
    };
    let (calm, loud) = (of(|round| &round.calm), of(|round| &round.loud));
    #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
    let percent = (loud - calm) as f64 / calm.max(1) as f64 * 100.0;
    (calm, loud, percent)
}

/// How far the 99th percentile moves by chance alone: rounds drawn anew, with repetition (Efron, "Bootstrap Methods", 1979), and
/// between which bounds nine of ten draws lie. A round of seconds has few answers beyond its 99th percentile.
fn bounds(rounds: &[Round]) -> (f64, f64) {
    const DRAWS: usize = 1_000;
    let mut dice = StdRng::seed_from_u64(1);
    let mut draws: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let drawn: Vec<_> = rounds.iter().map(|_| &rounds[dice.random_range(0..rounds.len())]).collect();
            moved(&drawn, 990).2
        })
        .collect();
    draws.sort_unstable_by(f64::total_cmp);
    (draws[DRAWS / 20], draws[DRAWS - DRAWS / 20])
}

/// Where the measured brand's answers spent their time: until they were folded, judged, begun and finished, at the 50th and the
/// 99th percentile, in ms since they were received.
async fn stages(database: &str, accounts: &[Account], since_ms: i64) -> anyhow::Result<String> {
    const STAGES: &str = "SELECT percentile_disc($3) WITHIN GROUP (ORDER BY i.created_ms - c.received_ms),
            percentile_disc($3) WITHIN GROUP (ORDER BY s.reserved_ms - c.received_ms),
            percentile_disc($3) WITHIN GROUP (ORDER BY s.started_ms - c.received_ms),
            percentile_disc($3) WITHIN GROUP (ORDER BY s.finished_ms - c.received_ms)
        FROM send s JOIN intent i ON i.id = s.intent JOIN interaction c ON c.id = i.cause
        WHERE i.account = $1 AND c.received_ms >= $2";
    let account = accounts.first().context("there are accounts")?.id.as_str();
    let mut connection = sqlx::PgConnection::connect(database).await?;
    let mut told = Vec::new();
    for share in [0.5_f64, 0.99] {
        let query = sqlx::query_as(STAGES).bind(account).bind(since_ms).bind(share);
        let [folded, judged, begun, finished]: [i64; 4] =
            <(i64, i64, i64, i64)>::into(query.fetch_one(&mut connection).await?);
        told.push(format!("folded {folded}, judged {judged}, begun {begun}, finished {finished}"));
    }
    Ok(told.join(" | "))
}

async fn measure(
    installation: &Installation,
    arguments: &Arguments,
    (seed, times): (u64, f64),
    told: &mut Told,
) -> anyhow::Result<Measured> {
    let span = Duration::from_secs(arguments.seconds);
    let [measured, other] = installation.sim.accounts() else { anyhow::bail!("there are two brands") };
    let begun = now();
    let (url, mut runs, mut events) = (installation.webhook_url(), Vec::new(), 0.0);
    for (account, rate) in [(measured, arguments.rate), (other, arguments.usual * times)] {
        let source = installation.source_of(vec![account.clone()]).lasting(span * 2 * arguments.rounds);
        let plan = source.traffic(seed, rate, span);
        told.plan(&plan);
        events = f64::from(plan.iter().map(|webhook| webhook.expect.interactions).sum::<u32>()) / span.as_secs_f64();
        let (sim, url) = (Arc::clone(&installation.sim), url.clone());
        let never = CancellationToken::new();
        runs.push(tokio::spawn(async move { sim.run_traffic(&url, plan, Pace::Planned, &never).await }));
    }
    for run in runs {
        told.report(&run.await?);
    }
    installation.at_rest().await?;
    let mut latencies = installation.sim.with_world(|world| world.answer_latencies_of(&measured.id, begun));
    latencies.sort_unstable();
    ensure!(!latencies.is_empty(), "nobody was answered");
    Ok(Measured { latencies, events_per_second: events })
}
