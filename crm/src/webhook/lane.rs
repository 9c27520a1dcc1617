//! One endpoint's deliveries: its own concurrency, rate and circuit breaker, so that it holds up no other.

use std::sync::Arc;
use std::time::Duration;

use afterglow_domain::{DerivedId, Timestamp};
use http::{HeaderValue, Method, header};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::breaker::{Admission, Breaker};
use super::deliverer::Shared;
use super::event::CONTENT_TYPE;
use super::log::Attempt;
use super::queue::{DeadReason, Delivery, Endpoint, Settled, Settlement};
use super::rate::{Meter, Rate};
use super::schedule::next_attempt;
use super::settling::Settling;
use super::sign::{BadId, signed_headers};
use super::verdict::{Verdict, verdict};
use crate::egress::Request;

/// What is remembered of an endpoint while it has nothing to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaneState {
    pub(super) breaker: Breaker,
    meter: Meter,
    rate: Rate,
}

impl LaneState {
    pub(super) fn new(rate: Rate) -> Self {
        Self { breaker: Breaker::default(), meter: Meter::new(rate), rate }
    }

    /// With the rate that is set now.
    pub(super) fn with_rate(self, rate: Rate) -> Self {
        if self.rate == rate { self } else { Self { meter: Meter::new(rate), rate, ..self } }
    }

    /// How many deliveries may be claimed, and whether that is a probe.
    fn room(&self, now: Timestamp, slots: usize, in_flight: usize) -> (usize, bool) {
        let free = slots.saturating_sub(in_flight).min(self.meter.free(now));
        match self.breaker.admission(now) {
            Admission::Open => (free, false),
            Admission::Probe => (free.min(1), true),
            Admission::NotBefore(_) | Admission::Probing => (0, false),
        }
    }

    fn learn(&mut self, verdict: Verdict, now: Timestamp) {
        match verdict {
            // Who says "gone" is not ill; it is switched off by the settlement.
            Verdict::Delivered | Verdict::Gone => self.breaker.succeeded(),
            Verdict::Failed { asked } => {
                self.breaker.failed(now);
                if let Some(asked) = asked.filter(|asked| *asked > 0) {
                    self.breaker.rest_until(now.plus(asked), now);
                }
            }
        }
    }
}

/// Delivers until nothing is due or the breaker holds back; then gives the state back. `endpoint` is read anew at every
/// turn, so that a new secret or address is used at once, however long the backlog.
pub(super) async fn run_lane(
    shared: Shared,
    endpoint: watch::Receiver<Arc<Endpoint>>,
    mut state: LaneState,
    stop: CancellationToken,
) -> LaneState {
    // Tasks of their own: they go on while this waits for the next claim.
    let mut calls = JoinSet::new();
    let mut settling = Settling::new(Arc::clone(&shared.queue), endpoint.borrow().id.clone());
    loop {
        let now = (shared.clock)();
        let current = Arc::clone(&endpoint.borrow());
        state = state.with_rate(current.rate);
        let slots = current.concurrency.max(1);
        let (room, probe) = state.room(now, slots, calls.len());
        // What is answered faster than it can be written down is not claimed without bound.
        let room = room.min((slots * 2).saturating_sub(calls.len() + settling.len()));
        let room = if stop.is_cancelled() { 0 } else { room };
        let claimed = if room > 0 { claim(&shared, &current, room, now).await } else { Vec::new() };
        let only_the_rate = state.meter.free(now) == 0 && state.breaker.admission(now) == Admission::Open;
        let idle = claimed.is_empty() && calls.is_empty() && settling.len() == 0;
        if idle && (stop.is_cancelled() || !only_the_rate) {
            return state;
        }
        state.meter.take(claimed.len(), now);
        if probe && !claimed.is_empty() {
            state.breaker.probe();
        }
        for delivery in claimed {
            calls.spawn(attempt(shared.clone(), Arc::clone(&current), delivery));
        }
        let next_look = pause(&state, now, shared.settings.poll);
        until_claimable(&shared, (&mut state, &mut calls, &mut settling), next_look, &stop).await;
    }
}

