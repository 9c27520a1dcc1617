//! Changes to the broker: a topic exchange, for systems that would rather have a queue of their own.
//!
//! One process publishes for all. A brand's changes go out in their order, by pages; when the broker has confirmed a page, the brand's
//! place moves behind it. Whatever happens in between is published again, under the same ids.

use std::time::Duration;

use afterglow_bus::{Broadcast, Notice, PublishError};
use afterglow_domain::{BrandId, Clock};
use afterglow_runtime::error_chain;
use afterglow_store::{BrokerPlace, NumberedChange, Store, StoreError};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::webhook::CONTENT_TYPE;

/// What follows the deployment's prefix in the exchange's name.
pub const EXCHANGE: &str = "changes";
/// One process publishes for all; in ms, longer than a page may take.
const LEASE: (&str, i64) = ("feed-broker", 60_000);
/// Changes that are confirmed together.
const PAGE: u32 = 500;
/// Brands in one round.
const BRANDS: u32 = 200;

/// Why changes wait.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The broker is away, or did not confirm.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// The routing key of a brand's changes of one kind: `lumen.changed`, `lumen.forgotten`. The kind is the last word of the event's type.
pub fn routing_key(brand: &BrandId, event_type: &str) -> String {
    let kind = event_type.rsplit('.').next().unwrap_or(event_type);
    format!("{brand}.{kind}")
}

#[derive(Deserialize)]
struct Typed {
    r#type: String,
}

/// A change as the broker is told of it.
///
/// # Errors
/// `Codec` if its body is no CloudEvent.
pub fn notice(brand: &BrandId, change: NumberedChange) -> Result<Notice, StoreError> {
    let unreadable = |source: serde_json::Error| StoreError::Codec { what: "feed_change.body", source: source.into() };
    let Typed { r#type: kind } = serde_json::from_str(&change.body).map_err(unreadable)?;
    Ok(Notice {
        key: routing_key(brand, &kind),
        id: change.change.to_string(),
        kind,
        content_type: CONTENT_TYPE,
        body: change.body.into(),
    })
}

/// Publishes what was numbered.
pub struct BrokerFeed {
    /// Where changes are.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Where to.
    pub broadcast: Broadcast,
    /// Names this process among those that share the lease.
    pub holder: String,
    /// How often it is looked for changes.
    pub poll: Duration,
}

impl BrokerFeed {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut away = false;
        while stop.run_until_cancelled(tokio::time::sleep(self.poll)).await.is_some() {
            match self.round(&stop).await {
                Ok(()) => away = false,
                Err(error) => {
                    metrics::counter!("afterglow_feed_broker_failures_total").increment(1);
                    // Once, not with every look.
                    if !std::mem::replace(&mut away, true) {
                        tracing::warn!(error = %error_chain(&error), "changes wait for the broker");
                    }
                }
            }
        }
        let _ = self.store.release_lease(LEASE.0, &self.holder).await; // else it runs out
        self.broadcast.close().await;
    }

    /// Publishes until nothing is left, or `stop`.
    async fn round(&self, stop: &CancellationToken) -> Result<(), BrokerError> {
        loop {
            let places = self.store.feed_broker_behind(BRANDS).await?;
            let behind: u64 = places.iter().map(|place| place.head.saturating_sub(place.cursor)).sum();
            metrics::gauge!("afterglow_feed_broker_behind").set(u32::try_from(behind).map_or(f64::MAX, f64::from));
            if places.is_empty() {
                return Ok(());
            }
            let mut failed = None;
            for place in places {
                let leased = self.store.lease(LEASE.0, &self.holder, (self.clock)(), LEASE.1).await?;
                if !leased || stop.is_cancelled() {
                    return Ok(()); // another process does
                }
                // A brand whose queue is full stands in front of nobody else.
                if let Err(error) = self.page(&place).await {
                    failed = Some(error);
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
    }

    async fn page(&self, place: &BrokerPlace) -> Result<(), BrokerError> {
        let scoped = self.store.brand(&place.brand);
        if place.cursor == 0 {
            // From here on whoever is forgotten is forgotten by this way as well.
            scoped.advance_feed_broker(0, 0).await?;
        } else if place.cursor < place.floor {
            tracing::warn!(
                brand = %place.brand, cursor = place.cursor, floor = place.floor,
                "changes were removed for their age before they were published: consumers read every viewer anew"
            );
        }
        let page = scoped.changes_after(place.cursor, PAGE).await?;
        // Those that are missing at the end belonged to people who were forgotten, or were too old.
        let to = page.changes.last().map_or(place.head, |last| last.sequence);
        let notices: Result<Vec<Notice>, StoreError> =
            page.changes.into_iter().map(|change| notice(&place.brand, change)).collect();
        let notices = notices?;
        let unwanted = if notices.is_empty() { 0 } else { self.broadcast.publish(&notices).await? };
        metrics::counter!("afterglow_feed_published_total").increment(notices.len() as u64);
        metrics::counter!("afterglow_feed_unrouted_total").increment(unwanted as u64);
        if !scoped.advance_feed_broker(place.cursor, to).await? {
            tracing::info!(brand = %place.brand, "the place was moved while a page was published");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_change_is_told_under_its_own_id() {
        let change = |kind: &str| NumberedChange {
            sequence: 7,
            change: Uuid::from_u128(9),
            body: format!("{{\"type\":\"app.afterglow.viewer.{kind}\",\"sequence\":\"7\"}}"),
        };
        for kind in ["changed", "forgotten"] {
            let told = notice(&BrandId::new("lumen"), change(kind)).unwrap();
            assert_eq!((told.key, told.id), (format!("lumen.{kind}"), Uuid::from_u128(9).to_string()));
            assert_eq!((told.kind, told.body), (format!("app.afterglow.viewer.{kind}"), change(kind).body.into()));
        }
        let broken = NumberedChange { body: "{}".into(), ..change("changed") };
        notice(&BrandId::new("lumen"), broken).unwrap_err();
    }
}
