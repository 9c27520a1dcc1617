//! Takes messages from a queue, over as many connections as it takes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::time::Instant;

use super::bundle::{self, Parts, all_parts};
use super::link::Links;
use super::{header, publish, unavailable};
use crate::{BusError, Consumer, Delivery, Lane, Settler, Tag};

/// So much smaller is the prefetch of a lane whose messages travel together, up to 32 in one: what a consumer holds is then
/// bounded at eight times what it asked for.
const BUNDLED_PREFETCH: u16 = 4;

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
        let bundled = bundle::travels_together(self.lane);
        let prefetch = if bundled { self.prefetch.div_ceil(BUNDLED_PREFETCH) } else { self.prefetch };
        channel.basic_qos(prefetch, BasicQosOptions::default()).await.map_err(unavailable)?;
        let queue = self.links.names.queue(self.lane);
        // Manual acks: a message is gone only when its work is in the store.
        let options = BasicConsumeOptions::default();
        let stream = channel.basic_consume(queue, "".into(), options, FieldTable::default()).await;
        // Delivery tags mean something on their own channel alone.
        let mut subscribed = self.settler.subscribed();
        let generation = subscribed.generation + 1;
        *subscribed = Subscribed { generation, channel: Some(channel), unsettled: BTreeMap::new() };
        drop(subscribed);
        // What an earlier connection delivered and nobody has taken yet comes again.
        self.ready.clear();
        self.stream = Some(stream.map_err(unavailable)?);
        Ok(())
    }

    /// Waits for what the broker sends next, one message or several that came together; subscribes anew after a loss. Safe
    /// to cancel.
    async fn receive(&mut self) -> Result<(), BusError> {
        loop {
            if let Some(stream) = self.stream.as_mut() {
                if let Some(Ok(delivery)) = stream.next().await {
                    self.ready.extend(self.settler.received(&delivery));
                    return Ok(());
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

#[async_trait]
impl Consumer for AmqpConsumer {
    async fn next_batch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        while self.ready.is_empty() {
            self.receive().await?;
        }
        let until = Instant::now() + wait;
        while self.ready.len() < max {
            match tokio::time::timeout_at(until, self.receive()).await {
                Ok(received) => received?,
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
        if let (Some(channel), Ok(runtime)) =
            (self.settler.subscribed().channel.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move { channel.close(200, "consumer stops".into()).await });
        }
    }
}

/// The channel in use, and what came on it and is not settled.
#[derive(Default)]
struct Subscribed {
    /// Which subscription of this consumer it is.
    generation: u64,
    channel: Option<Channel>,
    unsettled: BTreeMap<u64, Unsettled>,
}

/// What is left of one of the broker's messages.
struct Unsettled {
    left: Parts,
    /// Whether one of its parts is to come again, and so all of them are.
    again: bool,
}

struct AmqpSettler {
    links: Arc<Links>,
    lane: Lane,
    subscribed: Mutex<Subscribed>,
    /// Acknowledgements go out in the order in which they were decided: one that comes behind another which covers it names a
    /// tag that the broker no longer knows, and the broker closes the channel.
    in_order: tokio::sync::Mutex<()>,
}

/// What is left to tell the broker.
#[derive(Debug, Default, PartialEq, Eq)]
struct Acks {
    /// Good: everything up to this one.
    up_to: Option<u64>,
    /// Good: these, before which something is still under way.
    single: Vec<u64>,
    /// To come again.
    again: Vec<u64>,
}

impl Subscribed {
    /// Settles parts of messages. A message is settled with the last of its parts; one acknowledgement covers all that are
    /// good and that nothing unsettled stands before.
    fn settle(&mut self, parts: &[(u64, u8)], good: bool) -> Acks {
        let mut acks = Acks::default();
        let mut done = Vec::new();
        for (number, part) in parts {
            let Some(unsettled) = self.unsettled.get_mut(number) else { continue };
            unsettled.left &= !(1 << part);
            unsettled.again |= !good;
            if unsettled.left == 0 {
                if unsettled.again {
                    acks.again.push(*number);
                } else {
                    done.push(*number);
                }
                self.unsettled.remove(number);
            }
        }
        // What is to come again is not settled before the broker was told so.
        let floor = self.unsettled.keys().chain(&acks.again).min().copied().unwrap_or(u64::MAX);
        acks.up_to = done.iter().copied().filter(|number| *number < floor).max();
        acks.single = done.into_iter().filter(|number| *number > floor).collect();
        acks
    }
}

impl AmqpSettler {
    fn subscribed(&self) -> std::sync::MutexGuard<'_, Subscribed> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what came, and takes apart what came together.
    fn received(&self, delivery: &lapin::message::Delivery) -> Vec<Delivery> {
        // Quorum queues count the deliveries before this one.
        let before: u32 = header(&delivery.properties, "x-delivery-count").and_then(|n| n.parse().ok()).unwrap_or(0);
        let messages = bundle::messages(delivery);
        let mut subscribed = self.subscribed();
        let (generation, number) = (subscribed.generation, delivery.delivery_tag);
        subscribed.unsettled.insert(number, Unsettled { left: all_parts(messages.len()), again: false });
        let tagged = (0..).zip(messages).map(|(part, message)| {
            let tag = Tag { generation, number, part };
            Delivery { message, attempt: before.saturating_add(1), tag }
        });
        tagged.collect()
    }

    /// Settles `tags` and tells the broker. Those of another channel mean nothing on this one: their messages come again.
    async fn settle(&self, tags: &[Tag], good: bool) -> Result<(), BusError> {
        let _in_order = self.in_order.lock().await;
        let (channel, acks) = {
            let mut subscribed = self.subscribed();
            let Some(channel) = subscribed.channel.clone() else { return Ok(()) };
            let living = tags.iter().filter(|tag| tag.generation == subscribed.generation);
            let parts: Vec<_> = living.map(|tag| (tag.number, tag.part)).collect();
            (channel, subscribed.settle(&parts, good))
        };
        let all = acks.up_to.map(|number| (number, true)).into_iter();
        for (number, multiple) in all.chain(acks.single.into_iter().map(|number| (number, false))) {
            channel.basic_ack(number, BasicAckOptions { multiple }).await.map_err(unavailable)?;
        }
        for number in acks.again {
            let options = BasicNackOptions { requeue: true, multiple: false };
            channel.basic_nack(number, options).await.map_err(unavailable)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Settler for AmqpSettler {
    async fn ack(&self, tags: &[Tag]) -> Result<(), BusError> {
        self.settle(tags, true).await
    }

    async fn retry(&self, tags: &[Tag]) -> Result<(), BusError> {
        self.settle(tags, false).await
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

    fn subscribed(messages: impl IntoIterator<Item = (u64, usize)>) -> Subscribed {
        let unsettled = messages.into_iter();
        let unsettled = unsettled.map(|(number, parts)| (number, Unsettled { left: all_parts(parts), again: false }));
        Subscribed { unsettled: unsettled.collect(), ..Subscribed::default() }
    }

    fn alone(numbers: &[u64]) -> Vec<(u64, u8)> {
        numbers.iter().map(|number| (*number, 0)).collect()
    }

    fn acks(up_to: Option<u64>, single: &[u64], again: &[u64]) -> Acks {
        Acks { up_to, single: single.into(), again: again.into() }
    }

    #[test]
    fn one_acknowledgement_never_covers_what_is_under_way() {
        let mut subscribed = subscribed((1..=10).map(|number| (number, 1)));
        assert_eq!(subscribed.settle(&alone(&[2, 3]), true), acks(None, &[2, 3], &[]), "1 is under way");
        assert_eq!(subscribed.settle(&alone(&[1, 4, 6]), true), acks(Some(4), &[6], &[]), "5 is under way");
        assert_eq!(subscribed.settle(&alone(&[5, 7, 8, 9, 10]), true), acks(Some(10), &[], &[]));
        assert_eq!(subscribed.settle(&alone(&[5]), true), Acks::default(), "nothing is settled twice");
    }

    #[test]
    fn what_came_together_is_settled_with_its_last_part() {
        let mut subscribed = subscribed([(1, 3), (2, 1)]);
        assert_eq!(subscribed.settle(&[(1, 0), (1, 2), (2, 0)], true), acks(None, &[2], &[]));
        assert_eq!(subscribed.settle(&[(1, 2)], true), Acks::default(), "a part that is settled already");
        assert_eq!(subscribed.settle(&[(1, 1)], true), acks(Some(1), &[], &[]));
    }

    #[test]
    fn one_part_that_is_to_come_again_brings_all_of_them() {
        let mut subscribed = subscribed([(1, 2), (2, 1)]);
        assert_eq!(subscribed.settle(&[(1, 0)], false), Acks::default());
        assert_eq!(subscribed.settle(&[(1, 1), (2, 0)], true), acks(None, &[2], &[1]), "2 does not cover 1");
    }
}