/// Waits until there may be something to claim: what became of calls was written down, `next_look` has passed, or `stop`. A call that
/// ended frees no viewer's next before that is written down.
async fn until_claimable(
    shared: &Shared,
    (state, calls, settling): (&mut LaneState, &mut JoinSet<(Verdict, Option<Settled>)>, &mut Settling),
    next_look: Duration,
    stop: &CancellationToken,
) {
    // What became due in the meantime does not wait for what is under way.
    let next_look = tokio::time::sleep(next_look);
    tokio::pin!(next_look);
    loop {
        tokio::select! {
            Some(ended) = calls.join_next() => {
                // Those that ended by now as well are written down with it.
                let mut next = Some(ended);
                while let Some(ended) = next {
                    let (verdict, settled) = ended.unwrap_or(FAULT);
                    state.learn(verdict, (shared.clock)());
                    if let Some(settled) = settled {
                        settling.push(settled);
                    }
                    next = calls.try_join_next();
                }
                settling.begin();
                if settling.len() == 0 {
                    return;
                }
            }
            Some(()) = settling.written() => return settling.begin(),
            () = &mut next_look => return,
            () = stop.cancelled(), if !stop.is_cancelled() => return,
        }
    }
}

/// One that panicked, or could not be sent: taken for a failure; its claim lapses, and it is seen again.
const FAULT: (Verdict, Option<Settled>) = (Verdict::Failed { asked: None }, None);

fn pause(state: &LaneState, now: Timestamp, poll: Duration) -> Duration {
    let until_free = state.meter.free_at(now).since(now);
    match u64::try_from(until_free) {
        Ok(ms) if ms > 0 => poll.min(Duration::from_millis(ms)),
        _ => poll,
    }
}

async fn claim(shared: &Shared, endpoint: &Endpoint, room: usize, now: Timestamp) -> Vec<Delivery> {
    let lease = now.plus(shared.settings.lease_ms);
    shared.queue.claim(&endpoint.id, room, now, lease).await.unwrap_or_else(|error| {
        tracing::warn!(endpoint = %endpoint.id, error = &error as &dyn std::error::Error, "cannot claim deliveries");
        Vec::new()
    })
}

/// One attempt, and what becomes of the delivery after it.
async fn attempt(shared: Shared, endpoint: Arc<Endpoint>, delivery: Delivery) -> (Verdict, Option<Settled>) {
    let began = (shared.clock)();
    let request = match request(&endpoint, &delivery, began) {
        Ok(request) => request,
        Err(error) => {
            // A derived id is a UUID, so this is a fault of ours.
            tracing::error!(endpoint = %endpoint.id, error = &error as &dyn std::error::Error, "cannot sign a delivery");
            return FAULT;
        }
    };
    let reply = shared.client.send(request).await;
    let now = (shared.clock)();
    let verdict = verdict(&reply, now);
    let settlement = settlement(verdict, &delivery, shared.seed, now);
    let (status, error, excerpt) = Attempt::describe(&reply);
    let attempt = Attempt {
        endpoint: delivery.endpoint.clone(),
        change: delivery.change,
        number: delivery.attempts.saturating_add(1),
        at: began,
        took_ms: now.since(began).max(0),
        status,
        error,
        excerpt,
        settlement,
    };
    count(settlement);
    (verdict, Some(Settled { delivery, settlement, attempt }))
}

fn request(endpoint: &Endpoint, delivery: &Delivery, now: Timestamp) -> Result<Request, BadId> {
    let mut headers = signed_headers(&endpoint.secrets, &delivery.change.to_string(), now, &delivery.body)?;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    Ok(Request { method: Method::POST, url: endpoint.url.clone(), headers, body: delivery.body.clone() })
}

/// What becomes of a delivery whose attempt, one more than `delivery.attempts`, ended with `verdict` at `now`.
fn settlement(verdict: Verdict, delivery: &Delivery, seed: u64, now: Timestamp) -> Settlement {
    match verdict {
        Verdict::Delivered => Settlement::Delivered,
        Verdict::Gone => Settlement::Dead(DeadReason::Gone),
        Verdict::Failed { asked } => {
            let (high, low) = delivery.change.uuid().as_u64_pair();
            next_attempt(delivery.attempts.saturating_add(1), now, seed ^ high ^ low, asked)
                .map_or(Settlement::Dead(DeadReason::Exhausted), Settlement::RetryAt)
        }
    }
}

fn count(settlement: Settlement) {
    let outcome = match settlement {
        Settlement::Delivered => "delivered",
        Settlement::RetryAt(_) => "retry",
        Settlement::Dead(DeadReason::Exhausted) => "exhausted",
        Settlement::Dead(DeadReason::Gone) => "gone",
    };
    metrics::counter!("afterglow_webhook_attempts_total", "outcome" => outcome).increment(1);
}
