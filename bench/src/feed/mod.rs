//! The feed of changes, by its three ways: what comes of it while services and consumers are killed, how fast each way is, and whether
//! an endpoint that is dead delays another.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `consumer` | a consumer by one way, in a process of its own, and what it took |
//! | `bed` | the processes |

mod bed;
mod consumer;

use std::path::PathBuf;
use std::time::Duration;

use afterglow_rig::percentile;
use anyhow::{Context as _, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

use self::bed::Bed;
use self::consumer::Taken;
pub(crate) use self::consumer::{Arguments as ConsumerArguments, run as consume};

/// Changes by webhooks, by the cursor and over the broker, while all processes are killed at random; then how fast it is
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The release binary to measure
    #[arg(long, default_value = "target/release/afterglow")]
    binary: PathBuf,
    /// Changes; whole thousands of them
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    changes: u32,
    /// Seconds between two kills at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    calm: u64,
    /// Changes with which the endpoint's rate is measured, and seconds at 100 changes a second beside a dead one
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// From which it follows who is killed, and when
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

const MORTAL: [&str; 5] = ["crm-1", "crm-2", "webhook", "pull", "amqp"];
/// How often it is told how far it is.
const TELL: Duration = Duration::from_secs(10);
const WAYS: [&str; 3] = ["webhook", "pull", "amqp"];

#[expect(clippy::print_stdout, reason = "the figures are what the command is for")]
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let viewers = arguments.changes.min(50_000) / 1_000 * 1_000;
    let mut bed = Bed::prepare(&arguments.binary, viewers).await?;
    bed.endpoint("chaos", None)?;
    bed.start("console")?;
    for name in MORTAL {
        bed.start(name)?;
    }
    let begun = Instant::now();
    for _ in 0..arguments.changes / viewers {
        bed.mark(1, viewers).await?;
    }
    let kills = kill_until_all_is_there(&mut bed, arguments, begun).await?;
    let head = bed.head().await?.context("all is numbered")?;
    println!("{head} changes in {:.0} s, {kills} kills (kill -9)\n", begun.elapsed().as_secs_f64());
    println!("| way | missing | repeats, with the same id and body |\n| --- | ---: | ---: |");
    let taken: Vec<Taken> = WAYS.iter().map(|way| Taken::read(&bed.log(way), 1, head)).collect::<Result<_, _>>()?;
    for (way, taken) in WAYS.iter().zip(&taken) {
        println!("| {way} | {} | {} |", taken.missing(), taken.repeats);
    }
    ensure!(taken.iter().all(|taken| taken.missing() == 0), "changes are missing");
    ensure!(taken.iter().all(|one| one.changes == taken[0].changes), "the ways tell different things");

    bed.kill("crm-2")?;
    bed.kill("pull")?;
    let (read, took) = bed.read_all().await?;
    ensure!(read == head, "{read} of {head} were read");
    println!("\npull, one reader: {:.0} changes/s", rate(read, took));
    let begun = Instant::now();
    bed.command(&["feed", "broker", "replay", "--from", "0"])?;
    while !bed.is_published().await? {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("broker, all again, with a consumer: {:.0} changes/s confirmed", rate(head, begun.elapsed()));
    let begun = Instant::now();
    let many = viewers.min(arguments.seconds * 1_000);
    bed.mark(1, many).await?;
    bed.delivered("chaos").await?;
    println!("endpoint that is fast: {:.0} deliveries/s, numbering included", rate(many.into(), begun.elapsed()));

    let alone = lateness(&mut bed, arguments.seconds).await?;
    // One refuses connections; one takes them and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    bed.endpoint("dead", Some("http://127.0.0.1:9/"))?;
    bed.endpoint("silent", Some(&format!("http://{}/", silent.local_addr()?)))?;
    let beside = lateness(&mut bed, arguments.seconds).await?;
    println!("\n| 100 changes/s | p50, ms | p99, ms |\n| --- | ---: | ---: |");
    for (what, (p50, p99)) in [("alone", alone), ("beside a dead and a silent one", beside)] {
        println!("| {what} | {p50} | {p99} |");
    }
    Ok(())
}

/// How many were killed until every way had everything.
async fn kill_until_all_is_there(bed: &mut Bed, arguments: &Arguments, begun: Instant) -> anyhow::Result<u32> {
    let (mut dice, mut kills) = (StdRng::seed_from_u64(arguments.seed), 0);
    let mut next = Instant::now() + Duration::from_millis(dice.random_range(0..arguments.calm * 1_000));
    let mut tell = tokio::time::interval(TELL);
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
            _ = tell.tick() => eprintln!("{:>5.0} s: {}, {kills} kills", begun.elapsed().as_secs_f64(), bed.state().await?),
        }
        if bed.is_delivered("chaos").await? && bed.is_published().await? && kills > 0 && all_taken(bed).await? {
            return Ok(kills);
        }
        ensure!(begun.elapsed() < Duration::from_hours(6), "it does not end");
        if Instant::now() >= next {
            let victim = MORTAL[dice.random_range(0..MORTAL.len())];
            bed.kill(victim)?;
            tokio::time::sleep(Duration::from_millis(dice.random_range(0..1_000))).await;
            bed.start(victim)?;
            kills += 1;
            next = Instant::now() + Duration::from_millis(dice.random_range(0..arguments.calm * 1_000));
        }
    }
}

async fn all_taken(bed: &Bed) -> anyhow::Result<bool> {
    let Some(head) = bed.head().await? else { return Ok(false) };
    for way in WAYS {
        if Taken::read(&bed.log(way), 1, head)?.missing() > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// From the mark to the consumer at 100 changes a second: p50 and p99 in ms.
async fn lateness(bed: &mut Bed, seconds: u32) -> anyhow::Result<(i64, i64)> {
    let before = bed.head().await?.context("nothing waits")?;
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for n in 0..seconds * 100 {
        ticks.tick().await;
        let viewer = n % 1_000 + 1;
        bed.mark(viewer, viewer).await?;
    }
    bed.delivered("chaos").await?;
    let head = bed.head().await?.context("nothing waits")?;
    let taken = Taken::read(&bed.log("webhook"), before + 1, head)?;
    ensure!(taken.missing() == 0, "changes are missing");
    let sql = "SELECT at_ms FROM feed_change WHERE brand = $1 AND sequence > $2 AND sequence <= $3 ORDER BY sequence";
    let query = sqlx::query_scalar(sql).bind(bed.brand.as_str());
    let query = query.bind(i64::try_from(before)?).bind(i64::try_from(head)?);
    let marked: Vec<i64> = query.fetch_all(&mut bed.database).await?;
    let mut late: Vec<i64> = taken.at.iter().zip(marked).map(|(at, marked)| at - marked).collect();
    late.sort_unstable();
    Ok((percentile(&late, 500), percentile(&late, 990)))
}

fn rate(count: u64, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took.as_secs_f64()
}
