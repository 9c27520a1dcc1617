//! `afterglow moderation`: spam and abuse that was found, and what people say of it.

use std::process::ExitCode;

use afterglow_domain::{BrandId, DerivedId as _, InteractionId, Timestamp};
use afterglow_runtime::Settings;
use afterglow_store::Flag;
use anyhow::bail;
use serde_json::{Value, json};

use crate::installation::{clock, ready_store};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List what was found, the latest first, one JSON object a line
    List {
        /// The brand
        #[arg(long)]
        brand: String,
        /// Also what a person has cleared
        #[arg(long)]
        all: bool,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Say that it is neither spam nor abuse: its writer may be answered again, and a hidden comment is shown
    Clear {
        /// The interaction, as `moderation list` gives it
        interaction: uuid::Uuid,
        /// The brand
        #[arg(long)]
        brand: String,
    },
    /// Say that it is: hide the comment. Can be taken back by `clear`
    Hide {
        /// The interaction, as `moderation list` gives it
        interaction: uuid::Uuid,
        /// The brand
        #[arg(long)]
        brand: String,
    },
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(command: &Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    let by = std::env::var("USER").unwrap_or_else(|_| "command line".into());
    match command {
        Command::List { brand, all, limit } => {
            for flag in store.brand(&BrandId::new(brand.as_str())).flags(*all, *limit).await? {
                crate::output::line(shown(flag))?;
            }
        }
        Command::Clear { interaction, brand } => {
            let (brand, id) = (BrandId::new(brand.as_str()), InteractionId::from_uuid(*interaction));
            if !store.brand(&brand).clear_flag(id, &by, clock()()).await? {
                bail!("{brand} has no such flag, or it is cleared: see `afterglow moderation list --brand {brand}`");
            }
        }
        Command::Hide { interaction, brand } => {
            let (brand, id) = (BrandId::new(brand.as_str()), InteractionId::from_uuid(*interaction));
            if !store.brand(&brand).hide_flagged(id, &by, clock()()).await? {
                bail!(
                    "{brand} has no such flag, or it is no comment (Meta lets nobody hide a message): see \
                     `afterglow moderation list --brand {brand}`"
                );
            }
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn shown(flag: Flag) -> Value {
    let text = flag.body.as_deref().and_then(|body| serde_json::from_str::<Value>(body).ok());
    let findings = serde_json::from_str::<Value>(&flag.findings).unwrap_or(Value::String(flag.findings));
    json!({
        "interaction": flag.interaction.to_string(), "account": flag.viewer.account, "viewer": flag.viewer.viewer,
        "username": flag.username, "at": flag.at.to_rfc3339(), "verdict": flag.verdict, "findings": findings,
        "comment": flag.comment_id, "wanted": flag.wanted, "done": flag.done, "error": flag.error,
        "delete_at": flag.delete_at.map(Timestamp::to_rfc3339),
        "cleared": flag.cleared.map(|(at, by)| json!({ "at": at.to_rfc3339(), "by": by })), "body": text,
    })
}
