use std::collections::BTreeSet;

use crate::given::{Given, LEASE_MS, NOW, apply, at, message, on_both, ready};

on_both!(a_message_is_claimed_when_its_lease_runs_out, many_claim_each_message_once);

async fn a_message_is_claimed_when_its_lease_runs_out(given: Given) {
    ready(&given).await;
    assert_eq!(given.store.outbox_oldest_ms().await.unwrap(), None);
    let written = apply(&given.store, &[message("1", 1), message("1", 2), message("2", 1)]).await.outbox;
    assert_eq!(given.store.outbox_oldest_ms().await.unwrap(), Some(NOW.millis()));
    assert_eq!(given.store.outbox_claim(10, at(LEASE_MS - 1), LEASE_MS).await.unwrap(), []);

    given.store.outbox_done(&[written[1].seq]).await.unwrap();
    let claimed = given.store.outbox_claim(10, at(LEASE_MS), LEASE_MS).await.unwrap();
    assert_eq!(claimed, [written[0].clone(), written[2].clone()]);
    assert_eq!(given.store.outbox_claim(10, at(LEASE_MS), LEASE_MS).await.unwrap(), []);
    assert_eq!(given.store.outbox_claim(1, at(2 * LEASE_MS), LEASE_MS).await.unwrap(), [written[0].clone()]);

    given.store.outbox_done(&[written[0].seq, written[1].seq, written[2].seq]).await.unwrap();
    assert_eq!(given.store.outbox_oldest_ms().await.unwrap(), None);
}

async fn many_claim_each_message_once(given: Given) {
    ready(&given).await;
    let batch: Vec<_> = (0..200).map(|n| message("1", n)).collect();
    let written = apply(&given.store, &batch).await.outbox;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = given.store.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let rows = store.outbox_claim(7, at(LEASE_MS), LEASE_MS).await.unwrap();
                    if rows.is_empty() {
                        return mine;
                    }
                    mine.extend(rows.into_iter().map(|row| row.seq));
                }
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for task in tasks {
        claimed.extend(task.await.unwrap());
    }
    assert_eq!(claimed.len(), written.len());
    let claimed: BTreeSet<i64> = claimed.into_iter().collect();
    assert_eq!(claimed, written.into_iter().map(|row| row.seq).collect());
}
