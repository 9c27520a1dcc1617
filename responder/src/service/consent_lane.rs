//! Stops and hand-overs, recorded before anything else.
//!
//! A lane of its own, so that a stop waits behind no backlog; one transaction each, so that it waits for no batch. A process that
//! starts records what waits there before it sends anything: it may have been answered 200 while no process was there.

use std::sync::Arc;
use std::time::Duration;

use afterglow_bus::{BusError, Delivery, Lane, Settler};
use afterglow_domain::FenceChange;
use afterglow_runtime::error_chain;
use afterglow_runtime::traces::{SPANS, follow};
use afterglow_store::StoreError;
use backon::{ExponentialBuilder, Retryable as _};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Responder, ResponderError};

const PREFETCH: u16 = 64;

/// How long nothing may come until it is asked whether anything waits.
const QUIET: Duration = Duration::from_millis(20);

/// Records until `stop`. `heard` is set when what was said while nobody listened is recorded: before that, nothing may be sent.
pub(super) async fn run(
    responder: &Arc<Responder>,
    heard: &CancellationToken,
    stop: &CancellationToken,
) -> Result<(), ResponderError> {
    let failed = |source| ResponderError::Consume { lane: Lane::Consent.as_str(), source };
    let mut left = waiting(responder).await;
    let mut consumer = responder.bus.consume(Lane::Consent, PREFETCH).await.map_err(failed)?;
    let settler = consumer.settler();
    let mut under_way = JoinSet::new();
    let ended = loop {
        if left == 0 {
            heard.cancel();
        }
        let next = consumer.next_batch(usize::from(PREFETCH), Duration::ZERO);
        let next = async {
            if heard.is_cancelled() { Some(next.await) } else { tokio::time::timeout(QUIET, next).await.ok() }
        };
        let batch = match stop.run_until_cancelled(next).await {
            None | Some(Some(Err(BusError::Closed))) => break Ok(()),
            Some(Some(Ok(batch))) => batch,
            Some(Some(Err(error))) => break Err(failed(error)),
            Some(None) => {
                // Other replicas take their share of what waited.
                left = waiting(responder).await;
                continue;
            }
        };
        left = left.saturating_sub(batch.len() as u64);
        for delivery in batch {
            under_way.spawn(take(Arc::clone(responder), delivery, Arc::clone(&settler), stop.clone()));
        }
        if heard.is_cancelled() {
            // A stop waits for no other: at a slow database a transaction takes long.
            while under_way.try_join_next().is_some() {}
        } else {
            while under_way.join_next().await.is_some() {}
        }
    };
    while under_way.join_next().await.is_some() {}
    ended
}

/// How many changes wait. A broker that cannot be asked may hold any number.
async fn waiting(responder: &Responder) -> u64 {
    responder.bus.depth(Lane::Consent).await.map_or(u64::MAX, |depth| depth.ready)
}

async fn take(responder: Arc<Responder>, delivery: Delivery, settler: Arc<dyn Settler>, stop: CancellationToken) {
    let settled = match serde_json::from_slice::<FenceChange>(&delivery.message.body) {
        Err(error) => bury(&delivery, &format!("not a change of consent or control: {error}"), &*settler).await,
        Ok(change) => {
            let received = change.received();
            let record = || record(Arc::clone(&responder), change.clone());
            // Short pauses: until it is recorded, a send may start that must not.
            let patiently = ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(5))
                .with_max_delay(Duration::from_secs(1))
                .without_max_times();
            let span = tracing::trace_span!(target: SPANS, "stop", otel.kind = "consumer");
            follow(&span, delivery.message.traceparent.as_deref());
            let recording = record.retry(patiently).when(StoreError::is_retryable).notify(|error, _| {
                tracing::error!(error = %error_chain(error), "a stop or hand-over cannot be recorded yet");
            });
            match stop.run_until_cancelled(recording.instrument(span)).await {
                None => return, // unacknowledged: it comes again
                Some(Ok(())) => {
                    let late = (responder.clock)().since(received).max(0);
                    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a delay")]
                    metrics::histogram!("afterglow_consent_lag_seconds").record(late as f64 / 1000.0);
                    settler.ack(&[delivery.tag]).await
                }
                Some(Err(error)) => bury(&delivery, &error_chain(&error), &*settler).await,
            }
        }
    };
    if let Err(error) = settled {
        tracing::warn!(%error, "a change of consent or control comes again");
    }
}

pub(super) async fn record(responder: Arc<Responder>, change: FenceChange) -> Result<(), StoreError> {
    if responder.store.record(&change, (responder.clock)()).await? {
        match change {
            FenceChange::Consent(change) => {
                metrics::counter!("afterglow_consent_changes_total", "state" => change.state.as_str()).increment(1);
            }
            FenceChange::Control(change) => {
                metrics::counter!("afterglow_control_changes_total", "control" => change.control.as_str()).increment(1);
            }
        }
    }
    Ok(())
}

async fn bury(delivery: &Delivery, reason: &str, settler: &dyn Settler) -> Result<(), BusError> {
    metrics::counter!("afterglow_dead_letters_total", "lane" => Lane::Consent.as_str()).increment(1);
    tracing::error!(message = delivery.message.id, reason, "a change of consent becomes a dead letter");
    settler.dead_letter(delivery, reason).await
}
