//! `afterglow whatif`: other rules, tried on one's own history. Nothing is sent, nothing is written.

use std::path::PathBuf;
use std::process::ExitCode;

use afterglow_crm::days_between;
use afterglow_domain::{AccountId, DAY_MS, ViewerId, ViewerKey};
use afterglow_rules::{Document, Rulebook};
use afterglow_runtime::Settings;
use afterglow_scorer::{Rulebooks, WhatIf};
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::brand::known;
use crate::installation::{clock, ready_store};
use crate::replay::moment;

/// Viewers that are read at once: bounds memory.
const CHUNK: u32 = 500;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// A brand document with the other rules
    #[arg(long)]
    rules: PathBuf,
    /// From when on (RFC 3339 or YYYY-MM-DD) [default: 14 days ago]
    #[arg(long)]
    since: Option<String>,
    /// The outcome as JSON, ready for a chart
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(options: &Options, settings: &Settings) -> anyhow::Result<ExitCode> {
    let text =
        std::fs::read_to_string(&options.rules).with_context(|| format!("cannot read {}", options.rules.display()))?;
    let document = Document::parse(&text).with_context(|| format!("in {}", options.rules.display()))?;
    let store = ready_store(settings).await?;
    let brand = known(&store, &document.brand).await?;
    let now = clock()();
    let from = options.since.as_deref().map(moment).transpose()?.unwrap_or(now.minus(14 * DAY_MS));
    let in_force = Rulebooks::default().at(&brand);
    let other = Rulebook::compile(&document.settings(), brand.document_version + 1)?;
    let mut whatif = WhatIf::new(&in_force, &other, from, days_between(from, now, &brand.time_zone)?);
    let scope = store.brand(&brand.id);
    let bar = ProgressBar::new(scope.viewer_count(from).await?)
        .with_style(ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} viewers, {eta} left")?);
    let mut position = ViewerKey { account: AccountId::new(""), viewer: ViewerId::new("") };
    loop {
        let logs = scope.viewer_logs(&position, from, CHUNK).await?;
        let Some(last) = logs.last() else { break };
        position = last.row.key.clone();
        bar.inc(logs.len() as u64);
        for viewer in &logs {
            whatif.viewer(&viewer.log).context("a rule fails on what happened")?;
        }
    }
    bar.finish_and_clear();
    show(&whatif, options.json)?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn show(whatif: &WhatIf<'_>, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return crate::output::line(json!({ "interactions": whatif.interactions(), "days": whatif.outcome() }));
    }
    crate::output::line("day         viewers  elsewhere  sends now  sends then  no more  newly")?;
    for (day, outcome) in whatif.outcome() {
        let elsewhere: u64 = outcome.moves.values().sum();
        crate::output::line(format!(
            "{day}  {:>7}  {elsewhere:>9}  {:>9}  {:>10}  {:>7}  {:>5}",
            outcome.viewers, outcome.sends, outcome.sends_then, outcome.no_more, outcome.newly
        ))?;
        for (moved, viewers) in &outcome.moves {
            crate::output::line(format!("            {viewers:>7}  {moved}"))?;
        }
    }
    crate::output::line(format!("{} interactions looked at; nothing was sent", whatif.interactions()))
}
