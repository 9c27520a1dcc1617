//! Meta's callbacks about people who remove the app or want their data deleted.
//!
//! `POST /meta/deauthorize`: the account's token is taken away; it takes webhooks on, and sends nothing until it is
//! connected again. `POST /meta/data-deletion`: the same, and whoever the id names as a viewer is forgotten by every brand;
//! the answer is what Meta expects, and its address tells people what became of the request.

use std::sync::Arc;

use afterglow_domain::{AccountId, Clock, ViewerId};
use afterglow_meta::{AppSecrets, SignedRequest, read_signed_request};
use afterglow_runtime::{TraceContext, error_chain};
use afterglow_store::{Store, StoreError};
use axum::extract::{DefaultBodyLimit, Form, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

const BODY_LIMIT: usize = 16 * 1024;

/// What the callbacks need.
pub struct Callbacks {
    /// By which requests are verified.
    pub secrets: AppSecrets,
    /// Where tokens and people are.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Where this endpoint is reached from outside, such as `https://hooks.example`; without it the request's own `Host`.
    pub public_url: Option<String>,
}

/// The routes.
pub fn callbacks_router(callbacks: Callbacks) -> Router {
    Router::new()
        .route("/meta/deauthorize", post(deauthorize))
        .route("/meta/data-deletion", post(delete))
        .route("/meta/data-deletion/{code}", get(status))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Arc::new(callbacks))
}

#[derive(Deserialize)]
struct Posted {
    signed_request: String,
}

/// The sender learns the status and nothing else.
enum Refusal {
    NotSigned,
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Store(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::NotSigned => StatusCode::FORBIDDEN,
            Refusal::Store(error) => {
                tracing::error!(error = %error_chain(&error), "a callback of Meta's is not done; it has to come again");
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
        .into_response()
    }
}

impl Callbacks {
    fn read(&self, posted: &Posted) -> Result<SignedRequest, Refusal> {
        read_signed_request(&self.secrets, &posted.signed_request).map_err(|_| Refusal::NotSigned)
    }
}

async fn deauthorize(
    State(callbacks): State<Arc<Callbacks>>,
    Form(posted): Form<Posted>,
) -> Result<StatusCode, Refusal> {
    let request = callbacks.read(&posted)?;
    callbacks.store.disconnect_account(&AccountId::new(request.user_id), (callbacks.clock)()).await?;
    metrics::counter!("afterglow_deauthorized_total").increment(1);
    Ok(StatusCode::OK)
}

async fn delete(
    State(callbacks): State<Arc<Callbacks>>,
    headers: HeaderMap,
    Form(posted): Form<Posted>,
) -> Result<Response, Refusal> {
    let request = callbacks.read(&posted)?;
    let now = (callbacks.clock)();
    let code = TraceContext::random(now.millis().unsigned_abs()).trace_id();
    callbacks.store.disconnect_account(&AccountId::new(request.user_id.as_str()), now).await?;
    callbacks.store.forget_everywhere(&ViewerId::new(request.user_id), &code, now).await?;
    metrics::counter!("afterglow_deletion_requests_total").increment(1);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let base = callbacks.public_url.clone().unwrap_or_else(|| format!("https://{host}"));
    let url = format!("{}/meta/data-deletion/{code}", base.trim_end_matches('/'));
    Ok(Json(json!({ "url": url, "confirmation_code": code })).into_response())
}

async fn status(State(callbacks): State<Arc<Callbacks>>, Path(code): Path<String>) -> Result<Response, Refusal> {
    let Some(receipt) = callbacks.store.forget_receipt(&code).await? else {
        return Ok((StatusCode::NOT_FOUND, Html("<!doctype html><p>This code is not known.")).into_response());
    };
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Deletion request</title><h1>Your data was deleted</h1>\
         <p>The request {} was carried out on {}. Nothing that names you is left.",
        receipt.code, // hexadecimal digits of our own
        receipt.done
    );
    let csp = [(header::CONTENT_SECURITY_POLICY, "default-src 'none'")];
    Ok((csp, Html(page)).into_response())
}
