//! What an event costs: processor time of each process, and room in the database. The figures of docs/sizing.md.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use afterglow_rig::{Installation, Layout, PrivateServers, Server, Service, Told, Usage, percentile};
use afterglow_sim::Pace;
use sqlx::Connection as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Measure what an event costs each process, and how much the database grows; with more minutes, whether memory and file
/// handles stay flat
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The release binary to measure
    #[arg(long, default_value = "target/release/afterglow")]
    binary: PathBuf,
    /// Mean events a second
    #[arg(long, default_value_t = 300.0)]
    rate: f64,
    /// Minutes of traffic
    #[arg(long, default_value_t = 0.75)]
    minutes: f64,
    /// Brands, each with one account
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    brands: u32,
}

const SERVICES: [Service; 3] = [Service::Ingest, Service::Scorer, Service::Responder];
/// Traffic is made in pieces, and processes are looked at after each.
const PIECE: Duration = Duration::from_secs(15);

/// Processes and servers, in the table's order.
fn usages(installation: &Installation, servers: &PrivateServers) -> Vec<(&'static str, Usage)> {
    let ours = SERVICES.map(|service| (service.name(), installation.usage(service)));
    let theirs = [("PostgreSQL", Server::Postgres), ("RabbitMQ", Server::Rabbitmq)];
    ours.into_iter().chain(theirs.map(|(name, server)| (name, Usage::of_tree(servers.pid(server))))).collect()
}

#[expect(clippy::print_stdout, reason = "the tables are what the command is for")]
#[expect(clippy::cast_precision_loss, reason = "figures to be looked at")]
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let servers = PrivateServers::start()?;
    let mut layout = Layout::new(&arguments.binary, Some((servers.database_url(), servers.amqp_url())));
    layout.brands = arguments.brands;
    let mut installation = Installation::prepare(layout).await?;
    for service in SERVICES {
        installation.spawn(service)?;
    }
    installation.ready().await?;
    let mut database = sqlx::PgConnection::connect(servers.database_url()).await?;
    let size = "SELECT pg_database_size(current_database()), (SELECT COUNT(*) FROM viewer)";
    let (bytes_before, _): (i64, i64) = sqlx::query_as(size).fetch_one(&mut database).await?;
    let (before, begun) = (usages(&installation, &servers), Instant::now());
    let (mut told, mut samples, mut took) = (Told::default(), Vec::new(), Vec::new());
    let source = installation.source().lasting(Duration::from_secs_f64(arguments.minutes * 60.0));
    for piece in 0.. {
        if begun.elapsed().as_secs_f64() >= arguments.minutes * 60.0 {
            break;
        }
        let plan = source.traffic(piece, arguments.rate, PIECE);
        told.plan(&plan);
        let (sim, url) = (Arc::clone(&installation.sim), installation.webhook_url());
        let report = sim.run_traffic(&url, plan, Pace::Planned, &CancellationToken::new()).await;
        told.report(&report);
        took.extend(report.took);
        samples.push(usages(&installation, &servers));
    }
    let totals = installation.at_rest().await?;
    let after = usages(&installation, &servers);
    let (bytes_after, viewers): (i64, i64) = sqlx::query_as(size).fetch_one(&mut database).await?;
    let events = totals.accepted as f64;
    took.sort_unstable();
    println!(
        "{events} interactions of {viewers} viewers of {} brands in {:.0} s; accepted within {:.1} ms at p99\n",
        arguments.brands,
        begun.elapsed().as_secs_f64(),
        percentile(&took, 990).as_secs_f64() * 1000.0
    );
    println!(
        "| process | processor, µs an event | memory after a piece, MiB | at the end | peak | handles after a piece | at the end |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mib = |bytes: u64| bytes / (1 << 20);
    let first = samples.first().unwrap_or(&before);
    for (((name, before), (_, after)), (_, first)) in before.iter().zip(&after).zip(first) {
        let micros = after.cpu.saturating_sub(before.cpu).as_secs_f64() * 1e6 / events;
        let (begun, end, peak) = (mib(first.resident), mib(after.resident), mib(after.peak));
        println!("| {name} | {micros:.0} | {begun} | {end} | {peak} | {} | {} |", first.handles, after.handles);
    }
    let grown = (bytes_after - bytes_before) as f64;
    println!(
        "\nThe database grew by {:.0} bytes an interaction, its viewer, its answer and all indexes included.",
        grown / events
    );
    Ok(())
}
