//! What other systems are told: over webhooks by a process that is killed, and by following the cursor; nothing is missed, and what
//! comes twice bears the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use afterglow_domain::{BrandId, BrandSettings, DAY_MS, ViewerKey};
use afterglow_sim::Pace;
use afterglow_store::{Brand, FeedEndpointState, Store};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, PATIENCE, in_both_forms};
use crate::processes::run;

in_both_forms!(every_change_arrives_and_can_be_followed, a_crm_that_is_ill_delays_no_other, a_brands_week_is_posted);

/// Runs a command; the consumers of these tests go on meanwhile.
pub(crate) fn afterglow(installation: &Installation, arguments: &[&str]) -> String {
    let output = tokio::task::block_in_place(|| run(arguments, &installation.environment, ""));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

/// What a consumer was posted: the events by id, how often each, and in which order of each viewer.
#[derive(Default)]
struct Taken {
    by_id: BTreeMap<String, Value>,
    posts: u64,
    by_viewer: BTreeMap<String, Vec<u64>>,
}

/// A consumer that answers 500 to one post in `fails`.
async fn consumer(fails: u64) -> (String, Arc<Mutex<Taken>>) {
    let taken = Arc::new(Mutex::new(Taken::default()));
    let (keep, calls) = (Arc::clone(&taken), Arc::new(AtomicU64::new(0)));
    let take = move |headers: HeaderMap, body: Bytes| {
        let (keep, calls) = (Arc::clone(&keep), Arc::clone(&calls));
        async move {
            if fails > 0 && calls.fetch_add(1, Ordering::SeqCst) % fails == fails - 1 {
                return StatusCode::INTERNAL_SERVER_ERROR;
            }
            let event: Value = serde_json::from_slice(&body).unwrap();
            if event["type"] == "app.afterglow.test" {
                return StatusCode::OK;
            }
            let id = event["id"].as_str().unwrap().to_owned();
            assert_eq!(headers["webhook-id"].to_str().unwrap(), id);
            let mut taken = keep.lock().unwrap();
            taken.posts += 1;
            if let Some(before) = taken.by_id.insert(id, event.clone()) {
                assert_eq!(before, event, "what comes twice is the same");
                return StatusCode::OK;
            }
            let viewer = format!("{}/{}", event["account"], event["subject"]);
            taken.by_viewer.entry(viewer).or_default().push(event["sequence"].as_str().unwrap().parse().unwrap());
            StatusCode::OK
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(take))).await });
    (url, taken)
}

/// Has the service that delivers run with what these tests need: calls to this machine.
pub(crate) async fn with_crm(installation: &mut Installation) -> &'static str {
    for (name, value) in [
        ("AFTERGLOW_FEED__ALLOWED_NETWORKS", "127.0.0.0/8"),
        ("AFTERGLOW_FEED__PLAIN_HTTP", "true"),
        ("AFTERGLOW_FEED__POLL_MS", "50"),
        ("AFTERGLOW_FEED__TIMEOUT_MS", "3000"),
    ] {
        installation.environment.push((name.into(), value.into()));
    }
    if installation.services() == ["all"] {
        assert!(installation.take("all").terminate().await.success());
        installation.spawn("all");
        installation.ready().await;
        return "all";
    }
    installation.spawn("crm");
    installation.ready().await;
    "crm"
}

pub(crate) async fn traffic(installation: &Installation, seed: u64) {
    let plan = installation.plan(seed, 150);
    let sim = installation.sim.clone();
    sim.run_traffic(&installation.webhook_url(), plan, Pace::Fast, &CancellationToken::new()).await;
}

