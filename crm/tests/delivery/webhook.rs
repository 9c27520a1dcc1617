use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use afterglow_crm::ViewerRecord;
use afterglow_crm::egress::{AddressPolicy, EgressClient, EgressSettings};
use afterglow_crm::webhook::{
    Change, ChangeEvent, DeadReason, Deliverer, DelivererSettings, Endpoint, EndpointId, MAX_ATTEMPTS, Rate, Secrets,
    Settlement, SigningSecret,
};
use afterglow_domain::{AccountId, BrandId, Segment, Timestamp, ViewerId};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::memory_queue::MemoryQueue;
use crate::server::{read_head, serve, serve_raw, stream_for_ever};

pub(crate) const TIMEOUT: Duration = Duration::from_millis(400);

/// A deliverer over a queue in memory, with a clock that can be moved on.
pub(crate) struct Bench {
    pub(crate) queue: Arc<MemoryQueue>,
    skipped_ms: Arc<AtomicI64>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Bench {
    pub(crate) fn start() -> Self {
        Self::with(Arc::new(MemoryQueue::default()))
    }

    fn with(queue: Arc<MemoryQueue>) -> Self {
        let skipped_ms = Arc::new(AtomicI64::new(0));
        let skipped = Arc::clone(&skipped_ms);
        let clock = move || Timestamp::from_millis(afterglow_runtime::now_ms() + skipped.load(Ordering::SeqCst));
        let client = EgressClient::new(EgressSettings {
            policy: AddressPolicy { allowed_networks: vec!["127.0.0.0/8".parse().unwrap()], plain_http: true },
            timeout: TIMEOUT,
            max_body: 4096,
        })
        .unwrap();
        let settings = DelivererSettings { poll: Duration::from_millis(10), lease_ms: 60_000 };
        let (stop, queue_of_it) = (CancellationToken::new(), Arc::clone(&queue));
        let deliverer = Deliverer::new(queue_of_it, client, Arc::new(clock), 7, settings);
        let task = tokio::spawn(deliverer.run(stop.clone()));
        Self { queue, skipped_ms, stop, task }
    }

    pub(crate) fn skip(&self, ms: i64) {
        self.skipped_ms.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) async fn stop(self) -> Arc<MemoryQueue> {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), self.task).await.expect("it stops").unwrap();
        self.queue
    }
}

pub(crate) fn secret(byte: u8) -> SigningSecret {
    SigningSecret::from_bytes(vec![byte; 32]).unwrap()
}

pub(crate) fn endpoint(id: &str, url: &str) -> Endpoint {
    Endpoint {
        id: EndpointId::new(id),
        brand: BrandId::new("lumen"),
        url: url.parse().unwrap(),
        secrets: Secrets::new(secret(1)),
        rate: Rate { per_minute: 60_000, burst: 100 },
        concurrency: 4,
    }
}

pub(crate) fn event(sequence: u64, viewer: &str) -> ChangeEvent {
    let at = Timestamp::from_millis(1_780_000_000_000);
    let record = ViewerRecord {
        brand: BrandId::new("lumen"),
        account: AccountId::new("17841400000000000"),
        viewer: ViewerId::new(viewer),
        username: Some("mira \u{1F496}".into()),
        segment: Segment::Warm,
        score_milli: 1500,
        tags: ["repeat viewer".to_owned()].into(),
        consent: None,
        last_contact: None,
        first_seen: at,
    };
    ChangeEvent { sequence, at, change: Change::Updated(record) }
}

pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What a receiver was sent, in order: (viewer, sequence).
type Received = Arc<Mutex<Vec<(String, u64)>>>;

fn note(received: &Received, body: &[u8]) -> (String, u64) {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap();
    let seen = (json["subject"].as_str().unwrap().to_owned(), json["sequence"].as_str().unwrap().parse().unwrap());
    received.lock().unwrap().push(seen.clone());
    seen
}

