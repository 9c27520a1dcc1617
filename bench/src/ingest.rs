//! Afterglow's ingest beside its limits, in one run on one machine: read the ratios, not the figures.
//!
//! | row | what it does |
//! | --- | --- |
//! | A | axum takes the body and answers |
//! | B | A, and checks the signature |
//! | C | confirmed publishes to a quorum queue, 16 channels × 64 in flight, without HTTP |
//! | ingest | B, reads the events, publishes each with confirm, answers then |
//!
//! Rounds are interleaved and the best of each row counts. The load generator shares the machine's cores.

use std::sync::Arc;
use std::time::Duration;

use afterglow_bus::{AmqpBus, Bus};
use afterglow_domain::{BrandId, Channel, Timestamp};
use afterglow_ingest::{HeldRefusals, Ingest, Quotas, UnderWay, router};
use afterglow_meta::{AppSecrets, sign};
use anyhow::Context as _;
use axum::Router;
use secrecy::SecretString;

use crate::limits;
use crate::load::{Load, Measured};

/// Measure ingest beside its limits, and print a Markdown table
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// RabbitMQ; `scripts/test --services` starts a private one and prints its address
    #[arg(long, env = "AFTERGLOW_TEST_AMQP_URL")]
    amqp_url: String,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Rounds; the best of each row counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Keep-alive connections
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=512))]
    connections: u32,
}

const SECRET: &str = "a bench secret";

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let bus = Arc::new(AmqpBus::connect(&arguments.amqp_url, "afterglow-bench", "bench").await?);
    bus.delete_topology().await?;
    bus.close().await;
    let bus = Arc::new(AmqpBus::connect(&arguments.amqp_url, "afterglow-bench", "bench").await?);
    let rows = measure(arguments, Arc::clone(&bus)).await;
    bus.delete_topology().await?;
    print(&rows?);
    Ok(())
}

struct Rows {
    publishes: f64,
    /// For one event a body, then for fifty.
    http: [(u32, [Measured; 3]); 2],
}

async fn measure(arguments: &Arguments, bus: Arc<AmqpBus>) -> anyhow::Result<Rows> {
    let secret = SecretString::from(SECRET);
    let a = serve(limits::plain()).await?;
    let b = serve(limits::signed(AppSecrets::new(std::slice::from_ref(&secret)))).await?;
    let ingest = serve(router(Ingest {
        secrets: AppSecrets::new(std::slice::from_ref(&secret)),
        verify_token: SecretString::from("unused"),
        accounts: Arc::new(|_: Channel, _: &str| Some(BrandId::new("bench"))),
        our_apps: Vec::new(),
        bus: Arc::clone(&bus) as Arc<dyn Bus>,
        clock: Arc::new(|| Timestamp::from_millis(1_790_000_000_000)),
        confirm_deadline: Duration::from_secs(3),
        quotas: Quotas::new(0, 0),
        under_way: UnderWay::default(),
        in_flight_max: 512,
        held_refusals: HeldRefusals::default(),
        body_limit: 4 << 20,
    }))
    .await?;
    let span = Duration::from_secs(arguments.seconds);
    let mut rows = Rows { publishes: 0.0, http: [(1, Default::default()), (50, Default::default())] };
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        rows.publishes = rows.publishes.max(limits::publishes(&arguments.amqp_url, span).await?);
        for (events, best) in &mut rows.http {
            let body = limits::body(*events);
            let signature = sign(&secret, body.as_bytes());
            for (best, port) in best.iter_mut().zip([a, b, ingest]) {
                let load = Load {
                    port,
                    connections: arguments.connections,
                    span,
                    body: &body,
                    signature: &signature,
                    per_second: None,
                };
                let measured = load.run().await.context("the load did not run")?;
                if measured.per_second > best.per_second {
                    *best = measured;
                }
            }
        }
        limits::drain(&*bus).await?;
    }
    Ok(rows)
}

async fn serve(router: Router) -> anyhow::Result<u16> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(port)
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
fn print(rows: &Rows) {
    println!("| events a body | row | requests/s | events/s | p50 ms | p99 ms | of C |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    println!("| – | C confirmed publishes | – | {:.0} | – | – | 1.00 |", rows.publishes);
    for (events, measured) in &rows.http {
        for (name, m) in ["A axum", "B A + HMAC", "ingest"].iter().zip(measured) {
            let per_second = m.per_second * f64::from(*events);
            let of_c = per_second / rows.publishes;
            println!(
                "| {events} | {name} | {:.0} | {per_second:.0} | {:.1} | {:.1} | {of_c:.2} |",
                m.per_second, m.p50_ms, m.p99_ms
            );
        }
    }
}
