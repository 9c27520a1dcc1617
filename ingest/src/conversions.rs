//! What a brand's other systems tell: `POST /v1/brands/{brand}/conversions`, that a goal was reached; `…/consents`, that somebody said
//! stop elsewhere; `…/notes`, what somebody noted of a viewer.
//!
//! Signed like a webhook: `X-Afterglow-Signature: sha256=…`, HMAC-SHA256 of the body under the brand's secret. The same
//! goal of the same external id counts once, however often it is posted. A conversion opens no window. A stop is recorded like one that
//! was said to us; that somebody wants to be written to is for them alone to say.

use std::collections::HashMap;
use std::sync::Arc;

use afterglow_bus::{Bus, Lane, Message};
use afterglow_domain::{
    AccountId, Body, BrandId, Channel, Clock, ConsentChange, ConsentState, Conversion, DerivedId as _, FenceChange,
    Interaction, InteractionId, Note, Source, Timestamp, ViewerId,
};
use afterglow_meta::AppSecrets;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use crate::Accounts;
use crate::links::Links;

/// Bytes of a note at most.
const NOTE_MAX: usize = 10_000;
/// Largest body, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// Takes conversions.
pub struct Conversions {
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

impl Conversions {
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

/// The route.
pub fn conversions_router(conversions: Conversions) -> Router {
    Router::new()
        .route("/v1/brands/{brand}/conversions", post(take))
        .route("/v1/brands/{brand}/consents", post(take_consent))
        .route("/v1/brands/{brand}/notes", post(take_note))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Arc::new(conversions))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    external_id: String,
    goal: String,
    #[serde(default)]
    value_minor: Option<i64>,
    #[serde(default)]
    currency: Option<String>,
    #[serde(default)]
    occurred: Option<String>,
    /// The tracked link that led there.
    #[serde(default)]
    link: Option<String>,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    viewer: Option<String>,
}

/// Somebody said stop to the brand elsewhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PostedConsent {
    /// The other system's own id of it: the same one counts once.
    external_id: String,
    account: String,
    viewer: String,
    state: String,
    #[serde(default)]
    occurred: Option<String>,
}

/// What somebody noted of a viewer elsewhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PostedNote {
    /// The other system's own id of it: the same one counts once.
    external_id: String,
    account: String,
    viewer: String,
    text: String,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    occurred: Option<String>,
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

/// What the body says, if it is signed with one of the brand's secrets. A brand that is not known and a signature that is wrong look
/// the same from outside. `wrong` is the title for who wrote it wrong.
fn read<T: serde::de::DeserializeOwned>(
    conversions: &Conversions,
    brand: &BrandId,
    (headers, body): (&HeaderMap, Bytes),
    wrong: &'static str,
) -> Result<T, Problem> {
    let header = headers.get("x-afterglow-signature").and_then(|value| value.to_str().ok());
    let verified = conversions.secrets.get(brand).and_then(|secrets| secrets.verify(header, body).ok());
    let not_signed =
        || problem(StatusCode::FORBIDDEN, "Not signed", "X-Afterglow-Signature: sha256=HMAC-SHA256(body, secret)");
    serde_json::from_slice(verified.ok_or_else(not_signed)?.get())
        .map_err(|error| problem(StatusCode::BAD_REQUEST, wrong, error.to_string()))
}

