//! `afterglow daily-log`: who cared on one day, and what is to be done.

use std::process::ExitCode;

use afterglow_crm::{daily_log_of, to_csv, to_json};
use afterglow_domain::BrandId;
use afterglow_runtime::Settings;

use crate::installation::{clock, ready_store};

/// Who cared on one day, and what is to be done: the daily log, as CSV or JSON
///
/// A line for each viewer and Story: tags, what brought them here, what is to be done, and for each follow-up step what
/// was sent and what came of it. Days are the brand's own, in its time zone.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  afterglow daily-log --brand lumen > today.csv
  afterglow daily-log --brand lumen --date 2026-11-24 --json | jq '.rows[] | select(.required_action == \"reply_now\")'")]
pub(crate) struct Options {
    /// The brand
    #[arg(long)]
    brand: String,
    /// The day, such as 2026-11-24 [default: today, where the brand is]
    #[arg(long)]
    date: Option<String>,
    /// JSON instead of CSV
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(options: &Options, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    let brand = BrandId::new(options.brand.as_str());
    let log = daily_log_of(&store.brand(&brand), options.date.as_deref(), clock()()).await?;
    crate::output::line(if options.json { to_json(&log) } else { to_csv(&log) }.trim_end())?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
