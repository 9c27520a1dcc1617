//! `afterglow story-insights`: the figures of Stories over time.

use std::process::ExitCode;

use afterglow_crm::{series_to_csv, story_series};
use afterglow_domain::{BrandId, Timestamp};
use afterglow_runtime::Settings;

use crate::installation::{clock, ready_store};

/// The figures of Stories over time, as CSV or JSON: what remains after the 24 hours
///
/// An empty cell (null in JSON) is a figure that Meta withholds, because there were fewer than five viewers; it is not zero.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The brand
    #[arg(long)]
    brand: String,
    /// One Story alone
    #[arg(long)]
    story: Option<String>,
    /// From when on, RFC 3339 [default: all]
    #[arg(long, value_parser = time)]
    since: Option<Timestamp>,
    /// JSON, one object a line
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "expected a time such as 2026-11-24T12:00:00Z".to_owned())
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(options: &Options, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    let brand = BrandId::new(options.brand.as_str());
    let (since, now) = (options.since.unwrap_or_default(), clock()());
    let told = store.brand(&brand).story_insights_between(since, now.plus(1)).await?;
    let samples = story_series(&told, options.story.as_deref());
    if options.json {
        for sample in &samples {
            crate::output::line(serde_json::to_string(sample)?)?;
        }
    } else {
        crate::output::line(series_to_csv(&samples).trim_end())?;
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
