//! Takes messages from a queue, over as many connections as it takes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::time::Instant;

use super::link::Links;
use super::{header, publish, to_message, unavailable};
use crate::{BusError, Consumer, Delivery, Lane, Settler, Tag};

pub(super) struct AmqpConsumer {
    links: Arc<Links>,
    lane: Lane,
    prefetch: u16,
    stream: Option<lapin::Consumer>,
    ready: Vec<Delivery>,
    settler: Arc<AmqpSettler>,
}

impl AmqpConsumer {
    pub(super) async fn start(links: Arc<Links>, lane: Lane, prefetch: u16) -> Result<Self, BusError> {
        let settler = Arc::new(AmqpSettler { links: Arc::clone(&links), lane, channel: Mutex::default() });
        let mut consumer = Self { links, lane, prefetch: prefetch.max(1), stream: None, ready: Vec::new(), settler };
        consumer.subscribe().await?;
        Ok(consumer)
    }

    async fn subscribe(&mut self) -> Result<(), BusError> {
        let link = self.links.wait().await?;
        let channel = link.channel().await?;
        channel.basic_qos(self.prefetch, BasicQosOptions::default()).await.map_err(unavailable)?;
        let queue = self.links.names.queue(self.lane);
        // Manual acks: a message is gone only when its work is in the store.
        let options = BasicConsumeOptions::default();
        let stream = channel.basic_consume(queue, "".into(), options, FieldTable::default()).await;
        *self.settler.channel() = Some((link.generation, channel));
        // What an earlier connection delivered and nobody has taken yet comes again.
        self.ready.clear();
        self.stream = Some(stream.map_err(unavailable)?);
        Ok(())
    }

    /// The next delivery; subscribes anew after a loss. Safe to cancel.
    async fn next(&mut self) -> Result<Delivery, BusError> {
        loop {
            if let Some(stream) = self.stream.as_mut() {
                if let Some(Ok(delivery)) = stream.next().await {
                    let generation = self.settler.channel().as_ref().map_or(0, |(generation, _)| *generation);
                    return Ok(to_delivery(&delivery, generation));
                }
                self.stream = None;
            }
            match self.subscribe().await {
                Ok(()) => {}
                Err(BusError::Unavailable(error)) => {
                    tracing::warn!(lane = self.lane.as_str(), error, "lost the broker, trying again");
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn to_delivery(delivery: &lapin::message::Delivery, generation: u64) -> Delivery {
    // Quorum queues count the deliveries before this one.
    let before: u32 = header(&delivery.properties, "x-delivery-count").and_then(|n| n.parse().ok()).unwrap_or(0);
    Delivery {
        message: to_message(delivery),
        attempt: before.saturating_add(1),
        tag: Tag { generation, number: delivery.delivery_tag },
    }
}

#[async_trait]
impl Consumer for AmqpConsumer {
    async fn next_batch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        if self.ready.is_empty() {
            let first = self.next().await?;
            self.ready.push(first);
        }
        let until = Instant::now() + wait;
        while self.ready.len() < max {
            match tokio::time::timeout_at(until, self.next()).await {
                Ok(delivery) => {
                    let delivery = delivery?;
                    self.ready.push(delivery);
                }
                Err(_) => break,
            }
        }
        let batch = self.ready.len().min(max);
        Ok(self.ready.drain(..batch).collect())
    }

    fn settler(&self) -> Arc<dyn Settler> {
        Arc::clone(&self.settler) as Arc<dyn Settler>
    }
}

impl Drop for AmqpConsumer {
    fn drop(&mut self) {
        // Closing the channel gives back what is unsettled. Without a runtime the connection is gone as well.
        if let (Some((_, channel)), Ok(runtime)) =
            (self.settler.channel().take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move { channel.close(200, "consumer stops".into()).await });
        }
    }
}

struct AmqpSettler {
    links: Arc<Links>,
    lane: Lane,
    channel: Mutex<Option<(u64, Channel)>>,
}

impl AmqpSettler {
    fn channel(&self) -> std::sync::MutexGuard<'_, Option<(u64, Channel)>> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channel on which `tag` means something; `None` if its connection is gone, and the message comes again.
    fn channel_of(&self, tag: Tag) -> Option<Channel> {
        self.channel()
            .as_ref()
            .filter(|(generation, _)| *generation == tag.generation)
            .map(|(_, channel)| channel.clone())
    }
}

#[async_trait]
impl Settler for AmqpSettler {
    async fn ack(&self, tags: &[Tag]) -> Result<(), BusError> {
        for tag in tags {
            if let Some(channel) = self.channel_of(*tag) {
                channel.basic_ack(tag.number, BasicAckOptions::default()).await.map_err(unavailable)?;
            }
        }
        Ok(())
    }

    async fn retry(&self, tags: &[Tag]) -> Result<(), BusError> {
        for tag in tags {
            if let Some(channel) = self.channel_of(*tag) {
                let options = BasicNackOptions { requeue: true, multiple: false };
                channel.basic_nack(tag.number, options).await.map_err(unavailable)?;
            }
        }
        Ok(())
    }

    async fn dead_letter(&self, delivery: &Delivery, reason: &str) -> Result<(), BusError> {
        let link = self.links.get().await?;
        // Kept as a dead letter before it leaves its queue: a crash in between keeps it twice.
        let letter = vec![delivery.message.clone()];
        publish(&link, self.links.names.dead_exchange(), self.lane, letter, Some(reason))
            .await
            .map_err(|error| BusError::Unavailable(error.to_string()))?;
        self.ack(&[delivery.tag]).await
    }
}
