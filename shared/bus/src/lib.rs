//! The bus: what was confirmed is kept, until it was acknowledged.
//!
//! Guarantees, the same on both back ends and checked by one conformance suite:
//! - [`Bus::publish`] returns `Ok` only when every message is durable (RabbitMQ: confirmed by a quorum queue; embedded:
//!   a committed transaction, synced to disk);
//! - a message is delivered until it is acknowledged: after a crash of the consumer, of this process, or of the broker;
//! - a message that was delivered [`DELIVERY_LIMIT`] times without success, or that a consumer gives up on, is kept as a
//!   dead letter with the reason;
//! - delivery is at least once: consumers know what they have seen by the message's id.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `lane` | the queues, and their names |
//! | `message` | what travels, and how it is settled |
//! | `error` | what can go wrong, split by what the caller can do about it |
//! | `amqp/` | RabbitMQ, over lapin |
//! | `embedded/` | one SQLite file, for one process |

mod amqp;
mod embedded;
mod error;
mod lane;
mod message;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use amqp::{AmqpBus, Broadcast, JournalProgress, Notice};
pub use embedded::EmbeddedBus;
pub use error::{BusError, PublishError};
pub use lane::Lane;
pub use message::{DeadLetter, Delivery, Depth, Message, Tag};

/// Deliveries after which a message becomes a dead letter. High enough that restarts and outages do not use it up. RabbitMQ counts
/// consumers that vanished like returns; the embedded bus, whose one process holds everything, lets more than these pass.
pub const DELIVERY_LIMIT: u32 = 20;

/// A durable queue per lane.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Publishes all messages, in order; `Ok` means that every one of them is durable. After an error some may be: the
    /// caller publishes again, and consumers drop what they know.
    async fn publish(&self, lane: Lane, messages: Vec<Message>) -> Result<(), PublishError>;

    /// Begins to take messages. At most `prefetch` are with this consumer unsettled; of interactions from RabbitMQ up to eight
    /// times as many, when they come together.
    async fn consume(&self, lane: Lane, prefetch: u16) -> Result<Box<dyn Consumer>, BusError>;

    /// How much waits on a lane.
    async fn depth(&self, lane: Lane) -> Result<Depth, BusError>;

    /// The first `limit` dead letters of a lane, left where they are.
    async fn dead_letters(&self, lane: Lane, limit: u32) -> Result<Vec<DeadLetter>, BusError>;

    /// Puts up to `limit` dead letters back on the lane; how many it were.
    async fn replay_dead_letters(&self, lane: Lane, limit: u32) -> Result<u32, BusError>;

    /// Stops; what is unsettled is delivered again later.
    async fn close(&self);
}

/// Takes messages from one lane. What is unsettled when it is dropped is delivered again.
#[async_trait]
pub trait Consumer: Send {
    /// Waits for a message, then gathers more, up to `max` and for at most `wait`. Safe to cancel: nothing is lost.
    async fn next_batch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError>;

    /// Settles messages of this consumer, from any task.
    fn settler(&self) -> Arc<dyn Settler>;
}

/// Settles deliveries.
#[async_trait]
pub trait Settler: Send + Sync {
    /// Done: gone for good.
    async fn ack(&self, tags: &[Tag]) -> Result<(), BusError>;
    /// Not now: back to the queue, one delivery nearer to the limit.
    async fn retry(&self, tags: &[Tag]) -> Result<(), BusError>;
    /// Never: kept as a dead letter with `reason`, which carries no personal data.
    async fn dead_letter(&self, delivery: &Delivery, reason: &str) -> Result<(), BusError>;
}

/// Opens the bus at `url` (`amqp://` or `amqps://`), with names that begin with `prefix`; without a URL, the embedded one
/// in `data_dir`. `service` names the connection in the broker's own views. RabbitMQ keeps what comes in for `journal_hours`
/// besides, unless these are 0.
pub async fn open(
    url: Option<&str>,
    data_dir: &Path,
    prefix: &str,
    service: &str,
    journal_hours: u32,
) -> Result<Arc<dyn Bus>, BusError> {
    Ok(match url {
        Some(url) => Arc::new(AmqpBus::connect_with_journal(url, prefix, service, journal_hours).await?),
        None => Arc::new(EmbeddedBus::open(&data_dir.join("bus.sqlite")).await?),
    })
}
