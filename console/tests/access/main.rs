//! How people come in: second factors, and identity providers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod oidc;
mod provider;
mod second_factor;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use afterglow_console::{Console, Oidc, OidcOptions, Token, router};
use afterglow_domain::{BrandId, BrandSettings, Timestamp};
use afterglow_runtime::Keyring;
use afterglow_store::{Brand, Role, Store, StoreOptions};
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use tower::ServiceExt as _;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
pub(crate) const ADA: &str = "ada@example.org";
pub(crate) const OWNER: &str = "owner@example.org";
const PASSWORD: &str = "correct horse battery";

/// A console, whose time stands still until it is moved.
pub(crate) struct Site {
    router: axum::Router,
    pub(crate) store: Store,
    clock: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    pub(crate) headers: HeaderMap,
}

impl Answer {
    /// The value of a cookie that it sets.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let all = self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
        let value = |cookie: &str| Some(cookie.strip_prefix(name)?.strip_prefix('=')?.split(';').next()?.to_owned());
        all.filter_map(value).find(|value| !value.is_empty())
    }

    pub(crate) fn location(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }
}

impl Site {
    pub(crate) async fn new(oidc: Option<OidcOptions>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(None, folder.path(), StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let brand = Brand {
            id: BrandId::new("lumen"),
            name: "LUMEN".into(),
            time_zone: "UTC".into(),
            settings: BrandSettings::default(),
            document_version: 0,
            created: NOW,
        };
        store.upsert_brand(&brand).await.unwrap();
        for (person, of, role) in [(ADA, Some(&brand.id), Role::Agent), (OWNER, None, Role::Owner)] {
            store.put_person(person, person, NOW).await.unwrap();
            store.grant(person, of, Some(role)).await.unwrap();
            store.set_password(person, &afterglow_console::hash_password(PASSWORD).unwrap()).await.unwrap();
        }
        assert!(store.open_session(&Token::hash_of("owners"), OWNER, "the-csrf", NOW, 86_400_000).await.unwrap());
        let clock = Arc::new(AtomicI64::new(NOW.millis()));
        let read = Arc::clone(&clock);
        let tell: afterglow_domain::Clock = Arc::new(move || Timestamp::from_millis(read.load(Ordering::SeqCst)));
        let mut console = Console::new(store.clone(), Arc::clone(&tell));
        let key = Keyring::generate("a").unwrap();
        console.keyring = Some(Arc::new(Keyring::new([&key]).unwrap()));
        console.oidc = oidc.map(|options| Oidc::new(options, tell).unwrap());
        Self { router: router(console), store, clock, _folder: folder }
    }

    pub(crate) fn later(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::SeqCst))
    }

    async fn ask(&self, request: axum::http::request::Builder, body: Body) -> Answer {
        let request = request.header("Host", "localhost").body(body).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Answer { status, text: String::from_utf8(body.to_vec()).unwrap(), headers }
    }

    pub(crate) async fn get(&self, cookies: &str, path: &str) -> Answer {
        self.ask(Request::get(path).header("Cookie", cookies), Body::empty()).await
    }

    pub(crate) async fn post(&self, cookies: &str, path: &str, form: &str) -> Answer {
        let request = Request::post(path).header("Cookie", cookies).header("Sec-Fetch-Site", "same-origin");
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        self.ask(request, Body::from(form.to_owned())).await
    }

    /// Shows the password.
    pub(crate) async fn password(&self, person: &str) -> Answer {
        self.post("", "/sign-in", &format!("person={person}&password={}", PASSWORD.replace(' ', "+"))).await
    }

    /// What the audit says of somebody, the latest first.
    pub(crate) async fn deeds(&self, person: &str) -> Vec<(String, String)> {
        let all = self.store.audit(50).await.unwrap();
        all.into_iter().filter(|deed| deed.person == person).map(|deed| (deed.action, deed.detail)).collect()
    }
}

/// The value of a hidden field, or of the first element of an id.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap().0
}
