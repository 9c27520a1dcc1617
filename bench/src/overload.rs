//! Far more webhooks than can be taken: early 503, the pace of what is taken, and STOPs that hold all the same.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use afterglow_rig::{Installation, Layout, PrivateServers, Service, now, percentile};
use afterglow_sim::account::Account;
use anyhow::{Context as _, bail, ensure};
use sqlx::postgres::PgPool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Ask more of ingest than it can take, with STOPs in between
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The release binary to measure
    #[arg(long, default_value = "target/release/afterglow")]
    binary: PathBuf,
    /// Seconds of each step
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(2..=120))]
    seconds: u64,
    /// Webhooks under way in one process from which on it refuses
    #[arg(long, default_value_t = 128)]
    in_flight_max: u32,
    /// Hours of the journal; 0: none
    #[arg(long, default_value_t = 0)]
    journal_hours: u32,
    /// Connections that ask again at once, in the three steps
    #[arg(long, value_delimiter = ',', default_value = "64,1536,64")]
    connections: Vec<u32>,
}

#[derive(Default)]
struct Step {
    taken: Vec<Duration>,
    refused: Vec<Duration>,
    stops: Vec<Duration>,
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let servers = PrivateServers::start()?;
    let mut layout = Layout::new(&arguments.binary, Some((servers.database_url(), servers.amqp_url())))
        .with("AFTERGLOW_INGEST__IN_FLIGHT_MAX", arguments.in_flight_max.to_string())
        .with("AFTERGLOW_BUS__JOURNAL_HOURS", arguments.journal_hours.to_string())
        .with("AFTERGLOW_INGEST__BRAND_EVENTS_PER_SECOND", "0");
    layout.brands = 1;
    let mut installation = Installation::prepare(layout).await?;
    for service in [Service::Ingest, Service::Responder] {
        installation.spawn(service)?;
    }
    installation.ready().await?;
    let account = installation.sim.accounts().first().context("there is an account")?.clone();
    let port = installation.webhook_port().context("ingest runs")?;
    let pool = PgPool::connect(servers.database_url()).await?;
    println!(
        "| connections | taken/s | p50, ms | p99, ms | refused/s | p99 of a refusal, ms | STOPs | p99 until they hold, ms |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (n, connections) in arguments.connections.iter().enumerate() {
        let Step { mut taken, mut refused, mut stops } =
            step(arguments, (n, *connections), port, &account, &pool).await?;
        for times in [&mut taken, &mut refused, &mut stops] {
            times.sort_unstable();
        }
        let ms = |times: &[Duration], per_mille| percentile(times, per_mille).as_secs_f64() * 1000.0;
        println!(
            "| {connections} | {} | {:.1} | {:.1} | {} | {:.1} | {} | {:.0} |",
            taken.len() as u64 / arguments.seconds,
            ms(&taken, 500),
            ms(&taken, 990),
            refused.len() as u64 / arguments.seconds,
            ms(&refused, 990),
            stops.len(),
            ms(&stops, 990),
        );
        ensure!(!stops.is_empty(), "no STOP was taken");
    }
    Ok(())
}

async fn step(
    arguments: &Arguments,
    (n, connections): (usize, u32),
    port: u16,
    account: &Account,
    pool: &PgPool,
) -> anyhow::Result<Step> {
    let until = Instant::now() + Duration::from_secs(arguments.seconds);
    let mut asking = JoinSet::new();
    for c in 0..connections {
        let request = Arc::new(request(account, &format!("load-{n}-{c}"), "Hello"));
        asking.spawn(ask(port, request, until));
    }
    let mut step = Step::default();
    let mut stops = JoinSet::new();
    for stop in 0.. {
        if Instant::now() >= until {
            break;
        }
        let viewer = format!("stop-{n}-{stop}");
        stops.spawn(say_stop(port, request(account, &viewer, "STOP"), account.id.to_string(), viewer, pool.clone()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while let Some(ended) = asking.join_next().await {
        let (taken, refused) = ended??;
        step.taken.extend(taken);
        step.refused.extend(refused);
    }
    while let Some(ended) = stops.join_next().await {
        step.stops.push(ended??);
    }
    Ok(step)
}

fn request(account: &Account, viewer: &str, text: &str) -> String {
    let (id, at) = (&account.id, now().millis());
    let body = format!(
        "{{\"object\":\"instagram\",\"entry\":[{{\"id\":\"{id}\",\"time\":{at},\"messaging\":[{{\"sender\":{{\"id\":\"{viewer}\"}},\
         \"recipient\":{{\"id\":\"{id}\"}},\"timestamp\":{at},\"message\":{{\"mid\":\"{viewer}\",\"text\":\"{text}\"}}}}]}}]}}"
    );
    let signature = afterglow_meta::sign(&account.app.secret, body.as_bytes());
    format!(
        "POST /webhooks/meta HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Hub-Signature-256: {signature}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Asks again as soon as it is answered, whatever the answer: how long the taken and the refused took.
async fn ask(port: u16, request: Arc<String>, until: Instant) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    while Instant::now() < until {
        let begun = Instant::now();
        match answer(&mut stream, &request).await? {
            200 => taken.push(begun.elapsed()),
            503 => refused.push(begun.elapsed()),
            other => bail!("answered {other}"),
        }
    }
    Ok((taken, refused))
}

async fn answer(stream: &mut TcpStream, request: &str) -> anyhow::Result<u16> {
    stream.write_all(request.as_bytes()).await?;
    let (mut answer, mut read) = ([0_u8; 1024], 0);
    // Every answer has an empty body.
    while !answer[..read].ends_with(b"\r\n\r\n") {
        let more = stream.read(answer.get_mut(read..).context("an answer longer than expected")?).await?;
        ensure!(more > 0, "the server closed the connection");
        read += more;
    }
    Ok(std::str::from_utf8(answer.get(9..12).context("a status")?)?.parse()?)
}

/// From the first 200 until the opt-out is committed; a 503 is asked again, as Meta does.
async fn say_stop(
    port: u16,
    request: String,
    account: String,
    viewer: String,
    pool: PgPool,
) -> anyhow::Result<Duration> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let begun = loop {
        let begun = Instant::now();
        if answer(&mut stream, &request).await? == 200 {
            break begun;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let sql = "SELECT clear_state FROM consent WHERE account = $1 AND viewer = $2";
    while begun.elapsed() < Duration::from_mins(1) {
        let state: Option<Option<String>> =
            sqlx::query_scalar(sql).bind(&account).bind(&viewer).fetch_optional(&pool).await?;
        if state.flatten().as_deref() == Some("opted_out") {
            return Ok(begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bail!("a STOP does not hold after a minute")
}
