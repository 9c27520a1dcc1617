//! Takes messages from a queue, over as many connections as it takes.

use std::collections::BTreeSet;
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
        let settler = Arc::new(AmqpSettler {
            links: Arc::clone(&links),
            lane,
            subscribed: Mutex::default(),
            in_order: tokio::sync::Mutex::default(),
        });
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
        // Delivery tags mean something on their own channel alone.
        let mut subscribed = self.settler.subscribed();
        let generation = subscribed.generation + 1;
        *subscribed = Subscribed { generation, channel: Some(channel), unsettled: BTreeSet::new() };
        drop(subscribed);
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
                    return Ok(to_delivery(&delivery, self.settler.subscribed().generation));
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
        let batch: Vec<Delivery> = self.ready.drain(..batch).collect();
        self.settler.handed_out(&batch);
        Ok(batch)
    }

    fn settler(&self) -> Arc<dyn Settler> {
        Arc::clone(&self.settler) as Arc<dyn Settler>
    }
}

impl Drop for AmqpConsumer {
    fn drop(&mut self) {
        // Closing the channel gives back what is unsettled. Without a runtime the connection is gone as well.
        if let (Some(channel), Ok(runtime)) =
            (self.settler.subscribed().channel.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move { channel.close(200, "consumer stops".into()).await });
        }
    }
}

/// The channel in use, and what was handed out on it and is not settled.
#[derive(Default)]
struct Subscribed {
    /// Which subscription of this consumer it is.
    generation: u64,
    channel: Option<Channel>,
    unsettled: BTreeSet<u64>,
}

struct AmqpSettler {
    links: Arc<Links>,
    lane: Lane,
    subscribed: Mutex<Subscribed>,
    /// Acknowledgements go out in the order in which they were decided: one that comes behind another which covers it names a
    /// tag that the broker no longer knows, and the broker closes the channel.
    in_order: tokio::sync::Mutex<()>,
}

/// Acknowledgements that are left to do.
struct Acks {
    /// Everything up to this one.
    up_to: Option<u64>,
    /// And these, before which something is still under way.
    single: Vec<u64>,
}

impl Subscribed {
    /// Settles `numbers`, all of which are good. One acknowledgement covers all that nothing unsettled stands before.
    fn settle(&mut self, numbers: &[u64]) -> Acks {
        for number in numbers {
            self.unsettled.remove(number);
        }
        let floor = self.unsettled.first().copied().unwrap_or(u64::MAX);
        let up_to = numbers.iter().copied().filter(|number| *number < floor).max();
        Acks { up_to, single: numbers.iter().copied().filter(|number| *number > floor).collect() }
    }
}

impl AmqpSettler {
    fn subscribed(&self) -> std::sync::MutexGuard<'_, Subscribed> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handed_out(&self, batch: &[Delivery]) {
        let mut subscribed = self.subscribed();
        let generation = subscribed.generation;
        let numbers = batch.iter().filter(|delivery| delivery.tag.generation == generation);
        subscribed.unsettled.extend(numbers.map(|delivery| delivery.tag.number));
    }

    /// The channel on which `tags` mean something, with those of them that do; the others' connection is gone, and their
    /// messages come again.
    fn living(&self, tags: &[Tag]) -> Option<(Channel, Vec<u64>)> {
        let subscribed = self.subscribed();
        let generation = subscribed.generation;
        let numbers = tags.iter().filter(|tag| tag.generation == generation).map(|tag| tag.number).collect();
        Some((subscribed.channel.clone()?, numbers))
    }
}

#[async_trait]
impl Settler for AmqpSettler {
    async fn ack(&self, tags: &[Tag]) -> Result<(), BusError> {
        let _in_order = self.in_order.lock().await;
        let Some((channel, numbers)) = self.living(tags) else { return Ok(()) };
        let acks = self.subscribed().settle(&numbers);
        let all = acks.up_to.map(|number| (number, true)).into_iter();
        for (number, multiple) in all.chain(acks.single.into_iter().map(|number| (number, false))) {
            channel.basic_ack(number, BasicAckOptions { multiple }).await.map_err(unavailable)?;
        }
        Ok(())
    }

    async fn retry(&self, tags: &[Tag]) -> Result<(), BusError> {
        let _in_order = self.in_order.lock().await;
        let Some((channel, numbers)) = self.living(tags) else { return Ok(()) };
        let _ = self.subscribed().settle(&numbers);
        for number in numbers {
            let options = BasicNackOptions { requeue: true, multiple: false };
            channel.basic_nack(number, options).await.map_err(unavailable)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_acknowledgement_never_covers_what_is_under_way() {
        let mut subscribed = Subscribed { unsettled: (1..=10).collect(), ..Subscribed::default() };
        let acks = subscribed.settle(&[2, 3]);
        assert_eq!((acks.up_to, acks.single), (None, vec![2, 3]), "1 is under way");
        let acks = subscribed.settle(&[1, 4, 6]);
        assert_eq!((acks.up_to, acks.single), (Some(4), vec![6]), "5 is under way");
        let acks = subscribed.settle(&[5, 7, 8, 9, 10]);
        assert_eq!((acks.up_to, acks.single), (Some(10), vec![]));
    }
}
