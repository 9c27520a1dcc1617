//! The Send API over HTTP, with its faults.

use std::future::pending;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::{Fault, Graph, ResetHandle, is_version, lock, reply, token};
use crate::echo::Busy;
use crate::webhooks::echo;
use crate::world::{GraphReply, Refusal, SendCall};

/// `POST /{version}/{node}/messages`.
pub(super) async fn send(
    State(graph): State<Graph>,
    ConnectInfo(connection): ConnectInfo<ResetHandle>,
    Path((version, node)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    if !is_version(&version) {
        return graph.refuse(Refusal::BAD_PATH, None);
    }
    let token = token(&headers, &uri);
    let fault = lock(&graph.dice).roll(&body);
    let call = SendCall { node: &node, token: token.as_deref(), body: &body, started: (graph.clock)(), fault };
    let answer = lock(&graph.world).send(call);
    graph.echo(&answer).await;
    match fault {
        Some(fault) => graph.spoil(fault, &connection, answer).await,
        None => reply(answer.status, answer.body, &answer.usage),
    }
}

impl Graph {
    /// Queues the echo of a delivered message.
    async fn echo(&self, answer: &GraphReply) {
        let (Some(delivered), Some(echoes)) = (&answer.delivered, &self.echoes) else { return };
        if lock(&self.dice).loses_echo(&delivered.mid) {
            return;
        }
        let account = lock(&self.world).account(delivered.account.as_str()).cloned();
        if let Some(account) = account {
            let outgoing = (echo(&account, delivered), Busy::new(&self.outstanding));
            // The queue is bounded: a program that does not take its echoes slows its own sends, as it would at Meta.
            tokio::select! {
                _ = echoes.send(outgoing) => {}
                () = self.cancel.cancelled() => {}
            }
        }
    }

    async fn spoil(&self, fault: Fault, connection: &ResetHandle, answer: GraphReply) -> Response {
        let (slow, hang) = {
            let dice = lock(&self.dice);
            (dice.slow(), dice.hang())
        };
        let sent = answer.delivered.is_some();
        match fault {
            Fault::Slow => self.pause(slow).await,
            Fault::ResetBeforeAccepting | Fault::ResetAfterAccepting => {
                connection.reset();
                pending::<()>().await;
            }
            Fault::HangAfterAccepting => {
                self.pause(hang).await;
                connection.reset();
                pending::<()>().await;
            }
            // What Meta refuses, it refuses plainly: these spoil the answer to a message that was sent.
            Fault::FalseFailure if sent => return self.refuse(Refusal::FALSE_FAILURE, None),
            Fault::HtmlBody if sent => return html(),
            Fault::EmptyBody if sent => return StatusCode::OK.into_response(),
            Fault::FalseFailure | Fault::HtmlBody | Fault::EmptyBody | Fault::Unavailable => {}
        }
        reply(answer.status, answer.body, &answer.usage)
    }

    async fn pause(&self, time: std::time::Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.cancel.cancelled() => {}
        }
    }
}

fn html() -> Response {
    let page = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>Sorry, something went wrong.</body></html>";
    (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}
