//! Keeps what was not understood, and puts it through the same door again.

use std::sync::Arc;
use std::time::Duration;

use afterglow_bus::{Bus, BusError, Delivery, Lane, PublishError};
use afterglow_domain::{Clock, InteractionId, QuarantineReason, Quarantined};
use afterglow_meta::Verified;
use afterglow_meta::webhook::{Interpreted, interpret};
use afterglow_runtime::error_chain;
use afterglow_store::{Store, StoreError};
use backon::{ExponentialBuilder, Retryable as _};
use tokio_util::sync::CancellationToken;

use crate::Accounts;
use crate::outgoing::{Outgoing, OutgoingError};

const BATCH: usize = 100;
const BATCH_WAIT: Duration = Duration::from_millis(50);

/// The keeper cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The lane cannot be read.
    #[error("cannot take quarantined events from the bus")]
    Consume(#[source] BusError),
}

/// Moves what was not understood from the bus into the store, until `stop`.
pub async fn keep_quarantine(store: Store, bus: Arc<dyn Bus>, stop: CancellationToken) -> Result<(), KeepError> {
    let mut consumer = bus.consume(Lane::Quarantine, 200).await.map_err(KeepError::Consume)?;
    let settler = consumer.settler();
    while let Some(batch) = stop.run_until_cancelled(consumer.next_batch(BATCH, BATCH_WAIT)).await {
        let batch: Vec<Delivery> = match batch {
            Ok(batch) => batch,
            Err(BusError::Closed) => break,
            Err(error) => return Err(KeepError::Consume(error)),
        };
        let (mut items, mut tags): (Vec<Quarantined>, Vec<_>) = (Vec::new(), Vec::new());
        for delivery in &batch {
            match serde_json::from_slice(&delivery.message.body) {
                Ok(item) => {
                    items.push(item);
                    tags.push(delivery.tag);
                }
                Err(error) => {
                    let _ = settler.dead_letter(delivery, &format!("not a quarantined event: {error}")).await;
                }
            }
        }
        let items = Arc::new(items);
        let put = || {
            let (store, items) = (store.clone(), Arc::clone(&items));
            async move { store.quarantine_put(&items).await }
        };
        let patiently = ExponentialBuilder::default().with_max_delay(Duration::from_secs(5)).without_max_times();
        let keeping = put.retry(patiently).when(StoreError::is_retryable).notify(|error, after| {
            tracing::warn!(error = %error_chain(error), ?after, "quarantine waits for the store");
        });
        let settled = match stop.run_until_cancelled(keeping).await {
            None => break, // unacknowledged: it comes again
            Some(Ok(_)) => settler.ack(&tags).await,
            Some(Err(error)) => {
                tracing::error!(error = %error_chain(&error), "the store refuses quarantined events; trying again");
                settler.retry(&tags).await
            }
        };
        if let Err(error) = settled {
            tracing::warn!(%error, "quarantined events come again");
        }
    }
    Ok(())
}

/// Puts quarantined bytes through the same door again.
pub struct Replay {
    /// Where they are kept.
    pub store: Store,
    /// Where they go.
    pub bus: Arc<dyn Bus>,
    /// Who owns which account, as of now.
    pub accounts: Arc<dyn Accounts>,
    /// As for the endpoint.
    pub our_apps: Vec<String>,
    /// The time.
    pub clock: Clock,
}

/// What became of quarantined bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// They are understood now: so many interactions are on their way.
    Understood(usize),
    /// They are still not understood; they stay where they are.
    StillStrange(QuarantineReason, String),
}

/// Nothing was replayed, and nothing was lost: try again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// No such thing is kept.
    #[error("nothing is kept under {0}: see `afterglow quarantine list`")]
    Unknown(InteractionId),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The bus did not take it.
    #[error("the bus did not take it")]
    Bus(#[from] PublishError),
    /// An event cannot be written: a defect.
    #[error("an event cannot be written")]
    Write(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<OutgoingError> for ReplayError {
    fn from(error: OutgoingError) -> Self {
        ReplayError::Write(Box::new(error))
    }
}

impl Replay {
    /// Replays one. What is understood keeps the time at which it was first received: a window does not open anew.
    pub async fn one(&self, id: InteractionId) -> Result<Replayed, ReplayError> {
        let kept = self.store.quarantine_show(id).await?.ok_or(ReplayError::Unknown(id))?.item;
        let interpretation = interpret(&Verified::replayed(kept.payload.into()), kept.received, &*self.accounts);
        let strange = interpretation.events.iter().find_map(|event| match event {
            Interpreted::Quarantined(kept) => Some(Replayed::StillStrange(kept.reason, kept.detail.clone())),
            Interpreted::Interaction(_) => None,
        });
        if let Some(strange) = strange {
            return Ok(strange);
        }
        let outgoing = Outgoing::of(&interpretation, None, &self.our_apps, |_| true)?;
        for (lane, messages) in outgoing.lanes() {
            if !messages.is_empty() {
                self.bus.publish(lane, messages).await?;
            }
        }
        self.store.quarantine_mark_replayed(id, (self.clock)()).await?;
        Ok(Replayed::Understood(interpretation.events.len()))
    }
}
