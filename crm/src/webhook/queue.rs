//! What waits to be delivered, and where: the seam to storage.

use std::error::Error;
use std::fmt;

use afterglow_domain::{BrandId, Timestamp, ViewerKey};
use async_trait::async_trait;
use bytes::Bytes;
use serde::Serialize;
use url::Url;

use super::event::ChangeId;
use super::log::Attempt;
use super::rate::Rate;
use super::secret::Secrets;

/// Names an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct EndpointId(Box<str>);

impl EndpointId {
    /// Takes the text as it is.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a brand wants its changes.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its name.
    pub id: EndpointId,
    /// Whose it is.
    pub brand: BrandId,
    /// Where to.
    pub url: Url,
    /// What signs.
    pub secrets: Secrets,
    /// How often, by each process.
    pub rate: Rate,
    /// How many calls at once, by each process; 1 or more (0 is taken as 1).
    pub concurrency: usize,
}

/// One change on its way to one endpoint.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Where to.
    pub endpoint: EndpointId,
    /// Which change; with the endpoint, the delivery's name.
    pub change: ChangeId,
    /// The change's number in the brand's feed.
    pub sequence: u64,
    /// Whom it is about: a viewer's next change waits for the former.
    pub viewer: ViewerKey,
    /// How many attempts have failed already.
    pub attempts: u32,
    /// What is sent.
    pub body: Bytes,
    /// Which claim this is; settling with an older one changes nothing.
    pub claim: i64,
}

/// Why a delivery is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    /// Every attempt failed.
    Exhausted,
    /// The endpoint said 410: it wants no more.
    Gone,
}

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// It arrived.
    Delivered,
    /// It is tried again, not before then.
    RetryAt(Timestamp),
    /// It goes to the dead letters. For [`DeadReason::Gone`] the endpoint is switched off as well.
    Dead(DeadReason),
}

/// A delivery after an attempt.
#[derive(Debug, Clone)]
pub struct Settled {
    /// As it was claimed.
    pub delivery: Delivery,
    /// What becomes of it.
    pub settlement: Settlement,
    /// For the log.
    pub attempt: Attempt,
}

/// The storage failed.
#[derive(Debug, thiserror::Error)]
#[error("the delivery queue failed")]
pub struct QueueError(#[source] pub Box<dyn Error + Send + Sync>);

/// What waits to be delivered.
///
/// The queue keeps the order: at any time at most one delivery of a viewer to an endpoint is claimed, and it is the
/// oldest that is neither delivered nor dead. While it waits for its next attempt, the viewer's later ones wait behind
/// it, and other viewers' go on.
#[async_trait]
pub trait DeliveryQueue: Send + Sync + 'static {
    /// The endpoints that are switched on and have something to claim at `now`.
    async fn due(&self, now: Timestamp) -> Result<Vec<Endpoint>, QueueError>;

    /// Claims up to `limit` deliveries of one endpoint, oldest due first, at most one of each viewer. A claim that is not
    /// settled before `lease_until` lapses: the process that held it has died.
    async fn claim(
        &self,
        endpoint: &EndpointId,
        limit: usize,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Vec<Delivery>, QueueError>;

    /// Writes down what became of claims of one endpoint, and the attempts in the log, together. Returns of each, in their
    /// order, whether it was settled: `false` if the claim had lapsed and was taken by another; of that only the log tells.
    async fn settle(&self, endpoint: &EndpointId, settled: &[Settled]) -> Result<Vec<bool>, QueueError>;
}
