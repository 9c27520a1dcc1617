//! The deliveries as the store keeps them.

use std::sync::Arc;

use afterglow_domain::{BrandId, DerivedId as _, Timestamp};
use afterglow_runtime::{Keyring, error_chain};
use afterglow_store::{FeedAttempt, FeedEndpoint, FeedOutcome, FeedSettlement, SealedSecret, Store};
use async_trait::async_trait;
use bytes::Bytes;
use secrecy::ExposeSecret as _;

use crate::webhook::{
    ChangeId, DeadReason, Delivery, DeliveryQueue, Endpoint, EndpointId, QueueError, Rate, Secrets, Settled,
    Settlement, SigningSecret,
};

/// What an endpoint's secret is sealed to: it opens nowhere else.
pub fn secret_context(brand: &BrandId, endpoint: &str) -> String {
    format!("feed/{brand}/{endpoint}")
}

/// Deliveries in the store.
pub struct StoreQueue {
    store: Store,
    keyring: Arc<Keyring>,
}

impl StoreQueue {
    /// Over a store, with the keys that open the endpoints' secrets.
    pub const fn new(store: Store, keyring: Arc<Keyring>) -> Self {
        Self { store, keyring }
    }

    /// An endpoint as it is delivered to; `None`, and an error in the log, if its address or secrets cannot be used.
    fn opened(&self, endpoint: &FeedEndpoint) -> Option<Endpoint> {
        let context = secret_context(&endpoint.brand, &endpoint.id);
        let open = |sealed: &SealedSecret| {
            let plain = self.keyring.open(&sealed.0, &context).map_err(|error| error_chain(&error))?;
            SigningSecret::parse(plain.expose_secret()).map_err(|error| error.to_string())
        };
        let made = || -> Result<Endpoint, String> {
            let mut secrets = Secrets::new(open(&endpoint.secret)?);
            if let Some((former, until)) = &endpoint.former {
                secrets = secrets.with_former(open(former)?, *until);
            }
            Ok(Endpoint {
                id: EndpointId::new(format!("{}/{}", endpoint.brand, endpoint.id)),
                brand: endpoint.brand.clone(),
                url: endpoint.url.parse().map_err(|error| format!("{}: {error}", endpoint.url))?,
                secrets,
                rate: Rate { per_minute: endpoint.per_minute, burst: endpoint.burst },
                concurrency: usize::try_from(endpoint.concurrency).unwrap_or(usize::MAX),
            })
        };
        made()
            .inspect_err(|why| {
                metrics::counter!("afterglow_feed_unusable_endpoints_total").increment(1);
                tracing::error!(brand = %endpoint.brand, endpoint = endpoint.id, why, "an endpoint cannot be used");
            })
            .ok()
    }
}

/// A brand and an endpoint's name within it, from its full name.
fn named(endpoint: &EndpointId) -> Result<(BrandId, &str), QueueError> {
    let parts = endpoint.as_str().split_once('/');
    let (brand, id) = parts.ok_or_else(|| QueueError(format!("{endpoint} names no endpoint of a brand").into()))?;
    Ok((BrandId::new(brand), id))
}

fn failed(error: afterglow_store::StoreError) -> QueueError {
    QueueError(error.into())
}

#[async_trait]
impl DeliveryQueue for StoreQueue {
    async fn due(&self, now: Timestamp) -> Result<Vec<Endpoint>, QueueError> {
        let due = self.store.feed_endpoints_due(now).await.map_err(failed)?;
        Ok(due.iter().filter_map(|endpoint| self.opened(endpoint)).collect())
    }

    async fn claim(
        &self,
        endpoint: &EndpointId,
        limit: usize,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Vec<Delivery>, QueueError> {
        let (brand, id) = named(endpoint)?;
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let claimed = self.store.brand(&brand).claim_feed(id, limit, now, lease_until).await.map_err(failed)?;
        let delivery = |claimed: afterglow_store::FeedDelivery| Delivery {
            endpoint: endpoint.clone(),
            change: ChangeId::from_uuid(claimed.change),
            sequence: claimed.sequence,
            viewer: claimed.viewer,
            attempts: claimed.attempts,
            body: Bytes::from(claimed.body),
            claim: claimed.claim,
        };
        Ok(claimed.into_iter().map(delivery).collect())
    }

    async fn settle(&self, endpoint: &EndpointId, settled: &[Settled]) -> Result<Vec<bool>, QueueError> {
        let (brand, id) = named(endpoint)?;
        let outcomes: Vec<FeedOutcome> = settled.iter().map(outcome).collect();
        self.store.brand(&brand).settle_feed(id, &outcomes).await.map_err(failed)
    }
}

fn outcome(settled: &Settled) -> FeedOutcome {
    let Settled { delivery, settlement, attempt } = settled;
    let settlement = match *settlement {
        Settlement::Delivered => FeedSettlement::Delivered,
        Settlement::RetryAt(due) => FeedSettlement::RetryAt(due),
        Settlement::Dead(DeadReason::Exhausted) => FeedSettlement::Exhausted,
        Settlement::Dead(DeadReason::Gone) => FeedSettlement::Gone,
    };
    let attempt = FeedAttempt {
        change: delivery.change.uuid(),
        number: attempt.number,
        at: attempt.at,
        took_ms: attempt.took_ms,
        status: attempt.status,
        error: attempt.error.map(Into::into),
        excerpt: attempt.excerpt.clone(),
        outcome: String::new(),
    };
    FeedOutcome { sequence: delivery.sequence, claim: delivery.claim, settlement, attempt }
}
