//! Intents from the bus.

use std::sync::Arc;
use std::time::Duration;

use afterglow_bus::{BusError, Delivery, Lane, Settler};
use afterglow_domain::Intent;
use afterglow_runtime::error_chain;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::speak::{Spoken, speak};
use super::{Responder, ResponderError};

pub(super) async fn run(responder: &Arc<Responder>, stop: &CancellationToken) -> Result<(), ResponderError> {
    let failed = |source| ResponderError::Consume { lane: Lane::Intents.as_str(), source };
    let prefetch = responder.concurrency.saturating_mul(2);
    let mut consumer = responder.bus.consume(Lane::Intents, prefetch).await.map_err(failed)?;
    let settler = consumer.settler();
    let mut under_way = JoinSet::new();
    let ended = loop {
        let next = consumer.next_batch(usize::from(responder.concurrency), Duration::ZERO);
        let batch = match stop.run_until_cancelled(next).await {
            None | Some(Err(BusError::Closed)) => break Ok(()),
            Some(Ok(batch)) => batch,
            Some(Err(error)) => break Err(failed(error)),
        };
        for delivery in batch {
            // Closed never; an error would mean that nothing is judged, so the delivery is left to come again.
            let Ok(permit) = Arc::clone(&responder.room).acquire_owned().await else { continue };
            let (responder, settler, stop) = (Arc::clone(responder), Arc::clone(&settler), stop.clone());
            under_way.spawn(async move {
                take(&responder, &delivery, &*settler, &stop).await;
                drop(permit);
            });
            while under_way.try_join_next().is_some() {}
        }
    };
    // What was begun is finished: a send is not left half-way because somebody asked us to stop.
    while under_way.join_next().await.is_some() {}
    ended
}

async fn take(responder: &Responder, delivery: &Delivery, settler: &dyn Settler, stop: &CancellationToken) {
    let settled = match serde_json::from_slice::<Intent>(&delivery.message.body) {
        Err(error) => bury(delivery, &format!("not an intent: {error}"), settler).await,
        Ok(intent) => match speak(responder, &intent, stop).await {
            // The intent is a row by now: whatever is left to do is found there.
            Ok(Spoken::Settled) => settler.ack(&[delivery.tag]).await,
            Ok(Spoken::NotNow) => return, // stopping: it comes again
            Err(error) if error.is_retryable() => {
                tracing::warn!(intent = %intent.id, error = %error_chain(&error), "an intent is tried again");
                settler.retry(&[delivery.tag]).await
            }
            Err(error) => bury(delivery, &error_chain(&error), settler).await,
        },
    };
    if let Err(error) = settled {
        tracing::warn!(%error, "an intent comes again");
    }
}

async fn bury(delivery: &Delivery, reason: &str, settler: &dyn Settler) -> Result<(), BusError> {
    metrics::counter!("afterglow_dead_letters_total", "lane" => Lane::Intents.as_str()).increment(1);
    tracing::error!(message = delivery.message.id, reason, "an intent becomes a dead letter");
    settler.dead_letter(delivery, reason).await
}
