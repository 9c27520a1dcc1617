//! The pages, from a real store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use afterglow_console::{Console, router};
use afterglow_domain::{
    AccountId, Body, BrandId, BrandSettings, Channel, DerivedId, Interaction, InteractionId, Login, Message,
    MessageEdit, Scoring, Segment, Source, Timestamp, Unsend, ViewerId,
};
use afterglow_scorer::{Rulebooks, ViewerState};
use afterglow_store::{Account, Brand, FoldInput, FoldOutput, Store, StoreOptions, ViewerRow};
use axum::body::Body as HttpBody;
use axum::http::{Request, StatusCode};
use tower::ServiceExt as _;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

struct Site {
    router: axum::Router,
    store: Store,
    _folder: tempfile::TempDir,
}

fn said(brand: &str, viewer: &str, n: i64, body: Body) -> Interaction {
    Interaction {
        id: InteractionId::derive(&[brand, viewer, &n.to_string()]),
        brand: BrandId::new(brand),
        account: AccountId::new(format!("account-of-{brand}")),
        viewer: Some(ViewerId::new(viewer)),
        username: Some(format!("<b>{viewer}</b>")),
        channel: Channel::Instagram,
        source: Source::Webhook,
        occurred: NOW.minus(60_000 - n),
        received: NOW.minus(60_000 - n),
        standby: false,
        body,
        raw: None,
    }
}

fn message(mid: &str, text: &str) -> Body {
    Body::Message(Message { mid: mid.into(), text: Some(text.into()), ..Message::default() })
}

fn fold(input: FoldInput<'_>) -> FoldOutput {
    let row = |viewer: afterglow_store::ViewerFold<'_>| {
        let mut state = ViewerState::default();
        viewer.new.iter().for_each(|interaction| state.apply(interaction, &Scoring::default()));
        ViewerRow {
            key: viewer.key,
            brand: viewer.brand,
            username: viewer.new[0].username.clone(),
            segment: Segment::Hot,
            score_rank: 1.0,
            last_contact: state.contact,
            first_seen: NOW,
            last_seen: NOW,
            needs_reply_since: state.needs_reply_since(),
            rules_version: "test".into(),
            tags: Vec::new(),
            due: None,
            triage: None,
            review: None,
            state: serde_json::to_string(&state).unwrap(),
        }
    };
    FoldOutput { viewers: input.viewers.into_iter().map(row).collect(), outbox: Vec::new() }
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(None, folder.path(), StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        for brand in ["lumen", "umbra"] {
            let settings = BrandSettings::default();
            let (id, time_zone) = (BrandId::new(brand), "UTC".into());
            let row = Brand {
                id: id.clone(),
                name: brand.to_uppercase(),
                time_zone,
                settings,
                document_version: 0,
                created: NOW,
            };
            store.upsert_brand(&row).await.unwrap();
            let account = Account {
                id: AccountId::new(format!("account-of-{brand}")),
                brand: id,
                channel: Channel::Instagram,
                login: Login::Instagram,
                username: None,
                token_sealed: None,
                token_expires: None,
                paused_reason: None,
                created: NOW,
            };
            store.upsert_account(&account).await.unwrap();
        }
        let happened = [
            said("lumen", "mila", 1, message("m1", "<script>alert(1)</script>")),
            said("lumen", "mila", 2, message("m2", "first words")),
            said("lumen", "mila", 3, message("m3", "I regret this")),
            said(
                "lumen",
                "mila",
                4,
                Body::MessageEdit(MessageEdit { mid: "m2".into(), text: Some("better words".into()), num_edit: 1 }),
            ),
            said("lumen", "mila", 5, Body::Unsend(Unsend { mid: "m3".into() })),
            said("umbra", "jonas", 1, message("m9", "for umbra alone")),
        ];
        store.apply_interactions(&happened, NOW, 1_000, fold).await.unwrap();
        let console = Console { store: store.clone(), clock: Arc::new(|| NOW), rulebooks: Rulebooks::default() };
        Self { router: router(console), store, _folder: folder }
    }

    async fn get(&self, path: &str, host: &str) -> (StatusCode, String, axum::http::HeaderMap) {
        let request = Request::get(path).header("Host", host).body(HttpBody::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap(), headers)
    }

    async fn page(&self, path: &str) -> String {
        let (status, text, _) = self.get(path, "localhost:8080").await;
        assert_eq!(status, StatusCode::OK, "{path}");
        text
    }
}

#[tokio::test]
async fn a_viewer_is_shown_as_things_stand_and_inert() {
    let page = Site::new().await.page("/b/lumen/v/account-of-lumen/mila").await;
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script"), "words are words");
    assert!(page.contains("&lt;b&gt;mila") && !page.contains("<b>mila"));
    assert!(page.contains("better words") && page.contains("(edited)") && !page.contains("first words"));
    assert!(page.contains("taken back") && !page.contains("I regret this"), "what was taken back is not shown");
}

#[tokio::test]
async fn brands_are_walls() {
    let site = Site::new().await;
    let home = site.page("/").await;
    assert!(home.contains("LUMEN") && home.contains("UMBRA"), "the operator of the whole sees all brands");
    let lumen = site.page("/b/lumen").await;
    assert!(lumen.contains("mila") && !lumen.contains("jonas") && !lumen.contains("UMBRA"));
    for path in ["/b/umbra/v/account-of-lumen/mila", "/b/lumen/v/account-of-umbra/jonas", "/b/nobody", "/nowhere"] {
        assert_eq!(site.get(path, "localhost").await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn nobody_reads_it_from_elsewhere() {
    let site = Site::new().await;
    let (status, text, headers) = site.get("/b/lumen", "evil.example:8080").await;
    assert!(status == StatusCode::FORBIDDEN && !text.contains("mila"));
    assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let (_, _, headers) = site.get("/", "127.0.0.1:8080").await;
    for name in
        ["content-security-policy", "x-content-type-options", "referrer-policy", "x-frame-options", "cache-control"]
    {
        assert!(headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_said_so() {
    let site = Site::new().await;
    site.store.close().await;
    let (status, text, _) = site.get("/", "localhost").await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && text.contains("afterglow doctor"), "{status} {text}");
}
