//! The journal: a stream of all that came in, kept for some hours beside the lanes, from which they can be filled again when
//! a database was restored to an earlier moment.
//!
//! It is bound to the same exchange: a message is confirmed only when its lane and the journal have it. Reading takes
//! nothing out of it. (RabbitMQ, "Streams": <https://www.rabbitmq.com/docs/streams>, from 3.9.)

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Consumer};

use super::link::Links;
use super::topology::Names;
use super::{AmqpBus, bundle, header, properties, to_message, unavailable};
use crate::{BusError, Lane, Message};

/// What the journal keeps. Intents are made anew from interactions.
const KEPT: [Lane; 4] = [Lane::Interactions, Lane::Overflow, Lane::Consent, Lane::Quarantine];
/// The broker forgets whole segments: small ones, so that what is too old goes soon.
const SEGMENT_BYTES: i64 = 20_000_000;
/// Messages read before they are acknowledged.
const TOGETHER: u16 = 500;
/// When nothing comes for so long, nothing is there.
const SILENCE: Duration = Duration::from_secs(2);

/// How far a replay has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JournalProgress {
    /// Messages put back on their lanes; what travelled together counts as one.
    pub replayed: u64,
    /// Messages that are to be read in all, as far as is known, counted likewise.
    pub total: u64,
}

/// Declares the journal.
pub(super) async fn declare(channel: &Channel, names: &Names, hours: u32) -> lapin::Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("stream".into()));
    arguments.insert("x-max-age".into(), AMQPValue::LongString(format!("{hours}h").into()));
    arguments.insert("x-stream-max-segment-size-bytes".into(), AMQPValue::LongLongInt(SEGMENT_BYTES));
    channel.queue_declare(names.journal(), QueueDeclareOptions::durable(), arguments).await?;
    for lane in KEPT {
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(names.journal(), names.exchange(), lane.as_str().into(), options, none).await?;
    }
    Ok(())
}

impl AmqpBus {
    /// Puts what came in since `since` (epoch seconds; the journal begins at the chunk that holds it, so somewhat earlier)
    /// back on its lanes, up to what is there now. Consumers know by the ids what they have seen. `told` hears how far
    /// it has come.
    ///
    /// # Errors
    /// `Topology` if there is no journal.
    pub async fn replay_journal(
        &self,
        since: u64,
        told: impl Fn(JournalProgress),
    ) -> Result<JournalProgress, BusError> {
        let mut progress = JournalProgress::default();
        let Some(last) = newest(&self.0).await? else { return Ok(progress) };
        let (channel, mut stream) = read(&self.0, AMQPValue::Timestamp(since)).await?;
        let publishing = self.0.get().await?.channel().await?;
        publishing.confirm_select(ConfirmSelectOptions::default()).await.map_err(unavailable)?;
        let (mut batch, mut first) = (Vec::with_capacity(usize::from(TOGETHER)), None);
        loop {
            let delivery = stream.next().await.ok_or(BusError::Closed)?.map_err(unavailable)?;
            let offset = offset_of(&delivery);
            let first = *first.get_or_insert(offset);
            progress.total = last.saturating_sub(first) + 1;
            if let Some(lane) = KEPT.into_iter().find(|lane| lane.as_str() == delivery.routing_key.as_str()) {
                batch.push((lane, to_message(&delivery), bundle::is_bundle(&delivery.properties)));
            }
            let done = offset >= last;
            if batch.len() == usize::from(TOGETHER) || done {
                progress.replayed += batch.len() as u64;
                put_back(&publishing, &self.0.names, std::mem::take(&mut batch)).await?;
                told(progress);
            }
            // Gives the broker leave to send more; takes nothing out.
            channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await.map_err(unavailable)?;
            if done {
                break;
            }
        }
        let _ = channel.close(200, "journal read".into()).await; // the connection may be closing
        Ok(progress)
    }
}

/// What goes back as it came, on which lane, and whether it is several messages that travel together.
type Kept = (Lane, Message, bool);

/// The offset of the newest message; `None` if the journal is empty.
async fn newest(links: &Arc<Links>) -> Result<Option<u64>, BusError> {
    let (channel, mut stream) = read(links, AMQPValue::LongString("last".into())).await?;
    let mut newest = None;
    // The last chunk holds several.
    while let Ok(Some(delivery)) = tokio::time::timeout(SILENCE, stream.next()).await {
        let delivery = delivery.map_err(unavailable)?;
        newest = newest.max(Some(offset_of(&delivery)));
        channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await.map_err(unavailable)?;
    }
    let _ = channel.close(200, "journal read".into()).await;
    Ok(newest)
}

async fn read(links: &Arc<Links>, from: AMQPValue) -> Result<(Channel, Consumer), BusError> {
    let channel = links.get().await?.channel().await?;
    channel.basic_qos(TOGETHER, BasicQosOptions::default()).await.map_err(unavailable)?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-stream-offset".into(), from);
    let stream =
        channel.basic_consume(links.names.journal(), "".into(), BasicConsumeOptions::default(), arguments).await;
    let stream = stream.map_err(|error| {
        BusError::Topology(format!("there is no journal ({error}): set bus.journal_hours before it is needed"))
    })?;
    Ok((channel, stream))
}

fn offset_of(delivery: &lapin::message::Delivery) -> u64 {
    header(&delivery.properties, "x-stream-offset").and_then(|offset| offset.parse().ok()).unwrap_or(0)
}

/// Publishes to the lanes' queues themselves: what passes the exchange would come into the journal again.
async fn put_back(channel: &Channel, names: &Names, batch: Vec<Kept>) -> Result<(), BusError> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let written = batch.iter().map(|(lane, message, is_bundle)| {
        let properties = if *is_bundle { bundle::properties() } else { properties(message, None) };
        channel.basic_publish("".into(), names.queue(*lane), options, &message.body, properties)
    });
    for confirm in try_join_all(written).await.map_err(unavailable)? {
        let confirmation = confirm.await.map_err(unavailable)?;
        if !confirmation.is_ack() || confirmation.take_message().is_some() {
            return Err(BusError::Unavailable("the broker did not take a message of the journal".into()));
        }
    }
    Ok(())
}
