//! RabbitMQ behind a proxy that is cut: what was confirmed is delivered, and both sides come back by themselves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use afterglow_bus::{AmqpBus, Bus, Lane};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use crate::{PATIENCE, broker_url, ids, message, prefix};

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

#[tokio::test]
async fn a_cut_connection_loses_nothing_that_was_confirmed() {
    let Some(url) = broker_url() else { return };
    let prefix = prefix();
    let (head, host) = url.rsplit_once('@').unwrap();
    let (address, vhost) = host.split_once('/').map_or((host, ""), |(address, vhost)| (address, vhost));
    let (port, cut) = proxy(address.to_owned()).await;
    let vhost = if host.contains('/') { format!("/{vhost}") } else { String::new() };
    let bus = Arc::new(AmqpBus::connect(&format!("{head}@127.0.0.1:{port}{vhost}"), &prefix, "test").await.unwrap());

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
