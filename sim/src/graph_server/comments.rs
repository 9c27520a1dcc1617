//! Posts and the comments under them, as Meta lets an account read them back.
//!
//! Shapes: Meta, "IG Media / Comments" (Instagram Platform reference), as read in 2026: `timestamp` in ISO 8601, `from`
//! with id and username, the latest first, 50 a page at most.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::conversations::graph_time;
use super::{Graph, is_version, lock, query, token};
use crate::account::Account;
use crate::world::{PostedComment, Refusal};

/// `GET /{version}/{node}/media`.
pub(super) async fn media(
    State(graph): State<Graph>,
    Path((version, node)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    if !is_version(&version) {
        return graph.refuse(Refusal::BAD_PATH, None);
    }
    let called = lock(&graph.world).read_call(&node, token(&headers, &uri).as_deref(), (graph.clock)(), false);
    let account = match called {
        Ok(account) => account,
        Err(refusal) => return graph.refuse(refusal, None),
    };
    let posts = lock(&graph.world).posts(&account.id);
    let item = |(id, comments): &(String, Vec<PostedComment>)| {
        let posted = comments.last().map_or_else(|| (graph.clock)(), |first| first.at);
        json!({ "id": id, "timestamp": graph_time(posted), "comments_count": comments.len() })
    };
    page(&graph, &account, &uri, &posts.iter().map(item).collect::<Vec<_>>())
}

/// `GET /{version}/{media}/comments`.
pub(super) async fn comments(
    State(graph): State<Graph>,
    Path((version, node)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    if !is_version(&version) {
        return graph.refuse(Refusal::BAD_PATH, None);
    }
    let called = lock(&graph.world).read_call("me", token(&headers, &uri).as_deref(), (graph.clock)(), false);
    let account = match called {
        Ok(account) => account,
        Err(refusal) => return graph.refuse(refusal, None),
    };
    let post = lock(&graph.world).posts(&account.id).into_iter().find(|(id, _)| *id == node);
    let Some((_, comments)) = post else { return graph.refuse(Refusal::NO_OBJECT, Some(&account)) };
    let item = |comment: &PostedComment| {
        let username = if comment.author.as_str() == account.id.as_str() {
            account.username.clone()
        } else {
            format!("user.{}", comment.author)
        };
        json!({
            "id": comment.id, "text": comment.text, "timestamp": graph_time(comment.at), "username": username,
            "hidden": comment.hidden, "from": { "id": comment.author, "username": username },
        })
    };
    page(&graph, &account, &uri, &comments.iter().map(item).collect::<Vec<_>>())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hide {
    hide: bool,
}

/// `POST /{version}/{comment}` with `hide`, in the query or in JSON (Meta, "Instagram (IG) Comment", as read in 2026).
pub(super) async fn hide(
    State(graph): State<Graph>,
    Path((version, node)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    let account = match owner(&graph, &version, &headers, &uri) {
        Ok(account) => account,
        Err(refusal) => return graph.refuse(refusal, None),
    };
    let hide = match query(&uri, "hide").as_deref() {
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => None,
        None => serde_json::from_slice::<Hide>(&body).ok().map(|body| body.hide),
    };
    let Some(hide) = hide else { return graph.refuse(Refusal::BAD_PARAMETER, Some(&account)) };
    let done = lock(&graph.world).hide_comment(&account.id, &node, hide);
    told(&graph, &account, done)
}

/// `DELETE /{version}/{comment}`.
pub(super) async fn delete(
    State(graph): State<Graph>,
    Path((version, node)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let account = match owner(&graph, &version, &headers, &uri) {
        Ok(account) => account,
        Err(refusal) => return graph.refuse(refusal, None),
    };
    let done = lock(&graph.world).delete_comment(&account.id, &node);
    told(&graph, &account, done)
}

fn owner(graph: &Graph, version: &str, headers: &HeaderMap, uri: &Uri) -> Result<Account, Refusal> {
    if !is_version(version) {
        return Err(Refusal::BAD_PATH);
    }
    lock(&graph.world).read_call("me", token(headers, uri).as_deref(), (graph.clock)(), false)
}

fn told(graph: &Graph, account: &Account, done: bool) -> Response {
    if done { graph.ok(&json!({ "success": true }), account) } else { graph.refuse(Refusal::NO_OBJECT, Some(account)) }
}

/// A page of a list; the cursor is the place in it.
fn page(graph: &Graph, account: &Account, uri: &Uri, all: &[Value]) -> Response {
    let number = |name: &str| query(uri, name).and_then(|text| text.parse::<usize>().ok());
    let (from, limit) = (number("after").unwrap_or(0), number("limit").unwrap_or(25).min(50));
    let data: Vec<&Value> = all.iter().skip(from).take(limit).collect();
    let mut body = json!({ "data": data });
    if from + limit < all.len() {
        let after = (from + limit).to_string();
        body["paging"] = json!({ "cursors": { "after": after }, "next": "https://graph.example/next" });
    }
    graph.ok(&body, account)
}
