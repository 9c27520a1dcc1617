//! `afterglow demo`: everything at once, with a simulated Meta.

mod setup;
mod status;
mod summary;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use afterglow_runtime::{Ended, LogFormat, Settings, error_chain, start_logs, start_metrics};
use afterglow_sim::traffic::{Extent, TrafficOptions};
use afterglow_sim::{Pace, Sim};
use anyhow::Context as _;
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::serve::{Parts, Running, Service};
use status::Status;
use summary::Summary;

/// How long the pipeline may take to come to rest after the last webhook.
const REST: Duration = Duration::from_mins(1);
/// How often it is looked at, and the status line drawn.
const LOOK: Duration = Duration::from_millis(250);
/// How long after a webhook was taken an answer that is due may be missing.
const PATIENCE_MS: i64 = 5_000;

/// Start everything with a simulated Meta: no server, no account, no configuration.
///
/// Two brands are made, people reply to their Stories, comment, write, say stop; signed webhooks come in, viewers are
/// scored, and answers go out, over SQLite and the embedded bus in a data directory. The console shows it live. The
/// simulated Meta is as strict as the real one and counts every message that should not have been sent.
///
/// Ends on Ctrl-C, or after --for, with a summary that adds up:
///   events = accepted + duplicates + quarantined
///   intents = sent + deferred + held + dropped
#[derive(clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  afterglow demo
  afterglow demo --for 30s --rate 200 --json
  afterglow demo --seed 7 --data-dir ./demo"
)]
pub(crate) struct Options {
    /// Stop after this long, such as 30s or 5m [default: run until Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    duration: Option<Duration>,
    /// The same seed gives the same people, words and webhooks
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Mean events a second
    #[arg(long, default_value_t = 20.0, value_parser = rate)]
    rate: f64,
    /// Print the summary as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time such as 30s, 5m or 1500ms".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(wrong)
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (0.01..=100_000.0).contains(&rate) { Ok(rate) } else { Err("expected 0.01 to 100000".into()) }
}

