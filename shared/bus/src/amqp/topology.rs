//! The queues and exchanges on RabbitMQ, declared from this one place whenever a connection is made.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};

use super::journal;
use crate::{BusError, DELIVERY_LIMIT, Lane};

/// The names under one prefix. Two deployments share a broker by having two prefixes.
#[derive(Debug, Clone)]
pub(super) struct Names(pub(super) String);

impl Names {
    pub(super) fn exchange(&self) -> ShortString {
        self.0.as_str().into()
    }
    pub(super) fn dead_exchange(&self) -> ShortString {
        format!("{}.dead", self.0).into()
    }
    pub(super) fn queue(&self, lane: Lane) -> ShortString {
        format!("{}.{}", self.0, lane.as_str()).into()
    }
    pub(super) fn journal(&self) -> ShortString {
        format!("{}.journal", self.0).into()
    }
    pub(super) fn dead_queue(&self, lane: Lane) -> ShortString {
        format!("{}.{}.dead", self.0, lane.as_str()).into()
    }
}

pub(super) async fn declare(channel: &Channel, names: &Names, journal_hours: u32) -> Result<(), BusError> {
    declare_all(channel, names, journal_hours).await.map_err(|error| {
        BusError::Topology(format!(
            "{error}. If a queue exists with other arguments, drain and delete it, then start again; quorum queues need \
             RabbitMQ 3.10 or later"
        ))
    })
}

async fn declare_all(channel: &Channel, names: &Names, journal_hours: u32) -> lapin::Result<()> {
    for exchange in [names.exchange(), names.dead_exchange()] {
        // Durable: bindings survive a restart of the broker.
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare(exchange, ExchangeKind::Direct, options, FieldTable::default()).await?;
    }
    for lane in Lane::ALL {
        let mut arguments = quorum();
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(i64::from(DELIVERY_LIMIT)));
        arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(names.dead_exchange().as_str().into()));
        arguments.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString(lane.as_str().into()));
        // A dead letter is confirmed by its queue before it leaves this one; that in turn asks for reject-publish.
        arguments.insert("x-dead-letter-strategy".into(), AMQPValue::LongString("at-least-once".into()));
        queue(channel, names.queue(lane), names.exchange(), lane, arguments).await?;
        queue(channel, names.dead_queue(lane), names.dead_exchange(), lane, quorum()).await?;
    }
    if journal_hours > 0 {
        journal::declare(channel, names, journal_hours).await?;
    }
    Ok(())
}

/// Quorum queues: replicated, always durable, and here faster than classic durable ones under confirms.
fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    // A full queue refuses (the publisher is told) rather than drops its oldest.
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    arguments
}

async fn queue(
    channel: &Channel,
    name: ShortString,
    exchange: ShortString,
    lane: Lane,
    arguments: FieldTable,
) -> lapin::Result<()> {
    channel.queue_declare(name.clone(), QueueDeclareOptions::durable(), arguments).await?;
    channel.queue_bind(name, exchange, lane.as_str().into(), QueueBindOptions::default(), FieldTable::default()).await
}
