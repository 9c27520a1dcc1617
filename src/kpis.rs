//! `afterglow kpis` and `afterglow report`: a brand's figures.

use std::process::ExitCode;

use afterglow_domain::Timestamp;
use afterglow_insights::{Figures, KpiName, figures, rebuild, sums_of, week_of};
use afterglow_meta::graph::ErrorClass;
use afterglow_meta::graph::errors::lookup;
use afterglow_runtime::Settings;
use anyhow::Context as _;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::brand::known;
use crate::installation::{clock, ready_store};

/// A refusal that means that its reader cannot be written to.
pub(crate) fn unreachable(code: Option<i64>, subcode: Option<i64>) -> bool {
    let known = code.and_then(|code| lookup(code, subcode));
    known.is_some_and(|entry| matches!(entry.class, ErrorClass::ViewerUnreachable | ErrorClass::OptedOut))
}

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The brand
    #[arg(long)]
    brand: String,
    /// From this day on, `YYYY-MM-DD` in the brand's time zone [default: 27 days before the last]
    #[arg(long)]
    since: Option<String>,
    /// Up to this day, included [default: today]
    #[arg(long)]
    until: Option<String>,
    /// Of what: all, account, play, snippet, operator
    #[arg(long, default_value = "all", value_parser = ["all", "account", "play", "snippet", "operator"])]
    by: String,
    /// One JSON object for each
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// CSV: item, figure, value, of, among
    #[arg(long)]
    csv: bool,
    /// Count the brand from the beginning first; changes nothing if nothing was wrong
    #[arg(long)]
    rebuild: bool,
}

#[derive(clap::Args)]
pub(crate) struct ReportOptions {
    /// The brand
    #[arg(long)]
    brand: String,
    /// The week's last day, `YYYY-MM-DD` [default: yesterday]
    #[arg(long)]
    until: Option<String>,
    /// As JSON instead of Markdown
    #[arg(long)]
    json: bool,
}

/// The day that is `days` before another.
fn days_before(day: &str, days: i64) -> anyhow::Result<String> {
    afterglow_insights::days_before(day, days).with_context(|| format!("{day:?} is no day: expected YYYY-MM-DD"))
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(options: &Options, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    let brand = known(&store, &options.brand).await?;
    if options.rebuild {
        let total = store.brand(&brand.id).viewer_count(Timestamp::from_millis(0)).await?;
        let bar = ProgressBar::new(total);
        let counted = rebuild(&store, &brand, unreachable, |done| bar.set_position(done)).await?;
        bar.finish_and_clear();
        eprintln!("counted {counted} viewers anew");
    }
    let until = options.until.clone().unwrap_or_else(|| clock()().day_in(&brand.time_zone));
    let since = match &options.since {
        Some(since) => since.clone(),
        None => days_before(&until, 27)?,
    };
    days_before(&since, 0)?;
    let items = sums_of(&store.brand(&brand.id), &options.by, (&since, &until)).await?;
    if items.is_empty() && !options.json && !options.csv {
        eprintln!("nothing was counted from {since} to {until}: does `afterglow crm` run?");
    }
    if options.csv {
        crate::output::line("item,figure,value,of,among")?;
    }
    for (item, sums) in items {
        show(options, &item, &figures(&sums), (&since, &until))?;
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn show(options: &Options, item: &str, figures: &Figures, (since, until): (&str, &str)) -> anyhow::Result<()> {
    if options.json {
        return crate::output::line(json!({ "item": item, "since": since, "until": until, "figures": figures }));
    }
    if options.csv {
        for (name, kpi) in figures {
            let kpi = serde_json::to_value(kpi)?;
            let cell =
                |name: &str| kpi.get(name).filter(|value| !value.is_null()).map(Value::to_string).unwrap_or_default();
            let value = if kpi["is"] == "seconds" { cell("at_most") } else { cell("value") };
            crate::output::line(format_args!(
                "{},{},{value},{},{}",
                field(item),
                name.as_str(),
                cell("of"),
                cell("among")
            ))?;
        }
        return Ok(());
    }
    crate::output::line(format_args!("{}, {since} to {until}", if item.is_empty() { "all" } else { item }))?;
    for name in KpiName::ALL {
        crate::output::line(format_args!("  {:32} {}", name.title(), figures[&name]))?;
    }
    Ok(())
}

/// A CSV field (RFC 4180).
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn report(options: &ReportOptions, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    let brand = known(&store, &options.brand).await?;
    let until = match &options.until {
        Some(until) => until.clone(),
        None => days_before(&clock()().day_in(&brand.time_zone), 1)?,
    };
    let report = week_of(&store.brand(&brand.id), &brand, &until).await?;
    let report = report.with_context(|| format!("{until:?} is no day: expected YYYY-MM-DD"))?;
    if options.json {
        crate::output::line(serde_json::to_string(&report)?)?;
    } else {
        crate::output::line(report.to_markdown().trim_end())?;
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
