//! `afterglow replay`: makes every state anew from the log, and compares.

use std::process::ExitCode;
use std::time::Instant;

use afterglow_domain::{AccountId, Timestamp, ViewerId, ViewerKey};
use afterglow_runtime::Settings;
use afterglow_scorer::{Replay, Rulebooks};
use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::brand::known;
use crate::installation::ready_store;

/// Differences that are shown at most; all are counted.
const SHOWN: usize = 20;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The brand
    #[arg(long)]
    brand: String,
    /// Only viewers who did something since then (RFC 3339 or YYYY-MM-DD)
    #[arg(long)]
    since: Option<String>,
    /// Go on behind this viewer, as an interrupted run said
    #[arg(long, value_name = "ACCOUNT/VIEWER")]
    after: Option<String>,
    /// The outcome as one JSON object
    #[arg(long)]
    json: bool,
}

/// A moment as people give it.
pub(crate) fn moment(text: &str) -> anyhow::Result<Timestamp> {
    let whole = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    let at: jiff::Timestamp =
        whole.parse().with_context(|| format!("{text:?} is no moment: 2026-01-31 or 2026-01-31T12:00:00Z"))?;
    Ok(Timestamp::from_millis(at.as_millisecond()))
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(options: &Options, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    let brand = known(&store, &options.brand).await?;
    let since = options.since.as_deref().map(moment).transpose()?.unwrap_or_default();
    let after = match options.after.as_deref().map(|text| text.split_once('/')) {
        Some(Some((account, viewer))) => {
            Some(ViewerKey { account: AccountId::new(account), viewer: ViewerId::new(viewer) })
        }
        Some(None) => bail!("--after takes ACCOUNT/VIEWER, as an interrupted run printed it"),
        None => None,
    };
    let mut replay = Replay::new(store.clone(), brand.id.clone(), Rulebooks::default().at(&brand), since, after);
    let bar = ProgressBar::new(replay.viewers().await?)
        .with_style(ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} viewers, {msg}, {eta} left")?);
    let (mut viewers, mut interactions, mut waiting, mut differences) = (0_u64, 0_u64, 0_u64, 0_usize);
    let begun = Instant::now();
    loop {
        let step = tokio::select! {
            step = replay.step() => step?,
            _ = tokio::signal::ctrl_c() => {
                bar.abandon();
                eprintln!("interrupted; go on with --after {}", replay.position());
                return Ok(ExitCode::FAILURE);
            }
        };
        let Some(step) = step else { break };
        viewers += step.viewers;
        interactions += step.interactions;
        waiting += step.waiting;
        for difference in &step.differences {
            if differences < SHOWN {
                bar.suspend(|| {
                    crate::output::line(json!({
                        "viewer": difference.viewer.to_string(), "stored": difference.stored,
                        "replayed": difference.replayed,
                    }))
                })?;
            }
            differences += 1;
        }
        bar.inc(step.viewers);
        bar.set_message(format!("{interactions} interactions"));
    }
    bar.finish_and_clear();
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate to be looked at")]
    let rate = interactions as f64 / seconds.max(1e-9);
    if options.json {
        crate::output::line(json!({
            "viewers": viewers, "interactions": interactions, "differences": differences, "waiting": waiting,
            "seconds": seconds, "interactions_per_second": rate.round(),
        }))?;
    } else {
        crate::output::line(format!(
            "{viewers} viewers, {interactions} interactions in {seconds:.1} s ({rate:.0} a second): {differences} differ, \
             {waiting} wait for new half-lives"
        ))?;
    }
    store.close().await;
    Ok(if differences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
