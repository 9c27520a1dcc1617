use std::collections::BTreeSet;

use afterglow_domain::AccountId;

use crate::given::{ACCOUNT, Given, NOW, apply, message, on_both, ready};

on_both!(one_holds_a_lease_until_it_runs_out, slots_are_given_once_however_many_ask, known_messages_are_known);

async fn one_holds_a_lease_until_it_runs_out(given: Given) {
    ready(&given).await;
    let store = &given.store;
    for (holder, at, got) in [
        ("a", 0, true),
        ("b", 999, false),
        ("a", 500, true),
        ("b", 1_499, false),
        ("b", 1_500, true),
        ("a", 1_501, false),
    ] {
        assert_eq!(store.lease("sweep", holder, NOW.plus(at), 1_000).await.unwrap(), got, "{holder} at {at}");
    }
    assert!(store.lease("another", "a", NOW, 1_000).await.unwrap());
    store.release_lease("another", "b").await.unwrap();
    assert!(!store.lease("another", "b", NOW, 1_000).await.unwrap(), "not b's to give back");
    store.release_lease("another", "a").await.unwrap();
    assert!(store.lease("another", "b", NOW, 1_000).await.unwrap());
}

async fn slots_are_given_once_however_many_ask(given: Given) {
    ready(&given).await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let store = given.store.clone();
            tokio::spawn(async move { store.take_slot("reads/1", 650, NOW).await.unwrap() })
        })
        .collect();
    let mut slots = BTreeSet::new();
    for task in tasks {
        slots.insert(task.await.unwrap());
    }
    let wanted: BTreeSet<_> = (0..20).map(|n| NOW.plus(n * 650)).collect();
    assert_eq!(slots, wanted);
    let later = NOW.plus(60_000);
    assert_eq!(given.store.take_slot("reads/1", 650, later).await.unwrap(), later, "what was not used is gone");
}

async fn known_messages_are_known(given: Given) {
    ready(&given).await;
    apply(&given.store, &[message("1", 1)]).await;
    let asked = vec!["mid.1.1".to_owned(), "mid.1.2".to_owned()];
    let (ours, another) = (AccountId::new(ACCOUNT), AccountId::new("another"));
    let known = given.store.known_messages(&ours, asked.clone()).await.unwrap();
    assert_eq!(known, ["mid.1.1".to_owned()].into());
    assert!(given.store.known_messages(&another, asked).await.unwrap().is_empty());
}
