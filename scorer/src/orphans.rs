//! Edits, reactions and unsends whose message never comes.

use std::time::Duration;

use afterglow_domain::Clock;
use afterglow_runtime::error_chain;
use afterglow_store::Store;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(10);
const LIMIT: u32 = 500;

/// Moves what has waited for `park_ms` into quarantine, until `stop`.
pub(crate) async fn run(store: &Store, clock: &Clock, park_ms: i64, stop: &CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        match store.expire_parked(clock(), park_ms, LIMIT).await {
            Ok(parked) if parked.expired > 0 => {
                metrics::counter!("afterglow_orphans_total").increment(parked.expired);
                tracing::warn!(expired = parked.expired, "amendments of messages that never came are in quarantine");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(error = %error_chain(&error), "parked amendments wait"),
        }
        if let Ok(waiting) = store.parked().await {
            #[expect(clippy::cast_precision_loss, reason = "a count to be looked at")]
            metrics::gauge!("afterglow_parked_amendments").set(waiting as f64);
        }
    }
}
