//! Intents from the bus.

use std::sync::Arc;
use std::time::Duration;

use afterglow_bus::{BusError, Delivery, Lane, Settler};
use afterglow_domain::Intent;
use afterglow_runtime::error_chain;
use afterglow_runtime::traces::{SPANS, follow};
use afterglow_store::StoreError;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::speak::{Spoken, speak};
use super::{Responder, ResponderError, Sleep};

/// Intents that may wait here for their account's turn; more of them are made rows, and wait in the store.
const WAITING_MAX: u16 = 256;
/// How long the store is left alone between two tries, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// So many of an account may wait here in any case.
const WAITING_ANYWAY: usize = 16;

pub(super) async fn run(responder: &Arc<Responder>, stop: &CancellationToken) -> Result<(), ResponderError> {
    let failed = |source| ResponderError::Consume { lane: Lane::Intents.as_str(), source };
    let prefetch = responder.concurrency.saturating_mul(2).saturating_add(WAITING_MAX);
    let waiting = Arc::new(Semaphore::new(usize::from(WAITING_MAX)));
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
        let mut later = Vec::new();
        for delivery in batch {
            let intent = match serde_json::from_slice::<Intent>(&delivery.message.body) {
                Ok(intent) => intent,
                Err(error) => {
                    settled(bury(&delivery, &format!("not an intent: {error}"), &*settler).await);
                    continue;
                }
            };
            // One account's flood takes no place that others need; what a person writes never stands aside.
            let turn = responder.turns.try_take(&intent.account);
            let mut stands = None;
            if turn.is_none() && intent.person.is_none() && responder.turns.in_line(&intent.account) >= WAITING_ANYWAY {
                stands = Arc::clone(&waiting).try_acquire_owned().ok();
                if stands.is_none() {
                    later.push((delivery, intent));
                    continue;
                }
            }
            let (responder, settler, stop) = (Arc::clone(responder), Arc::clone(&settler), stop.clone());
            under_way.spawn(async move {
                let turn = match turn {
                    Some(turn) => Some(turn),
                    None => stop.run_until_cancelled(responder.turns.take_for(&intent)).await,
                };
                drop(stands);
                let Some(_turn) = turn else { return }; // stopping: it comes again
                take(&responder, (delivery, intent), &*settler, &stop).await;
            });
            while under_way.try_join_next().is_some() {}
        }
        if !later.is_empty() {
            let (responder, settler, stop) = (Arc::clone(responder), Arc::clone(&settler), stop.clone());
            under_way.spawn(async move { set_aside(&responder, later, &*settler, &stop).await });
        }
    };
    // What was begun is finished: a send is not left half-way because somebody asked us to stop.
    while under_way.join_next().await.is_some() {}
    ended
}

/// Makes rows of intents that have to wait for their account's turn: the sweep finds them there.
async fn set_aside(
    responder: &Responder,
    later: Vec<(Delivery, Intent)>,
    settler: &dyn Settler,
    stop: &CancellationToken,
) {
    let (deliveries, intents): (Vec<Delivery>, Vec<Intent>) = later.into_iter().unzip();
    let tags: Vec<_> = deliveries.iter().map(|delivery| delivery.tag).collect();
    let (count, due) = (intents.len() as u64, (responder.clock)());
    match patiently(&responder.sleep, stop, || responder.store.expect_intents(&intents, due)).await {
        None => {} // stopping: they come again
        Some(Ok(())) => {
            metrics::counter!("afterglow_intents_set_aside_total").increment(count);
            settled(settler.ack(&tags).await);
        }
        Some(Err(error)) => {
            tracing::error!(error = %error_chain(&error), "intents that were to wait come again");
            settled(settler.retry(&tags).await);
        }
    }
}

async fn take(
    responder: &Responder,
    (delivery, intent): (Delivery, Intent),
    settler: &dyn Settler,
    stop: &CancellationToken,
) {
    let span = tracing::trace_span!(target: SPANS, "answer", otel.kind = "consumer", intent = %intent.id);
    follow(&span, delivery.message.traceparent.as_deref());
    let spoken = patiently(&responder.sleep, stop, || speak(responder, &intent, stop).instrument(span.clone())).await;
    settled(match spoken {
        // The intent is a row by now: whatever is left to do is found there.
        Some(Ok(Spoken::Settled)) => settler.ack(&[delivery.tag]).await,
        Some(Ok(Spoken::NotNow)) | None => return, // stopping: it comes again
        Some(Err(error)) => bury(&delivery, &error_chain(&error), settler).await,
    });
}

/// Tries again, at longer and longer intervals, as long as the store is away; `None` if we are stopping. Given back to the queue
/// instead, an intent would have used up its deliveries within seconds, and be a dead letter.
async fn patiently<T, W: Future<Output = Result<T, StoreError>>>(
    sleep: &Sleep,
    stop: &CancellationToken,
    work: impl Fn() -> W,
) -> Option<Result<T, StoreError>> {
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build();
    loop {
        match work().await {
            Err(error) if error.is_retryable() => {
                tracing::warn!(error = %error_chain(&error), "intents wait for the store");
                let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
                stop.run_until_cancelled(sleep(pause)).await?;
            }
            done => return Some(done),
        }
    }
}

fn settled(outcome: Result<(), BusError>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "an intent comes again");
    }
}

async fn bury(delivery: &Delivery, reason: &str, settler: &dyn Settler) -> Result<(), BusError> {
    metrics::counter!("afterglow_dead_letters_total", "lane" => Lane::Intents.as_str()).increment(1);
    tracing::error!(message = delivery.message.id, reason, "an intent becomes a dead letter");
    settler.dead_letter(delivery, reason).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::service::runtime_sleep;

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_away_is_waited_for() {
        let away = || StoreError::from(sqlx::Error::PoolTimedOut);
        let (stop, tries, sleep) = (CancellationToken::new(), AtomicU32::new(0), runtime_sleep());
        // More often than the broker would deliver it.
        let often = 3 * afterglow_bus::DELIVERY_LIMIT;
        let work = async || match tries.fetch_add(1, Ordering::Relaxed) {
            n if n < often => Err(away()),
            n => Ok(n),
        };
        let begun = tokio::time::Instant::now();
        assert_eq!(patiently(&sleep, &stop, work).await.unwrap().unwrap(), often);
        assert!(begun.elapsed() > Duration::from_mins(1), "at longer and longer intervals: {:?}", begun.elapsed());
        // Whoever stops does not wait for it.
        let away = async || Err::<(), _>(away());
        let stopping = async {
            tokio::time::sleep(Duration::from_secs(9)).await;
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(patiently(&sleep, &stop, away), stopping);
        assert!(ended.is_none());
    }
}
