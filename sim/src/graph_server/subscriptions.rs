//! Webhook subscriptions of an account: what is subscribed, and the means to notice that it no longer is.

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::{Graph, Node, Reads, lock, query};
use crate::world::Refusal;

/// Meta, "Instagram webhooks": the fields of both logins.
const FIELDS: [&str; 16] = [
    "comments",
    "live_comments",
    "mentions",
    "message_echoes",
    "message_edit",
    "message_reactions",
    "messages",
    "messaging_handover",
    "messaging_optins",
    "messaging_policy_enforcement",
    "messaging_postbacks",
    "messaging_referral",
    "messaging_seen",
    "response_feedback",
    "standby",
    "story_insights",
];

/// `GET /{version}/{node}/subscribed_apps`.
pub(super) async fn list(State(graph): State<Graph>, path: Node, headers: HeaderMap, uri: Uri) -> Response {
    let account = match graph.called(&path.0.0, &path.0.1, (&headers, &uri), Reads::Other) {
        Ok(account) => account,
        Err(refusal) => return graph.refuse(refusal, None),
    };
    let fields = lock(&graph.subscriptions).get(account.id.as_str()).cloned();
    let data: Vec<_> = fields
        .map(|fields| json!({ "id": account.app.id, "name": "afterglow-sim", "subscribed_fields": fields }))
        .into_iter()
        .collect();
    graph.ok(&json!({ "data": data }), &account)
}

#[derive(Deserialize)]
struct Subscribe {
    subscribed_fields: Vec<String>,
}

/// `POST /{version}/{node}/subscribed_apps` with `subscribed_fields`, comma-separated in the query or a list in JSON.
/// What is given replaces what was subscribed.
pub(super) async fn subscribe(
    State(graph): State<Graph>,
    path: Node,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    let account = match graph.called(&path.0.0, &path.0.1, (&headers, &uri), Reads::Other) {
        Ok(account) => account,
        Err(refusal) => return graph.refuse(refusal, None),
    };
    let wanted: Option<Vec<String>> = query(&uri, "subscribed_fields")
        .map(|list| list.split(',').map(|f| f.trim().to_owned()).collect())
        .or_else(|| serde_json::from_slice::<Subscribe>(&body).ok().map(|s| s.subscribed_fields));
    match wanted {
        Some(fields) if !fields.is_empty() && fields.iter().all(|f| FIELDS.contains(&f.as_str())) => {
            lock(&graph.subscriptions).insert(account.id.as_str().into(), fields.into_iter().collect::<BTreeSet<_>>());
            graph.ok(&json!({ "success": true }), &account)
        }
        Some(_) | None => graph.refuse(Refusal::BAD_PARAMETER, Some(&account)),
    }
}

/// `DELETE /{version}/{node}/subscribed_apps`.
pub(super) async fn unsubscribe(State(graph): State<Graph>, path: Node, headers: HeaderMap, uri: Uri) -> Response {
    let account = match graph.called(&path.0.0, &path.0.1, (&headers, &uri), Reads::Other) {
        Ok(account) => account,
        Err(refusal) => return graph.refuse(refusal, None),
    };
    lock(&graph.subscriptions).remove(account.id.as_str());
    graph.ok(&json!({ "success": true }), &account)
}

/// Every field, as an account is subscribed when the world begins.
pub(crate) fn all_fields() -> BTreeSet<String> {
    FIELDS.iter().map(|f| (*f).to_owned()).collect()
}
