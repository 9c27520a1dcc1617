//! A rolling restart of every service under load: two members each, one after the other, as Kubernetes does it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use afterglow_rig::{Installation, Layout, PrivateServers, Reckoning, Service, Told, percentile};
use afterglow_sim::Pace;
use anyhow::ensure;
use tokio_util::sync::CancellationToken;

/// Restart every service under load, two members each, one after the other: is anything lost, doubled or late?
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The release binary to measure
    #[arg(long, default_value = "target/release/afterglow")]
    binary: PathBuf,
    /// Mean events a second
    #[arg(long, default_value_t = 300.0)]
    rate: f64,
    /// Seconds of traffic; it has to outlast the restarts
    #[arg(long, default_value_t = 45, value_parser = clap::value_parser!(u64).range(10..=600))]
    seconds: u64,
    /// How long a member that ends goes on taking requests, in ms
    #[arg(long, default_value_t = 1_000)]
    linger_ms: u64,
}

/// In the order of an upgrade: what sends first, so that no wish of a newer scorer meets an older responder.
const ORDER: [Service; 3] = [Service::Responder, Service::Scorer, Service::Ingest];

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let servers = PrivateServers::start()?;
    let layout = Layout::new(&arguments.binary, Some((servers.database_url(), servers.amqp_url())))
        .with("AFTERGLOW_OPS__LINGER_MS", arguments.linger_ms.to_string());
    let mut installation = Installation::prepare(layout).await?;
    for service in ORDER {
        installation.spawn(service)?;
        installation.spawn(service)?;
    }
    installation.ready().await?;
    let plan = installation.traffic(7, arguments.rate, Duration::from_secs(arguments.seconds));
    let mut told = Told::default();
    told.plan(&plan);
    let (sim, url) = (Arc::clone(&installation.sim), installation.webhook_url());
    let traffic =
        tokio::spawn(async move { sim.run_traffic(&url, plan, Pace::Planned, &CancellationToken::new()).await });
    let begun = tokio::time::Instant::now();
    let mut restarts = 0;
    for service in ORDER {
        for _ in 0..2 {
            // A new one is ready before an old one goes (`maxSurge: 1`, `maxUnavailable: 0`).
            installation.spawn(service)?;
            installation.ready().await?;
            let ended = installation.terminate(service).await?;
            ensure!(ended.success(), "a {} ended with {ended}", service.name());
            restarts += 1;
        }
    }
    let took = begun.elapsed();
    ensure!(!traffic.is_finished(), "the traffic ended before the restarts did: ask for more seconds");
    let mut report = traffic.await?;
    told.report(&report);
    let totals = installation.at_rest().await?;
    let reckoning = Reckoning::of(&installation, told, &totals).await?;
    report.took.sort_unstable();
    let ms = |per_mille| percentile(&report.took, per_mille).as_secs_f64() * 1000.0;
    println!("{restarts} restarts in {:.0} s, under {} events/s\n", took.as_secs_f64(), arguments.rate);
    println!(
        "| webhooks | posted again | p50, ms | p99, ms | max, ms | interactions | lost | doubled | wrong messages |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    println!(
        "| {} | {} | {:.1} | {:.1} | {:.1} | {} | {} | {} | {} |",
        report.deliveries,
        report.retries,
        ms(500),
        ms(990),
        ms(1000),
        reckoning.answered,
        reckoning.answered.saturating_sub(reckoning.kept) + reckoning.lost.len() as u64,
        reckoning.kept.saturating_sub(reckoning.answered),
        reckoning.violations.len(),
    );
    ensure!(
        told.not_taken == 0 && reckoning.adds_up(),
        "it does not add up: {reckoning}\n{}",
        reckoning.lost.join("\n")
    );
    Ok(())
}
