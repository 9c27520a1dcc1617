//! Publishes the outbox: what this process just wrote, and what a process that died left behind.

use std::time::Duration;

use afterglow_bus::{Bus, Lane, Message, PublishError};
use afterglow_domain::Clock;
use afterglow_runtime::error_chain;
use afterglow_store::{OutboxRow, Store, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long a row is its writer's. Long enough for a publish with confirms, short enough that a death is soon noticed.
pub(crate) const LEASE_MS: i64 = 10_000;
/// How often rows are looked for whose writer died.
const EVERY: Duration = Duration::from_secs(1);
const LIMIT: u32 = 500;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RelayError {
    #[error("cannot publish")]
    Publish(#[from] PublishError),
    #[error("cannot read or clear the outbox")]
    Store(#[from] StoreError),
}

/// Publishes rows leased to the caller, and clears them.
pub(crate) async fn publish(store: &Store, bus: &dyn Bus, rows: Vec<OutboxRow>) -> Result<(), RelayError> {
    let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    let mut by_lane: Vec<(Lane, Vec<Message>)> = Lane::ALL.iter().map(|lane| (*lane, Vec::new())).collect();
    for OutboxRow { message, .. } in rows {
        let Some((_, messages)) = by_lane.iter_mut().find(|(lane, _)| lane.as_str() == message.lane) else {
            tracing::error!(lane = message.lane, "the outbox holds a message for a lane that does not exist");
            continue;
        };
        let body = message.body.into();
        messages.push(Message { id: message.message_id, traceparent: message.traceparent, body });
    }
    for (lane, messages) in by_lane.into_iter().filter(|(_, messages)| !messages.is_empty()) {
        bus.publish(lane, messages).await?;
    }
    store.outbox_done(&seqs).await?;
    Ok(())
}

/// Publishes what batches wrote, several at once if they pile up, until there is nobody left who writes.
pub(crate) async fn publish_all(store: &Store, bus: &dyn Bus, mut written: mpsc::Receiver<Vec<OutboxRow>>) {
    let mut batches = Vec::new();
    while written.recv_many(&mut batches, usize::from(u8::MAX)).await > 0 {
        if let Err(error) = publish(store, bus, batches.drain(..).flatten().collect()).await {
            // The rows stay; the relay finds them when the lease has run out.
            tracing::warn!(error = %error_chain(&error), "intents wait in the outbox");
        }
    }
}

/// Looks for rows whose lease ran out, until `stop`.
pub(crate) async fn run(store: Store, bus: &dyn Bus, clock: Clock, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let swept = async {
            loop {
                let rows = store.outbox_claim(LIMIT, clock(), LEASE_MS).await?;
                if rows.is_empty() {
                    return Ok::<(), RelayError>(());
                }
                publish(&store, bus, rows).await?;
            }
        };
        if let Err(error) = swept.await {
            tracing::warn!(error = %error_chain(&error), "the outbox waits");
        }
        if let Ok(oldest) = store.outbox_oldest_ms().await {
            let age = oldest.map_or(0, |ms| clock().millis() - ms);
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of an age")]
            metrics::gauge!("afterglow_outbox_oldest_age_seconds").set(age as f64 / 1000.0);
        }
    }
}
