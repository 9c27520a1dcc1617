use afterglow_domain::{ConsentState, Decision, Reason};
use afterglow_store::{ForgetKey, Judged, Store, StoreError};
use secrecy::SecretString;

use crate::given::{Given, NOW, apply, at, change, intent_for, judge, key, lumen, message, on_both, ready};

on_both!(a_forgotten_person_is_gone_and_stays_gone, a_stop_outlives_the_person, without_the_key_nobody_is_forgotten);

fn keyed(store: &Store) -> Store {
    store.clone().with_forget_key(ForgetKey::new(SecretString::from("sixteen bytes or more")).unwrap())
}

async fn a_forgotten_person_is_gone_and_stays_gone(given: Given) {
    ready(&given).await;
    let store = keyed(&given.store);
    let (said, other) = (message("1", 1), message("2", 1));
    apply(&store, &[said.clone(), other]).await;
    judge(&store, &intent_for(&said), NOW).await;
    let receipt = store.forget(&lumen(), &key("1"), "code-1", NOW).await.unwrap();
    assert!(receipt.rows >= 5, "{receipt:?}");
    assert_eq!(store.forget_receipt("code-1").await.unwrap(), Some(receipt));

    let brand = lumen();
    assert!(store.brand(&brand).viewer(&key("1"), 10).await.unwrap().is_none());
    assert!(store.brand(&brand).interactions(&key("1"), 10).await.unwrap().is_empty());
    assert!(store.brand(&brand).decisions_of(&key("1"), 10).await.unwrap().is_empty());
    assert!(store.brand(&brand).viewer(&key("2"), 10).await.unwrap().is_some(), "nobody else");

    // A backup's replay, a queue, a quarantine: what happened until then is not taken in again.
    let again = apply(&store, &[said]).await;
    assert_eq!((again.accepted, again.outbox.len()), (0, 0));
    assert!(store.brand(&brand).viewer(&key("1"), 10).await.unwrap().is_none());
    // What they do afterwards is theirs to do.
    let mut later = message("1", 2);
    (later.occurred, later.received) = (at(1), at(2));
    assert_eq!(apply(&store, &[later]).await.accepted, 1);
    assert!(store.has_forgotten().await.unwrap());
}

async fn a_stop_outlives_the_person(given: Given) {
    ready(&given).await;
    let store = keyed(&given.store);
    apply(&store, &[message("1", 1)]).await;
    store.record_consent(&change("1", ConsentState::OptedOut, -1), NOW).await.unwrap();
    store.forget(&lumen(), &key("1"), "code", NOW).await.unwrap();
    let mut back = message("1", 2);
    (back.occurred, back.received) = (at(1), at(2));
    apply(&store, std::slice::from_ref(&back)).await;
    let judged = judge(&store, &intent_for(&back), at(3)).await;
    assert_eq!(judged, Judged::Decided(Decision::drop(vec![Reason::OptedOut])));
    // Until they say start.
    store.record_consent(&change("1", ConsentState::OptedIn, 4), at(4)).await.unwrap();
    let mut wanted = message("1", 3);
    (wanted.occurred, wanted.received) = (at(5), at(6));
    apply(&store, std::slice::from_ref(&wanted)).await;
    assert!(matches!(judge(&store, &intent_for(&wanted), at(7)).await, Judged::Reserved(_)));
}

async fn without_the_key_nobody_is_forgotten(given: Given) {
    ready(&given).await;
    apply(&given.store, &[message("1", 1)]).await;
    let refused = given.store.forget(&lumen(), &key("1"), "code", NOW).await;
    assert!(matches!(refused, Err(StoreError::Configuration { .. })), "{refused:?}");
    let brand = lumen();
    assert!(given.store.brand(&brand).viewer(&key("1"), 10).await.unwrap().is_some());
    assert!(ForgetKey::new(SecretString::from("short")).is_none());
}
