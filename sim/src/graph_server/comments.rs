//! Posts and the comments under them, as Meta lets an account read them back.
//!
//! Shapes: Meta, "IG Media / Comments" (Instagram Platform reference), as read in 2026: `timestamp` in ISO 8601, `from`
//! with id and username, the latest first, 50 a page at most.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::conversations::graph_time;
use super::{Graph, Reads, lock, page, query};
use crate::account::Account;
use crate::world::{PostedComment, Refusal};

/// `GET /{version}/{node}/media`.
pub(super) async fn media(
    State(graph): State<Graph>,
    Path((version, node)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let account = match graph.called(&version, &node, (&headers, &uri), Reads::Other) {
        Ok(account) => account,
        Err(refusal) => return graph.refuse(refusal, None),
    };
    let posts = lock(&graph.world).posts(&account.id);
    let item = |(id, comments): &(String, Vec<PostedComment>)| {
        let posted = comments.last().map_or_else(|| (graph.clock)(), |first| first.at);
        json!({ "id": id, "timestamp": graph_time(posted), "comments_count": comments.len() })
    };
    page(&graph, &account, &uri, &posts, item)
}

/// `GET /{version}/{media}/comments`.
pub(super) async fn comments(
    State(graph): State<Graph>,
    Path((version, node)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let account = match graph.called(&version, "me", (&headers, &uri), Reads::Other) {
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
    page(&graph, &account, &uri, &comments, item)
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
    graph.called(version, "me", (headers, uri), Reads::Other)
}

fn told(graph: &Graph, account: &Account, done: bool) -> Response {
    if done { graph.ok(&json!({ "success": true }), account) } else { graph.refuse(Refusal::NO_OBJECT, Some(account)) }
}
