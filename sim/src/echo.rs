//! Echoes: what the account sent comes back as a webhook.

use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::TrafficReport;
use crate::graph_server::lock;
use crate::sim::OUTSTANDING;
use crate::webhooks::{Outgoing, Poster};

/// Counts something as outstanding for as long as it lives.
pub(crate) struct Busy(watch::Sender<usize>);

impl Busy {
    pub(crate) fn new(outstanding: &watch::Sender<usize>) -> Self {
        outstanding.send_modify(|n| *n += 1);
        Self(outstanding.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n -= 1);
    }
}

/// Posts the echoes of messages that were sent.
pub(crate) struct EchoPoster {
    pub(crate) poster: Poster,
    pub(crate) url: watch::Receiver<Option<String>>,
    pub(crate) report: Arc<Mutex<TrafficReport>>,
    pub(crate) cancel: CancellationToken,
}

impl EchoPoster {
    /// Runs until cancelled.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<(Outgoing, Busy)>) {
        let mut posts = JoinSet::new();
        let room = Arc::new(Semaphore::new(OUTSTANDING));
        loop {
            let next = tokio::select! {
                biased;
                () = self.cancel.cancelled() => None,
                Some(_) = posts.join_next(), if !posts.is_empty() => continue,
                next = queue.recv() => next,
            };
            let Some((outgoing, busy)) = next else { break };
            let (Some(url), Some(permit)) = (self.url().await, self.permit(&room).await) else { break };
            let (poster, cancel, report) = (self.poster.clone(), self.cancel.clone(), Arc::clone(&self.report));
            posts.spawn(async move {
                let delivery = poster.deliver(&url, &outgoing, &cancel).await;
                lock(&report).add(&delivery);
                drop((permit, busy));
            });
        }
        while posts.join_next().await.is_some() {}
    }

    async fn url(&mut self) -> Option<String> {
        tokio::select! {
            () = self.cancel.cancelled() => None,
            url = self.url.wait_for(Option::is_some) => url.ok().and_then(|url| url.clone()),
        }
    }

    async fn permit(&self, room: &Arc<Semaphore>) -> Option<tokio::sync::OwnedSemaphorePermit> {
        tokio::select! {
            () = self.cancel.cancelled() => None,
            permit = Arc::clone(room).acquire_owned() => permit.ok(),
        }
    }
}