#[tokio::test]
async fn what_arrives_is_signed_by_both_secrets_of_a_rotation() {
    let got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>> = Arc::default();
    let keep = Arc::clone(&got);
    let server = serve(Router::new().route(
        "/hook",
        post(move |headers: HeaderMap, body: Bytes| async move { keep.lock().unwrap().push((headers, body)) }),
    ))
    .await;
    let bench = Bench::start();
    let until_later = Timestamp::from_millis(afterglow_runtime::now_ms() + 60_000);
    let secrets = Secrets::new(secret(1)).rotate(secret(2), until_later);
    bench.queue.add_endpoint(Endpoint { secrets, ..endpoint("a", &format!("http://{server}/hook")) });
    bench.queue.push("a", &event(1, "v1"));
    until("it arrives", || bench.queue.settled("a").len() == 1).await;
    {
        let got = got.lock().unwrap();
        let (headers, body) = &got[0];
        assert_eq!(headers["content-type"], "application/cloudevents+json; charset=utf-8");
        assert_eq!(headers["webhook-id"].to_str().unwrap(), event(1, "v1").id().to_string());
        for (byte, accepted) in [(1, true), (2, true), (3, false)] {
            let library = standardwebhooks::Webhook::new(&secret(byte).reveal()).unwrap();
            assert_eq!(library.verify(body, headers).is_ok(), accepted, "{byte}");
        }
    }
    // A secret that is replaced while the lane is busy, or afterwards, is used from then on.
    bench.queue.change_endpoint("a", |e| e.secrets = Secrets::new(secret(3)));
    bench.queue.push("a", &event(2, "v1"));
    until("it arrives", || bench.queue.settled("a").len() == 2).await;
    bench.stop().await;
    let got = got.lock().unwrap();
    let library = standardwebhooks::Webhook::new(&secret(3).reveal()).unwrap();
    assert!(library.verify(&got[1].1, &got[1].0).is_ok());
}

#[tokio::test]
async fn a_viewers_next_change_waits_and_other_viewers_go_on() {
    let received = Received::default();
    let (keep, well) = (Arc::clone(&received), Arc::new(AtomicBool::new(false)));
    let well_now = Arc::clone(&well);
    let server = serve(Router::new().route(
        "/",
        post(move |body: Bytes| async move {
            let (viewer, _) = note(&keep, &body);
            let ok = viewer != "slow" || well_now.load(Ordering::SeqCst);
            if ok { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }
        }),
    ))
    .await;
    let bench = Bench::start();
    bench.queue.add_endpoint(endpoint("a", &format!("http://{server}/")));
    for (sequence, viewer) in [(1, "slow"), (2, "slow"), (3, "x"), (4, "y"), (5, "x"), (6, "slow")] {
        bench.queue.push("a", &event(sequence, viewer));
    }
    until("the others arrive", || bench.queue.settled("a").len() == 3).await;
    assert!(received.lock().unwrap().iter().all(|(viewer, n)| viewer != "slow" || *n == 1), "2 or 6 overtook 1");
    well.store(true, Ordering::SeqCst);
    bench.skip(20_000); // past the longest first wait
    until("all arrive", || bench.queue.settled("a").len() == 6).await;
    bench.stop().await;
    let mut by_viewer: HashMap<String, Vec<u64>> = HashMap::new();
    for (viewer, sequence) in received.lock().unwrap().iter() {
        by_viewer.entry(viewer.clone()).or_default().push(*sequence);
    }
    assert_eq!(by_viewer["slow"], [1, 1, 2, 6]);
    assert_eq!(by_viewer["x"], [3, 5]);
}

