//! Stops and hand-overs that come by among what is folded in.
//!
//! They have a lane of their own to the responder, which records them within milliseconds: hardly ever is one unheard here. But a
//! process that is stopped in its tracks (a machine that is moved, say) keeps what it was given until its connection ends. So nothing
//! that a viewer's interactions bring about is said to the responder before what they forbid is recorded.

use std::time::Duration;

use afterglow_domain::{Clock, FenceChange, Interaction, fence_change};
use afterglow_runtime::error_chain;
use afterglow_store::{Store, StoreError};
use backon::{ExponentialBuilder, Retryable as _};

/// Records what is unheard, as long as it takes.
pub(crate) async fn record(store: &Store, clock: &Clock, batch: &[Interaction], our_apps: &[String]) {
    let changes: Vec<FenceChange> =
        batch.iter().filter_map(|interaction| fence_change(interaction, our_apps)).collect();
    if changes.is_empty() {
        return;
    }
    let attempt = || async {
        for change in store.unheard(&changes).await? {
            match store.record(change, clock()).await {
                Ok(new) => metrics::counter!("afterglow_scorer_unheard_total").increment(u64::from(new)),
                Err(error) if error.is_retryable() => return Err(error),
                // The lane made for it keeps it as a dead letter; the others are recorded.
                Err(error) => tracing::error!(error = %error_chain(&error), "a stop or hand-over cannot be recorded"),
            }
        }
        Ok(())
    };
    let patiently = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_secs(1))
        .without_max_times();
    let recorded = attempt.retry(patiently).when(StoreError::is_retryable).notify(|error, _| {
        tracing::error!(error = %error_chain(error), "a stop or hand-over cannot be recorded yet");
    });
    if let Err(error) = recorded.await {
        tracing::error!(error = %error_chain(&error), "whether stops or hand-overs are recorded cannot be told");
    }
}
