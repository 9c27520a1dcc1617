use std::collections::BTreeMap;
use std::sync::Arc;

use afterglow_domain::{Body, Interaction, Message, Segment};
use afterglow_store::{FoldOutput, StoreError};
use serde_json::value::RawValue;

use crate::given::{Given, LEASE_MS, NOW, apply, counting, key, lumen, message, on_both, ready};

on_both!(
    kept_once_within_and_across_batches,
    overlapping_batches_at_once_lose_and_double_nothing,
    what_is_kept_comes_back_as_it_was,
    the_fold_sees_only_what_is_new_in_order,
    a_fold_that_forgets_a_viewer_changes_nothing,
    a_score_that_is_no_number_changes_nothing,
    a_large_batch_goes_in_at_once,
);

async fn kept_once_within_and_across_batches(given: Given) {
    ready(&given).await;
    let (a, b, c) = (message("1", 1), message("1", 2), message("2", 1));
    let first = apply(&given.store, &[a.clone(), b.clone(), a.clone()]).await;
    assert_eq!((first.accepted, first.duplicates, first.outbox.len()), (2, 1, 2));
    let second = apply(&given.store, &[c, b, a]).await;
    assert_eq!((second.accepted, second.duplicates, second.outbox.len()), (1, 2, 1));
    let third = apply(&given.store, &[]).await;
    assert_eq!((third.accepted, third.duplicates, third.outbox.len()), (0, 0, 0));

    let totals = given.store.totals().await.unwrap();
    assert_eq!((totals.accepted, totals.duplicates, totals.outbox), (3, 3, 3));
    assert_eq!(totals.all.viewers, vec![(Segment::Hot, 2)]);
    let lumen = lumen();
    let triage = given.store.brand(&lumen).triage(10).await.unwrap();
    let states: Vec<_> = triage.iter().map(|row| (row.key.viewer.as_str(), row.state.as_str())).collect();
    assert_eq!(states, [("1", "2"), ("2", "1")]);
}

async fn overlapping_batches_at_once_lose_and_double_nothing(given: Given) {
    const TASKS: usize = 8;
    const VIEWERS: usize = 23;
    const EACH: i64 = 10;
    ready(&given).await;
    let all: Arc<Vec<Interaction>> =
        Arc::new((0..VIEWERS).flat_map(|viewer| (0..EACH).map(move |n| message(&viewer.to_string(), n))).collect());
    let other_process = given.reopen().await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let all = Arc::clone(&all);
            let store = if task % 2 == 0 { given.store.clone() } else { other_process.clone() };
            tokio::spawn(async move {
                // Each task gives everything, in an order and in batches of its own. 7 and 230 have no common factor.
                let order: Vec<Interaction> = (0..all.len())
                    .map(|i| all[(i * 7 + task * 31) % all.len()].clone())
                    .map(|i| if task % 3 == 0 { Interaction { username: None, ..i } } else { i })
                    .collect();
                let mut sum = (0, 0, Vec::new());
                for batch in order.chunks(11 + task) {
                    let applied = apply(&store, batch).await;
                    sum.0 += applied.accepted;
                    sum.1 += applied.duplicates;
                    sum.2.extend(applied.outbox.into_iter().map(|row| row.message.message_id));
                }
                sum
            })
        })
        .collect();
    let (mut accepted, mut duplicates, mut told) = (0, 0, Vec::new());
    for task in tasks {
        let sum = task.await.unwrap();
        accepted += sum.0;
        duplicates += sum.1;
        told.extend(sum.2);
    }
    let total = all.len() as u64;
    assert_eq!((accepted, duplicates), (total, total * (TASKS as u64 - 1)));
    told.sort();
    told.dedup();
    assert_eq!(told.len(), all.len(), "each interaction is told once");
    let totals = given.store.totals().await.unwrap();
    assert_eq!((totals.accepted, totals.duplicates), (accepted, duplicates));
    let lumen = lumen();
    let counts: BTreeMap<String, String> = given
        .store
        .brand(&lumen)
        .triage(100)
        .await
        .unwrap()
        .into_iter()
        .map(|row| (row.key.viewer.to_string(), row.state))
        .collect();
    assert_eq!(counts, (0..VIEWERS).map(|viewer| (viewer.to_string(), EACH.to_string())).collect());
    other_process.close().await;
}