/// Where the demo keeps what it makes: a folder that was asked for stays, a temporary one goes.
enum Folder {
    Given(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Folder {
    fn path(&self) -> PathBuf {
        match self {
            Folder::Given(path) => path.clone(),
            Folder::Temporary(folder) => folder.path().to_owned(),
        }
    }
}

#[tokio::main]
pub(crate) async fn run(
    options: &Options,
    mut settings: Settings,
    data_dir: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    if settings.log.filter == "info" && settings.log.format == LogFormat::Pretty {
        settings.log.filter = "warn".into(); // the status line says the rest
    }
    start_logs(&settings.log, None)?;
    let metrics = start_metrics()?;
    let folder = match data_dir {
        Some(path) => Folder::Given(path),
        None => Folder::Temporary(tempfile::Builder::new().prefix("afterglow-demo-").tempdir()?),
    };
    settings.data_dir = folder.path();
    let (interrupted, stop) = (CancellationToken::new(), CancellationToken::new());
    afterglow_runtime::signals(&interrupted, &CancellationToken::new(), Duration::ZERO)?;

    let sim = setup::simulated_meta(options.seed, &mut settings).await?;
    setup::free_ports(&mut settings);
    let parts = {
        let ops = crate::ops::Ops::serve(&settings, metrics).await?;
        Parts::open(&Service::ALL, settings, ops).await?
    };
    setup::brands(&parts, &sim).await?;
    let running = parts.start(&Service::ALL, &stop).await?;
    let webhooks = running.webhooks.context("ingest does not listen")?;
    let url = format!("http://{webhooks}/webhooks/meta");
    let link = setup::owner(&parts, running.console).await?;
    introduce(&running, &parts, link.as_deref());

    let mut status = Status::new(&parts.store, &sim, begun);
    let mut services = tokio::spawn(running.services.wait());
    let played = async {
        let report = play(options, &parts, &sim, &url, &interrupted, &mut status).await;
        sim.wait_idle().await;
        (report, rest(&parts, &mut status).await)
    };
    let played = tokio::select! {
        played = played => Some(played),
        ended = &mut services => {
            all_well(ended)?;
            None
        }
    };
    status.end();
    let (report, at_rest) = played.context("the services ended before the demo did")?;
    stop.cancel();
    all_well(services.await)?;

    let mut totals = parts.store.totals().await?;
    let collected = setup::collected(&parts, &sim).await?;
    totals.accepted -= collected;
    let summary = Summary::new(&report, &sim, &totals, collected, (at_rest, PATIENCE_MS));
    parts.close().await;
    sim.stop().await;
    if options.json {
        crate::output::line(summary.to_json())?;
    }
    eprint!("{summary}");
    eprint!("{}", try_next(&std::env::args().next().unwrap_or_else(|| "afterglow".into())));
    Ok(if summary.problems().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How the services ended.
fn all_well(ended: Result<Result<(), Ended>, JoinError>) -> anyhow::Result<()> {
    ended?.map_err(|ended| anyhow::anyhow!(error_chain(&ended)))
}

fn introduce(running: &Running, parts: &Parts, link: Option<&str>) {
    eprintln!("Afterglow, with a simulated Meta");
    if let (Some(address), Some(link)) = (running.console, link) {
        eprintln!("  console   http://{address}/");
        eprintln!("  sign in   {link}");
        eprintln!("            (works once, within the hour)");
    }
    eprintln!("  data      {}", parts.settings.data_dir.display());
    eprintln!("  metrics   http://{}/metrics", parts.settings.ops.listen);
    eprintln!("  stop      Ctrl-C\n");
}

/// What one may want to see after it, as it can be typed: `program` is how this one was started.
fn try_next(program: &str) -> String {
    format!(
        "
Try next:
  {program} --data-dir demo-data demo --for 1m            the same, kept; then, on what was kept:
  {program} --data-dir demo-data daily-log --brand brand-1
  {program} --data-dir demo-data decisions list --brand brand-1
  {program} --data-dir demo-data kpis --brand brand-1 --rebuild
  {program} brand validate examples/brands/webshop.yaml   what a brand can want
Your own accounts: README.md, \"In production\", and docs/operations.md
"
    )
}

/// Posts the traffic, drawing the status meanwhile.
async fn play(
    options: &Options,
    parts: &Parts,
    sim: &Sim,
    url: &str,
    interrupted: &CancellationToken,
    status: &mut Status<'_>,
) -> afterglow_sim::TrafficReport {
    let millis =
        options.duration.map_or(i64::from(i32::MAX), |time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    let mut traffic = TrafficOptions::new(
        sim.accounts().to_vec(),
        options.seed,
        (parts.clock)(),
        options.rate,
        Extent::Millis(millis),
    );
    // A demo is watched for minutes, not days: Stories follow each other, and nothing is a minute late.
    traffic.story_every_ms = 60_000;
    // Many, and more where more happens, each of whom does little: a few in a frenzy repeat themselves, and moderation rightly takes
    // that for spam.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded")]
    let crowd = (options.rate / 4.0).clamp(5.0, 250.0) as u32;
    (traffic.people_per_account, traffic.crowd) = (400 * crowd, crowd);
    traffic.late = 0;
    // Cut by the plan's own time, so that the same seed posts the same webhooks.
    let plan = traffic.plan().take_while(|webhook| webhook.at_ms <= millis);
    let running = sim.run_traffic(url, plan, Pace::Planned, interrupted);
    tokio::pin!(running);
    loop {
        tokio::select! {
            report = &mut running => return report,
            () = tokio::time::sleep(LOOK) => status.draw().await,
        }
    }
}

/// Waits until nothing is on its way any more: queues, outbox and judgements are empty.
async fn rest(parts: &Parts, status: &mut Status<'_>) -> bool {
    let deadline = Instant::now() + REST;
    while Instant::now() < deadline {
        if setup::is_at_rest(parts).await.unwrap_or(false) {
            return true;
        }
        status.draw().await;
        tokio::time::sleep(LOOK / 4).await;
    }
    false
}
