//! The bus on RabbitMQ.
//!
//! One connection; publishes share one channel and one task, whose confirms are pipelined: all messages of a call are
//! written, then all confirms awaited. A lost connection fails the calls under way and is made anew by the next one.

mod broadcast;
mod bundle;
mod consumer;
mod journal;
mod link;
mod publisher;
mod topology;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};

pub use self::broadcast::{Broadcast, Notice};
use self::consumer::AmqpConsumer;
pub use self::journal::JournalProgress;
use self::link::{Link, Links};
use self::publisher::Call;
use self::topology::Names;
use crate::{Bus, BusError, Consumer, DeadLetter, Depth, Lane, Message, PublishError};

/// How long a publish waits for its confirms. Meta waits 5 s for an answer to a webhook.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(3);
const REASON: &str = "x-afterglow-reason";

/// The bus on RabbitMQ.
pub struct AmqpBus(Arc<Links>);

impl AmqpBus {
    /// Connects, and declares the queues under `prefix`. `service` names the connection in the broker's lists.
    pub async fn connect(url: &str, prefix: &str, service: &str) -> Result<Self, BusError> {
        Self::connect_with_journal(url, prefix, service, 0).await
    }

    /// The same, and keeps what comes in for so many hours besides; 0: not.
    pub async fn connect_with_journal(
        url: &str,
        prefix: &str,
        service: &str,
        journal_hours: u32,
    ) -> Result<Self, BusError> {
        let links = Arc::new(Links::new(url, Names(prefix.to_owned()), service, journal_hours));
        links.get().await?;
        Ok(Self(links))
    }

    /// Deletes every queue and exchange under the prefix, with all that is in them. For tests.
    pub async fn delete_topology(&self) -> Result<(), BusError> {
        let channel = self.0.get().await?.channel().await?;
        for lane in Lane::ALL {
            for queue in [self.0.names.queue(lane), self.0.names.dead_queue(lane)] {
                channel
                    .queue_delete(queue, lapin::options::QueueDeleteOptions::default())
                    .await
                    .map_err(unavailable)?;
            }
        }
        let options = lapin::options::QueueDeleteOptions::default();
        channel.queue_delete(self.0.names.journal(), options).await.map_err(unavailable)?;
        for exchange in [self.0.names.exchange(), self.0.names.dead_exchange()] {
            let options = lapin::options::ExchangeDeleteOptions::default();
            channel.exchange_delete(exchange, options).await.map_err(unavailable)?;
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unavailable(error: lapin::Error) -> BusError {
    BusError::Unavailable(error.to_string())
}

/// Publishes to `exchange` and waits for every confirm.
async fn publish(
    link: &Link,
    exchange: lapin::types::ShortString,
    lane: Lane,
    messages: Vec<Message>,
    reason: Option<&str>,
) -> Result<(), PublishError> {
    let call = Call { exchange, lane, messages, reason: reason.map(ToOwned::to_owned) };
    let timed_out = |_| PublishError::NotConfirmed(format!("no confirm within {} s", CONFIRM_TIMEOUT.as_secs()));
    tokio::time::timeout(CONFIRM_TIMEOUT, link.publisher.publish(call)).await.map_err(timed_out)?
}

fn properties(message: &Message, reason: Option<&str>) -> BasicProperties {
    let mut headers = FieldTable::default();
    if let Some(traceparent) = &message.traceparent {
        headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.as_str().into()));
    }
    if let Some(reason) = reason {
        headers.insert(REASON.into(), AMQPValue::LongString(reason.into()));
    }
    BasicProperties::default()
        .with_delivery_mode(2) // persistent: on disk before it is confirmed
        .with_message_id(message.id.as_str().into())
        .with_content_type("application/json".into())
        .with_headers(headers)
}

fn header(properties: &BasicProperties, name: &str) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        AMQPValue::LongLongInt(number) => Some(number.to_string()),
        AMQPValue::LongInt(number) => Some(number.to_string()),
        AMQPValue::LongUInt(number) => Some(number.to_string()),
        _ => None,
    }
}

fn to_message(delivery: &lapin::message::Delivery) -> Message {
    Message {
        id: delivery.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default(),
        traceparent: header(&delivery.properties, "traceparent"),
        body: delivery.data.clone().into(),
    }
}

/// How a message died: by our own word, by the delivery limit, or by another rule of the broker's.
fn reason(delivery: &lapin::message::Delivery) -> String {
    let broker = || header(&delivery.properties, "x-first-death-reason");
    header(&delivery.properties, REASON).or_else(broker).map_or_else(
        || "unknown".into(),
        |reason| match reason.as_str() {
            "delivery_limit" => format!("delivered {} times without success", crate::DELIVERY_LIMIT),
            _ => reason,
        },
    )
}

#[async_trait]
impl Bus for AmqpBus {
    async fn publish(&self, lane: Lane, messages: Vec<Message>) -> Result<(), PublishError> {
        let link = self.0.get().await.map_err(|error| PublishError::Unavailable(error.to_string()))?;
        publish(&link, self.0.names.exchange(), lane, messages, None).await
    }

    async fn consume(&self, lane: Lane, prefetch: u16) -> Result<Box<dyn Consumer>, BusError> {
        Ok(Box::new(AmqpConsumer::start(Arc::clone(&self.0), lane, prefetch).await?))
    }

    async fn depth(&self, lane: Lane) -> Result<Depth, BusError> {
        let channel = self.0.get().await?.channel().await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
        let mut counts = [0u64; 2];
        for (count, queue) in counts.iter_mut().zip([self.0.names.queue(lane), self.0.names.dead_queue(lane)]) {
            let found = channel.queue_declare(queue, passive, FieldTable::default()).await.map_err(unavailable)?;
            *count = u64::from(found.message_count());
        }
        Ok(Depth { ready: counts[0], dead: counts[1] })
    }

    async fn dead_letters(&self, lane: Lane, limit: u32) -> Result<Vec<DeadLetter>, BusError> {
        let channel = self.0.get().await?.channel().await?;
        let gotten = get(&channel, self.0.names.dead_queue(lane), limit).await?;
        let letters = gotten
            .iter()
            .flat_map(|d| bundle::messages(d).into_iter().map(|message| DeadLetter { message, reason: reason(d) }));
        let letters = letters.collect();
        for delivery in gotten {
            let back = BasicNackOptions { requeue: true, multiple: false };
            channel.basic_nack(delivery.delivery_tag, back).await.map_err(unavailable)?;
        }
        Ok(letters)
    }

    async fn replay_dead_letters(&self, lane: Lane, limit: u32) -> Result<u32, BusError> {
        let link = self.0.get().await?;
        let channel = link.channel().await?;
        let gotten = get(&channel, self.0.names.dead_queue(lane), limit).await?;
        let messages: Vec<Message> = gotten.iter().flat_map(bundle::messages).collect();
        // Back on the lane first: a crash in between delivers twice, never not at all.
        let count = messages.len();
        let published = publish(&link, self.0.names.exchange(), lane, messages, None).await;
        published.map_err(|error| BusError::Unavailable(error.to_string()))?;
        for delivery in gotten {
            channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await.map_err(unavailable)?;
        }
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

async fn get(
    channel: &Channel,
    queue: lapin::types::ShortString,
    limit: u32,
) -> Result<Vec<lapin::message::Delivery>, BusError> {
    let mut gotten = Vec::new();
    while gotten.len() < limit as usize {
        let next = channel.basic_get(queue.clone(), BasicGetOptions::default()).await.map_err(unavailable)?;
        match next {
            Some(message) => gotten.push(message.delivery),
            None => break,
        }
    }
    Ok(gotten)
}
