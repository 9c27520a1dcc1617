//! `afterglow journal`: what came in is put back on its lanes.

use std::process::ExitCode;

use afterglow_bus::AmqpBus;
use afterglow_runtime::Settings;
use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::replay::moment;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Put what came in since a moment back on its lanes, after the database was restored to it
    ///
    /// Set a kill switch on everything first (`afterglow kill-switch on --all --reason restore`): answers that went out since
    /// then are known only when their echoes have come back. docs/kubernetes.md tells the steps. What is known already
    /// changes nothing; interrupted, it can be run again.
    Replay {
        /// The moment to which the database was restored, or a little before it (RFC 3339)
        #[arg(long)]
        since: String,
        /// The outcome as one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(command: &Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    let Command::Replay { since, json } = command;
    let since_s = u64::try_from(moment(since)?.millis() / 1000).context("--since is before 1970")?;
    let Some(url) = &settings.bus.url else {
        bail!("only RabbitMQ keeps a journal: set AMQP_URL, and bus.journal_hours before it is needed");
    };
    let (prefix, hours) = (&settings.bus.prefix, settings.bus.journal_hours);
    let bus = AmqpBus::connect_with_journal(url.expose(), prefix, "journal", hours).await?;
    let bar = ProgressBar::new(0)
        .with_style(ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} messages, {eta} left")?);
    let replayed = bus
        .replay_journal(since_s, |progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.replayed);
        })
        .await?
        .replayed;
    bar.finish_and_clear();
    afterglow_bus::Bus::close(&bus).await;
    crate::output::line(if *json {
        json!({ "replayed": replayed, "since": since }).to_string()
    } else {
        format!("{replayed} messages since {since} are on their lanes again")
    })?;
    Ok(ExitCode::SUCCESS)
}
