//! The endpoint through its real router, with the embedded bus behind it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use afterglow_bus::{Bus, EmbeddedBus, Lane};
use afterglow_domain::{BrandId, Channel, ConsentState, FenceChange, Interaction, Kind, Quarantined, Timestamp};
use afterglow_ingest::{HeldRefusals, Ingest, Quotas, UnderWay, router};
use afterglow_meta::{AppSecrets, sign};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use secrecy::SecretString;
use tower::ServiceExt as _;

const SECRET: &str = "an app secret";
const STORY_REPLY: &str = include_str!("../../shared/meta/tests/fixtures/meta-docs__ig-story-reply.json");

struct Endpoint {
    router: Router,
    under_way: UnderWay,
    bus: Arc<dyn Bus>,
    _folder: tempfile::TempDir,
}

impl Endpoint {
    async fn start() -> Self {
        Self::with(Quotas::new(0, 0)).await
    }

    async fn with(quotas: Quotas) -> Self {
        let under_way = UnderWay::default();
        let folder = tempfile::tempdir().unwrap();
        let bus: Arc<dyn Bus> = Arc::new(EmbeddedBus::open(&folder.path().join("bus.sqlite")).await.unwrap());
        let directory = |_: Channel, account: &str| (account == "17841405726653026").then(|| BrandId::new("lumen"));
        let router = router(Ingest {
            secrets: AppSecrets::new(&[SecretString::from("a newer secret"), SecretString::from(SECRET)]),
            verify_token: SecretString::from("t0ken"),
            accounts: Arc::new(directory),
            our_apps: Vec::new(),
            bus: Arc::clone(&bus),
            clock: Arc::new(|| Timestamp::from_millis(1_790_000_000_000)),
            confirm_deadline: Duration::from_secs(3),
            quotas,
            under_way: under_way.clone(),
            in_flight_max: 1,
            held_refusals: HeldRefusals::default(),
            body_limit: 64 * 1024,
        });
        Self { router, under_way, bus, _folder: folder }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, String, Option<String>) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let retry = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap(), retry)
    }

    async fn post(&self, body: impl Into<String>) -> StatusCode {
        let body = body.into();
        let signature = sign(&SecretString::from(SECRET), body.as_bytes());
        self.post_with(Some(&signature), body).await
    }

    async fn post_with(&self, signature: Option<&str>, body: String) -> StatusCode {
        let mut request = Request::post("/webhooks/meta");
        if let Some(signature) = signature {
            request = request.header("X-Hub-Signature-256", signature);
        }
        let (status, text, _) = self.send(request.body(body.into()).unwrap()).await;
        assert_eq!(text, if status == StatusCode::PAYLOAD_TOO_LARGE { text.as_str() } else { "" }, "no detail leaves");
        status
    }

    async fn ready(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for (count, lane) in counts.iter_mut().zip([Lane::Interactions, Lane::Consent, Lane::Quarantine]) {
            *count = self.bus.depth(lane).await.unwrap().ready;
        }
        counts
    }

    async fn first(&self, lane: Lane) -> Vec<u8> {
        let mut consumer = self.bus.consume(lane, 1).await.unwrap();
        consumer.next_batch(1, Duration::ZERO).await.unwrap()[0].message.body.to_vec()
    }
}

#[tokio::test]
async fn a_signed_webhook_is_on_the_bus_when_it_is_answered() {
    let endpoint = Endpoint::start().await;
    assert_eq!(endpoint.post(STORY_REPLY).await, StatusCode::OK);
    assert_eq!(endpoint.ready().await, [1, 0, 0]);
    let interaction = Interaction::from_cloudevent(&endpoint.first(Lane::Interactions).await).unwrap();
    assert_eq!((interaction.kind(), interaction.brand.as_str()), (Kind::StoryReply, "lumen"));
    assert!(STORY_REPLY.contains(interaction.raw.unwrap().get()), "Meta's fragment, byte for byte");
}

#[tokio::test]
async fn a_stop_travels_on_its_own_lane() {
    let endpoint = Endpoint::start().await;
    assert_eq!(endpoint.post(STORY_REPLY.replace("Love this!", "STOP please")).await, StatusCode::OK);
    assert_eq!(endpoint.ready().await, [1, 1, 0]);
    let FenceChange::Consent(change) = serde_json::from_slice(&endpoint.first(Lane::Consent).await).unwrap() else {
        panic!("a stop is about consent")
    };
    assert_eq!((change.state, change.viewer.as_str()), (ConsentState::OptedOut, "1234567890123456"));
}

#[tokio::test]
async fn who_is_not_meta_gets_nothing_in() {
    let endpoint = Endpoint::start().await;
    let wrong = sign(&SecretString::from("guess"), STORY_REPLY.as_bytes());
    for (signature, expected) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some(wrong.as_str()), StatusCode::FORBIDDEN),
        (Some("sha256=nonsense"), StatusCode::FORBIDDEN),
    ] {
        assert_eq!(endpoint.post_with(signature, STORY_REPLY.to_owned()).await, expected);
    }
    assert_eq!(endpoint.ready().await, [0, 0, 0]);
}

