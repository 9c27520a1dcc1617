//! The Graph API as HTTP, and the simulator's own pages beside it.
//!
//! | path | answers |
//! | --- | --- |
//! | `POST /{version}/{ig-id or me}/messages` | the Send API, private replies included |
//! | `GET /{version}/{ig-id}/conversations` | a conversation, with its messages if `fields` asks for them |
//! | `GET /{version}/{message id or conversation id}` | one message, or one conversation |
//! | `GET, POST, DELETE /{version}/{ig-id}/subscribed_apps` | webhook subscriptions |
//! | `GET /{version}/{ig-id}/media`, `/{media}/comments` | posts, and the comments under them |
//! | `POST, DELETE /{version}/{comment}` | hides a comment or shows it again, takes it away |
//! | `GET, POST, DELETE /{version}/{ig-id}/messenger_profile` | ice breakers |
//! | `GET /oauth/authorize`, `POST /oauth/access_token`, `GET /access_token`, `/refresh_access_token` | Instagram Login |
//! | `GET /{version}/dialog/oauth`, `/oauth/access_token`, `/me/accounts` | Facebook Login |
//! | `GET /{version}/me` | the token's account |
//! | `GET /sim/ledger?limit=` | every send request with its outcome, violations, sums |
//! | `GET /sim/violations` | the violations alone |
//! | `GET, POST /sim/faults` | the faults in force |
//!
//! The token comes as `Authorization: Bearer` or as `access_token` in the query.

mod comments;
mod conversations;
mod faults;
mod messages;
mod messenger_profile;
mod oauth;
mod reset;
mod stories;
mod subscriptions;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use faults::{Fault, Faults};

use crate::TimeSource;
use crate::account::Account;
use crate::echo::Busy;
use crate::webhooks::Outgoing;
use crate::world::{Ledger, Refusal, UsageHeaders, ViolationRecord, World};
pub(crate) use faults::FaultDice;
pub(crate) use messenger_profile::IceBreakers;
pub(crate) use reset::{ResetHandle, ResettableListener};
pub(crate) use subscriptions::all_fields;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Graph {
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) dice: Arc<Mutex<FaultDice>>,
    pub(crate) subscriptions: Arc<Mutex<HashMap<String, BTreeSet<String>>>>,
    /// Ice breakers by account.
    pub(crate) ice_breakers: Arc<Mutex<HashMap<String, Vec<IceBreakers>>>>,
    pub(crate) clock: TimeSource,
    /// Where echoes go; `None` if none are wanted.
    pub(crate) echoes: Option<mpsc::Sender<(Outgoing, Busy)>>,
    pub(crate) outstanding: watch::Sender<usize>,
    pub(crate) cancel: CancellationToken,
}

/// What a call reads: Meta's limits differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    Conversation,
    Other,
}

/// A panic in one handler must not hide what the world knows from all others.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All routes.
pub(crate) fn router(graph: Graph) -> Router {
    Router::new()
        .route("/{version}/{node}/messages", post(messages::send))
        .route("/{version}/{node}/conversations", get(conversations::list))
        .route(
            "/{version}/{node}/subscribed_apps",
            get(subscriptions::list).post(subscriptions::subscribe).delete(subscriptions::unsubscribe),
        )
        .route("/oauth/authorize", get(oauth::instagram))
        .route("/oauth/access_token", post(oauth::redeem))
        .route("/access_token", get(oauth::exchange))
        .route("/refresh_access_token", get(oauth::refresh))
        .route("/{version}/dialog/oauth", get(oauth::facebook))
        .route("/{version}/oauth/access_token", get(oauth::facebook_token))
        .route("/{version}/me/accounts", get(oauth::pages))
        .route("/{version}/{node}/media", get(comments::media))
        .route("/{version}/{node}/comments", get(comments::comments))
        .route("/{version}/{node}/stories", get(stories::list))
        .route("/{version}/{node}/insights", get(stories::insights))
        .route(
            "/{version}/{node}/messenger_profile",
            get(messenger_profile::get).post(messenger_profile::set).delete(messenger_profile::delete),
        )
        .route("/{version}/{node}", get(conversations::node).post(comments::hide).delete(comments::delete))
        .route("/sim/ledger", get(ledger))
        .route("/sim/violations", get(violations))
        .route("/sim/faults", get(faults_now).post(set_faults))
        .fallback(|State(graph): State<Graph>| async move { graph.refuse(Refusal::BAD_PATH, None) })
        .with_state(graph)
}

