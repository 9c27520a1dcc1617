//! A broker on which our names are taken by queues of another kind, as one without quorum queues would have them.

use afterglow_bus::{AmqpBus, Bus as _, BusError};
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};

use crate::{broker_url, prefix};

#[tokio::test]
async fn a_queue_that_is_no_quorum_queue_is_refused_by_name_with_the_mend() {
    let Some(url) = broker_url() else { return };
    let prefix = prefix();
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let name = format!("{prefix}.interactions");
    // Classic: what a broker makes of a declaration that asks for nothing.
    channel.queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default()).await.unwrap();

    let refused = AmqpBus::connect(&url, &prefix, "test").await.err().unwrap();
    let BusError::Topology(why) = &refused else { panic!("{refused:?}") };
    assert!(why.contains(&name) && why.contains("inequivalent arg"), "{why}");
    assert!(why.contains("drain and delete it") && why.contains("RabbitMQ 3.10"), "{why}");

    channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let bus = AmqpBus::connect(&url, &prefix, "test").await.unwrap();
    bus.delete_topology().await.unwrap();
    bus.close().await;
}