#[tokio::test]
async fn a_dead_or_slow_endpoint_slows_no_other() {
    let hang = serve_raw(|mut stream| async move {
        read_head(&mut stream).await;
        tokio::time::sleep(Duration::from_mins(1)).await;
    })
    .await;
    let flood = serve_raw(stream_for_ever).await;
    let received = Received::default();
    let keep = Arc::clone(&received);
    let well =
        serve(Router::new().route("/", post(move |body: Bytes| async move { note(&keep, &body).1.to_string() }))).await;
    let bench = Bench::start();
    bench.queue.add_endpoint(endpoint("hangs", &format!("http://{hang}/")));
    bench.queue.add_endpoint(endpoint("floods", &format!("http://{flood}/")));
    bench.queue.add_endpoint(endpoint("inside", "http://10.0.0.1/"));
    bench.queue.add_endpoint(endpoint("well", &format!("http://{well}/")));
    for n in 0..200 {
        for id in ["hangs", "floods", "inside", "well"] {
            bench.queue.push(id, &event(n, &format!("v{n}")));
        }
    }
    let began = Instant::now();
    until("all of the well one's arrive", || bench.queue.settled("well").len() == 200).await;
    // The hanging one takes 400 ms for each four: 200 in its wake would take twenty seconds.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    until("the hanging one is noticed", || bench.queue.log().iter().any(|a| a.error == Some("timed_out"))).await;
    let log = bench.stop().await.log();
    assert!(log.iter().filter(|a| a.endpoint.as_str() == "inside").all(|a| a.error == Some("refused_url")));
    assert!(log.iter().filter(|a| a.endpoint.as_str() == "floods").all(|a| a.status == Some(200)));
}

#[tokio::test]
async fn who_fails_again_and_again_is_left_alone_then_asked_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let (count, well) = (Arc::clone(&calls), Arc::new(AtomicBool::new(false)));
    let well_now = Arc::clone(&well);
    let server = serve(Router::new().route(
        "/",
        post(move || async move {
            count.fetch_add(1, Ordering::SeqCst);
            if well_now.load(Ordering::SeqCst) { StatusCode::OK } else { StatusCode::BAD_GATEWAY }
        }),
    ))
    .await;
    let bench = Bench::start();
    bench.queue.add_endpoint(endpoint("a", &format!("http://{server}/")));
    (0..100).for_each(|n| bench.queue.push("a", &event(n, &format!("v{n}"))));
    until("it is tried", || calls.load(Ordering::SeqCst) >= 5).await;
    until("what was under way has ended", || bench.queue.log().len() == calls.load(Ordering::SeqCst)).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = calls.load(Ordering::SeqCst);
    assert!((5..=8).contains(&before), "five failures open it, and three more may be under way: {before}");
    bench.skip(30_000);
    until("it is asked", || calls.load(Ordering::SeqCst) > before).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(calls.load(Ordering::SeqCst), before + 1, "one probe");
    well.store(true, Ordering::SeqCst);
    bench.skip(60_000);
    until("all arrive", || bench.queue.settled("a").len() == 100).await;
    bench.stop().await;
}

#[tokio::test]
async fn after_the_last_attempt_it_is_dead_and_the_next_goes_on() {
    let server = serve(Router::new().route(
        "/",
        post(move |body: Bytes| async move {
            let first = String::from_utf8_lossy(&body).contains("00000000000000000001\"");
            if first { (StatusCode::BAD_REQUEST, "no such field") } else { (StatusCode::OK, "") }
        }),
    ))
    .await;
    let bench = Bench::start();
    bench.queue.add_endpoint(endpoint("a", &format!("http://{server}/")));
    bench.queue.push("a", &event(1, "v"));
    bench.queue.push("a", &event(2, "v"));
    for attempt in 1..=usize::try_from(MAX_ATTEMPTS).unwrap() {
        until("the next attempt", || bench.queue.log().len() >= attempt).await;
        bench.skip(13 * 3_600_000); // past any wait and any pause
    }
    until("the second arrives", || bench.queue.settled("a").len() == 2).await;
    let queue = bench.stop().await;
    assert_eq!(queue.settled("a"), [Settlement::Dead(DeadReason::Exhausted), Settlement::Delivered]);
    let log = queue.log();
    let numbers: Vec<u32> = log.iter().take(24).map(|attempt| attempt.number).collect();
    assert_eq!(numbers, (1..=MAX_ATTEMPTS).collect::<Vec<_>>());
    assert_eq!(log[0].excerpt.as_deref(), Some("no such field"));
    assert_eq!((log[24].number, log[24].status), (1, Some(200)));
}

