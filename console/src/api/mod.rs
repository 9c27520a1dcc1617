//! What programs read: JSON, with a token that opens one brand. Errors are `application/problem+json` (RFC 9457); long lists
//! come in pages with a cursor.

mod answers;
mod description;
mod exports;
mod figures;
mod viewers;

use std::sync::Arc;

use afterglow_domain::{BrandId, Timestamp};
use afterglow_runtime::error_chain;
use afterglow_store::{Brand, BrandStore, StoreError};
use axum::Router;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use utoipa::OpenApi as _;

use crate::Console;
use crate::access::Token;

/// Most rows of one answer.
const MOST: u32 = 1_000;
/// Rows of an answer if nobody says how many.
const USUAL: u32 = 100;

/// The routes under `/v1`.
pub(crate) fn router() -> Router<Arc<Console>> {
    Router::new()
        .route("/v1/openapi.json", get(async || axum::Json(openapi())))
        .route("/v1/brands/{brand}/triage", get(viewers::triage))
        .route("/v1/brands/{brand}/viewers", get(viewers::viewers))
        .route("/v1/brands/{brand}/viewers/{account}/{viewer}", get(viewers::viewer))
        .route("/v1/brands/{brand}/viewers/{account}/{viewer}/explain", get(viewers::explained))
        .route("/v1/brands/{brand}/viewers/{account}/{viewer}/interactions", get(viewers::interactions))
        .route("/v1/brands/{brand}/interactions", get(exports::log))
        .route("/v1/brands/{brand}/decisions", get(viewers::decisions))
        .route("/v1/brands/{brand}/daily-log", get(exports::daily_log))
        .route("/v1/brands/{brand}/changes", get(exports::changes))
        .route("/v1/brands/{brand}/kpis", get(figures::kpis))
        .route("/v1/brands/{brand}/experiments", get(figures::experiments))
        .route("/v1/brands/{brand}/hypotheses", get(figures::hypotheses))
        .route("/v1/brands/{brand}/stories", get(figures::stories))
        .route("/v1/{*nothing}", get(async || Failure::NotFound))
}

/// The API's description, OpenAPI 3.1; `schemas/openapi.json` is this, and a test holds it to it.
pub fn openapi() -> utoipa::openapi::OpenApi {
    description::Description::openapi()
}

/// A brand that the token opens.
pub(crate) struct Opened {
    pub(crate) brand: Brand,
    pub(crate) now: Timestamp,
    pub(crate) console: Arc<Console>,
}

impl Opened {
    pub(crate) fn store(&self) -> BrandStore<'_> {
        self.console.store.brand(&self.brand.id)
    }
}

impl FromRequestParts<Arc<Console>> for Opened {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Failure> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let secret = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(Failure::NoToken)?;
        let opens = console.store.api_token_brand(&Token::hash_of(secret)).await?.ok_or(Failure::NoToken)?;
        let params = RawPathParams::from_request_parts(parts, console).await.map_err(|_| Failure::NotFound)?;
        let wanted = params.iter().find(|(name, _)| *name == "brand").map(|(_, value)| BrandId::new(value));
        // Another's brand is not there.
        if wanted.as_ref() != Some(&opens) {
            return Err(Failure::NotFound);
        }
        let brand = console.store.brand(&opens).brand().await?.ok_or(Failure::NotFound)?;
        Ok(Self { brand, now: (console.clock)(), console: Arc::clone(console) })
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    NoToken,
    NotFound,
    Bad(String),
    /// Changes behind this cursor are no longer kept.
    Gone {
        cursor: u64,
        head: u64,
    },
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Store(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, title, detail) = match self {
            Failure::NoToken => (
                StatusCode::UNAUTHORIZED,
                "No token opens this",
                "send `Authorization: Bearer …` with a token of `afterglow api-token add`".to_owned(),
            ),
            Failure::NotFound => (StatusCode::NOT_FOUND, "There is nothing here", String::new()),
            Failure::Bad(detail) => (StatusCode::BAD_REQUEST, "This makes no sense", detail),
            Failure::Gone { cursor, head } => {
                let detail = format!(
                    "changes behind {cursor} are no longer kept: read every viewer, then go on from cursor {head}"
                );
                (StatusCode::GONE, "No longer kept", detail)
            }
            Failure::Store(error) => {
                tracing::error!(error = %error_chain(&error), "the API cannot read the database");
                let detail = "the database does not answer; try again".to_owned();
                (StatusCode::SERVICE_UNAVAILABLE, "Not now", detail)
            }
        };
        let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
        let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        (status, headers, body.to_string()).into_response()
    }
}
