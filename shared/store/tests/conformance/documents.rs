use afterglow_domain::{BrandSettings, Interaction, Timestamp, ViewerKey};
use afterglow_store::{DocumentApplied, NewDocument, Review, Reviewer, Store, ViewerRow};

use crate::given::{Given, NOW, apply, at, brand, key, lumen, message, on_both, ready};

on_both!(
    documents_are_kept_and_conflicts_are_told,
    of_two_who_apply_at_once_one_wins,
    viewers_are_looked_at_when_their_moment_comes,
    logs_are_read_viewer_by_viewer,
);

async fn put(store: &Store, text: &str, expected: Option<i64>) -> DocumentApplied {
    let mut settings = BrandSettings::default();
    settings.sla.hot_minutes = 7;
    let document = NewDocument {
        brand: &lumen(),
        name: "Lumen",
        time_zone: "UTC",
        text,
        settings: &settings,
        by: "maya",
        note: "",
        expected,
    };
    store.apply_document(&document, NOW).await.unwrap()
}

async fn documents_are_kept_and_conflicts_are_told(given: Given) {
    let store = &given.store;
    store.migrate().await.unwrap();
    assert_eq!(put(store, "one", None).await, DocumentApplied::Applied(1), "the brand is made by its document");
    assert_eq!(put(store, "two", Some(1)).await, DocumentApplied::Applied(2));
    assert_eq!(put(store, "three", Some(1)).await, DocumentApplied::Conflict { current: 2 });
    let stored = store.brand(&lumen()).brand().await.unwrap().unwrap();
    assert_eq!((stored.document_version, stored.settings.sla.hot_minutes), (2, 7));
    let texts: Vec<(i64, String)> =
        store.brand(&lumen()).documents().await.unwrap().into_iter().map(|d| (d.version, d.text)).collect();
    assert_eq!(texts, [(2, "two".into()), (1, "one".into())]);
    assert_eq!(store.brand(&lumen()).document(1).await.unwrap().unwrap().applied_by, "maya");
    assert_eq!(store.brand(&lumen()).document(9).await.unwrap(), None);
    assert_eq!(store.document_versions().await.unwrap(), [(lumen(), 2)]);
    // Another brand does not see them.
    store.upsert_brand(&brand("umbra")).await.unwrap();
    assert!(store.brand(&afterglow_domain::BrandId::new("umbra")).documents().await.unwrap().is_empty());
}

async fn of_two_who_apply_at_once_one_wins(given: Given) {
    let store = given.store.clone();
    store.migrate().await.unwrap();
    put(&store, "first", None).await;
    let tasks = (0..8).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { put(&store, &format!("by {n}"), Some(1)).await })
    });
    let mut won = 0;
    for task in tasks.collect::<Vec<_>>() {
        won += usize::from(task.await.unwrap() == DocumentApplied::Applied(2));
    }
    assert_eq!(won, 1);
}

/// Marks whom it looked at, and how much of a log it was given.
struct Marking;

impl Reviewer for Marking {
    fn review(&self, row: ViewerRow, document_version: i64) -> Review {
        if document_version > 1 {
            return Review::Later;
        }
        if row.key == key("2") { Review::FromLog(row) } else { Review::Row(ViewerRow { review: None, ..row }) }
    }
    fn refold(&self, row: ViewerRow, log: &[Interaction]) -> ViewerRow {
        ViewerRow { tags: vec![format!("{} in the log", log.len())], review: None, ..row }
    }
}

async fn viewers_are_looked_at_when_their_moment_comes(given: Given) {
    ready(&given).await;
    let store = &given.store;
    apply(store, &[message("1", 1), message("2", 1), message("2", 2)]).await;
    let due = store.brand(&lumen()).viewer(&key("1"), 0).await.unwrap().unwrap().row.review.unwrap();
    assert_eq!(store.review(due.minus(10_000), 10, &Marking).await.unwrap(), 0, "nobody's moment has come");
    assert_eq!(store.review(due.plus(10_000), 10, &Marking).await.unwrap(), 2);
    assert_eq!(store.review(due.plus(10_000), 10, &Marking).await.unwrap(), 0, "once");
    let row = store.brand(&lumen()).viewer(&key("2"), 0).await.unwrap().unwrap().row;
    assert_eq!((row.tags, row.review), (vec!["2 in the log".to_owned()], None));
    // A document brings everybody's moment.
    put(store, "new rules", None).await;
    assert_eq!(store.review(NOW, 10, &Marking).await.unwrap(), 2);
    // Whoever does not know the rules in force leaves them to others.
    put(store, "newer rules", None).await;
    assert_eq!(store.review(NOW, 10, &Marking).await.unwrap(), 0);
    assert_eq!(store.mark_outdated(&lumen(), 2, NOW).await.unwrap(), 2);
}

async fn logs_are_read_viewer_by_viewer(given: Given) {
    ready(&given).await;
    let store = &given.store;
    let mut batch = Vec::new();
    for viewer in 1..=7 {
        for n in 0..viewer {
            batch.push(message(&viewer.to_string(), n));
        }
    }
    apply(store, &batch).await;
    let scope = lumen();
    let mut position =
        ViewerKey { account: afterglow_domain::AccountId::new(""), viewer: afterglow_domain::ViewerId::new("") };
    let mut lengths = Vec::new();
    loop {
        let logs = store.brand(&scope).viewer_logs(&position, Timestamp::default(), 3).await.unwrap();
        let Some(last) = logs.last() else { break };
        position = last.row.key.clone();
        for viewer in logs {
            assert!(viewer.log.iter().all(|interaction| interaction.viewer_key().as_ref() == Some(&viewer.row.key)));
            assert!(viewer.log.is_sorted_by_key(|interaction| (interaction.occurred, interaction.id)));
            lengths.push((viewer.row.key.viewer.as_str().to_owned(), viewer.log.len()));
        }
    }
    assert_eq!(lengths, (1..=7).map(|n| (n.to_string(), n)).collect::<Vec<_>>());
    assert_eq!(store.brand(&scope).viewer_count(Timestamp::default()).await.unwrap(), 7);
    assert_eq!(store.brand(&scope).viewer_count(at(1_000_000)).await.unwrap(), 0);
}
