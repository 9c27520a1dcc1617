//! `afterglow feed broker`: how far changes were published to the broker.

use afterglow_domain::BrandId;
use afterglow_store::Store;
use anyhow::bail;
use serde_json::json;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show the last change that the broker confirmed, and how many it has not had
    Status {
        /// The brand
        #[arg(long)]
        brand: String,
    },
    /// Publish again all that followed a change, as far as it is kept
    Replay {
        /// The brand
        #[arg(long)]
        brand: String,
        /// The change
        #[arg(long)]
        from: u64,
    },
}

pub(super) async fn run(command: &Command, store: &Store) -> anyhow::Result<()> {
    match command {
        Command::Status { brand } => {
            let place = store.brand(&BrandId::new(brand.as_str())).feed_broker_place().await?;
            let (cursor, head) = place.map_or((0, 0), |place| (place.cursor, place.head));
            crate::output::line(json!({ "cursor": cursor, "head": head, "behind": head.saturating_sub(cursor) }))
        }
        Command::Replay { brand, from } => {
            if !store.brand(&BrandId::new(brand.as_str())).replay_feed_broker(*from).await? {
                bail!("{brand} has no change {from}: see `afterglow feed broker status --brand {brand}`");
            }
            Ok(())
        }
    }
}
