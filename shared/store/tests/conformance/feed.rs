//! The feed: numbered without a gap under concurrent writers, given in each viewer's order, kept until it arrives.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use afterglow_domain::{BrandId, ConsentState, DerivedId as _, InteractionId};
use afterglow_store::{
    BrokerPlace, FeedAttempt, FeedDelivery, FeedEndpoint, FeedEndpointState, FeedOutcome, FeedSettlement, FeedSubject,
    ForgetKey, SealedSecret, Store, StoreError,
};
use secrecy::SecretString;
use uuid::Uuid;

use crate::given::{Given, NOW, apply, at, change, key, lumen, message, on_both, ready};

on_both!(
    a_reader_misses_nothing_and_meets_nothing_twice,
    what_a_change_tells,
    deliveries_keep_each_viewers_order_and_are_given_up_or_sent_again,
    the_brokers_place_moves_from_where_it_was,
    walls_stand,
);

fn id_of(sequence: u64) -> Uuid {
    InteractionId::derive(&["change", &sequence.to_string()]).uuid()
}

#[expect(clippy::unnecessary_wraps, reason = "as the store asks for it")]
fn render(sequence: u64, subject: &FeedSubject) -> Result<(Uuid, String), StoreError> {
    Ok((id_of(sequence), format!("{sequence} {}", subject.viewer)))
}

