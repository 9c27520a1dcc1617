use afterglow_domain::{DerivedId, InteractionId, QuarantineReason, Quarantined};

use crate::given::{Given, NOW, at, on_both, ready};

on_both!(kept_once_with_its_bytes_until_replayed);

fn item(n: i64, payload: &[u8]) -> Quarantined {
    Quarantined {
        id: InteractionId::derive(&["quarantine", &n.to_string()]),
        reason: QuarantineReason::UnknownShape,
        detail: "messaging[0]: \0 no known key".into(),
        object: Some("instagram".into()),
        account: None,
        received: at(n),
        payload: payload.to_vec(),
    }
}

async fn kept_once_with_its_bytes_until_replayed(given: Given) {
    ready(&given).await;
    let (a, b) = (item(2, b"\x00\xff{"), item(1, b"{}"));
    assert_eq!(given.store.quarantine_put(&[a.clone(), b.clone(), a.clone()]).await.unwrap(), 2);
    assert_eq!(given.store.quarantine_put(std::slice::from_ref(&b)).await.unwrap(), 0);
    assert_eq!(given.store.quarantine_put(&[]).await.unwrap(), 0);
    let waiting = given.store.quarantine_list(10).await.unwrap();
    assert_eq!(waiting.iter().map(|row| row.item.id).collect::<Vec<_>>(), [b.id, a.id]);
    assert_eq!(waiting[1].item.payload, a.payload);
    assert_eq!(waiting[1].item.detail, "messaging[0]: \u{fffd} no known key");

    assert!(given.store.quarantine_mark_replayed(b.id, NOW).await.unwrap());
    assert!(!given.store.quarantine_mark_replayed(item(9, b"").id, NOW).await.unwrap());
    assert_eq!(given.store.quarantine_list(10).await.unwrap().len(), 1);
    assert_eq!(given.store.quarantine_show(b.id).await.unwrap().unwrap().replayed, Some(NOW));
    assert_eq!(given.store.quarantine_show(item(9, b"").id).await.unwrap(), None);
    assert_eq!(given.store.totals().await.unwrap().quarantined, 1);
}
