//! What a brand's other systems tell: `POST /v1/brands/{brand}/conversions`, that a goal was reached; `…/consents`, that somebody said
//! stop elsewhere; `…/notes`, what somebody noted of a viewer.
//!
//! Signed like a webhook: `X-Afterglow-Signature: sha256=…`, HMAC-SHA256 of the body under the brand's secret. The same
//! goal of the same external id counts once, however often it is posted. A conversion opens no window. A stop is recorded like one that
//! was said to us; that somebody wants to be written to is for them alone to say.

mod consents;
mod conversions;
mod notes;

use std::collections::HashMap;
use std::sync::Arc;

use afterglow_bus::{Bus, Lane, Message};
use afterglow_domain::{BrandId, Channel, Clock, Interaction, Timestamp};
use afterglow_meta::AppSecrets;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::json;

use self::consents::PostedConsent;
use self::conversions::PostedConversion;
use self::notes::PostedNote;
use crate::Accounts;
use crate::links::Links;

/// Largest body, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// What takes them.
pub struct Partners {
    secrets: HashMap<BrandId, AppSecrets>,
    bus: Arc<dyn Bus>,
    links: Arc<Links>,
    accounts: Arc<dyn Accounts>,
    clock: Clock,
}

/// A setting of `api.secrets` that is not `brand:secret`.
#[derive(Debug, thiserror::Error)]
#[error("api.secrets: entry {number} is not `brand:secret` with a secret of 16 bytes or more")]
pub struct BadSecret {
    /// Which one, from 1.
    pub number: usize,
}

impl Partners {
    /// With `brand:secret` for each brand that posts; several for one brand while they rotate.
    pub fn new<'a>(
        secrets: impl IntoIterator<Item = &'a str>,
        bus: Arc<dyn Bus>,
        links: Arc<Links>,
        accounts: Arc<dyn Accounts>,
        clock: Clock,
    ) -> Result<Self, BadSecret> {
        let mut by_brand: HashMap<BrandId, Vec<SecretString>> = HashMap::new();
        for (at, entry) in secrets.into_iter().enumerate() {
            let good = entry.split_once(':').filter(|(brand, secret)| !brand.is_empty() && secret.len() >= 16);
            let (brand, secret) = good.ok_or(BadSecret { number: at + 1 })?;
            by_brand.entry(BrandId::new(brand)).or_default().push(SecretString::from(secret));
        }
        let secrets = by_brand.into_iter().map(|(brand, secrets)| (brand, AppSecrets::new(&secrets))).collect();
        Ok(Self { secrets, bus, links, accounts, clock })
    }
}

/// The routes.
pub fn partners_router(partners: Partners) -> Router {
    Router::new()
        .route("/v1/brands/{brand}/conversions", post(take::<PostedConversion>))
        .route("/v1/brands/{brand}/consents", post(take::<PostedConsent>))
        .route("/v1/brands/{brand}/notes", post(take::<PostedNote>))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Arc::new(partners))
}

/// Why something is not taken (RFC 9457, "Problem Details").
struct Problem {
    status: StatusCode,
    title: &'static str,
    detail: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, title, detail } = self;
        let body = json!({ "type": "about:blank", "status": status.as_u16(), "title": title, "detail": detail });
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    }
}

fn problem(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Problem {
    Problem { status, title, detail: detail.into() }
}

type Kept = Result<Json<serde_json::Value>, Problem>;

/// What can be posted.
trait Posted: DeserializeOwned {
    /// The title for who wrote it wrong.
    const WRONG: &str;

    /// Puts it on its way.
    fn keep(self, partners: &Partners, brand: &BrandId) -> impl Future<Output = Kept> + Send;
}

/// Takes what is posted, if it is signed with one of the brand's secrets. A brand that is not known and a signature that is wrong look the
/// same from outside.
async fn take<P: Posted>(
    State(partners): State<Arc<Partners>>,
    Path(brand): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Kept {
    let brand = BrandId::new(brand);
    let header = headers.get("x-afterglow-signature").and_then(|value| value.to_str().ok());
    let verified = partners.secrets.get(&brand).and_then(|secrets| secrets.verify(header, body).ok());
    let not_signed =
        || problem(StatusCode::FORBIDDEN, "Not signed", "X-Afterglow-Signature: sha256=HMAC-SHA256(body, secret)");
    let posted: P = serde_json::from_slice(verified.ok_or_else(not_signed)?.get())
        .map_err(|error| problem(StatusCode::BAD_REQUEST, P::WRONG, error.to_string()))?;
    posted.keep(&partners, &brand).await
}

fn unprocessable(title: &'static str, detail: String) -> Problem {
    problem(StatusCode::UNPROCESSABLE_ENTITY, title, detail)
}

fn not_written() -> Problem {
    problem(StatusCode::INTERNAL_SERVER_ERROR, "Not written", "try again")
}

impl Partners {
    async fn keep(&self, interaction: &Interaction) -> Kept {
        let event = interaction.to_cloudevent().map_err(|_| not_written())?;
        self.publish(Lane::Interactions, interaction.id.to_string(), event).await
    }

    /// Puts it on its way; answered 200 only when it is kept.
    async fn publish(&self, lane: Lane, id: String, body: Vec<u8>) -> Kept {
        let message = Message { id: id.clone(), traceparent: None, body: body.into() };
        self.bus.publish(lane, vec![message]).await.map_err(|error| {
            let lane = lane.as_str();
            tracing::warn!(lane, %error, "what a brand's system tells is refused; it has to come again");
            problem(StatusCode::SERVICE_UNAVAILABLE, "Not kept", "post it again in a few seconds")
        })?;
        Ok(Json(json!({ "id": id })))
    }

    /// The channel of an account, if it is this brand's.
    fn channel_of(&self, brand: &BrandId, account: &str) -> Result<Channel, String> {
        let owned = |channel: &Channel| self.accounts.brand_of(*channel, account).as_ref() == Some(brand);
        let channel = [Channel::Instagram, Channel::Page].into_iter().find(owned);
        channel.ok_or_else(|| format!("no account {account:?} of this brand"))
    }
}

/// Refuses texts that are empty or longer than so many bytes.
fn sized(texts: &[(&str, &str, usize)]) -> Result<(), String> {
    match texts.iter().find(|(_, text, most)| text.is_empty() || text.len() > *most) {
        Some((name, text, most)) => Err(format!("{name} has {} bytes: 1 to {most} are taken", text.len())),
        None => Ok(()),
    }
}

/// When it happened: as told, but never ahead of now.
fn moment(told: Option<&str>, now: Timestamp) -> Result<Timestamp, String> {
    let parse = |text| Timestamp::parse(text).ok_or("occurred: expected a time such as 2026-11-24T12:00:00Z");
    Ok(told.map(parse).transpose()?.map_or(now, |at| at.min(now)))
}
