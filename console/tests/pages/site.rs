//! A console over a store in which two brands have a viewer each, and people with every role.

use std::sync::Arc;

use afterglow_console::{Console, Token, router};
use afterglow_domain::{
    AccountId, Body, BrandId, BrandSettings, Channel, DerivedId as _, Interaction, InteractionId, Login, Message,
    MessageEdit, Scoring, Segment, Source, Timestamp, Unsend, ViewerId,
};
use afterglow_scorer::ViewerState;
use afterglow_store::{Account, Brand, FoldInput, FoldOutput, Role, Store, StoreOptions, ViewerRow};
use axum::body::Body as HttpBody;
use axum::http::{Request, StatusCode};
use tower::ServiceExt as _;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

pub(crate) struct Site {
    router: axum::Router,
    pub(crate) store: Store,
    _folder: tempfile::TempDir,
}

pub(crate) fn said(brand: &str, viewer: &str, n: i64, body: Body) -> Interaction {
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

pub(crate) fn message(mid: &str, text: &str) -> Body {
    Body::Message(Message { mid: mid.into(), text: Some(text.into()), ..Message::default() })
}

pub(crate) fn fold(input: FoldInput<'_>) -> FoldOutput {
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
    FoldOutput { viewers: input.viewers.into_iter().map(row).collect(), outbox: Vec::new(), exposures: Vec::new() }
}

impl Site {
    pub(crate) async fn new() -> Self {
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
        for (person, brand, role) in [
            ("owner@example.org", None, Role::Owner),
            ("agent@example.org", Some("lumen"), Role::Agent),
            ("analyst@example.org", Some("lumen"), Role::Analyst),
            ("other@example.org", Some("umbra"), Role::Manager),
        ] {
            store.put_person(person, person, NOW).await.unwrap();
            store.grant(person, brand.map(BrandId::new).as_ref(), Some(role)).await.unwrap();
            let hash = Token::hash_of(person);
            assert!(store.open_session(&hash, person, "the-csrf-token", NOW, 60_000).await.unwrap());
        }
        let console = Console::new(store.clone(), Arc::new(|| NOW));
        Self { router: router(console), store, _folder: folder }
    }

    pub(crate) async fn ask(&self, request: Request<HttpBody>) -> (StatusCode, String, axum::http::HeaderMap) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap(), headers)
    }

    pub(crate) async fn get_as(
        &self,
        who: &str,
        path: &str,
        host: &str,
    ) -> (StatusCode, String, axum::http::HeaderMap) {
        let cookie = format!("theme=dark; afterglow_session={who}");
        self.ask(Request::get(path).header("Host", host).header("Cookie", cookie).body(HttpBody::empty()).unwrap())
            .await
    }

    pub(crate) async fn get(&self, path: &str, host: &str) -> (StatusCode, String, axum::http::HeaderMap) {
        self.get_as("owner@example.org", path, host).await
    }

    pub(crate) async fn post_as(
        &self,
        who: &str,
        path: &str,
        form: &str,
    ) -> (StatusCode, String, axum::http::HeaderMap) {
        let request = Request::post(path)
            .header("Host", "localhost")
            .header("Cookie", format!("afterglow_session={who}"))
            .header("Sec-Fetch-Site", "same-origin")
            .header("Content-Type", "application/x-www-form-urlencoded");
        self.ask(request.body(HttpBody::from(form.to_owned())).unwrap()).await
    }

    pub(crate) async fn page(&self, path: &str) -> String {
        let (status, text, _) = self.get(path, "localhost:8080").await;
        assert_eq!(status, StatusCode::OK, "{path}");
        text
    }
}

pub(crate) const AGENT: &str = "agent@example.org";
pub(crate) const VIEWER: &str = "/b/lumen/v/account-of-lumen/mila";
