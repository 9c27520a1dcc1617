//! What became of attempts, written down several at once: those that end while one transaction is under way gather for the next.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::queue::{DeliveryQueue, EndpointId, Settled};

/// What one endpoint's lane has not written down yet.
pub(super) struct Settling {
    queue: Arc<dyn DeliveryQueue>,
    endpoint: EndpointId,
    gathered: Vec<Settled>,
    /// At most one: a task of its own, so that no wait of the lane cuts it off in its midst.
    writing: JoinSet<()>,
    being_written: usize,
}

impl Settling {
    pub(super) fn new(queue: Arc<dyn DeliveryQueue>, endpoint: EndpointId) -> Self {
        Self { queue, endpoint, gathered: Vec::new(), writing: JoinSet::new(), being_written: 0 }
    }

    /// How many are not written down yet.
    pub(super) fn len(&self) -> usize {
        self.gathered.len() + self.being_written
    }

    pub(super) fn push(&mut self, settled: Settled) {
        self.gathered.push(settled);
    }

    /// Begins to write down what has gathered, unless it is under way.
    pub(super) fn begin(&mut self) {
        if self.writing.is_empty() && !self.gathered.is_empty() {
            let (queue, endpoint) = (Arc::clone(&self.queue), self.endpoint.clone());
            let settled = std::mem::take(&mut self.gathered);
            self.being_written = settled.len();
            self.writing.spawn(async move { write(&*queue, &endpoint, &settled).await });
        }
    }

    /// Waits until what is being written down is; `None` if nothing is. Can be dropped while it waits.
    pub(super) async fn written(&mut self) -> Option<()> {
        // One that panicked wrote nothing: its claims lapse, as if the process had died.
        let _ = self.writing.join_next().await?;
        self.being_written = 0;
        Some(())
    }
}

async fn write(queue: &dyn DeliveryQueue, endpoint: &EndpointId, settled: &[Settled]) {
    match queue.settle(endpoint, settled).await {
        Ok(each) => {
            for (one, _) in settled.iter().zip(each).filter(|(_, settled)| !settled) {
                tracing::warn!(%endpoint, change = %one.delivery.change, "the claim had lapsed");
            }
        }
        // The claims lapse and the changes are sent again: the receiver knows them by their ids.
        Err(error) => tracing::warn!(
            %endpoint, deliveries = settled.len(), error = &error as &dyn std::error::Error,
            "cannot write down what became of deliveries"
        ),
    }
}
