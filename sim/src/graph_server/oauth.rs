//! How an account is connected: consent, code, tokens. The owner of the account agrees at once; `sim_account` says whose
//! account it is (else the first one of that login), `sim_deny` that they do not agree.
//!
//! Shapes: Meta, "Business Login for Instagram" (refusals of the token endpoint are not in the Graph envelope) and "Manually
//! build a login flow", as read in 2026.

use std::collections::HashMap;

use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{Graph, is_version, lock, token};
use crate::account::{Account, Login};
use crate::world::{Grant, GrantRefusal, Refusal};

type Pairs = HashMap<String, String>;

/// `GET /oauth/authorize`: Instagram Login.
pub(super) async fn instagram(State(graph): State<Graph>, Query(query): Query<Pairs>) -> Response {
    consent(&graph, &query, Login::Instagram)
}

/// `GET /{version}/dialog/oauth`: Facebook Login.
pub(super) async fn facebook(
    State(graph): State<Graph>,
    Path(_version): Path<String>,
    Query(query): Query<Pairs>,
) -> Response {
    consent(&graph, &query, Login::Facebook)
}

fn consent(graph: &Graph, query: &Pairs, login: Login) -> Response {
    let given = |name: &str| query.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let (Some(app), Some(to), Some(state), Some("code")) =
        (given("client_id"), given("redirect_uri"), given("state"), given("response_type"))
    else {
        return (StatusCode::BAD_REQUEST, "client_id, redirect_uri, state and response_type=code are needed")
            .into_response();
    };
    if given("sim_deny").is_some() {
        return Redirect::to(&format!(
            "{to}?error=access_denied&error_reason=user_denied&error_description=The+user+denied+your+request&state={state}"
        ))
        .into_response();
    }
    let now = (graph.clock)();
    let mut world = lock(&graph.world);
    let mut accounts: Vec<Account> = world.accounts().filter(|account| account.login == login).cloned().collect();
    accounts.retain(|account| given("sim_account").is_none_or(|id| account.id.as_str() == id) && account.app.id == app);
    let Some(account) = accounts.first() else {
        return (StatusCode::BAD_REQUEST, "Invalid platform app").into_response();
    };
    let code = world.grant_code(&account.id, to, now);
    Redirect::to(&format!("{to}?code={code}&state={state}#_")).into_response()
}

/// `POST /oauth/access_token`: the short-lived token of Instagram Login.
pub(super) async fn redeem(State(graph): State<Graph>, Form(form): Form<Pairs>) -> Response {
    let given = |name: &str| form.get(name).map_or("", String::as_str);
    let refused = |text: &str| {
        let body = json!({ "error_type": "OAuthException", "code": 400, "error_message": text });
        (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
    };
    if given("grant_type") != "authorization_code" {
        return refused("Invalid grant_type");
    }
    if !graph.knows_app(Some(given("client_id")), given("client_secret")) {
        return refused("Error validating client secret.");
    }
    let now = (graph.clock)();
    match lock(&graph.world).redeem_code(given("code"), given("redirect_uri"), now) {
        Ok(Grant { token, account, .. }) => {
            let permissions =
                "instagram_business_basic,instagram_business_manage_messages,instagram_business_manage_comments";
            let granted = json!({ "access_token": token, "user_id": account, "permissions": permissions });
            axum::Json(json!({ "data": [granted] })).into_response()
        }
        Err(_) => refused("Matching code was not found or was already used"),
    }
}

/// `GET /access_token`: the long-lived token of Instagram Login.
pub(super) async fn exchange(State(graph): State<Graph>, Query(query): Query<Pairs>) -> Response {
    let given = |name: &str| query.get(name).map_or("", String::as_str);
    if given("grant_type") != "ig_exchange_token" || !graph.knows_app(None, given("client_secret")) {
        return graph.refuse(Refusal::BAD_PARAMETER, None);
    }
    let now = (graph.clock)();
    let grant = lock(&graph.world).exchange_token(given("access_token"), now);
    graph.granted(grant)
}

/// `GET /refresh_access_token`: Instagram Login.
pub(super) async fn refresh(State(graph): State<Graph>, Query(query): Query<Pairs>) -> Response {
    let given = |name: &str| query.get(name).map_or("", String::as_str);
    if given("grant_type") != "ig_refresh_token" {
        return graph.refuse(Refusal::BAD_PARAMETER, None);
    }
    let now = (graph.clock)();
    let grant = lock(&graph.world).refresh_token(given("access_token"), now);
    graph.granted(grant)
}

/// `GET /{version}/oauth/access_token`: both tokens of Facebook Login.
pub(super) async fn facebook_token(
    State(graph): State<Graph>,
    Path(version): Path<String>,
    Query(query): Query<Pairs>,
) -> Response {
    let given = |name: &str| query.get(name).map_or("", String::as_str);
    if !is_version(&version) || !graph.knows_app(Some(given("client_id")), given("client_secret")) {
        return graph.refuse(Refusal::BAD_PARAMETER, None);
    }
    let now = (graph.clock)();
    let grant = match given("grant_type") {
        "fb_exchange_token" => lock(&graph.world).exchange_token(given("fb_exchange_token"), now),
        _ => lock(&graph.world).redeem_code(given("code"), given("redirect_uri"), now),
    };
    graph.granted(grant)
}

/// `GET /{version}/me/accounts`: the Pages of a person, each with its token and its Instagram account.
pub(super) async fn pages(
    State(graph): State<Graph>,
    Path(version): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    if !is_version(&version) {
        return graph.refuse(Refusal::BAD_PATH, None);
    }
    let (now, token) = ((graph.clock)(), token(&headers, &uri).unwrap_or_default());
    let page = lock(&graph.world).page_token(&token, now);
    let grant = match page {
        Ok(grant) => grant,
        Err(refused) => return graph.granted(Err(refused)),
    };
    let account = lock(&graph.world).account(grant.account.as_str()).cloned();
    let Some(account) = account else { return graph.refuse(Refusal::NO_OBJECT, None) };
    let page = json!({
        "id": format!("1{}", account.id), "name": account.username, "access_token": grant.token,
        "instagram_business_account": { "id": account.id, "username": account.username },
    });
    graph.ok(&json!({ "data": [page] }), &account)
}

impl Graph {
    /// Whether this is the secret of that app, or of any.
    fn knows_app(&self, id: Option<&str>, secret: &str) -> bool {
        let world = lock(&self.world);
        world
            .accounts()
            .any(|account| id.is_none_or(|id| account.app.id == id) && account.app.secret.expose_secret() == secret)
    }

    fn granted(&self, grant: Result<Grant, GrantRefusal>) -> Response {
        match grant {
            Ok(Grant { token, expires_in, .. }) => {
                let body = json!({ "access_token": token, "token_type": "bearer", "expires_in": expires_in });
                ([(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
            }
            Err(GrantRefusal::Graph(refusal)) => self.refuse(refusal, None),
            Err(GrantRefusal::Code) => self.refuse(Refusal::BAD_CODE, None),
        }
    }
}
