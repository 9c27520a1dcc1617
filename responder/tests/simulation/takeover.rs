//! A person begins to write while automation is about to: whoever comes first under the fence, automation claims nothing after
//! the person has.
//!
//! `AFTERGLOW_SIM_RACES=10000 cargo test --release -p afterglow-responder --test simulation takeover -- --nocapture`

use std::sync::Arc;

use afterglow_domain::{BrandSettings, Intent, MINUTE_MS, PersonsMessage, PlayId};
use afterglow_scorer::Rulebooks;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sqlx::Connection as _;
use std::sync::atomic::Ordering;

use crate::ground::Ground;
use crate::happened::answers_a_story;
use crate::history::patiently;
use crate::setting;

/// Races of the short run.
const SHORT: u64 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn automation_claims_nothing_after_a_person_has_taken_over() {
    let races = setting("AFTERGLOW_SIM_RACES").unwrap_or(SHORT);
    let ground = Arc::new(Ground::with(BrandSettings::answering_story_replies("Thank you!"), 0, None).await);
    ground.play();
    let rulebooks = Rulebooks::load(&ground.store).await.unwrap();
    let mut dice = StdRng::seed_from_u64(7);
    for n in 0..races {
        ground.now.fetch_add(MINUTE_MS, Ordering::Relaxed);
        let intent = answers_a_story(&ground, &rulebooks, n, (n, "Lovely!")).await;
        let (lead, side) = (dice.random_range(0..400), dice.random_range(0..2));
        // A third of the races each are over before the other begins: whichever machine plays, both win.
        let mut automation = {
            let (ground, intent) = (Arc::clone(&ground), intent.clone());
            Some(async move {
                wait(if side == 0 { lead } else { 0 }).await;
                patiently(|| ground.replicas[0].speak(&intent)).await;
            })
        };
        let mut person = {
            let ground = Arc::clone(&ground);
            Some(async move {
                wait(if side == 1 { lead } else { 0 }).await;
                let scope = ground.store.brand(&ground.account.brand);
                let now = ground.now();
                let message = PersonsMessage { text: format!("Hello, number {n}"), by: "maya".into() };
                let play = PlayId::new("person");
                let id = Intent::derive_id(&play, intent.cause, u8::MAX);
                let written = Intent { id, play, person: Some(message), created: now, ..intent };
                scope.write_as_person(&written, None, now).await.unwrap();
            })
        };
        match n % 3 {
            0 => automation.take().unwrap().await,
            1 => person.take().unwrap().await,
            _ => {}
        }
        let spawned = [automation.map(tokio::spawn), person.map(tokio::spawn)];
        for task in spawned.into_iter().flatten() {
            task.await.unwrap();
        }
    }
    let (spoke, silent, after) = counted(&ground, races).await;
    eprintln!(
        "{races} races: automation spoke before the person {spoke} times, was silenced {silent} times, and spoke after {after} times"
    );
    assert_eq!(after, 0);
    assert_eq!(spoke + silent, races);
    assert!(spoke > races / 20 && silent > races / 20, "both win now and then");
    let violations = ground.wire.on_stage(|stage| stage.world.violations().to_vec());
    assert!(violations.is_empty(), "{violations:?}");
}

/// Spins for a while: what is raced is shorter than any timer.
async fn wait(turns: u32) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

/// How often automation spoke before, was silenced, and spoke after: a send is claimed under the fence's lock, and bears its epoch.
/// The take-over is the only thing that raises a viewer's epoch here, so a claim of the raised one came after it.
async fn counted(ground: &Ground, races: u64) -> (u64, u64, u64) {
    let file = ground.folder.path().join("afterglow.db");
    let mut connection = sqlx::SqliteConnection::connect(file.to_str().unwrap()).await.unwrap();
    let sql = "SELECT
            COUNT(CASE WHEN s.epoch < c.epoch THEN 1 END), COUNT(CASE WHEN s.epoch >= c.epoch THEN 1 END)
        FROM send s JOIN consent c ON c.account = s.account AND c.viewer = s.viewer
        WHERE s.by_person IS NULL AND s.status IN ('sending', 'sent', 'unknown', 'failed')";
    let (spoke, after): (i64, i64) = sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap();
    (spoke.unsigned_abs(), races - spoke.unsigned_abs() - after.unsigned_abs(), after.unsigned_abs())
}
