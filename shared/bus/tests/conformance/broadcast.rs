//! The topic exchange: in order, confirmed, counted if nobody wants it, and told again over a new connection.

use std::time::Duration;

use afterglow_bus::{Broadcast, Notice, PublishError};
use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties};

use crate::connection::proxied;
use crate::{PATIENCE, broker_url, prefix};

fn notices(keys: &[&str], from: usize) -> Vec<Notice> {
    let notice = |(n, key): (usize, &&str)| Notice {
        key: (*key).to_owned(),
        id: format!("id-{}", from + n),
        kind: "app.afterglow.test".into(),
        content_type: "application/cloudevents+json; charset=utf-8",
        body: format!("{}", from + n).into(),
    };
    keys.iter().enumerate().map(notice).collect()
}

/// A queue of this connection's own, bound to the exchange with a pattern.
async fn queue(channel: &Channel, exchange: &str, pattern: &str, arguments: FieldTable) -> String {
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), options, arguments).await.unwrap().name().to_string();
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(queue.as_str().into(), exchange.into(), pattern.into(), options, none).await.unwrap();
    queue
}

async fn take(channel: &Channel, queue: &str, count: usize) -> Vec<lapin::message::Delivery> {
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel.basic_consume(queue.into(), "".into(), options, none).await.unwrap();
    let mut taken = Vec::new();
    while taken.len() < count {
        let delivery = consumer.next().await.unwrap().unwrap();
        channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await.unwrap();
        taken.push(delivery);
    }
    taken
}

#[tokio::test]
async fn who_binds_a_queue_hears_it_in_order() {
    let Some(url) = broker_url() else { return };
    let exchange = format!("{}.changes", prefix());
    let (through, cut) = proxied(&url).await;
    let broadcast = Broadcast::new(&through, &exchange, "test");
    assert_eq!(broadcast.publish(&notices(&["lumen.changed"; 3], 0)).await.unwrap(), 3, "nobody is there");

    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let all = queue(&channel, &exchange, "lumen.*", FieldTable::default()).await;
    let forgotten = queue(&channel, &exchange, "*.forgotten", FieldTable::default()).await;
    let keys = ["lumen.changed", "lumen.forgotten", "umbra.changed", "lumen.changed"];
    assert_eq!(broadcast.publish(&notices(&keys, 3)).await.unwrap(), 1, "nobody wants umbra's");
    // The connection is gone: whoever tells it again is heard.
    cut.send(()).unwrap();
    let told = async {
        while broadcast.publish(&notices(&["lumen.changed"; 300], 7)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        take(&channel, &all, 303).await
    };
    let taken = tokio::time::timeout(PATIENCE, told).await.unwrap();
    let id = |one: &lapin::message::Delivery| one.properties.message_id().as_ref().unwrap().to_string();
    let ids: Vec<String> = taken.iter().map(id).collect();
    assert_eq!(ids[..3], ["id-3", "id-4", "id-6"]);
    // What was confirmed by a broker that was not heard comes twice, in order each time.
    let last: Vec<String> = (7..307).map(|n| format!("id-{n}")).collect();
    assert!(ids[3..].iter().all(|id| last.contains(id)), "{ids:?}");
    let first = &taken[0];
    assert_eq!((first.data.as_slice(), first.properties.delivery_mode()), (b"3".as_slice(), &Some(2)));
    assert_eq!(first.properties.kind().as_ref().unwrap().as_str(), "app.afterglow.test");
    let media = first.properties.content_type().as_ref().unwrap();
    assert_eq!(media.as_str(), "application/cloudevents+json; charset=utf-8");
    assert_eq!(take(&channel, &forgotten, 1).await[0].data, b"4");

    // A queue that is full and refuses: nothing is taken for told.
    let mut one = FieldTable::default();
    one.insert("x-max-length".into(), AMQPValue::LongLongInt(1));
    one.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    queue(&channel, &exchange, "tiny.*", one).await;
    let refused = broadcast.publish(&notices(&["tiny.changed"; 3], 900)).await;
    assert!(matches!(refused, Err(PublishError::NotConfirmed(_))), "{refused:?}");
    broadcast.close().await;
    channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await.unwrap();
}
