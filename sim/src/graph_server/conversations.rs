//! Reading conversations and messages back: how a sender learns whether a message of unknown fate arrived.
//!
//! Shapes: Meta, "Conversations API" for Instagram: the newest message first, `created_time` in ISO 8601 with `+0000`,
//! `message` for the text. Metadata is not given back.

use afterglow_domain::Timestamp;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::{Graph, Reads, lock, page, query};
use crate::account::Account;
use crate::world::{Line, Refusal};

const CONVERSATION: &str = "aWdfZAG06sim:";
/// The read-back knows that a Story was answered, and not which.
const STORY: &str = "17900000000000000";

/// `GET /{version}/{node}/conversations?user_id=&fields=`.
pub(super) async fn list(
    State(graph): State<Graph>,
    Path((version, node)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let account = match graph.called(&version, &node, (&headers, &uri), Reads::Conversation) {
        Ok(account) => account,
        Err(refusal) => {
            let account = lock(&graph.world).account(&node).cloned();
            return graph.refuse(refusal, account.as_ref());
        }
    };
    let fields = query(&uri, "fields").unwrap_or_default();
    let Some(person) = query(&uri, "user_id") else { return all(&graph, &account, &uri, &fields) };
    let lines = lock(&graph.world).conversation(&account.id, &person);
    let data: Vec<Value> = lines.map(|lines| conversation(&account, &person, &lines, &fields)).into_iter().collect();
    graph.ok(&json!({ "data": data }), &account)
}

/// A page of all conversations, the latest first. The cursor is the place in the list.
fn all(graph: &Graph, account: &Account, uri: &Uri, fields: &str) -> Response {
    let conversations = lock(&graph.world).conversations(&account.id);
    page(graph, account, uri, &conversations, |(person, lines)| conversation(account, person, lines, fields))
}

/// `GET /{version}/{node}`: `me`, an account, a conversation or a message.
pub(super) async fn node(
    State(graph): State<Graph>,
    Path((version, node)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let reads = if node.starts_with("aWdf") { Reads::Conversation } else { Reads::Other };
    let account = match graph.called(&version, "me", (&headers, &uri), reads) {
        Ok(account) => account,
        Err(refusal) => return graph.refuse(refusal, None),
    };
    let fields = query(&uri, "fields").unwrap_or_default();
    if node == "me" || node == account.id.as_str() {
        return graph.ok(&profile(&account, &fields), &account);
    }
    if let Some(person) = node.strip_prefix(CONVERSATION) {
        // On a line of its own: a lock in the condition would be held while the answer takes it again.
        let lines = lock(&graph.world).conversation(&account.id, person);
        if let Some(lines) = lines {
            return graph.ok(&conversation(&account, person, &lines, &fields), &account);
        }
    }
    let comment = lock(&graph.world).comment(&account.id, &node);
    if let Some(comment) = comment {
        let body = json!({ "id": comment.id, "text": comment.text, "hidden": comment.hidden });
        return graph.ok(&body, &account);
    }
    let found = lock(&graph.world).message(&account.id, &node);
    match found {
        Some((person, line)) => graph.ok(&message(&account, &person, &line), &account),
        None => graph.refuse(Refusal::NO_OBJECT, Some(&account)),
    }
}

fn profile(account: &Account, fields: &str) -> Value {
    let mut body = Map::new();
    let all = [("id", account.id.as_str()), ("user_id", account.id.as_str()), ("username", &account.username)];
    for (name, value) in all {
        if name == "id" || fields.split(',').any(|f| f.trim() == name) {
            body.insert(name.into(), value.into());
        }
    }
    Value::Object(body)
}

fn conversation(account: &Account, person: &str, lines: &[Line], fields: &str) -> Value {
    let updated = lines.last().map_or(Timestamp::default(), |l| l.at);
    let mut body = json!({ "id": format!("{CONVERSATION}{person}"), "updated_time": graph_time(updated) });
    if let Some((whole, limit)) = expansion(fields) {
        let data: Vec<Value> = lines
            .iter()
            .rev()
            .take(limit)
            .map(|l| {
                if whole { message(account, person, l) } else { json!({"id": l.mid, "created_time": graph_time(l.at)}) }
            })
            .collect();
        body["messages"] = json!({ "data": data });
    }
    body
}

/// Whether messages are asked for with their fields, and how many: `messages`, `messages{…}` or `messages.limit(5){…}`
/// (Meta, "Graph API: field expansion"). Without an expansion Meta gives id and time alone; without a limit 25 messages,
/// and never more than the 20 latest with their text (Meta, "Conversations API", 2026).
fn expansion(fields: &str) -> Option<(bool, usize)> {
    let (_, rest) = fields.split_once("messages")?;
    let limit = rest.strip_prefix(".limit(").and_then(|rest| rest.split_once(')'));
    let (limit, rest) = limit.map_or((25, rest), |(limit, rest)| (limit.parse().unwrap_or(0), rest));
    let whole = rest.starts_with('{');
    Some((whole, if whole { limit.min(20) } else { limit }))
}

fn message(account: &Account, person: &str, line: &Line) -> Value {
    let us = json!({ "username": account.username, "id": account.id });
    let them = json!({ "username": format!("user.{person}"), "id": person });
    let (from, to) = if line.ours { (us, them) } else { (them, us) };
    let mut body = json!({
        "id": line.mid,
        "created_time": graph_time(line.at),
        "from": from,
        "to": { "data": [to] },
        "message": line.text,
    });
    if line.answers_story {
        body["story"] = json!({ "reply_to": { "id": STORY, "link": "https://lookaside.example/story" } });
    }
    body
}

/// `2026-01-31T12:00:00+0000`: whole seconds, as the Graph API writes times.
pub(super) fn graph_time(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    format!("{}+0000", text.get(..19).unwrap_or(&text))
}
