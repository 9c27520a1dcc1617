//! `afterglow quarantine`: what could not be understood.

use std::io::Write as _;
use std::process::ExitCode;
use std::str::FromStr as _;
use std::sync::Arc;

use afterglow_domain::{DerivedId as _, InteractionId};
use afterglow_ingest::{Replay, Replayed, StoredAccounts};
use afterglow_runtime::Settings;
use afterglow_store::QuarantineRow;
use anyhow::{Context as _, bail};
use serde_json::json;

use crate::installation::{clock, open_bus, ready_store};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List what waits, oldest first
    List {
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Write the bytes of one, exactly as they came
    Show {
        /// Its id
        id: String,
    },
    /// Put it through the same door again, once it can be understood
    ///
    /// What is understood now becomes interactions with the time at which it was first received, so that no window opens
    /// anew. What is still strange stays. With the embedded bus, stop `afterglow all` first.
    Replay {
        /// Ids; none with --all
        #[arg(required_unless_present = "all")]
        ids: Vec<String>,
        /// Everything that waits
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
}

fn id(text: &str) -> anyhow::Result<InteractionId> {
    InteractionId::from_str(text).ok().with_context(|| format!("{text:?} is no id: see `afterglow quarantine list`"))
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(command: &Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    let mut status = ExitCode::SUCCESS;
    match command {
        Command::List { limit, json } => {
            for row in store.quarantine_list(*limit).await? {
                crate::output::line(if *json { as_json(&row).to_string() } else { as_text(&row) })?;
            }
        }
        Command::Show { id: text } => {
            let Some(row) = store.quarantine_show(id(text)?).await? else { bail!("nothing is kept under {text}") };
            std::io::stdout().lock().write_all(&row.item.payload)?;
        }
        Command::Replay { ids, all } => {
            let ids = if *all {
                store.quarantine_list(u32::MAX).await?.into_iter().map(|row| row.item.id).collect()
            } else {
                ids.iter().map(|text| id(text)).collect::<anyhow::Result<Vec<_>>>()?
            };
            let replay = Replay {
                accounts: Arc::new(StoredAccounts::load(store.clone()).await?),
                store: store.clone(),
                bus: open_bus(settings, "quarantine").await?,
                our_apps: settings.meta.app_ids.clone(),
                clock: clock(),
            };
            for id in ids {
                match replay.one(id).await? {
                    Replayed::Understood(events) => crate::output::line(format!("{id}  understood: {events} events"))?,
                    Replayed::StillStrange(reason, detail) => {
                        status = ExitCode::FAILURE;
                        crate::output::line(format!("{id}  still in quarantine: {}: {detail}", reason.as_str()))?;
                    }
                }
            }
            replay.bus.close().await;
        }
    }
    store.close().await;
    Ok(status)
}

fn as_json(row: &QuarantineRow) -> serde_json::Value {
    let item = &row.item;
    json!({
        "id": item.id.uuid(), "reason": item.reason, "detail": item.detail, "object": item.object,
        "account": item.account, "received": item.received.to_rfc3339(), "bytes": item.payload.len(),
    })
}

fn as_text(row: &QuarantineRow) -> String {
    let item = &row.item;
    let account = item.account.as_deref().unwrap_or("-");
    let (id, received, bytes) = (item.id, item.received.to_rfc3339(), item.payload.len());
    format!("{id}  {received}  {:<16} {account:<18} {bytes:>6} bytes  {}", item.reason.as_str(), item.detail)
}
