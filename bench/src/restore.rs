//! A restore drill: the database is lost in mid-load and restored from an earlier backup. What of that which was answered 200
//! is there in the end, and is anybody written to twice?

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use afterglow_domain::Timestamp;
use afterglow_rig::{Installation, Layout, PrivateServers, Reckoning, Server, Service, Told, now};
use afterglow_sim::{Pace, TrafficReport};
use anyhow::{Context as _, ensure};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Lose the database in mid-load, restore an earlier backup, put back what came in since, and reckon up
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The release binary to measure
    #[arg(long, default_value = "target/release/afterglow")]
    binary: PathBuf,
    /// Mean events a second
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Seconds of traffic before the backup, between backup and loss, and while the database is away
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(2..=300))]
    seconds: u64,
    /// Without the journal: what is lost then, and what do the sweeps find?
    #[arg(long)]
    without_journal: bool,
}

const SERVICES: [Service; 3] = [Service::Ingest, Service::Scorer, Service::Responder];

/// What the database held at a moment.
struct Counts {
    interactions: i64,
    sent: i64,
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut servers = PrivateServers::start()?;
    let mut layout = Layout::new(&arguments.binary, Some((servers.database_url(), servers.amqp_url())))
        .with("AFTERGLOW_INGEST__SWEEP_MS", "2000")
        .with("AFTERGLOW_INGEST__SWEEP_GRACE_MS", "1000");
    if !arguments.without_journal {
        layout = layout.with("AFTERGLOW_BUS__JOURNAL_HOURS", "24");
    }
    let mut installation = Installation::prepare(layout).await?;
    for service in SERVICES {
        installation.spawn(service)?;
    }
    installation.ready().await?;
    let (mut told, mut rows) = (Told::default(), Vec::new());

    traffic(&installation, 1, arguments, &mut told).await?;
    let backed_up = now();
    let during = spawn(&installation, 2, arguments, &mut told);
    servers.backup()?;
    rows.push(("at the backup", count(&servers).await?));
    told.report(&during.await?);
    rows.push(("before the loss", count(&servers).await?));

    // In mid-load; ingest goes on answering 200, for the broker is there.
    let during = spawn(&installation, 3, arguments, &mut told);
    tokio::time::sleep(Duration::from_secs(arguments.seconds / 2)).await;
    servers.kill(Server::Postgres)?;
    told.report(&during.await?);
    for service in SERVICES {
        installation.kill(service)?; // whatever still ran there knows of a database that is no more
    }
    let begun = Instant::now();
    servers.restore()?;
    servers.start_again(Server::Postgres)?;
    rows.push(("after the restore", count(&servers).await?));
    restart(&mut installation, backed_up, arguments).await?;
    let took = begun.elapsed();
    rows.push(("in the end", count(&servers).await?));
    let totals = installation.at_rest().await?;
    let reckoning = Reckoning::of(&installation, told, &totals).await?;

    println!("| | interactions in the log | sent, as the database knows |\n| --- | ---: | ---: |");
    for (when, Counts { interactions, sent }) in rows {
        println!("| {when} | {interactions} | {sent} |");
    }
    let missing = reckoning.answered.saturating_sub(reckoning.kept);
    println!("\n{reckoning}; {missing} interactions missing; restored and at rest in {:.0} s", took.as_secs_f64());
    let wrongly = &reckoning.violations;
    ensure!(
        arguments.without_journal || wrongly.is_empty(),
        "somebody was written to who should not have been: {wrongly:?}"
    );
    ensure!(arguments.without_journal || reckoning.adds_up(), "it does not add up:\n{}", reckoning.lost.join("\n"));
    Ok(())
}

/// The steps of docs/kubernetes.md.
async fn restart(installation: &mut Installation, since: Timestamp, arguments: &Arguments) -> anyhow::Result<()> {
    // Answers that went out since the backup are known when their echoes are back: nobody speaks until then.
    command(installation, &["kill-switch", "on", "--all", "--reason", "restore"])?;
    for service in SERVICES {
        installation.spawn(service)?;
    }
    installation.ready().await?;
    if !arguments.without_journal {
        command(installation, &["journal", "replay", "--since", &since.minus(60_000).to_rfc3339()])?;
    }
    installation.at_rest().await?;
    // Once more than a sweep takes.
    tokio::time::sleep(Duration::from_secs(6)).await;
    installation.at_rest().await?;
    let off = ["kill-switch", "off", "--all", "--judge-anew"];
    // Without the journal nobody knows what was said and who said stop: what was held is people's to answer.
    command(installation, if arguments.without_journal { &off[..3] } else { &off })?;
    installation.at_rest().await?;
    Ok(())
}

fn command(installation: &Installation, arguments: &[&str]) -> anyhow::Result<()> {
    let done = installation.command(arguments)?;
    ensure!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

async fn traffic(installation: &Installation, seed: u64, arguments: &Arguments, told: &mut Told) -> anyhow::Result<()> {
    let report = spawn(installation, seed, arguments, told).await?;
    told.report(&report);
    Ok(())
}

fn spawn(installation: &Installation, seed: u64, arguments: &Arguments, told: &mut Told) -> JoinHandle<TrafficReport> {
    let plan = installation.traffic(seed, arguments.rate, Duration::from_secs(arguments.seconds));
    told.plan(&plan);
    let (sim, url) = (Arc::clone(&installation.sim), installation.webhook_url());
    tokio::spawn(async move { sim.run_traffic(&url, plan, Pace::Planned, &CancellationToken::new()).await })
}

async fn count(servers: &PrivateServers) -> anyhow::Result<Counts> {
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(servers.database_url()).await?;
    let sql = "SELECT (SELECT COUNT(*) FROM interaction), (SELECT COUNT(*) FROM send WHERE status = 'sent')";
    let (interactions, sent) = sqlx::query_as(sql).fetch_one(&mut connection).await.context("cannot count")?;
    Ok(Counts { interactions, sent })
}