/// Looks again and again, until it is so.
macro_rules! until {
    ($installation:expr, $what:literal, $condition:expr) => {
        let begun = Instant::now();
        while !$condition {
            assert!(begun.elapsed() < PATIENCE, "never: {}\n{}", $what, $installation.logs());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
}

/// Whether everything that changed has arrived at the endpoint `crm`.
async fn is_delivered(store: &Store, brand: &BrandId) -> bool {
    let scoped = store.brand(brand);
    let marks = store.brands_with_marks(9).await.unwrap();
    let given = scoped.feed_endpoints().await.unwrap()[0].cursor;
    let head = scoped.feed_tail().await.unwrap().head;
    marks.is_empty() && given == head && scoped.feed_waiting("crm").await.unwrap() == (0, 0)
}

/// Whether the endpoint `gone` is switched off, and this many changes are all there are.
async fn is_gone_and(store: &Store, brand: &BrandId, taken: usize) -> bool {
    let scoped = store.brand(brand);
    let head = scoped.feed_tail().await.unwrap().head;
    let state = scoped.feed_endpoints().await.unwrap();
    let gone = state.iter().any(|one| one.id == "gone" && one.state == FeedEndpointState::Gone);
    gone && head > 0 && taken as u64 == head
}

async fn every_change_arrives_and_can_be_followed(mut installation: Installation) {
    let service = with_crm(&mut installation).await;
    let brand = installation.sim.accounts()[0].brand.clone();
    let (url, taken) = consumer(40).await;
    let add = ["feed", "endpoint", "add", "crm", "--brand", brand.as_str(), "--url", &url, "--per-minute", "600000"];
    assert!(afterglow(&installation, &add).starts_with("whsec_"));
    traffic(&installation, 81).await;
    // In the midst of it the process that delivers is gone, and another takes its place.
    until!(installation, "something arrives", !taken.lock().unwrap().by_id.is_empty());
    installation.take(service).kill();
    installation.spawn(service);
    installation.ready().await;
    traffic(&installation, 82).await;
    installation.at_rest().await;

    let store = installation.store.clone();
    let scoped = store.brand(&brand);
    until!(installation, "all is delivered", is_delivered(&store, &brand).await);

    // The cursor: every number once, and each is what was posted.
    let (mut cursor, mut followed) = (0, BTreeMap::new());
    loop {
        let page = scoped.changes_after(cursor, 50).await.unwrap();
        let Some(last) = page.changes.last() else { break };
        assert_eq!(page.changes[0].sequence, cursor + 1);
        cursor = last.sequence;
        followed.extend(page.changes.into_iter().map(|change| (change.change.to_string(), change.body)));
    }
    assert_eq!(cursor, scoped.feed_tail().await.unwrap().head);
    assert_eq!(u64::try_from(followed.len()).unwrap(), cursor);
    let rows = scoped.viewers_after(&nobody(), 10_000).await.unwrap();
    let taken = taken.lock().unwrap();
    assert_eq!(taken.by_id.keys().collect::<BTreeSet<_>>(), followed.keys().collect());
    for sequences in taken.by_viewer.values() {
        assert!(sequences.is_sorted(), "a viewer's changes arrive in order: {sequences:?}");
    }
    eprintln!("{} changes, {} posts taken", followed.len(), taken.posts);

    // The latest of each viewer is what is known of them.
    assert!(!rows.is_empty());
    for row in rows {
        let viewer = format!("\"{}\"/\"{}\"", row.key.account, row.key.viewer);
        let last = taken.by_viewer[&viewer].last().unwrap();
        let event = taken.by_id.values().find(|event| event["sequence"] == format!("{last:020}")).unwrap();
        assert_eq!(event["data"]["segment"], row.segment.as_str(), "{event}");
        assert_eq!(event["data"]["username"].as_str(), row.username.as_deref());
    }
}

/// Of a brand that has been there for a month, and of which nothing is known.
async fn a_brands_week_is_posted(mut installation: Installation) {
    let now = afterglow_rig::now();
    let brand = Brand {
        id: BrandId::new("harbour"),
        name: "Harbour".into(),
        time_zone: "UTC".into(),
        settings: BrandSettings::default(),
        document_version: 0,
        created: now.minus(30 * DAY_MS),
    };
    installation.store.upsert_brand(&brand).await.unwrap();
    with_crm(&mut installation).await;
    let (url, taken) = consumer(0).await;
    let add = ["feed", "endpoint", "add", "crm", "--brand", "harbour", "--url", &url, "--from", "0"];
    afterglow(&installation, &add);
    until!(installation, "the week is posted", !taken.lock().unwrap().by_id.is_empty());
    until!(installation, "that is written down", is_delivered(&installation.store, &brand.id).await);
    let taken = taken.lock().unwrap();
    let events: Vec<&Value> = taken.by_id.values().collect();
    assert_eq!((taken.posts, events.len()), (1, 1), "once");
    assert_eq!(events[0]["type"], "app.afterglow.week.reported");
    assert_eq!(events[0]["subject"], events[0]["data"]["until"]);
    assert!(events[0]["data"]["until"].as_str().unwrap() < now.day_in("UTC").as_str());
}

pub(crate) fn nobody() -> ViewerKey {
    ViewerKey { account: afterglow_domain::AccountId::new(""), viewer: afterglow_domain::ViewerId::new("") }
}

async fn a_crm_that_is_ill_delays_no_other(mut installation: Installation) {
    with_crm(&mut installation).await;
    let brand = installation.sim.accounts()[0].brand.clone();
    let name = brand.as_str();
    let (well, taken) = consumer(0).await;
    // One hangs, one says 410, one is on an address that may not be called.
    let hangs = Router::new().route("/", post(async || tokio::time::sleep(PATIENCE).await));
    let gone = Router::new().route("/", post(async || StatusCode::GONE));
    let mut urls = Vec::new();
    for router in [hangs, gone] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        urls.push(format!("http://{}/", listener.local_addr().unwrap()));
        tokio::spawn(async move { axum::serve(listener, router).await });
    }
    let ill = [("hangs", urls[0].as_str()), ("gone", urls[1].as_str()), ("inside", "http://10.0.0.1/")];
    for (endpoint, url) in ill.iter().chain(&[("well", well.as_str())]) {
        let add = ["feed", "endpoint", "add", endpoint, "--brand", name, "--url", url, "--per-minute", "600000"];
        afterglow(&installation, &add);
    }
    traffic(&installation, 83).await;
    installation.at_rest().await;
    let store = installation.store.clone();
    let scoped = store.brand(&brand);
    until!(installation, "the one that is well has all of it", {
        let arrived = taken.lock().unwrap().by_id.len();
        is_gone_and(&store, &brand, arrived).await
    });
    let attempts = scoped.feed_attempts("inside", 9).await.unwrap();
    assert!(attempts.iter().all(|one| one.status.is_none() && one.error.is_some()), "{attempts:?}");
    let (waiting, _) = scoped.feed_waiting("hangs").await.unwrap();
    assert!(waiting > 0, "what hangs keeps what waits for it");
    let listed = afterglow(&installation, &["feed", "endpoint", "list", "--brand", name]);
    assert!(listed.contains("\"state\":\"gone\"") && !listed.contains("whsec_"), "{listed}");
    // A test event says what is wrong at once.
    let output = run(&["feed", "endpoint", "test", "inside", "--brand", name], &installation.environment, "");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("private"), "{}", String::from_utf8_lossy(&output.stderr));
    afterglow(&installation, &["feed", "endpoint", "test", "well", "--brand", name]);
}
