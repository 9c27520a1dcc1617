//! One, two and four scorers at a bounded number of cores: is the work shared, is anything lost?

use std::path::PathBuf;
use std::time::Duration;

use afterglow_bus::{AmqpBus, Bus as _, Lane};
use afterglow_rig::{Installation, Layout, PrivateServers, Server, Service, Usage, now};
use anyhow::{Context as _, ensure};
use sqlx::Connection as _;
use tokio::time::Instant;

use crate::backlog;

/// Work a backlog off with one, two and four scorers
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The release binary to measure
    #[arg(long, default_value = "target/release/afterglow")]
    binary: PathBuf,
    /// Interactions that wait
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    backlog: u32,
    /// How many scorers, one run each
    #[arg(long, value_delimiter = ',', default_value = "1,2,4")]
    scorers: Vec<usize>,
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism()?;
    println!("{} interactions, {cores} cores for scorers, PostgreSQL and RabbitMQ together\n", arguments.backlog);
    println!("| scorers | seconds | interactions/s | each did, % | PostgreSQL, cores | scorers, cores | lost |");
    println!("| ---: | ---: | ---: | --- | ---: | ---: | ---: |");
    for scorers in &arguments.scorers {
        println!("{}", measure(arguments, *scorers).await?);
    }
    Ok(())
}

async fn measure(arguments: &Arguments, scorers: usize) -> anyhow::Result<String> {
    let servers = PrivateServers::start()?;
    let layout = Layout::new(&arguments.binary, Some((servers.database_url(), servers.amqp_url())));
    let mut installation = Installation::prepare(layout).await?;
    let bus = AmqpBus::connect(servers.amqp_url(), "afterglow", "bench").await?;
    let account = installation.sim.accounts().first().context("the simulated Meta has accounts")?.clone();
    backlog::fill(&bus, &account, arguments.backlog, now()).await?;
    for _ in 0..scorers {
        installation.spawn(Service::Scorer)?;
    }
    let (begun, database) = (Instant::now(), servers.pid(Server::Postgres));
    let before = Usage::of_tree(database).cpu;
    let mut pool = sqlx::PgConnection::connect(servers.database_url()).await?;
    loop {
        ensure!(begun.elapsed() < Duration::from_mins(10), "the backlog is not worked off after ten minutes");
        let (done,): (i64,) =
            sqlx::query_as("SELECT CAST(COALESCE(SUM(value), 0) AS BIGINT) FROM counter WHERE name = 'accepted'")
                .fetch_one(&mut pool)
                .await?;
        if done >= i64::from(arguments.backlog) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let of_database = (Usage::of_tree(database).cpu.saturating_sub(before)).as_secs_f64() / seconds;
    let each: Vec<f64> =
        installation.pids(Service::Scorer).into_iter().map(|pid| Usage::of(pid).cpu.as_secs_f64()).collect();
    let sum: f64 = each.iter().sum();
    let shares: Vec<String> = each.iter().map(|one| format!("{:.0}", one / sum * 100.0)).collect();
    let left = bus.depth(Lane::Interactions).await?;
    let totals = installation.store.totals().await?;
    let lost = u64::from(arguments.backlog).saturating_sub(totals.accepted) + left.dead;
    bus.close().await;
    Ok(format!(
        "| {scorers} | {seconds:.1} | {:.0} | {} | {of_database:.2} | {:.2} | {lost} |",
        f64::from(arguments.backlog) / seconds,
        shares.join(" / "),
        sum / seconds,
    ))
}