#[tokio::test]
async fn what_is_not_understood_is_kept() {
    for (body, status) in [
        ("not json".to_owned(), StatusCode::BAD_REQUEST),
        ("[]".to_owned(), StatusCode::OK),
        (r#"{"object":"whatsapp","entry":[{}]}"#.to_owned(), StatusCode::OK),
        (STORY_REPLY.replace("17841405726653026", "1"), StatusCode::OK),
        (include_str!("../../shared/meta/tests/fixtures/meta-docs__page-curl-test.json").to_owned(), StatusCode::OK),
    ] {
        let endpoint = Endpoint::start().await;
        assert_eq!(endpoint.post(body.clone()).await, status, "{body}");
        assert_eq!(endpoint.ready().await, [0, 0, 1], "{body}");
        let kept: Quarantined = serde_json::from_slice(&endpoint.first(Lane::Quarantine).await).unwrap();
        assert!(!kept.payload.is_empty());
    }
}

#[tokio::test]
async fn too_large_a_body_is_refused() {
    let endpoint = Endpoint::start().await;
    assert_eq!(endpoint.post("x".repeat(64 * 1024 + 1)).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(endpoint.ready().await, [0, 0, 0]);
}

#[tokio::test]
async fn without_a_bus_meta_is_asked_to_come_again() {
    let endpoint = Endpoint::start().await;
    endpoint.bus.close().await;
    let signature = sign(&SecretString::from(SECRET), STORY_REPLY.as_bytes());
    let request = Request::post("/webhooks/meta").header("X-Hub-Signature-256", signature);
    let (status, _, retry) = endpoint.send(request.body(STORY_REPLY.into()).unwrap()).await;
    assert_eq!((status, retry.as_deref()), (StatusCode::SERVICE_UNAVAILABLE, Some("5")));
}

#[tokio::test]
async fn the_handshake() {
    let endpoint = Endpoint::start().await;
    for (query, status, answer) in [
        ("hub.mode=subscribe&hub.verify_token=t0ken&hub.challenge=1158201444", StatusCode::OK, "1158201444"),
        ("hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=1", StatusCode::FORBIDDEN, ""),
        ("hub.mode=other&hub.verify_token=t0ken&hub.challenge=1", StatusCode::FORBIDDEN, ""),
        ("", StatusCode::FORBIDDEN, ""),
    ] {
        let request = Request::get(format!("/webhooks/meta?{query}")).body(Body::empty()).unwrap();
        let (got, body, _) = endpoint.send(request).await;
        assert_eq!((got, body.as_str()), (status, answer), "{query}");
    }
}

#[tokio::test]
async fn too_much_at_once_is_refused_early_and_a_stop_last() {
    let endpoint = Endpoint::start().await;
    let stop = with_text(STORY_REPLY, "STOP");
    let others = endpoint.under_way.enter();
    let signature = sign(&SecretString::from(SECRET), STORY_REPLY.as_bytes());
    let request = Request::post("/webhooks/meta").header("X-Hub-Signature-256", signature);
    let (status, _, retry) = endpoint.send(request.body(STORY_REPLY.into()).unwrap()).await;
    assert_eq!((status, retry.as_deref()), (StatusCode::SERVICE_UNAVAILABLE, Some("5")));
    assert_eq!(endpoint.post(stop.clone()).await, StatusCode::OK, "what forbids a send is taken");
    let more = endpoint.under_way.enter();
    assert_eq!(endpoint.post(stop).await, StatusCode::SERVICE_UNAVAILABLE, "there is an end to everything");
    assert_eq!(endpoint.ready().await, [1, 1, 0], "what was refused is nowhere");
    drop((others, more));
    assert_eq!(endpoint.post(STORY_REPLY).await, StatusCode::OK, "it mends itself");
}

#[tokio::test]
async fn more_than_a_brands_quota_goes_on_a_lane_of_its_own() {
    let endpoint = Endpoint::with(Quotas::new(1, 3)).await;
    for n in 0..10 {
        assert_eq!(endpoint.post(with_mid(STORY_REPLY, n)).await, StatusCode::OK, "nothing is refused");
    }
    assert_eq!(endpoint.ready().await, [3, 0, 0]);
    assert_eq!(endpoint.bus.depth(Lane::Overflow).await.unwrap().ready, 7);
    assert_eq!(endpoint.post(with_text(STORY_REPLY, "STOP")).await, StatusCode::OK);
    assert_eq!(endpoint.ready().await, [3, 1, 0], "a stop has no quota");
}

/// The same message with other words.
fn with_text(body: &str, text: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(body).unwrap();
    value["entry"][0]["messaging"][0]["message"]["text"] = text.into();
    value.to_string()
}

/// The same message, said again.
fn with_mid(body: &str, n: u32) -> String {
    let mut value: serde_json::Value = serde_json::from_str(body).unwrap();
    value["entry"][0]["messaging"][0]["message"]["mid"] = format!("mid-{n}").into();
    value.to_string()
}