#[tokio::test]
async fn who_says_gone_is_asked_no_more() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let server = serve(Router::new().route(
        "/",
        post(move || async move {
            count.fetch_add(1, Ordering::SeqCst);
            StatusCode::GONE
        }),
    ))
    .await;
    let bench = Bench::start();
    bench.queue.add_endpoint(Endpoint { concurrency: 1, ..endpoint("a", &format!("http://{server}/")) });
    (0..10).for_each(|n| bench.queue.push("a", &event(n, &format!("v{n}"))));
    until("it is told", || bench.queue.is_off("a")).await;
    bench.skip(24 * 3_600_000);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let queue = bench.stop().await;
    assert_eq!(queue.settled("a"), [Settlement::Dead(DeadReason::Gone)]);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn stopping_lets_what_is_under_way_end() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let server = serve(Router::new().route(
        "/",
        post(move || async move {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(150)).await;
        }),
    ))
    .await;
    let bench = Bench::start();
    bench.queue.add_endpoint(Endpoint { concurrency: 2, ..endpoint("a", &format!("http://{server}/")) });
    (0..50).for_each(|n| bench.queue.push("a", &event(n, &format!("v{n}"))));
    until("two are under way", || calls.load(Ordering::SeqCst) == 2).await;
    let queue = bench.stop().await;
    assert_eq!(queue.settled("a"), [Settlement::Delivered; 2], "neither cut off nor begun anew");
}

#[tokio::test]
async fn the_rate_is_kept_without_resting_longer_than_it_asks() {
    let server = serve(Router::new().route("/", post(|| async {}))).await;
    let bench = Bench::start();
    let rate = Rate { per_minute: 6000, burst: 5 };
    bench.queue.add_endpoint(Endpoint { rate, ..endpoint("a", &format!("http://{server}/")) });
    (0..55).for_each(|n| bench.queue.push("a", &event(n, &format!("v{n}"))));
    let began = Instant::now();
    until("all arrive", || bench.queue.settled("a").len() == 55).await;
    let took = began.elapsed();
    bench.stop().await;
    assert!(took >= Duration::from_millis(490), "50 calls at 100 a second take half a second: {took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn what_is_set_anew_holds_in_the_midst_of_a_backlog() {
    let last: Arc<Mutex<Option<(HeaderMap, Bytes)>>> = Arc::default();
    let keep = Arc::clone(&last);
    let server = serve(Router::new().route(
        "/",
        post(move |headers: HeaderMap, body: Bytes| async move { *keep.lock().unwrap() = Some((headers, body)) }),
    ))
    .await;
    let bench = Bench::start();
    let rate = Rate { per_minute: 6, burst: 1 };
    bench.queue.add_endpoint(Endpoint { rate, ..endpoint("a", &format!("http://{server}/")) });
    (0..30).for_each(|n| bench.queue.push("a", &event(n, &format!("v{n}"))));
    until("the first arrives", || bench.queue.settled("a").len() == 1).await;
    bench.queue.change_endpoint("a", |e| {
        e.rate = Rate { per_minute: 60_000, burst: 100 };
        e.secrets = Secrets::new(secret(9));
    });
    until("all arrive, which at the former rate takes five minutes", || bench.queue.settled("a").len() == 30).await;
    bench.stop().await;
    let (headers, body) = last.lock().unwrap().take().unwrap();
    assert!(standardwebhooks::Webhook::new(&secret(9).reveal()).unwrap().verify(&body, &headers).is_ok());
}
