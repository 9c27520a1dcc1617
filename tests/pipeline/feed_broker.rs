//! Changes over the broker: a queue has every change, in order, though the process that publishes is killed; without a broker the service
//! says so.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use afterglow_sim::Pace;
use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties, ExchangeKind};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, PATIENCE, in_production_form};
use crate::processes::run;

#[test]
fn the_embedded_form_has_no_broker_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let environment: Vec<(String, String)> = [
        ("AFTERGLOW_DATA_DIR", data.as_str()),
        ("AFTERGLOW_OPS__LISTEN", "127.0.0.1:0"),
        ("AFTERGLOW_FEED__BROKER", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    assert!(run(&["migrate"], &environment, "").status.success());
    let output = run(&["crm"], &environment, "");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("the embedded form has no broker"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_has_every_change_in_order() {
    in_production_form(case).await;
}

async fn case(mut installation: Installation) {
    let setting = |name: &str| {
        let found = installation.environment.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap()
    };
    let (url, exchange) = (setting("AMQP_URL"), format!("{}.changes", setting("AFTERGLOW_BUS__PREFIX")));
    let brand = installation.sim.accounts()[0].brand.clone();
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let none = FieldTable::default;
    channel.exchange_declare(exchange.as_str().into(), ExchangeKind::Topic, durable, none()).await.unwrap();
    let own = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), own, none()).await.unwrap().name().to_string();
    let (key, bind) = (format!("{brand}.*"), QueueBindOptions::default());
    channel
        .queue_bind(queue.as_str().into(), exchange.as_str().into(), key.as_str().into(), bind, none())
        .await
        .unwrap();
    let consume = BasicConsumeOptions::default();
    let mut consumer = channel.basic_consume(queue.as_str().into(), "".into(), consume, none()).await.unwrap();

    for (name, value) in [("AFTERGLOW_FEED__BROKER", "true"), ("AFTERGLOW_FEED__POLL_MS", "50")] {
        installation.environment.push((name.into(), value.into()));
    }
    installation.spawn("crm");
    installation.ready().await;
    let traffic = async |installation: &Installation, seed| {
        let (plan, sim) = (installation.plan(seed, 150), installation.sim.clone());
        sim.run_traffic(&installation.webhook_url(), plan, Pace::Fast, &CancellationToken::new()).await;
    };
    traffic(&installation, 91).await;
    let mut taken = BTreeMap::new();
    let mut latest = 0;
    let (begun, mut killed) = (Instant::now(), false);
    let store = installation.store.clone();
    let scoped = store.brand(&brand);
    loop {
        assert!(begun.elapsed() < PATIENCE, "{} taken\n{}", taken.len(), installation.logs());
        let Ok(next) = tokio::time::timeout(Duration::from_millis(300), consumer.next()).await else {
            let marks = store.brands_with_marks(9).await.unwrap();
            let head = scoped.feed_tail().await.unwrap().head;
            if killed && marks.is_empty() && taken.len() as u64 == head {
                break;
            }
            continue;
        };
        let delivery = next.unwrap().unwrap();
        let event: Value = serde_json::from_slice(&delivery.data).unwrap();
        let id = event["id"].as_str().unwrap().to_owned();
        assert_eq!(delivery.properties.message_id().as_ref().unwrap().as_str(), id);
        assert_eq!(delivery.routing_key.as_str(), format!("{brand}.changed"));
        let sequence: u64 = event["sequence"].as_str().unwrap().parse().unwrap();
        channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await.unwrap();
        if let Some(before) = taken.insert(id, event.clone()) {
            assert_eq!(before, event, "what comes twice is the same");
        } else {
            assert_eq!(sequence, latest + 1, "none is left out");
            latest = sequence;
        }
        if !killed {
            // In the midst of it the process that publishes is gone, and another takes its place.
            killed = true;
            installation.take("crm").kill();
            installation.spawn("crm");
            installation.ready().await;
            traffic(&installation, 92).await;
            installation.at_rest().await;
        }
    }
    let followed = scoped.changes_after(0, 10_000).await.unwrap().changes;
    assert_eq!(followed.len(), taken.len());
    for change in followed {
        assert_eq!(taken[&change.change.to_string()], serde_json::from_str::<Value>(&change.body).unwrap());
    }
    let place = scoped.feed_broker_place().await.unwrap().unwrap();
    assert_eq!(place.cursor, place.head);
    channel.exchange_delete(exchange.as_str().into(), lapin::options::ExchangeDeleteOptions::default()).await.unwrap();
}
