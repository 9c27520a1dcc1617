//! An account is connected: its owner agreed in Meta's dialogue, and comes back with a code.
//!
//! `GET /connect/callback`. Who may connect to which brand was decided when the link was made (`afterglow account connect`):
//! its `state` is a secret that works once, for an hour.

use std::sync::Arc;

use afterglow_domain::{Channel, Clock, HOUR_MS, Login};
use afterglow_meta::graph::{App, Connected, GraphClient, OAuthError};
use afterglow_runtime::{Keyring, KeyringError, error_chain};
use afterglow_store::{Account, Connecting, SealedToken, Store, StoreError};
use afterglow_tokens::token_context;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

/// How long a link is good, in ms.
const LINK_MS: i64 = HOUR_MS;

/// Our apps at Meta.
#[derive(Debug, Clone, Default)]
pub struct ConnectApps {
    /// For Instagram Login.
    pub instagram: Option<App>,
    /// For Facebook Login.
    pub facebook: Option<App>,
}

/// What connecting needs.
#[derive(Clone)]
pub struct Connect {
    /// Where accounts are kept.
    pub store: Store,
    /// How Meta is asked.
    pub graph: GraphClient,
    /// Our apps.
    pub apps: ConnectApps,
    /// What seals tokens.
    pub keyring: Arc<Keyring>,
    /// The time.
    pub clock: Clock,
    /// Where this endpoint is reached from outside, such as `https://hooks.example`.
    pub public_url: Option<String>,
}

/// A link cannot be made, or leads to nothing.
#[derive(Debug, thiserror::Error)]
pub enum NoApp {
    /// The app is not configured.
    #[error("no app for {} Login: set AFTERGLOW_META__{}_APP_ID and …_APP_SECRET", .0.as_str(), .0.as_str().to_uppercase())]
    App(Login),
    /// Meta would not know where to send people back to.
    #[error("no public address: set AFTERGLOW_INGEST__PUBLIC_URL=https://… to where Meta reaches this endpoint")]
    PublicUrl,
    /// The store failed.
    #[error("the link cannot be kept: is there such a brand?")]
    Store(#[from] StoreError),
}

/// Why an account is not connected.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("this link was used, or is more than an hour old: ask for another")]
    State,
    #[error("Meta says: {0}")]
    Denied(String),
    #[error(transparent)]
    NoApp(#[from] NoApp),
    #[error(transparent)]
    Meta(#[from] OAuthError),
    #[error("this account belongs to another brand here")]
    OtherBrand,
    #[error("the token cannot be sealed")]
    Seal(#[from] KeyringError),
    #[error("the store failed: try again")]
    Store(#[source] StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::OtherBrand { .. }) { Failure::OtherBrand } else { Failure::Store(error) }
    }
}

impl Failure {
    const fn status(&self) -> StatusCode {
        match self {
            Failure::State | Failure::Denied(_) => StatusCode::BAD_REQUEST,
            Failure::OtherBrand => StatusCode::CONFLICT,
            Failure::Meta(_) => StatusCode::BAD_GATEWAY,
            Failure::NoApp(_) | Failure::Seal(_) | Failure::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    error_description: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

impl Connect {
    fn app(&self, login: Login) -> Result<&App, NoApp> {
        match login {
            Login::Instagram => self.apps.instagram.as_ref(),
            Login::Facebook => self.apps.facebook.as_ref(),
        }
        .ok_or(NoApp::App(login))
    }

    fn redirect_uri(&self) -> Result<String, NoApp> {
        let base = self.public_url.as_deref().ok_or(NoApp::PublicUrl)?;
        Ok(format!("{}/connect/callback", base.trim_end_matches('/')))
    }

    /// The address at which the owner of an account agrees to its connection with the brand. `state` must be secret and
    /// random.
    pub async fn link(&self, connecting: &Connecting, state: &str) -> Result<String, NoApp> {
        let (app, to) = (self.app(connecting.login)?, self.redirect_uri()?);
        self.store.begin_connecting(state, connecting, (self.clock)().plus(LINK_MS)).await?;
        Ok(self.graph.consent_url(connecting.login, app, &to, state))
    }

    async fn finish(&self, answer: Answer) -> Result<Vec<Connected>, Failure> {
        let now = (self.clock)();
        let connecting = self.store.take_connecting(&answer.state, now).await?.ok_or(Failure::State)?;
        let Some(code) = answer.code else {
            let why = answer.error_description.or(answer.error);
            return Err(Failure::Denied(why.unwrap_or_else(|| "no code".into())));
        };
        let (app, to) = (self.app(connecting.login)?, self.redirect_uri()?);
        let connected = self.graph.connect(connecting.login, app, &to, &code).await?;
        for owned in &connected {
            let sealed = self.keyring.seal(&owned.token, &token_context(&owned.account))?;
            let account = Account {
                id: owned.account.clone(),
                brand: connecting.brand.clone(),
                channel: Channel::Instagram,
                login: connecting.login,
                username: owned.username.clone(),
                token_sealed: Some(SealedToken(sealed)),
                token_expires: owned.expires_in.map(|seconds| now.plus(seconds.saturating_mul(1000))),
                paused_reason: None,
                created: now,
            };
            self.store.connect_account(&account, now).await?;
            tracing::info!(account = %account.id, brand = %account.brand, "account connected");
        }
        metrics::counter!("afterglow_accounts_connected_total").increment(connected.len() as u64);
        Ok(connected)
    }
}

/// The route.
pub fn connect_router(connect: Connect) -> Router {
    Router::new().route("/connect/callback", get(callback)).with_state(Arc::new(connect))
}

async fn callback(State(connect): State<Arc<Connect>>, Query(answer): Query<Answer>) -> Response {
    let (status, title, text) = match connect.finish(answer).await {
        Ok(connected) => {
            let name = |owned: &Connected| owned.username.clone().unwrap_or_else(|| owned.account.to_string());
            let names: Vec<String> = connected.iter().map(name).collect();
            (StatusCode::OK, "Connected", format!("{} can be closed: this page is done.", names.join(", ")))
        }
        Err(failure) => {
            tracing::warn!(error = %error_chain(&failure), "an account was not connected");
            (failure.status(), "Not connected", failure.to_string())
        }
    };
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><h1>{title}</h1><p>{}",
        escaped(&text)
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Html(page)).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
