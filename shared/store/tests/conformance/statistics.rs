use std::time::{Duration, Instant};

use crate::given::{Given, apply, message, on_both, ready};

on_both!(tables_that_have_grown_are_analysed);

/// PostgreSQL counts what it did a little later.
const PATIENCE: Duration = Duration::from_mins(1);

async fn tables_that_have_grown_are_analysed(given: Given) {
    ready(&given).await;
    let is_postgres = given.url.starts_with("postgres");
    let (begun, mut analysed) = (Instant::now(), Vec::new());
    for n in 0.. {
        let batch: Vec<_> = (0..500).map(|m| message(&format!("{n}-{m}"), 1)).collect();
        apply(&given.store, &batch).await;
        analysed.extend(given.store.analyse_grown_tables().await.unwrap());
        if !is_postgres || analysed.iter().any(|table| table.ends_with(".interaction")) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it was never analysed: {analysed:?}");
    }
    // What does not grow is left alone, once the server has counted all of it.
    while !given.store.analyse_grown_tables().await.unwrap().is_empty() {
        assert!(begun.elapsed() < PATIENCE, "it is analysed again and again");
    }
    assert!(is_postgres || analysed.is_empty(), "{analysed:?}");
}
