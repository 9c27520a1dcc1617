//! RabbitMQ behind a proxy that is cut: what was confirmed is delivered, and both sides come back by themselves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use afterglow_bus::{AmqpBus, Bus, BusError, JournalProgress, Lane};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use crate::{PATIENCE, broker_url, ids, message, messages, prefix, take};

/// Passes bytes to the broker; a word on the returned channel cuts every connection.
async fn proxy(broker: String) -> (u16, broadcast::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (cut, _) = broadcast::channel(1);
    let cuts = cut.clone();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let (broker, mut cut) = (broker.clone(), cuts.subscribe());
            tokio::spawn(async move {
                let mut server = TcpStream::connect(broker).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                    _ = cut.recv() => {}
                }
            });
        }
    });
    (port, cut)
}

/// The broker's address behind such a proxy.
pub(crate) async fn proxied(url: &str) -> (String, broadcast::Sender<()>) {
    let (head, host) = url.rsplit_once('@').unwrap();
    let (address, vhost) = host.split_once('/').map_or((host, ""), |(address, vhost)| (address, vhost));
    let (port, cut) = proxy(address.to_owned()).await;
    let vhost = if host.contains('/') { format!("/{vhost}") } else { String::new() };
    (format!("{head}@127.0.0.1:{port}{vhost}"), cut)
}

#[tokio::test]
async fn a_cut_connection_loses_nothing_that_was_confirmed() {
    let Some(url) = broker_url() else { return };
    let prefix = prefix();
    let (through, cut) = proxied(&url).await;
    let bus = Arc::new(AmqpBus::connect(&through, &prefix, "test").await.unwrap());

    let publisher = {
        let bus = Arc::clone(&bus);
        tokio::spawn(async move {
            let (mut confirmed, mut failed) = (BTreeSet::new(), 0);
            for n in 0..2000u32 {
                if n % 500 == 250 {
                    cut.send(()).unwrap();
                }
                match bus.publish(Lane::Interactions, vec![message(n)]).await {
                    Ok(()) => drop(confirmed.insert(n.to_string())),
                    Err(_) => failed += 1,
                }
            }
            (confirmed, failed)
        })
    };
    let mut consumer = bus.consume(Lane::Interactions, 100).await.unwrap();
    let (mut seen, settler) = (BTreeSet::new(), consumer.settler());
    let collect = async {
        let (confirmed, failed) = publisher.await.unwrap();
        assert!(confirmed.len() > 1900, "{} confirmed, {failed} failed", confirmed.len());
        while !confirmed.is_subset(&seen) {
            let batch = consumer.next_batch(100, Duration::from_millis(5)).await.unwrap();
            seen.extend(ids(&batch));
            // An ack over a connection that has just gone: the message comes again, and is known.
            let _ = settler.ack(&batch.iter().map(|delivery| delivery.tag).collect::<Vec<_>>()).await;
        }
    };
    tokio::time::timeout(PATIENCE, collect).await.unwrap();
    let janitor = AmqpBus::connect(&url, &prefix, "test").await.unwrap();
    janitor.delete_topology().await.unwrap();
}

#[tokio::test]
async fn the_journal_fills_the_lanes_again() {
    let Some(url) = broker_url() else { return };
    let prefix = prefix();
    let bus = AmqpBus::connect_with_journal(&url, &prefix, "test", 1).await.unwrap();
    assert_eq!(bus.replay_journal(0, |_| {}).await.unwrap(), JournalProgress::default(), "nothing came in yet");
    let lanes = [Lane::Interactions, Lane::Overflow, Lane::Consent, Lane::Quarantine];
    for (n, lane) in lanes.into_iter().enumerate() {
        let from = u32::try_from(n).unwrap() * 1_000;
        bus.publish(lane, messages(from..from + 700)).await.unwrap();
    }
    bus.publish(Lane::Intents, messages(9_000..9_010)).await.unwrap();
    // The database took it all, and is then lost.
    for lane in lanes {
        let mut consumer = bus.consume(lane, 1_000).await.unwrap();
        let settler = consumer.settler();
        let taken = take(&mut *consumer, 700).await;
        settler.ack(&taken.iter().map(|delivery| delivery.tag).collect::<Vec<_>>()).await.unwrap();
    }
    for _ in 0..2 {
        let told = std::cell::RefCell::new(Vec::new());
        let replayed = bus.replay_journal(0, |progress| told.borrow_mut().push(progress)).await.unwrap();
        // Interactions travel together, 32 at most; what is put back comes into no journal again.
        let messages = 2 * 700 + 2 * 700_u64.div_ceil(32);
        assert_eq!((replayed.replayed, replayed.total), (messages, messages));
        assert_eq!(told.borrow().last(), Some(&replayed));
    }
    for lane in lanes {
        let mut consumer = bus.consume(lane, 2_000).await.unwrap();
        let taken = take(&mut *consumer, 1_400).await;
        assert_eq!(ids(&taken[..700]), ids(&taken[700..]), "each twice, in order, with its own id");
    }
    let without = AmqpBus::connect(&url, &format!("{prefix}-none"), "test").await.unwrap();
    let refused = without.replay_journal(0, |_| {}).await.unwrap_err();
    assert!(matches!(&refused, BusError::Topology(why) if why.contains("bus.journal_hours")), "{refused:?}");
    bus.delete_topology().await.unwrap();
    without.delete_topology().await.unwrap();
}
