use afterglow_domain::{Body, DerivedId, Interaction, InteractionId, MessageEdit, QuarantineReason, Reaction, Unsend};
use afterglow_store::Parked;

use crate::given::{Given, apply, at, message, on_both, ready};

on_both!(
    an_amendment_waits_for_its_message,
    one_that_comes_after_its_message_is_applied_at_once,
    one_whose_message_never_comes_goes_to_quarantine_with_its_age,
);

const HOUR: i64 = 3_600_000;

fn amendment(about: &Interaction, body: fn(String) -> Body) -> Interaction {
    let body = body(about.body.mid().unwrap().to_owned());
    let id = InteractionId::derive(&["amendment", body.kind().as_str(), about.body.mid().unwrap()]);
    let raw = serde_json::value::RawValue::from_string("{\"x\":1}".into()).ok();
    Interaction { id, body, raw, ..about.clone() }
}

fn edit(mid: String) -> Body {
    Body::MessageEdit(MessageEdit { mid, text: Some("better".into()), num_edit: 1 })
}
fn unsend(mid: String) -> Body {
    Body::Unsend(Unsend { mid })
}
fn reaction(mid: String) -> Body {
    Body::Reaction(Reaction { mid, reaction: Some("love".into()), emoji: None })
}

async fn an_amendment_waits_for_its_message(given: Given) {
    ready(&given).await;
    let said = message("1", 1);
    apply(&given.store, &[amendment(&said, edit), amendment(&said, unsend), amendment(&said, reaction)]).await;
    assert_eq!(given.store.parked().await.unwrap(), 3);
    apply(&given.store, &[message("1", 2)]).await;
    assert_eq!(given.store.parked().await.unwrap(), 3, "another message is not theirs");
    apply(&given.store, &[said]).await;
    assert_eq!(given.store.parked().await.unwrap(), 0);
    assert_eq!(given.store.expire_parked(at(99 * HOUR), HOUR, 10).await.unwrap(), Parked::default());
}

async fn one_that_comes_after_its_message_is_applied_at_once(given: Given) {
    ready(&given).await;
    let said = message("1", 1);
    apply(&given.store, std::slice::from_ref(&said)).await;
    apply(&given.store, &[amendment(&said, edit)]).await;
    apply(&given.store, &[amendment(&said, edit)]).await;
    assert_eq!(given.store.parked().await.unwrap(), 0);
    let (again, unsent) = (message("2", 1), amendment(&message("2", 1), unsend));
    apply(&given.store, &[unsent, again]).await;
    assert_eq!(given.store.parked().await.unwrap(), 0, "both in one batch");
}

async fn one_whose_message_never_comes_goes_to_quarantine_with_its_age(given: Given) {
    ready(&given).await;
    let said = message("1", 1);
    apply(&given.store, &[amendment(&said, edit)]).await;
    let received = said.received;
    assert_eq!(given.store.expire_parked(received.plus(23 * HOUR), 24 * HOUR, 10).await.unwrap(), Parked::default());
    let late = received.plus(25 * HOUR + 7 * 60_000);
    let late = late.max(crate::given::NOW.plus(25 * HOUR));
    assert_eq!(given.store.expire_parked(late, 24 * HOUR, 10).await.unwrap(), Parked { applied: 0, expired: 1 });
    assert_eq!(given.store.expire_parked(late, 24 * HOUR, 10).await.unwrap(), Parked::default(), "once");
    assert_eq!(given.store.parked().await.unwrap(), 0);
    let kept = given.store.quarantine_list(10).await.unwrap().remove(0).item;
    assert_eq!(kept.reason, QuarantineReason::Orphan);
    assert!(kept.detail.starts_with("message_edit of a message that never came, after 25 h"), "{}", kept.detail);
    let payload: serde_json::Value = serde_json::from_slice(&kept.payload).unwrap();
    assert_eq!(payload["entry"][0]["messaging"][0]["x"], 1, "Meta's own fragment");
}
