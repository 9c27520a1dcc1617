//! Ice breakers of an account.
//!
//! Limits: Meta, "Ice Breakers" (Instagram Messaging API, as read in 2026): at most 4 questions for each locale; one locale must
//! be `default`; `platform` must be `instagram`.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Graph, Node, Reads, lock, query};
use crate::world::Refusal;

/// Questions of one locale at most.
const QUESTIONS: usize = 4;
/// Characters of a question at most.
const QUESTION_CHARS: usize = 80;
/// Characters of a payload at most.
const PAYLOAD_CHARS: usize = 1000;

/// The questions of one locale.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IceBreakers {
    #[serde(default = "default_locale")]
    locale: String,
    call_to_actions: Vec<Question>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    question: String,
    payload: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    platform: String,
    ice_breakers: Vec<IceBreakers>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delete {
    platform: String,
    fields: Vec<String>,
}

fn default_locale() -> String {
    "default".into()
}

/// `GET /{version}/{node}/messenger_profile?fields=ice_breakers&platform=instagram`.
pub(super) async fn get(State(graph): State<Graph>, path: Node, headers: HeaderMap, uri: Uri) -> Response {
    let account = match graph.called(&path.0.0, &path.0.1, (&headers, &uri), Reads::Other) {
        Ok(account) => account,
        Err(refusal) => return graph.refuse(refusal, None),
    };
    if query(&uri, "platform").as_deref() != Some("instagram") || query(&uri, "fields").is_none() {
        return graph.refuse(Refusal::BAD_PARAMETER, Some(&account));
    }
    let set = lock(&graph.ice_breakers).get(account.id.as_str()).cloned().unwrap_or_default();
    let data: Vec<_> = if set.is_empty() { Vec::new() } else { vec![json!({ "ice_breakers": set })] };
    graph.ok(&json!({ "data": data }), &account)
}

/// `POST /{version}/{node}/messenger_profile`: what is given replaces what was there.
pub(super) async fn set(State(graph): State<Graph>, path: Node, headers: HeaderMap, uri: Uri, body: Bytes) -> Response {
    let account = match graph.called(&path.0.0, &path.0.1, (&headers, &uri), Reads::Other) {
        Ok(account) => account,
        Err(refusal) => return graph.refuse(refusal, None),
    };
    match serde_json::from_slice::<Set>(&body) {
        Ok(set) if set.platform == "instagram" && fits(&set.ice_breakers) => {
            lock(&graph.ice_breakers).insert(account.id.as_str().into(), set.ice_breakers);
            graph.ok(&json!({ "result": "success" }), &account)
        }
        Ok(_) | Err(_) => graph.refuse(Refusal::BAD_PARAMETER, Some(&account)),
    }
}

/// `DELETE /{version}/{node}/messenger_profile` with `fields`.
pub(super) async fn delete(
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
    match serde_json::from_slice::<Delete>(&body) {
        Ok(given) if given.platform == "instagram" && given.fields == ["ice_breakers"] => {
            lock(&graph.ice_breakers).remove(account.id.as_str());
            graph.ok(&json!({ "result": "success" }), &account)
        }
        Ok(_) | Err(_) => graph.refuse(Refusal::BAD_PARAMETER, Some(&account)),
    }
}

fn fits(given: &[IceBreakers]) -> bool {
    let short = |text: &str, most: usize| !text.trim().is_empty() && text.chars().count() <= most;
    given.iter().filter(|one| one.locale == "default").count() == 1
        && given.iter().all(|one| {
            (1..=QUESTIONS).contains(&one.call_to_actions.len())
                && one
                    .call_to_actions
                    .iter()
                    .all(|q| short(&q.question, QUESTION_CHARS) && short(&q.payload, PAYLOAD_CHARS))
        })
}