/// Version and node of a path.
type Node = Path<(String, String)>;

impl Graph {
    /// The account that a call is for, if its version, its token and the limits allow it. Of `Conversation` there are fewer.
    fn called(
        &self,
        version: &str,
        node: &str,
        (headers, uri): (&HeaderMap, &Uri),
        reads: Reads,
    ) -> Result<Account, Refusal> {
        if !is_version(version) {
            return Err(Refusal::BAD_PATH);
        }
        let conversation = reads == Reads::Conversation;
        lock(&self.world).read_call(node, token(headers, uri).as_deref(), (self.clock)(), conversation)
    }

    fn refuse(&self, refusal: Refusal, account: Option<&Account>) -> Response {
        let mut world = lock(&self.world);
        let body = refusal.body(&world.trace());
        let usage = world.usage(account, matches!(refusal.code, 4 | 613 | 80002));
        reply(refusal.status, body, &usage)
    }

    fn ok(&self, body: &Value, account: &Account) -> Response {
        let usage = lock(&self.world).usage(Some(account), false);
        reply(200, body.to_string(), &usage)
    }
}

/// A JSON answer with the usage headers.
fn reply(status: u16, body: String, usage: &UsageHeaders) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [(header::CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response();
    let headers = response.headers_mut();
    for (name, value) in [("x-app-usage", Some(&usage.app)), ("x-business-use-case-usage", usage.business.as_ref())] {
        if let Some(Ok(value)) = value.map(|v| v.parse()) {
            headers.insert(name, value);
        }
    }
    response
}

/// A page of a list; the cursor is the place in it.
fn page<T>(graph: &Graph, account: &Account, uri: &Uri, all: &[T], item: impl Fn(&T) -> Value) -> Response {
    let number = |name: &str| query(uri, name).and_then(|text| text.parse::<usize>().ok());
    let (from, limit) = (number("after").unwrap_or(0), number("limit").unwrap_or(25).min(50));
    let data: Vec<Value> = all.iter().skip(from).take(limit).map(item).collect();
    let mut body = json!({ "data": data });
    if from + limit < all.len() {
        let after = (from + limit).to_string();
        body["paging"] = json!({ "cursors": { "after": after }, "next": "https://graph.example/next" });
    }
    graph.ok(&body, account)
}

/// The access token, from the header or the query.
fn token(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let bearer =
        headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    bearer.map(str::to_owned).or_else(|| query(uri, "access_token"))
}

fn query(uri: &Uri, name: &str) -> Option<String> {
    let Query(pairs) = Query::<HashMap<String, String>>::try_from_uri(uri).ok()?;
    pairs.get(name).cloned()
}

/// `v` and a number, as in `v25.0`.
fn is_version(text: &str) -> bool {
    text.strip_prefix('v').and_then(|v| v.split_once('.')).is_some_and(|(major, minor)| {
        let number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        number(major) && number(minor)
    })
}

#[derive(Deserialize)]
struct LedgerQuery {
    limit: Option<usize>,
}

async fn ledger(State(graph): State<Graph>, Query(query): Query<LedgerQuery>) -> Json<Ledger> {
    Json(lock(&graph.world).ledger(query.limit.unwrap_or(usize::MAX)))
}

async fn violations(State(graph): State<Graph>) -> Json<Vec<ViolationRecord>> {
    Json(lock(&graph.world).violations().to_vec())
}

async fn faults_now(State(graph): State<Graph>) -> Json<Faults> {
    Json(lock(&graph.dice).faults())
}

async fn set_faults(State(graph): State<Graph>, Json(faults): Json<Faults>) -> Response {
    if !faults.is_valid() {
        return (StatusCode::UNPROCESSABLE_ENTITY, "shares lie in 0..1 and sum to at most 1").into_response();
    }
    lock(&graph.dice).set(faults);
    Json(faults).into_response()
}
