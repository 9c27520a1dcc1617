//! What remains of a Story after its 24 hours.

use afterglow_domain::{HOUR_MS, Kind};
use afterglow_sim::world::Story;
use serde_json::Value;

use crate::installation::{Installation, PATIENCE, in_both_forms, now};
use crate::processes::run;

in_both_forms!(the_figures_of_live_stories_are_kept);

async fn the_figures_of_live_stories_are_kept(mut installation: Installation) {
    let account = installation.sim.accounts()[0].id.clone();
    let brand = installation.sim.accounts()[0].brand.clone();
    let story = |id: &str, age_ms: i64, viewers| Story { id: id.into(), posted: now().minus(age_ms), viewers };
    for (id, age_ms, viewers) in [("s-seen", HOUR_MS, 300), ("s-few", HOUR_MS, 4), ("s-ended", 25 * HOUR_MS, 900)] {
        installation.sim.with_world(|world| world.set_story(&account, story(id, age_ms, viewers)));
    }
    let ingest = if installation.services() == ["all"] { "all" } else { "ingest" };
    installation.environment.push(("AFTERGLOW_INGEST__INSIGHTS_MS".into(), "100".into()));
    assert!(installation.take(ingest).terminate().await.success());
    installation.spawn(ingest);
    installation.ready().await;
    let begun = std::time::Instant::now();
    while installation.totals().await.accepted < 2 {
        assert!(begun.elapsed() < PATIENCE, "{}", installation.logs());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let arguments = ["story-insights", "--brand", brand.as_str(), "--json"];
    let shown = run(&arguments, &installation.environment, "");
    let text = String::from_utf8(shown.stdout).unwrap();
    let samples: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |id: &str| samples.iter().find(|sample| sample["story_id"] == id);
    let seen = &of("s-seen").unwrap()["metrics"];
    assert_eq!(
        (&seen["reach"], &seen["navigation_tap_forward"], &seen["replies"]),
        (&300.into(), &300.into(), &0.into())
    );
    let few = &of("s-few").unwrap()["metrics"];
    assert!(few["reach"].is_null() && few["navigation"].is_null(), "fewer than five is unknown, never zero: {few}");
    assert!(of("s-ended").is_none());
    assert_eq!(samples.len(), 2, "the next ones are due in half an hour");
    let csv = run(&["story-insights", "--brand", brand.as_str(), "--story", "s-few"], &installation.environment, "");
    let csv = String::from_utf8(csv.stdout).unwrap();
    assert_eq!(csv.lines().count(), 2);
    assert!(csv.lines().nth(1).unwrap().ends_with(",,,,"), "{csv}");
    let brand_store = installation.store.brand(&brand);
    let all = brand_store.interactions_between(now().minus(HOUR_MS), now().plus(1)).await.unwrap();
    assert!(all.iter().all(|i| i.kind() == Kind::StoryInsights && i.viewer.is_none() && !i.is_contact()));
    assert!(installation.sim.violations().is_empty(), "{:?}", installation.sim.violations());
}
