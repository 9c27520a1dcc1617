//! The promise under virtual time: the real gate, fence, pace, sender and fate-finder over a real store, against the
//! simulator's rules, with reordering, duplicates, delays up to 36 hours, two replicas, false errors, and crashes at every step.
//!
//! A seed is a history: `AFTERGLOW_SIM_SEED=17` runs that one alone. What happens when is the same on every machine; a crash falls
//! after a number of polls, and how far these carried the database's own thread is not in the seed's hand.
//! `AFTERGLOW_SIM_HISTORIES=1000000` asks for as many, `AFTERGLOW_SIM_SECONDS=300` for as long.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asked;
mod ground;
mod happened;
mod history;
mod late;
mod meta;
mod mutation;
mod sequences;
mod takeover;

use std::time::{Duration, Instant};

use ground::Ground;
use history::Verdict;
use mutation::Mutation;

pub(crate) fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Histories of the short run, and how long it may take.
const SHORT: (u64, u64) = (80, 60);

#[tokio::test]
async fn nobody_unwanted_is_written_to_and_nobody_is_lost() {
    if let Some(seed) = setting("AFTERGLOW_SIM_SEED") {
        let ground = Ground::new(None).await;
        let verdict = Box::pin(ground.run(seed)).await;
        assert!(verdict.is_good(), "seed {seed}: {verdict:#?}");
        return;
    }
    let histories = setting("AFTERGLOW_SIM_HISTORIES").unwrap_or(SHORT.0);
    let limit = Duration::from_secs(setting("AFTERGLOW_SIM_SECONDS").unwrap_or(SHORT.1));
    let (begun, mut ground, mut sum) = (Instant::now(), Ground::new(None).await, Verdict::default());
    let mut run = 0;
    for seed in 0..histories {
        if begun.elapsed() > limit {
            break;
        }
        // A store as large as a day's: old histories are not carried along for ever.
        if seed % 500 == 499 {
            ground = Ground::new(None).await;
        }
        let verdict = Box::pin(ground.run(seed)).await;
        assert!(verdict.is_good(), "AFTERGLOW_SIM_SEED={seed} runs it again: {verdict:#?}");
        sum.add(&verdict);
        run += 1;
    }
    eprintln!(
        "{run} histories in {:.1?}: {} things happened, {} crashes, {} requests to Meta, {} answers, 0 violations, 0 lost",
        begun.elapsed(),
        sum.happened,
        sum.crashes,
        sum.requests,
        sum.answers
    );
    assert!(
        sum.crashes > 0 && sum.answers > 0 && sum.requests > sum.answers,
        "the histories are worth judging: {sum:?}"
    );
}

/// A judge that cannot find a fault is worth nothing: each deliberate bug is noticed within some histories.
#[tokio::test]
async fn every_deliberate_bug_is_caught() {
    for mutation in Mutation::ALL {
        let ground = Ground::new(Some(mutation)).await;
        let mut caught = None;
        for seed in 0..200 {
            if !Box::pin(ground.run(seed)).await.is_good() {
                caught = Some(seed);
                break;
            }
        }
        eprintln!("{mutation:?}: caught by history {caught:?}");
        assert!(caught.is_some(), "{mutation:?} goes unnoticed");
    }
}
