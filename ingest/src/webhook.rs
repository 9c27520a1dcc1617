//! Takes a webhook: signature, events, confirms, answer.

use std::sync::Arc;

use afterglow_bus::PublishError;
use afterglow_meta::SignatureError;
use afterglow_meta::webhook::interpret;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::Ingest;
use crate::outgoing::{Outgoing, OutgoingError};

/// When to try again after a 503, in seconds. Meta has its own schedule; proxies and tests heed it.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Why a webhook is not taken. The sender learns the status and nothing else.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("signature")]
    Signature(#[from] SignatureError),
    #[error("bus")]
    Bus(#[from] PublishError),
    #[error("the bus did not confirm within the deadline")]
    Deadline,
    #[error("message")]
    Message(#[from] OutgoingError),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, outcome) = match self {
            Refusal::Signature(SignatureError::Missing) => (StatusCode::UNAUTHORIZED, "unsigned"),
            Refusal::Signature(SignatureError::Malformed | SignatureError::Mismatch) => {
                (StatusCode::FORBIDDEN, "bad_signature")
            }
            Refusal::Bus(PublishError::Unavailable(_) | PublishError::NotConfirmed(_))
            | Refusal::Deadline
            | Refusal::Message(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_confirmed"),
        };
        metrics::counter!("afterglow_ingest_webhooks_total", "outcome" => outcome).increment(1);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            tracing::warn!(reason = %cause(&self), "refused a webhook; it comes again");
            return (status, [(header::RETRY_AFTER, RETRY_AFTER)]).into_response();
        }
        status.into_response()
    }
}

/// The error with what lies beneath it.
fn cause(refusal: &Refusal) -> String {
    let mut text = refusal.to_string();
    let mut source = std::error::Error::source(refusal);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// `POST /webhooks/meta`.
pub(crate) async fn take(
    State(ingest): State<Arc<Ingest>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let verified = ingest.secrets.verify(text("x-hub-signature-256"), body)?;
    let interpretation = interpret(&verified, (ingest.clock)(), &*ingest.directory);
    // A header longer than W3C Trace Context's version 00 is somebody else's; the work is traced without it.
    let traceparent = text("traceparent").filter(|value| value.len() == 55);
    let outgoing = Outgoing::of(&interpretation, traceparent)?;
    let publish = async {
        for (lane, messages) in outgoing.lanes() {
            if !messages.is_empty() {
                ingest.bus.publish(lane, messages).await?;
            }
        }
        Ok::<(), PublishError>(())
    };
    tokio::time::timeout(ingest.confirm_deadline, publish).await.map_err(|_| Refusal::Deadline)??;
    metrics::counter!("afterglow_ingest_events_total").increment(interpretation.events.len() as u64);
    metrics::counter!("afterglow_ingest_webhooks_total", "outcome" => "accepted").increment(1);
    // What is not JSON is kept, but the sender should know.
    Ok(if interpretation.not_json { StatusCode::BAD_REQUEST } else { StatusCode::OK })
}
