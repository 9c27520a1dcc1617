//! The embedded bus and `kill -9`.

use std::collections::BTreeSet;
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use afterglow_bus::{Bus, BusError, DELIVERY_LIMIT, EmbeddedBus, Lane};

use crate::{ids, message, messages, take};

const FILE: &str = "AFTERGLOW_TEST_CRASH_FILE";

/// Not a test of its own: what the child process of the next test does until it is killed.
#[tokio::test]
async fn publishes_until_killed() {
    let Ok(file) = std::env::var(FILE) else { return };
    let bus = EmbeddedBus::open(&PathBuf::from(file)).await.unwrap();
    for n in 0.. {
        bus.publish(Lane::Interactions, vec![message(n)]).await.unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "confirmed {n}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn what_was_confirmed_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bus.sqlite");
    let mut confirmed = BTreeSet::new();
    for _ in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::publishes_until_killed", "--exact", "--nocapture"])
            .env(FILE, &file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let mut of_this_run = 0;
        for line in lines {
            // The test runner writes its own words before our first line.
            if let Some((_, n)) = line.unwrap().split_once("confirmed ") {
                confirmed.insert(n.to_owned());
                of_this_run += 1;
            }
            if of_this_run == 100 {
                child.kill().unwrap(); // SIGKILL
            }
        }
        child.wait().unwrap();
        assert!(of_this_run >= 100);
    }
    let bus = EmbeddedBus::open(&file).await.unwrap();
    let kept = usize::try_from(bus.depth(Lane::Interactions).await.unwrap().ready).unwrap();
    let mut consumer = bus.consume(Lane::Interactions, u16::MAX).await.unwrap();
    let found: BTreeSet<String> = ids(&take(&mut *consumer, kept).await).into_iter().collect();
    let lost: Vec<_> = confirmed.difference(&found).collect();
    assert!(lost.is_empty(), "confirmed and lost: {lost:?}");
}

#[tokio::test]
async fn acknowledged_stays_gone_and_the_rest_stays_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bus.sqlite");
    let bus = EmbeddedBus::open(&file).await.unwrap();
    bus.publish(Lane::Intents, crate::messages(0..4)).await.unwrap();
    let mut consumer = bus.consume(Lane::Intents, 10).await.unwrap();
    let taken = take(&mut *consumer, 3).await;
    consumer.settler().ack(&[taken[0].tag]).await.unwrap();
    drop(consumer);
    bus.close().await;
    drop(bus);

    let bus = EmbeddedBus::open(&file).await.unwrap();
    let mut consumer = bus.consume(Lane::Intents, 10).await.unwrap();
    let again = take(&mut *consumer, 3).await;
    assert_eq!(ids(&again), ["1", "2", "3"]);
    assert_eq!(again.iter().map(|delivery| delivery.attempt).collect::<Vec<_>>(), [2, 2, 1]);
}

#[tokio::test]
async fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bus.sqlite");
    let _bus = EmbeddedBus::open(&file).await.unwrap();
    assert!(matches!(EmbeddedBus::open(&file).await, Err(BusError::InUse(_))));
}

/// All that a process had in its hands comes back when it dies, however little of it was begun: a message is not given up for that.
#[tokio::test]
async fn many_deaths_give_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bus.sqlite");
    EmbeddedBus::open(&file).await.unwrap().publish(Lane::Intents, messages(0..30)).await.unwrap();
    for death in 1..=3 * DELIVERY_LIMIT {
        let bus = EmbeddedBus::open(&file).await.unwrap();
        let mut consumer = bus.consume(Lane::Intents, 100).await.unwrap();
        let taken = take(&mut *consumer, 30).await;
        assert!(taken.iter().all(|delivery| delivery.attempt == death), "each is counted");
    }
    let depth = EmbeddedBus::open(&file).await.unwrap().depth(Lane::Intents).await.unwrap();
    assert_eq!((depth.ready, depth.dead), (30, 0));
}