async fn what_is_kept_comes_back_as_it_was(given: Given) {
    ready(&given).await;
    let mut odd = message("1", 1);
    odd.username = Some("nul \0, quote \" and \u{1f496}".into());
    odd.standby = true;
    odd.body =
        Body::Message(Message { mid: "m".into(), text: Some("\0 \u{2028} \\u0000 é".into()), ..Message::default() });
    odd.raw = Some(RawValue::from_string(r#"{ "b":1.50,  "a":"\u0000\u00e9" }"#.into()).unwrap());
    apply(&given.store, std::slice::from_ref(&odd)).await;
    let lumen = lumen();
    let back = given.store.brand(&lumen).interactions(&key("1"), 10).await.unwrap().remove(0);
    assert_eq!(back.username.as_deref(), Some("nul \u{fffd}, quote \" and \u{1f496}"));
    odd.username.clone_from(&back.username);
    assert_eq!(back.to_cloudevent().unwrap(), odd.to_cloudevent().unwrap());
    assert_eq!(back.raw.unwrap().get(), odd.raw.unwrap().get());
}

async fn the_fold_sees_only_what_is_new_in_order(given: Given) {
    ready(&given).await;
    apply(&given.store, &[message("1", 5)]).await;
    let lone = Interaction { viewer: None, ..message("nobody", 1) };
    let batch = [message("2", 3), message("1", 9), lone, message("1", 5), message("1", 2), message("2", 1)];
    let mut seen = Vec::new();
    let mut others = 0;
    given
        .store
        .apply_interactions(&batch, NOW, LEASE_MS, |input| {
            for viewer in &input.viewers {
                let times = viewer.new.iter().map(|i| i.occurred.since(NOW) + 60_000).collect::<Vec<_>>();
                seen.push((viewer.key.viewer.to_string(), viewer.before.is_some(), times));
            }
            others = input.others.len();
            counting(input)
        })
        .await
        .unwrap();
    assert_eq!(seen, [("1".into(), true, vec![2, 9]), ("2".into(), false, vec![1, 3])]);
    assert_eq!(others, 1);
}

async fn a_fold_that_forgets_a_viewer_changes_nothing(given: Given) {
    ready(&given).await;
    let batch = [message("1", 1), message("2", 1)];
    for twice in [false, true] {
        let result = given
            .store
            .apply_interactions(&batch, NOW, LEASE_MS, |input| {
                let mut output = counting(input);
                output.viewers.remove(0);
                if twice {
                    output.viewers.push(output.viewers[0].clone());
                }
                FoldOutput { ..output }
            })
            .await;
        assert!(matches!(result, Err(StoreError::FoldMismatch { given: 2, returned: 1 })), "{result:?}");
    }
    assert_eq!(given.store.totals().await.unwrap(), afterglow_store::Totals::default());
    assert_eq!(apply(&given.store, &batch).await.accepted, 2);
}

async fn a_score_that_is_no_number_changes_nothing(given: Given) {
    ready(&given).await;
    let batch = [message("1", 1)];
    for score in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let result = given
            .store
            .apply_interactions(&batch, NOW, LEASE_MS, |input| {
                let mut output = counting(input);
                output.viewers[0].score_rank = score;
                output
            })
            .await;
        assert!(matches!(result, Err(StoreError::Codec { what: "viewer.score_rank", .. })), "{result:?}");
    }
    assert_eq!(given.store.totals().await.unwrap().accepted, 0);
}

async fn a_large_batch_goes_in_at_once(given: Given) {
    ready(&given).await;
    let batch: Vec<Interaction> = (0..5_000_i64).map(|n| message(&(n % 1_000).to_string(), n)).collect();
    let applied = apply(&given.store, &batch).await;
    assert_eq!((applied.accepted, applied.outbox.len()), (5_000, 5_000));
    assert!(applied.outbox.windows(2).all(|pair| pair[0].seq < pair[1].seq));
}
