//! Keeps a young database's figures of its tables fresh.

use std::time::Duration;

use afterglow_runtime::{error_chain, regularly};
use afterglow_store::Store;
use tokio_util::sync::CancellationToken;

/// How often tables are looked for that have grown: a look is two short statements.
const EVERY: Duration = Duration::from_secs(5);

/// Looks until `stop`.
pub(crate) async fn run(store: &Store, stop: &CancellationToken) {
    let look = || async {
        match store.analyse_grown_tables().await {
            Ok(tables) if tables.is_empty() => {}
            Ok(tables) => tracing::debug!(?tables, "tables that have grown were analysed"),
            Err(error) => tracing::warn!(error = %error_chain(&error), "tables that have grown wait to be analysed"),
        }
    };
    regularly(EVERY, stop, look).await;
}
