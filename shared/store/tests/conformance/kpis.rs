//! The counts behind a brand's figures.

use afterglow_domain::{BrandId, DerivedId as _, InteractionId};
use afterglow_store::{FeedSubject, KpiChange, KpiStretch, StoreError};
use uuid::Uuid;

use crate::given::{Given, apply, key, lumen, message, on_both, ready};

on_both!(sums_follow_what_viewers_add, who_changed_is_told_once);

type Place = (String, String, String, String);

fn place(day: &str, measure: &str) -> Place {
    (day.into(), "all".into(), String::new(), measure.into())
}

async fn sums_follow_what_viewers_add(given: Given) {
    ready(&given).await;
    let brand = lumen();
    let store = given.store.brand(&brand);
    let change = |viewer: &str, counts: &str, changes: Vec<(Place, i64)>| KpiChange {
        viewer: key(viewer),
        counts: counts.into(),
        changes,
    };
    let first = vec![(place("2026-11-01", "sent"), 2), (place("2026-11-02", "sent"), 1)];
    store
        .count_kpis(&[change("1", "a", first), change("2", "b", vec![(place("2026-11-01", "sent"), 3)])], 7)
        .await
        .unwrap();
    assert_eq!(store.kpi_head().await.unwrap(), 7);
    let days = store.kpi_days("all", "2026-11-01", "2026-11-01").await.unwrap();
    assert_eq!(days, [(place("2026-11-01", "sent"), 5)]);
    // Something came late: the past is corrected.
    store.count_kpis(&[change("1", "c", vec![(place("2026-11-01", "sent"), -2)])], 9).await.unwrap();
    let days = store.kpi_days("all", "2026-10-01", "2026-12-01").await.unwrap();
    assert_eq!(days, [(place("2026-11-01", "sent"), 3), (place("2026-11-02", "sent"), 1)]);
    // The months follow: whole ones from theirs, the rest from days.
    let stretch = |months: (&str, &str), before: (&str, &str), after: (&str, &str)| {
        let owned = |(from, to): (&str, &str)| (from.to_owned(), to.to_owned());
        KpiStretch { months: owned(months), before: owned(before), after: owned(after) }
    };
    let none = ("9", "0");
    for (over, expected) in [
        (stretch(("2026-11", "2026-11"), none, none), 4),
        (stretch(none, ("2026-11-01", "2026-11-01"), none), 3),
        (stretch(none, ("2026-11-01", "2026-11-01"), ("2026-11-02", "2026-11-02")), 4),
        (stretch(("2026-10", "2026-10"), none, ("2026-11-01", "2026-11-02")), 4),
    ] {
        let totals = store.kpi_totals("all", &over).await.unwrap();
        assert_eq!(totals, [(String::new(), "sent".to_owned(), expected)], "{over:?}");
    }
    let known = store.kpi_counts(&[key("1"), key("2"), key("3")]).await.unwrap();
    assert_eq!((known.len(), known[&key("1")].as_str()), (2, "c"));
    let strange = BrandId::new("umbra");
    let other = given.store.brand(&strange);
    assert!(other.kpi_days("all", "2026-01-01", "2026-12-31").await.unwrap().is_empty());
    let november = stretch(("2026-11", "2026-11"), none, none);
    assert!(other.kpi_totals("all", &november).await.unwrap().is_empty());
    assert!(other.kpi_counts(&[key("1")]).await.unwrap().is_empty());
    store.clear_kpis(11).await.unwrap();
    assert!(store.kpi_days("all", "2026-01-01", "2026-12-31").await.unwrap().is_empty());
    assert!(store.kpi_totals("all", &november).await.unwrap().is_empty());
    assert_eq!(store.kpi_head().await.unwrap(), 11);
}

async fn who_changed_is_told_once(given: Given) {
    ready(&given).await;
    let brand = lumen();
    let store = given.store.brand(&brand);
    let render = |sequence: u64, _: &FeedSubject| -> Result<(Uuid, String), StoreError> {
        Ok((InteractionId::derive(&[&sequence.to_string()]).uuid(), "{}".into()))
    };
    for n in 0..2 {
        apply(&given.store, &[message("1", n), message("2", n)]).await;
        store.number_changes(100, &render).await.unwrap();
    }
    assert_eq!(store.changed_viewers(0, 100).await.unwrap(), (vec![key("1"), key("2")], 4));
    assert_eq!(store.changed_viewers(0, 1).await.unwrap(), (vec![key("1")], 1));
    assert_eq!(store.changed_viewers(4, 100).await.unwrap(), (vec![], 4));
    assert!(
        store.written_to(&key("1")).await.unwrap().is_empty() && store.stops_of(&key("1")).await.unwrap().is_empty()
    );
}