async fn number(store: &Store, brand: &BrandId) -> u64 {
    let mut taken = 0;
    loop {
        match store.brand(brand).number_changes(100, &render).await {
            Ok(0) => return taken,
            Ok(n) => taken += n,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Four writers, two that number, and a reader that follows: every viewer's last change comes, numbers are met once and in order.
async fn a_reader_misses_nothing_and_meets_nothing_twice(given: Given) {
    ready(&given).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for writer in 0..4 {
        let store = given.reopen().await;
        writers.push(tokio::spawn(async move {
            for n in 0..40 {
                // Some viewers are met by several writers.
                let viewer = format!("{}", (n * 3 + writer) % 30);
                apply(&store, &[message(&viewer, i64::from(writer * 1_000 + n))]).await;
            }
        }));
    }
    let numberers: Vec<_> = (0..2)
        .map(|_| {
            let (store, done) = (given.store.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                while !done.load(Ordering::SeqCst) {
                    number(&store, &lumen()).await;
                    tokio::task::yield_now().await;
                }
                number(&store, &lumen()).await
            })
        })
        .collect();
    let reader = {
        let (store, done) = (given.reopen().await, Arc::clone(&done));
        tokio::spawn(async move {
            let (mut cursor, mut seen) = (0, Vec::new());
            loop {
                let last = done.load(Ordering::SeqCst);
                let page = store.brand(&lumen()).changes_after(cursor, 7).await.unwrap();
                let full = page.changes.len() == 7;
                for change in page.changes {
                    assert_eq!(change.sequence, cursor + 1, "no gap, no repeat, in order");
                    assert_eq!(change.change, id_of(change.sequence));
                    cursor = change.sequence;
                    seen.push(change.body);
                }
                if last && !full && store.brand(&lumen()).feed_tail().await.unwrap().head == cursor {
                    return seen;
                }
                tokio::task::yield_now().await;
            }
        })
    };
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(number(&given.store, &lumen()).await < 10_000);
    done.store(true, Ordering::SeqCst);
    for numberer in numberers {
        numberer.await.unwrap();
    }
    let seen = reader.await.unwrap();
    let viewers: HashSet<&str> = seen.iter().map(|body| body.split_once(' ').unwrap().1).collect();
    assert_eq!(viewers.len(), 30);
    assert!(given.store.brands_with_marks(9).await.unwrap().is_empty());
    assert!((30..=160).contains(&seen.len()), "several marks of a viewer may be one change: {}", seen.len());
}

async fn what_a_change_tells(given: Given) {
    ready(&given).await;
    let brand = lumen();
    let store = given.store.brand(&brand);
    apply(&given.store, &[message("1", 1), message("1", 2), message("2", 1)]).await;
    given.store.record_consent(&change("1", ConsentState::OptedOut, 5), at(6)).await.unwrap();
    store.label(&[key("2")], "vip", true, "ada", at(7)).await.unwrap();
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |sequence: u64, subject: &FeedSubject| {
        told.lock().unwrap().push((sequence, subject.clone()));
        render(sequence, subject)
    };
    assert_eq!(store.number_changes(100, &tell).await.unwrap(), 4);
    let told = told.into_inner().unwrap();
    assert_eq!(told.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2]);
    let (first, second) = (&told[0].1, &told[1].1);
    assert_eq!((first.viewer.clone(), first.consent.state()), (key("1"), Some(ConsentState::OptedOut)));
    assert_eq!(first.row.as_ref().unwrap().state, "2");
    assert_eq!(
        (second.viewer.clone(), second.labels.clone(), second.consent.state()),
        (key("2"), vec!["vip".into()], None)
    );
    // An error numbers nothing.
    apply(&given.store, &[message("3", 1)]).await;
    let broken = |_: u64, _: &FeedSubject| Err(StoreError::Configuration { what: "no", source: None });
    store.number_changes(100, &broken).await.unwrap_err();
    assert_eq!(store.feed_tail().await.unwrap().head, 2);
    assert_eq!(number(&given.store, &brand).await, 1);
    // What is old goes, and a reader can tell that it was there.
    assert_eq!(given.store.trim_feed(at(10_000), NOW, 9).await.unwrap(), 3);
    let tail = store.feed_tail().await.unwrap();
    assert_eq!((tail.floor, tail.head), (3, 3));
}

fn endpoint(id: &str) -> FeedEndpoint {
    FeedEndpoint {
        brand: lumen(),
        id: id.into(),
        url: "https://crm.example/hook".into(),
        secret: SealedSecret(vec![1]),
        former: None,
        per_minute: 600,
        burst: 10,
        concurrency: 4,
        state: FeedEndpointState::On,
        cursor: 0,
        created: NOW,
    }
}

fn attempt(change: Uuid) -> FeedAttempt {
    FeedAttempt {
        change,
        number: 1,
        at: at(1),
        took_ms: 5,
        status: Some(500),
        error: None,
        excerpt: Some("no".into()),
        outcome: "retry".into(),
    }
}

async fn deliveries_keep_each_viewers_order_and_are_given_up_or_sent_again(given: Given) {
    ready(&given).await;
    let brand = lumen();
    let store = given.store.brand(&brand);
    assert!(store.add_feed_endpoint(&endpoint("crm")).await.unwrap());
    assert!(!store.add_feed_endpoint(&endpoint("crm")).await.unwrap(), "once");
    for n in 0..2 {
        apply(&given.store, &[message("1", n), message("2", n)]).await;
        number(&given.store, &brand).await;
    }
    let behind = async || given.store.feed_endpoints_behind().await.unwrap().len();
    assert_eq!(behind().await, 1);
    assert_eq!(store.give_feed("crm", NOW).await.unwrap(), 4);
    assert_eq!(behind().await, 0);
    assert_eq!(store.give_feed("crm", NOW).await.unwrap(), 0, "each once");
    assert_eq!(given.store.feed_endpoints_due(NOW).await.unwrap().len(), 1);

    let lease = at(60_000);
    let claimed = store.claim_feed("crm", 9, NOW, lease).await.unwrap();
    assert_eq!(claimed.iter().map(|d| (d.sequence, d.attempts)).collect::<Vec<_>>(), [(1, 0), (2, 0)]);
    assert!(store.claim_feed("crm", 9, NOW, lease).await.unwrap().is_empty(), "later ones wait behind");
    let settle = async |outcomes: &[(&FeedDelivery, FeedSettlement)]| {
        let outcome = |(of, settlement): &(&FeedDelivery, FeedSettlement)| FeedOutcome {
            sequence: of.sequence,
            claim: of.claim,
            settlement: *settlement,
            attempt: attempt(of.change),
        };
        let outcomes: Vec<FeedOutcome> = outcomes.iter().map(outcome).collect();
        given.store.brand(&lumen()).settle_feed("crm", &outcomes).await.unwrap()
    };
    let both = [(&claimed[0], FeedSettlement::Delivered), (&claimed[1], FeedSettlement::RetryAt(at(500)))];
    assert_eq!(settle(&both).await, [true, true]);
    assert_eq!(settle(&both[..1]).await, [false], "it is settled");
    // Viewer 1 goes on; viewer 2 waits for its first.
    let next = store.claim_feed("crm", 9, at(1), lease).await.unwrap();
    assert_eq!(next.iter().map(|d| d.sequence).collect::<Vec<_>>(), [3]);
    let again = store.claim_feed("crm", 9, at(500), lease).await.unwrap();
    assert_eq!(again.iter().map(|d| (d.sequence, d.attempts)).collect::<Vec<_>>(), [(2, 1)]);
    // A claim that lapses is taken up by another, and the first can settle nothing.
    let taken = store.claim_feed("crm", 9, at(60_000), at(120_000)).await.unwrap();
    assert_eq!(taken.len(), 2);
    let second = taken.iter().find(|d| d.sequence == 2).unwrap();
    let first_and_second = [(&again[0], FeedSettlement::Delivered), (second, FeedSettlement::Exhausted)];
    assert_eq!(settle(&first_and_second).await, [false, true]);
    let dead = store.feed_dead_letters("crm", 9).await.unwrap();
    assert_eq!(dead.iter().map(|d| (d.sequence, d.reason.as_str())).collect::<Vec<_>>(), [(2, "exhausted")]);
    assert_eq!(store.feed_waiting("crm").await.unwrap(), (2, 1));
    // The viewer's next goes on past what was given up.
    let past = store.claim_feed("crm", 9, at(60_001), at(120_000)).await.unwrap();
    assert_eq!(past.iter().map(|d| d.sequence).collect::<Vec<_>>(), [4]);
    // 410 switches it off.
    assert_eq!(settle(&[(&past[0], FeedSettlement::Gone)]).await, [true]);
    assert_eq!(store.feed_endpoints().await.unwrap()[0].state, FeedEndpointState::Gone);
    assert!(given.store.feed_endpoints_due(at(999_999)).await.unwrap().is_empty());
    assert_eq!(store.feed_attempts("crm", 99).await.unwrap().len(), 6);
    // A person has it tried again, or from an earlier place.
    assert!(store.set_feed_endpoint("crm", FeedEndpointState::On).await.unwrap());
    assert_eq!(store.revive_feed("crm", at(130_000)).await.unwrap(), 2);
    assert!(store.replay_feed_endpoint("crm", 1).await.unwrap());
    assert_eq!(store.give_feed("crm", at(130_000)).await.unwrap(), 3);
    let all = store.claim_feed("crm", 9, at(130_000), at(140_000)).await.unwrap();
    assert_eq!(
        all.iter().map(|d| (d.sequence, d.attempts)).collect::<BTreeMap<_, _>>(),
        BTreeMap::from([(2, 0), (3, 0)])
    );
    assert!(store.rotate_feed_secret("crm", &SealedSecret(vec![2]), at(9)).await.unwrap());
    let rotated = &store.feed_endpoints().await.unwrap()[0];
    assert_eq!((&rotated.secret, &rotated.former), (&SealedSecret(vec![2]), &Some((SealedSecret(vec![1]), at(9)))));
    assert!(store.remove_feed_endpoint("crm").await.unwrap() && store.feed_endpoints().await.unwrap().is_empty());
}

async fn the_brokers_place_moves_from_where_it_was(given: Given) {
    ready(&given).await;
    let brand = lumen();
    let store = given.store.brand(&brand);
    assert_eq!(store.feed_broker_place().await.unwrap(), None, "nothing ever changed");
    assert!(!store.advance_feed_broker(0, 0).await.unwrap() && !store.replay_feed_broker(0).await.unwrap());
    for n in 0..3 {
        apply(&given.store, &[message("1", n)]).await;
        number(&given.store, &brand).await;
    }
    let place = |cursor| BrokerPlace { brand: lumen(), cursor, floor: 0, head: 3 };
    assert_eq!(given.store.feed_broker_behind(9).await.unwrap(), [place(0)]);
    assert!(store.advance_feed_broker(0, 0).await.unwrap());
    assert!(store.advance_feed_broker(0, 2).await.unwrap());
    assert!(!store.advance_feed_broker(0, 3).await.unwrap(), "another was faster");
    assert_eq!(given.store.feed_broker_behind(9).await.unwrap(), [place(2)]);
    assert!(store.advance_feed_broker(2, 3).await.unwrap());
    assert!(given.store.feed_broker_behind(9).await.unwrap().is_empty());
    assert!(!store.replay_feed_broker(4).await.unwrap(), "there is no such change");
    assert!(store.replay_feed_broker(1).await.unwrap());
    assert_eq!(store.feed_broker_place().await.unwrap(), Some(place(1)));
    // Who was told of somebody over the broker is told to forget them.
    let forgetting = ForgetKey::new(SecretString::from("sixteen bytes or more")).unwrap();
    given.store.clone().with_forget_key(forgetting).forget(&brand, &key("1"), "code", at(9)).await.unwrap();
    assert_eq!(given.store.brands_with_marks(9).await.unwrap(), [lumen()]);
}

async fn walls_stand(given: Given) {
    ready(&given).await;
    apply(&given.store, &[message("1", 1)]).await;
    number(&given.store, &lumen()).await;
    given.store.brand(&lumen()).add_feed_endpoint(&endpoint("crm")).await.unwrap();
    let strange = BrandId::new("umbra");
    let store = given.store.brand(&strange);
    assert!(store.changes_after(0, 9).await.unwrap().changes.is_empty());
    assert!(store.feed_endpoints().await.unwrap().is_empty());
    assert!(!store.set_feed_endpoint("crm", FeedEndpointState::Paused).await.unwrap());
    assert!(!store.remove_feed_endpoint("crm").await.unwrap());
    assert!(!store.advance_feed_broker(0, 1).await.unwrap() && !store.replay_feed_broker(0).await.unwrap());
    assert_eq!(store.give_feed("crm", NOW).await.unwrap(), 0);
    assert_eq!(number(&given.store, &strange).await, 0);
}
