//! What both back ends promise.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use afterglow_bus::{Bus, BusError, DELIVERY_LIMIT, Lane, Message};

use crate::{ids, message, messages, on_amqp, on_embedded, settle_at, take};

macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod embedded { $(#[tokio::test] async fn $name() { super::on_embedded(super::$name).await; })+ }
        mod amqp { $(#[tokio::test] async fn $name() { super::on_amqp(super::$name).await; })+ }
    };
}

on_both!(
    keeps_bytes_and_order,
    lanes_are_apart,
    unacknowledged_comes_back,
    acknowledged_is_gone,
    given_up_after_the_limit,
    dead_letters_keep_their_reason_and_can_be_replayed,
    many_publishers_lose_nothing,
    a_flood_keeps_no_other_lane_waiting,
    consumers_share_without_overlap,
    prefetch_is_honoured,
    a_cancelled_wait_loses_nothing,
    who_settles_at_once_settles_each_once,
    a_closed_bus_says_so,
    what_was_published_together_is_settled_one_by_one,
    what_was_published_together_is_given_up_alone,
);

async fn keeps_bytes_and_order(bus: Arc<dyn Bus>) {
    let odd = Message {
        id: "17:ü".into(),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        body: vec![0u8, 255, b'{', 10].into(),
    };
    bus.publish(Lane::Intents, vec![odd.clone()]).await.unwrap();
    bus.publish(Lane::Intents, messages(0..50)).await.unwrap();
    let mut consumer = bus.consume(Lane::Intents, 100).await.unwrap();
    let taken = take(&mut *consumer, 51).await;
    assert_eq!(taken[0].message, odd);
    assert_eq!(taken[0].attempt, 1);
    assert_eq!(ids(&taken[1..]), (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}

async fn lanes_are_apart(bus: Arc<dyn Bus>) {
    for lane in Lane::ALL {
        bus.publish(lane, vec![message(lane.as_str())]).await.unwrap();
    }
    for lane in Lane::ALL {
        let mut consumer = bus.consume(lane, 10).await.unwrap();
        assert_eq!(ids(&take(&mut *consumer, 1).await), [lane.as_str()]);
    }
}

async fn unacknowledged_comes_back(bus: Arc<dyn Bus>) {
    bus.publish(Lane::Intents, messages(0..3)).await.unwrap();
    let mut first = bus.consume(Lane::Intents, 10).await.unwrap();
    let taken = take(&mut *first, 3).await;
    first.settler().ack(&[taken[1].tag]).await.unwrap();
    drop(first);
    let mut second = bus.consume(Lane::Intents, 10).await.unwrap();
    let again = take(&mut *second, 2).await;
    assert_eq!(ids(&again).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(["0".into(), "2".into()]));
    assert!(again.iter().all(|delivery| delivery.attempt == 2));
}

async fn acknowledged_is_gone(bus: Arc<dyn Bus>) {
    bus.publish(Lane::Intents, messages(0..10)).await.unwrap();
    let mut consumer = bus.consume(Lane::Intents, 10).await.unwrap();
    let tags: Vec<_> = take(&mut *consumer, 10).await.iter().map(|delivery| delivery.tag).collect();
    consumer.settler().ack(&tags).await.unwrap();
    drop(consumer);
    settle_at(&bus, Lane::Intents, 0, 0).await;
}

async fn given_up_after_the_limit(bus: Arc<dyn Bus>) {
    bus.publish(Lane::Intents, vec![message("poison")]).await.unwrap();
    let mut consumer = bus.consume(Lane::Intents, 10).await.unwrap();
    let mut deliveries = 0;
    loop {
        let next = consumer.next_batch(1, Duration::ZERO);
        let Ok(batch) = tokio::time::timeout(Duration::from_millis(500), next).await else { break };
        let batch = batch.unwrap();
        deliveries += batch.len();
        consumer.settler().retry(&[batch[0].tag]).await.unwrap();
    }
    // RabbitMQ counts the returns, not the deliveries, so it delivers once more.
    let limit = DELIVERY_LIMIT as usize;
    assert!((limit..=limit + 1).contains(&deliveries), "{deliveries} deliveries");
    settle_at(&bus, Lane::Intents, 0, 1).await;
    let letters = bus.dead_letters(Lane::Intents, 10).await.unwrap();
    assert_eq!(letters[0].reason, "delivered 20 times without success");
}

async fn dead_letters_keep_their_reason_and_can_be_replayed(bus: Arc<dyn Bus>) {
    bus.publish(Lane::Interactions, messages(0..2)).await.unwrap();
    let mut consumer = bus.consume(Lane::Interactions, 10).await.unwrap();
    let taken = take(&mut *consumer, 2).await;
    consumer.settler().dead_letter(&taken[0], "not a CloudEvent").await.unwrap();
    consumer.settler().ack(&[taken[1].tag]).await.unwrap();
    settle_at(&bus, Lane::Interactions, 0, 1).await;
    let letters = bus.dead_letters(Lane::Interactions, 10).await.unwrap();
    assert_eq!((letters[0].reason.as_str(), &letters[0].message), ("not a CloudEvent", &taken[0].message));
    settle_at(&bus, Lane::Interactions, 0, 1).await; // looking does not take
    assert_eq!(bus.replay_dead_letters(Lane::Interactions, 10).await.unwrap(), 1);
    let again = take(&mut *consumer, 1).await;
    assert_eq!(again[0].message, taken[0].message);
}

async fn many_publishers_lose_nothing(bus: Arc<dyn Bus>) {
    let publishers = (0..8u32).map(|n| {
        let bus = Arc::clone(&bus);
        tokio::spawn(async move {
            for chunk in 0..20 {
                let from = n * 1000 + chunk * 25;
                bus.publish(Lane::Interactions, messages(from..from + 25)).await.unwrap();
            }
        })
    });
    let publishers: Vec<_> = publishers.collect();
    let mut consumer = bus.consume(Lane::Interactions, 1000).await.unwrap();
    let (mut seen, settler) = (BTreeSet::new(), consumer.settler());
    while seen.len() < 4000 {
        let batch = consumer.next_batch(200, Duration::from_millis(5)).await.unwrap();
        seen.extend(ids(&batch));
        settler.ack(&batch.iter().map(|delivery| delivery.tag).collect::<Vec<_>>()).await.unwrap();
    }
    for publisher in publishers {
        publisher.await.unwrap();
    }
}

/// As long as it lasts, whatever else there is to do gets done, in turn with it.
async fn a_flood_keeps_no_other_lane_waiting(bus: Arc<dyn Bus>) {
    const PUBLISHERS: u32 = 24;
    const ROUNDS: u32 = 100;
    let over = Arc::new(AtomicBool::new(false));
    let flood: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let (bus, over) = (Arc::clone(&bus), Arc::clone(&over));
            tokio::spawn(async move {
                let mut published = 0_u32;
                while !over.load(Ordering::Relaxed) {
                    bus.publish(Lane::Interactions, vec![message(format!("{publisher}-{published}"))]).await.unwrap();
                    published += 1;
                }
                published
            })
        })
        .collect();
    let mut consumer = bus.consume(Lane::Consent, 10).await.unwrap();
    let settler = consumer.settler();
    for n in 0..ROUNDS {
        bus.publish(Lane::Consent, vec![message(n)]).await.unwrap();
        let taken = take(&mut *consumer, 1).await;
        assert_eq!(ids(&taken), [n.to_string()]);
        settler.ack(&[taken[0].tag]).await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let mut published = 0;
    for publisher in flood {
        published += publisher.await.unwrap();
    }
    assert!(published > ROUNDS, "{published}: no flood");
    assert!(published < ROUNDS * PUBLISHERS * 10, "{published}: each round waited for ten of theirs");
    settle_at(&bus, Lane::Consent, 0, 0).await;
}

async fn consumers_share_without_overlap(bus: Arc<dyn Bus>) {
    bus.publish(Lane::Intents, messages(0..100)).await.unwrap();
    let mut one = bus.consume(Lane::Intents, 50).await.unwrap();
    let mut two = bus.consume(Lane::Intents, 50).await.unwrap();
    let (a, b) = tokio::join!(take(&mut *one, 50), take(&mut *two, 50));
    let all: BTreeSet<String> = ids(&a).into_iter().chain(ids(&b)).collect();
    assert_eq!(all.len(), 100);
}

async fn prefetch_is_honoured(bus: Arc<dyn Bus>) {
    bus.publish(Lane::Intents, messages(0..10)).await.unwrap();
    let mut consumer = bus.consume(Lane::Intents, 4).await.unwrap();
    let held = take(&mut *consumer, 4).await;
    let more = consumer.next_batch(1, Duration::ZERO);
    assert!(tokio::time::timeout(Duration::from_millis(200), more).await.is_err(), "a fifth was delivered");
    consumer.settler().ack(&[held[0].tag]).await.unwrap();
    assert_eq!(take(&mut *consumer, 1).await.len(), 1);
}

async fn a_cancelled_wait_loses_nothing(bus: Arc<dyn Bus>) {
    let mut consumer = bus.consume(Lane::Interactions, 1000).await.unwrap();
    let publisher = {
        let bus = Arc::clone(&bus);
        tokio::spawn(async move {
            for n in 0..200 {
                bus.publish(Lane::Interactions, vec![message(n)]).await.unwrap();
            }
        })
    };
    let mut seen = BTreeSet::new();
    while seen.len() < 200 {
        let next = consumer.next_batch(7, Duration::from_millis(2));
        if let Ok(batch) = tokio::time::timeout(Duration::from_millis(1), next).await {
            seen.extend(ids(&batch.unwrap()));
        }
    }
    publisher.await.unwrap();
}

async fn a_closed_bus_says_so(bus: Arc<dyn Bus>) {
    bus.close().await;
    assert!(bus.publish(Lane::Intents, vec![message("late")]).await.is_err());
    let consumed = match bus.consume(Lane::Intents, 1).await {
        Ok(mut consumer) => consumer.next_batch(1, Duration::ZERO).await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(matches!(consumed, Err(BusError::Closed)), "{consumed:?}");
}

/// Work that was taken together and is settled one by one, in any order and at once: nothing comes a second time.
async fn who_settles_at_once_settles_each_once(bus: Arc<dyn Bus>) {
    bus.publish(Lane::Intents, messages(0..400)).await.unwrap();
    let mut consumer = bus.consume(Lane::Intents, 100).await.unwrap();
    let mut seen = BTreeSet::new();
    while seen.len() < 400 {
        let batch = consumer.next_batch(50, Duration::from_millis(50)).await.unwrap();
        let mut under_way = tokio::task::JoinSet::new();
        for (n, delivery) in batch.into_iter().enumerate() {
            assert_eq!(delivery.attempt, 1, "{} came before", delivery.message.id);
            assert!(seen.insert(delivery.message.id.clone()), "{} came twice", delivery.message.id);
            let settler = consumer.settler();
            under_way.spawn(async move {
                for _ in 0..(n * 7) % 13 {
                    tokio::task::yield_now().await;
                }
                settler.ack(&[delivery.tag]).await.unwrap();
            });
        }
        while under_way.join_next().await.is_some() {}
    }
    let rest = tokio::time::timeout(Duration::from_millis(300), consumer.next_batch(1, Duration::ZERO)).await;
    assert!(rest.is_err(), "something came again");
}

async fn what_was_published_together_is_settled_one_by_one(bus: Arc<dyn Bus>) {
    bus.publish(Lane::Interactions, messages(0..70)).await.unwrap();
    let mut first = bus.consume(Lane::Interactions, 100).await.unwrap();
    // Taken in batches whose borders are not those of the publisher.
    let mut taken = Vec::new();
    while taken.len() < 70 {
        taken.extend(first.next_batch(9, Duration::from_millis(20)).await.unwrap());
    }
    assert_eq!(ids(&taken), (0..70).map(|n| n.to_string()).collect::<Vec<_>>());
    let settler = first.settler();
    let (done, open): (Vec<_>, Vec<_>) = taken.iter().partition(|delivery| delivery.message.id != "40");
    for one in done {
        settler.ack(&[one.tag]).await.unwrap();
    }
    drop((first, settler));
    // What was not settled comes again, with those at most that it came with.
    let mut second = bus.consume(Lane::Interactions, 100).await.unwrap();
    let mut again = Vec::new();
    while !ids(&again).contains(&open[0].message.id) {
        again.extend(second.next_batch(100, Duration::from_millis(20)).await.unwrap());
    }
    assert!(again.len() <= 32 && again.iter().all(|delivery| delivery.attempt == 2), "{:?}", ids(&again));
    second.settler().ack(&again.iter().map(|delivery| delivery.tag).collect::<Vec<_>>()).await.unwrap();
    drop(second);
    settle_at(&bus, Lane::Interactions, 0, 0).await;
}

async fn what_was_published_together_is_given_up_alone(bus: Arc<dyn Bus>) {
    bus.publish(Lane::Interactions, messages(0..10)).await.unwrap();
    let mut consumer = bus.consume(Lane::Interactions, 100).await.unwrap();
    let taken = take(&mut *consumer, 10).await;
    let settler = consumer.settler();
    settler.dead_letter(&taken[3], "not a CloudEvent").await.unwrap();
    // One that is to come again brings those along that came with it, done or not, and no dead letter.
    settler.retry(&[taken[5].tag]).await.unwrap();
    let others = taken.iter().enumerate().filter(|(n, _)| ![3, 5].contains(n));
    settler.ack(&others.map(|(_, delivery)| delivery.tag).collect::<Vec<_>>()).await.unwrap();
    let again = consumer.next_batch(100, Duration::from_millis(20)).await.unwrap();
    assert!(ids(&again).contains(&"5".to_string()));
    settler.ack(&again.iter().map(|delivery| delivery.tag).collect::<Vec<_>>()).await.unwrap();
    settle_at(&bus, Lane::Interactions, 0, 1).await;
    let letters = bus.dead_letters(Lane::Interactions, 10).await.unwrap();
    assert_eq!((letters.len(), &letters[0].message), (1, &taken[3].message));
}
