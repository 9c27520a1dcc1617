//! The loop that gives every endpoint with something due a lane of its own.
//!
//! Delivery is at least once: a claim that its process could not settle lapses and is taken up by another, and the
//! receiver knows the change by its id. A viewer's changes arrive in order, as far as the receiver answers them in order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use afterglow_domain::{Clock, Timestamp};
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::breaker::Admission;
use super::lane::{LaneState, run_lane};
use super::queue::{DeliveryQueue, Endpoint, EndpointId};
use crate::egress::EgressClient;

/// How the loop goes.
#[derive(Debug, Clone, Copy)]
pub struct DelivererSettings {
    /// How often the queue is asked what is due.
    pub poll: Duration,
    /// How long a claim holds, in milliseconds. Longer than an exchange may take and its settlement, else deliveries are
    /// made twice.
    pub lease_ms: i64,
}

impl Default for DelivererSettings {
    /// Every second; two minutes, six times the time-out of an exchange.
    fn default() -> Self {
        Self { poll: Duration::from_secs(1), lease_ms: 120_000 }
    }
}

/// What all lanes share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) queue: Arc<dyn DeliveryQueue>,
    pub(super) client: EgressClient,
    pub(super) clock: Clock,
    pub(super) seed: u64,
    pub(super) settings: DelivererSettings,
}

/// Delivers what is due.
pub struct Deliverer {
    shared: Shared,
    /// Of endpoints without a lane now.
    resting: HashMap<EndpointId, LaneState>,
    lanes: JoinSet<LaneState>,
    /// Of endpoints with a lane: where it looks up what is set now.
    running: HashMap<EndpointId, watch::Sender<Arc<Endpoint>>>,
    /// Whose lane a task is.
    tasks: HashMap<Id, EndpointId>,
}

impl Deliverer {
    /// A deliverer; `seed` is random and makes this process's waits its own.
    pub fn new(
        queue: Arc<dyn DeliveryQueue>,
        client: EgressClient,
        clock: Clock,
        seed: u64,
        settings: DelivererSettings,
    ) -> Self {
        Self {
            shared: Shared { queue, client, clock, seed, settings },
            resting: HashMap::new(),
            lanes: JoinSet::new(),
            running: HashMap::new(),
            tasks: HashMap::new(),
        }
    }

    /// Delivers until `stop`; then claims nothing more, and returns when what is under way has ended, which the client's
    /// time-out bounds.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.shared.settings.poll);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = self.lanes.join_next_with_id() => self.rest(ended),
                _ = ticks.tick() => self.start_lanes(&stop).await,
            }
        }
        while let Some(ended) = self.lanes.join_next_with_id().await {
            self.rest(ended);
        }
    }

    async fn start_lanes(&mut self, stop: &CancellationToken) {
        let now = (self.shared.clock)();
        let due = match self.shared.queue.due(now).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot ask what is due");
                return;
            }
        };
        for endpoint in due {
            match self.running.get(&endpoint.id) {
                Some(lane) => drop(lane.send_replace(Arc::new(endpoint))),
                None => self.start_lane(endpoint, now, stop),
            }
        }
        let open = self.resting.values().filter(|state| !state.breaker.is_closed()).count();
        metrics::gauge!("afterglow_webhook_circuits_open").set(u32::try_from(open).map_or(f64::MAX, f64::from));
    }

    fn start_lane(&mut self, endpoint: Endpoint, now: Timestamp, stop: &CancellationToken) {
        let state = match self.resting.remove(&endpoint.id) {
            Some(state) => state.with_rate(endpoint.rate),
            None => LaneState::new(endpoint.rate),
        };
        if let Admission::NotBefore(_) = state.breaker.admission(now) {
            self.resting.insert(endpoint.id, state);
            return;
        }
        let id = endpoint.id.clone();
        let (sender, receiver) = watch::channel(Arc::new(endpoint));
        let task = self.lanes.spawn(run_lane(self.shared.clone(), receiver, state, stop.clone()));
        self.tasks.insert(task.id(), id.clone());
        self.running.insert(id, sender);
    }

    fn rest(&mut self, ended: Result<(Id, LaneState), tokio::task::JoinError>) {
        let task = match &ended {
            Ok((task, _)) => *task,
            Err(error) => error.id(),
        };
        let Some(endpoint) = self.tasks.remove(&task) else { return };
        self.running.remove(&endpoint);
        match ended {
            Ok((_, state)) => drop(self.resting.insert(endpoint, state)),
            // A panic: its claims lapse, and the endpoint begins anew.
            Err(error) => {
                tracing::error!(%endpoint, error = &error as &dyn std::error::Error, "a lane ended by itself");
            }
        }
    }
}
