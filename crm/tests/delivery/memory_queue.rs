//! The delivery queue in memory, as strict about order and claims as the trait's words.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use afterglow_crm::webhook::{
    Attempt, ChangeEvent, DeadReason, Delivery, DeliveryQueue, Endpoint, EndpointId, QueueError, Settled, Settlement,
};
use afterglow_domain::Timestamp;
use async_trait::async_trait;

struct Row {
    delivery: Delivery,
    due: Timestamp,
    leased_until: Option<Timestamp>,
    done: Option<Settlement>,
}

#[derive(Default)]
struct State {
    endpoints: Vec<Endpoint>,
    off: HashSet<EndpointId>,
    rows: Vec<Row>,
    log: Vec<Attempt>,
}

#[derive(Default)]
pub(crate) struct MemoryQueue(Mutex<State>);

impl MemoryQueue {
    pub(crate) fn add_endpoint(&self, endpoint: Endpoint) {
        self.0.lock().unwrap().endpoints.push(endpoint);
    }

    pub(crate) fn change_endpoint(&self, id: &str, change: impl FnOnce(&mut Endpoint)) {
        change(self.0.lock().unwrap().endpoints.iter_mut().find(|e| e.id.as_str() == id).unwrap());
    }

    pub(crate) fn push(&self, endpoint: &str, event: &ChangeEvent) {
        self.0.lock().unwrap().rows.push(Row {
            delivery: Delivery {
                endpoint: EndpointId::new(endpoint),
                change: event.id(),
                sequence: event.sequence,
                viewer: event.viewer(),
                attempts: 0,
                body: event.to_cloudevent().unwrap(),
                claim: 0,
            },
            due: Timestamp::from_millis(0),
            leased_until: None,
            done: None,
        });
    }

    pub(crate) fn log(&self) -> Vec<Attempt> {
        self.0.lock().unwrap().log.clone()
    }

    pub(crate) fn settled(&self, endpoint: &str) -> Vec<Settlement> {
        let state = self.0.lock().unwrap();
        state.rows.iter().filter(|row| row.delivery.endpoint.as_str() == endpoint).filter_map(|row| row.done).collect()
    }

    pub(crate) fn is_off(&self, endpoint: &str) -> bool {
        self.0.lock().unwrap().off.contains(&EndpointId::new(endpoint))
    }
}

impl State {
    /// The rows that may be claimed: the oldest unfinished of each viewer, if it is due and nobody holds it.
    fn claimable(&self, endpoint: &EndpointId, now: Timestamp) -> Vec<usize> {
        let mut heads = HashMap::new();
        for (index, row) in self.rows.iter().enumerate() {
            if row.delivery.endpoint == *endpoint && row.done.is_none() {
                heads.entry(&row.delivery.viewer).or_insert(index);
            }
        }
        let mut free: Vec<usize> = heads
            .into_values()
            .filter(|index| self.rows[*index].due <= now && self.rows[*index].leased_until.is_none_or(|t| t <= now))
            .collect();
        free.sort_by_key(|index| (self.rows[*index].due, *index));
        free
    }
}

#[async_trait]
impl DeliveryQueue for MemoryQueue {
    async fn due(&self, now: Timestamp) -> Result<Vec<Endpoint>, QueueError> {
        let state = self.0.lock().unwrap();
        let due = |e: &&Endpoint| !state.off.contains(&e.id) && !state.claimable(&e.id, now).is_empty();
        Ok(state.endpoints.iter().filter(due).cloned().collect())
    }

    async fn claim(
        &self,
        endpoint: &EndpointId,
        limit: usize,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Vec<Delivery>, QueueError> {
        let mut state = self.0.lock().unwrap();
        if state.off.contains(endpoint) {
            return Ok(Vec::new());
        }
        let free = state.claimable(endpoint, now);
        Ok(free
            .into_iter()
            .take(limit)
            .map(|index| {
                let row = &mut state.rows[index];
                row.leased_until = Some(lease_until);
                row.delivery.claim += 1;
                row.delivery.clone()
            })
            .collect())
    }

    async fn settle(&self, endpoint: &EndpointId, settled: &[Settled]) -> Result<Vec<bool>, QueueError> {
        let mut state = self.0.lock().unwrap();
        Ok(settled.iter().map(|one| state.settle(endpoint, one)).collect())
    }
}

impl State {
    fn settle(&mut self, endpoint: &EndpointId, settled: &Settled) -> bool {
        let Settled { delivery, settlement, attempt } = settled;
        assert_eq!(*endpoint, delivery.endpoint);
        self.log.push(attempt.clone());
        if *settlement == Settlement::Dead(DeadReason::Gone) {
            self.off.insert(delivery.endpoint.clone());
        }
        let row = self
            .rows
            .iter_mut()
            .find(|row| row.delivery.endpoint == delivery.endpoint && row.delivery.change == delivery.change)
            .unwrap();
        if row.delivery.claim != delivery.claim || row.done.is_some() {
            return false;
        }
        row.leased_until = None;
        match *settlement {
            Settlement::RetryAt(at) => {
                row.due = at;
                row.delivery.attempts += 1;
            }
            done => row.done = Some(done),
        }
        true
    }
}
