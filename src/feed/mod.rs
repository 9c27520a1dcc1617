//! `afterglow feed`: what other systems are told, and where: endpoints, the broker, CRMs.

mod broker;
mod crm;
mod endpoint;

use std::process::ExitCode;

use afterglow_domain::{BrandId, Timestamp};
use afterglow_runtime::Settings;
use serde_json::json;

use crate::installation::{clock, ready_store};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Endpoints that changes are posted to
    #[command(subcommand)]
    Endpoint(endpoint::Command),
    /// How far a brand's changes were published to the broker (feed.broker)
    #[command(subcommand)]
    Broker(broker::Command),
    /// CRMs whose own records are written
    #[command(subcommand)]
    Crm(crm::Command),
    /// Print the changes that follow a cursor, one CloudEvent a line; the last one's `sequence` is the next cursor
    Changes {
        /// The brand
        #[arg(long)]
        brand: String,
        /// From behind this change
        #[arg(long, default_value_t = 0)]
        cursor: u64,
        /// At most so many
        #[arg(long, default_value_t = 1_000)]
        limit: u32,
    },
    /// List the latest attempts at an endpoint, one JSON object a line
    Attempts {
        #[command(flatten)]
        of: Of,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// List what was given up, one JSON object a line
    DeadLetters {
        #[command(flatten)]
        of: Of,
        /// Have all of it tried again
        #[arg(long)]
        retry: bool,
    },
}

/// Which endpoint.
#[derive(clap::Args)]
pub(crate) struct Of {
    /// Its name
    endpoint: String,
    /// The brand
    #[arg(long)]
    brand: String,
}

impl Of {
    fn brand(&self) -> BrandId {
        BrandId::new(self.brand.as_str())
    }

    fn missing(&self) -> String {
        format!("{0} has no endpoint {1}: see `afterglow feed endpoint list --brand {0}`", self.brand, self.endpoint)
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(command: &Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    match command {
        Command::Endpoint(command) => endpoint::run(command, settings, &store).await?,
        Command::Broker(command) => broker::run(command, &store).await?,
        Command::Crm(command) => crm::run(command, settings, &store).await?,
        Command::Changes { brand, cursor, limit } => {
            let page = store.brand(&BrandId::new(brand.as_str())).changes_after(*cursor, *limit).await?;
            for change in page.changes {
                crate::output::line(change.body)?;
            }
        }
        Command::Attempts { of, limit } => {
            for one in store.brand(&of.brand()).feed_attempts(&of.endpoint, *limit).await? {
                crate::output::line(json!({
                    "change": one.change, "number": one.number, "at": one.at.to_rfc3339(), "took_ms": one.took_ms,
                    "status": one.status, "error": one.error, "answer": one.excerpt, "outcome": one.outcome,
                }))?;
            }
        }
        Command::DeadLetters { of, retry } => {
            let brand = of.brand();
            let scoped = store.brand(&brand);
            if *retry {
                let revived = scoped.revive_feed(&of.endpoint, clock()()).await?;
                crate::output::line(json!({ "tried_again": revived }))?;
            } else {
                for dead in scoped.feed_dead_letters(&of.endpoint, 10_000).await? {
                    crate::output::line(json!({
                        "change": dead.change, "sequence": dead.sequence, "viewer": dead.viewer.to_string(),
                        "reason": dead.reason, "at": dead.at.map(Timestamp::to_rfc3339),
                    }))?;
                }
            }
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