async fn take_consent(
    State(conversions): State<Arc<Conversions>>,
    Path(brand): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Kept {
    let brand = BrandId::new(brand);
    let posted: PostedConsent = read(&conversions, &brand, (&headers, body), "Not a consent")?;
    let change = conversions.consent(&brand, posted).map_err(|detail| unprocessable("Not recorded", detail))?;
    let id = change.cause.to_string();
    let body = serde_json::to_vec(&FenceChange::Consent(change)).map_err(|_| not_written())?;
    conversions.publish(Lane::Consent, id, body).await
}

async fn take(
    State(conversions): State<Arc<Conversions>>,
    Path(brand): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Kept {
    let brand = BrandId::new(brand);
    let posted: Posted = read(&conversions, &brand, (&headers, body), "Not a conversion")?;
    let interaction = conversions.interaction(&brand, posted).await;
    let interaction = interaction.map_err(|detail| unprocessable("Not to be attributed", detail))?;
    let kept = conversions.keep(&interaction).await?;
    metrics::counter!("afterglow_conversions_total", "brand" => brand.as_str().to_owned()).increment(1);
    Ok(kept)
}

async fn take_note(
    State(conversions): State<Arc<Conversions>>,
    Path(brand): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Kept {
    let brand = BrandId::new(brand);
    let posted: PostedNote = read(&conversions, &brand, (&headers, body), "Not a note")?;
    let note = conversions.note(&brand, posted).map_err(|detail| unprocessable("Not recorded", detail))?;
    conversions.keep(&note).await
}

fn unprocessable(title: &'static str, detail: String) -> Problem {
    problem(StatusCode::UNPROCESSABLE_ENTITY, title, detail)
}

fn not_written() -> Problem {
    problem(StatusCode::INTERNAL_SERVER_ERROR, "Not written", "try again")
}

impl Conversions {
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

    fn note(&self, brand: &BrandId, posted: PostedNote) -> Result<Interaction, String> {
        let now = (self.clock)();
        sized(&[
            ("external_id", &posted.external_id, 200),
            ("viewer", &posted.viewer, 200),
            ("text", &posted.text, NOTE_MAX),
        ])?;
        let channel = self.channel_of(brand, &posted.account)?;
        let occurred = moment(posted.occurred.as_deref(), now)?;
        Ok(Interaction {
            id: InteractionId::derive(&["note", brand.as_str(), &posted.external_id]),
            brand: brand.clone(),
            account: AccountId::new(posted.account),
            viewer: Some(ViewerId::new(posted.viewer)),
            username: None,
            channel,
            source: Source::Partner,
            occurred,
            received: now,
            standby: false,
            body: Body::Note(Note { external_id: posted.external_id, text: posted.text, author: posted.author }),
            raw: None,
        })
    }

    fn consent(&self, brand: &BrandId, posted: PostedConsent) -> Result<ConsentChange, String> {
        let now = (self.clock)();
        if posted.state != "opted_out" {
            return Err(format!(
                "state {:?}: only \"opted_out\" is taken; that somebody wants to be written to is theirs to say, by START",
                posted.state
            ));
        }
        sized(&[("external_id", &posted.external_id, 200), ("viewer", &posted.viewer, 200)])?;
        self.channel_of(brand, &posted.account)?;
        let occurred = moment(posted.occurred.as_deref(), now)?;
        Ok(ConsentChange {
            cause: InteractionId::derive(&["consent", brand.as_str(), &posted.external_id]),
            brand: brand.clone(),
            account: AccountId::new(posted.account),
            viewer: ViewerId::new(posted.viewer),
            state: ConsentState::OptedOut,
            occurred,
            received: now,
        })
    }

    async fn interaction(&self, brand: &BrandId, posted: Posted) -> Result<Interaction, String> {
        let now = (self.clock)();
        sized(&[("external_id", &posted.external_id, 200), ("goal", &posted.goal, 200)])?;
        let link = match &posted.link {
            Some(code) => {
                let found = self.links.find_or_look(code).await.filter(|link| link.brand == *brand);
                Some(found.ok_or_else(|| format!("no link {code:?} of this brand"))?)
            }
            None => None,
        };
        let account = posted.account.clone().or_else(|| link.as_ref().map(|link| link.account.to_string()));
        let account = account.ok_or("name the `link` that led there, or the `account` (and the `viewer`)")?;
        let channel = self.channel_of(brand, &account)?;
        let occurred = moment(posted.occurred.as_deref(), now)?;
        let viewer = posted.viewer.map(ViewerId::new).or_else(|| link.and_then(|link| link.viewer));
        Ok(Interaction {
            id: InteractionId::derive(&["conversion", brand.as_str(), &posted.external_id, &posted.goal]),
            brand: brand.clone(),
            account: AccountId::new(account),
            viewer,
            username: None,
            channel,
            source: Source::Partner,
            occurred,
            received: now,
            standby: false,
            body: Body::Conversion(Conversion {
                external_id: posted.external_id,
                goal: posted.goal,
                value_minor: posted.value_minor,
                currency: posted.currency,
                link: posted.link,
            }),
            raw: None,
        })
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
