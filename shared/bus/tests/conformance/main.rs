//! One suite for both back ends: whatever the bus promises, it promises on each.
//!
//! The embedded half always runs. The RabbitMQ half runs where `AFTERGLOW_TEST_AMQP_URL` names a broker, and fails
//! where `CI` is set without one, so that it cannot be skipped by accident.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broadcast;
mod cases;
mod connection;
mod crash;
mod topology;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use afterglow_bus::{AmqpBus, Bus, Consumer, Delivery, EmbeddedBus, Lane, Message};

/// Long enough for a busy machine; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

fn broker_url() -> Option<String> {
    let url = std::env::var("AFTERGLOW_TEST_AMQP_URL").ok();
    assert!(url.is_some() || std::env::var("CI").is_err(), "set AFTERGLOW_TEST_AMQP_URL: scripts/test starts a broker");
    if url.is_none() {
        eprintln!("skipped: AFTERGLOW_TEST_AMQP_URL names no broker");
    }
    url
}

fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn on_embedded<F: Future<Output = ()>>(case: impl FnOnce(Arc<dyn Bus>) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let bus = Arc::new(EmbeddedBus::open(&folder.path().join("bus.sqlite")).await.unwrap());
    tokio::time::timeout(PATIENCE, case(bus)).await.unwrap();
}

async fn on_amqp<F: Future<Output = ()>>(case: impl FnOnce(Arc<dyn Bus>) -> F) {
    let Some(url) = broker_url() else { return };
    let prefix = prefix();
    let bus = Arc::new(AmqpBus::connect(&url, &prefix, "test").await.unwrap());
    tokio::time::timeout(PATIENCE, case(bus)).await.unwrap();
    let janitor = AmqpBus::connect(&url, &prefix, "test").await.unwrap();
    janitor.delete_topology().await.unwrap();
    janitor.close().await;
}

fn message(id: impl std::fmt::Display) -> Message {
    let id = format!("{id}");
    Message { traceparent: None, body: format!("{{\"id\":\"{id}\"}}").into(), id }
}

fn messages(ids: std::ops::Range<u32>) -> Vec<Message> {
    ids.map(message).collect()
}

fn ids(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| delivery.message.id.clone()).collect()
}

/// Takes exactly `count` deliveries, in as many batches as it needs.
async fn take(consumer: &mut dyn Consumer, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(consumer.next_batch(count - taken.len(), Duration::from_millis(50)).await.unwrap());
    }
    taken
}

/// Waits until `lane` has `ready` and `dead` messages.
async fn settle_at(bus: &Arc<dyn Bus>, lane: Lane, ready: u64, dead: u64) {
    loop {
        let depth = bus.depth(lane).await.unwrap();
        if (depth.ready, depth.dead) == (ready, dead) {
            return;
        }
        tokio::task::yield_now().await;
    }
}
