//! How long a STOP takes until it holds, behind a backlog and while it is worked off: real processes, PostgreSQL, RabbitMQ.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use afterglow_bus::{AmqpBus, Bus as _, Lane};
use afterglow_rig::{free_port, percentile, with_scratch_database};
use afterglow_sim::account::{self, Account, Layout};
use afterglow_sim::{Sim, SimOptions};
use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::backlog;
use crate::latency::{Processes, connect, environment, now, ready};

/// Measure how long a STOP takes until it holds, behind a backlog of interactions, and print a Markdown table
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The release binary to measure
    #[arg(long, default_value = "target/release/afterglow")]
    binary: PathBuf,
    /// PostgreSQL; a database is made in it and dropped again
    #[arg(long, env = "AFTERGLOW_TEST_DATABASE_URL")]
    database_url: String,
    /// RabbitMQ
    #[arg(long, env = "AFTERGLOW_TEST_AMQP_URL")]
    amqp_url: String,
    /// Interactions that wait
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    backlog: u32,
    /// STOPs
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    stops: u32,
    /// STOPs in a second
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: u32,
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let measured = with_scratch_database(&arguments.database_url, "afterglow_bench_stop", async |url, _| {
        measure(arguments, url).await
    })
    .await?;
    let (mut waits, left) = measured;
    waits.sort_unstable();
    let at = |per_mille| percentile(&waits, per_mille).as_millis();
    println!("| backlog before | after | STOPs | p50 ms | p99 ms | p99.9 ms | max ms |");
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let (backlog, stops) = (arguments.backlog, waits.len());
    println!("| {backlog} | {left} | {stops} | {} | {} | {} | {} |", at(500), at(990), at(999), at(1000));
    println!(
        "\nFrom the moment the webhook is sent until the opt-out is committed; the scorer works the backlog off meanwhile."
    );
    Ok(())
}

async fn measure(arguments: &Arguments, database: &str) -> anyhow::Result<(Vec<Duration>, u64)> {
    let folder = tempfile::tempdir()?;
    let accounts = account::accounts(Layout { brands: 1, accounts_per_brand: 1, apps: 1, silent_every: 0 }, 1);
    let sim = Sim::start(SimOptions::new(accounts, Arc::new(now))).await?;
    let (webhooks, ports) = (free_port()?, [free_port()?, free_port()?, free_port()?]);
    let servers =
        Some((&database.to_owned(), &arguments.amqp_url)).map(|(database, amqp)| (database.clone(), amqp.clone()));
    let servers = servers.as_ref().map(|(database, amqp)| (database, amqp));
    let environment = environment(&sim, folder.path(), servers, webhooks, &arguments.binary)?;
    let afterglow = |list: &[&str]| {
        let mut command = Command::new(&arguments.binary);
        command.args(list).envs(environment.iter().map(|(k, v)| (k, v))).stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    ensure!(afterglow(&["migrate"]).status()?.success(), "the database is not to be migrated");
    connect(&sim, &afterglow)?;
    let prefix = environment.iter().find(|(name, _)| name == "AFTERGLOW_BUS__PREFIX").map_or("", |(_, value)| value);
    let bus = AmqpBus::connect(&arguments.amqp_url, prefix, "bench").await?;
    let account = sim.accounts().first().context("the simulator has an account")?;
    backlog::fill(&bus, account, arguments.backlog, now()).await?;
    let mut running = Processes(Vec::new());
    for (service, port) in ["ingest", "responder", "scorer"].iter().zip(ports) {
        let ops = format!("ops.listen=127.0.0.1:{port}");
        running.0.push(afterglow(&[service, "--set", &ops]).spawn()?);
        ready(port).await?;
    }
    let waits = stops(arguments, account, webhooks, database).await;
    let left = bus.depth(Lane::Interactions).await?.ready;
    drop(running);
    bus.delete_topology().await?;
    Ok((waits?, left))
}

/// Says stop for one viewer after another, at a rate, and waits for each until the opt-out is committed.
async fn stops(arguments: &Arguments, account: &Account, port: u16, database: &str) -> anyhow::Result<Vec<Duration>> {
    let mut under_way = JoinSet::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / arguments.rate);
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(8).connect(database).await?;
    for n in 0..arguments.stops {
        tick.tick().await;
        let viewer = format!("stopping-{n}");
        let at = now().millis();
        let body = format!(
            "{{\"object\":\"instagram\",\"entry\":[{{\"id\":\"{id}\",\"time\":{at},\"messaging\":[{{\"sender\":{{\"id\":\"{viewer}\"}},\
             \"recipient\":{{\"id\":\"{id}\"}},\"timestamp\":{at},\"message\":{{\"mid\":\"stop-{n}\",\"text\":\"STOP\"}}}}]}}]}}",
            id = account.id
        );
        let signature = afterglow_meta::sign(&account.app.secret, body.as_bytes());
        let (account, pool) = (account.id.to_string(), pool.clone());
        under_way.spawn(async move {
            let begun = Instant::now();
            post(port, &body, &signature).await?;
            loop {
                let state: Option<Option<String>> =
                    sqlx::query_scalar("SELECT clear_state FROM consent WHERE account = $1 AND viewer = $2")
                        .bind(&account)
                        .bind(&viewer)
                        .fetch_optional(&pool)
                        .await?;
                if state.flatten().as_deref() == Some("opted_out") {
                    return anyhow::Ok(begun.elapsed());
                }
                ensure!(begun.elapsed() < Duration::from_mins(1), "a STOP does not hold after a minute");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
    let mut waits = Vec::new();
    while let Some(ended) = under_way.join_next().await {
        waits.push(ended??);
    }
    pool.close().await;
    Ok(waits)
}

async fn post(port: u16, body: &str, signature: &str) -> anyhow::Result<()> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    let head = format!(
        "POST /webhooks/meta HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Hub-Signature-256: {signature}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("a STOP is answered {:?}", answer.lines().next());
    }
    Ok(())
}
