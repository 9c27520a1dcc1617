//! Takes a webhook: signature, events, confirms, answer.

use std::sync::Arc;

use afterglow_bus::PublishError;
use afterglow_domain::{BrandId, QuarantineReason, Timestamp};
use afterglow_meta::SignatureError;
use afterglow_meta::webhook::{Interpretation, Interpreted, interpret};
use afterglow_runtime::traces::{SPANS, follow, step_of};
use afterglow_runtime::{TraceContext, error_chain};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

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
    #[error("too many webhooks are under way")]
    Overload,
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
            Refusal::Overload => (StatusCode::SERVICE_UNAVAILABLE, "overload"),
            Refusal::Bus(PublishError::Unavailable(_) | PublishError::NotConfirmed(_))
            | Refusal::Deadline
            | Refusal::Message(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_confirmed"),
        };
        metrics::counter!("afterglow_ingest_webhooks_total", "outcome" => outcome).increment(1);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            if outcome != "overload" {
                tracing::warn!(reason = %error_chain(&self), "refused a webhook; it comes again");
            }
            return (status, [(header::RETRY_AFTER, RETRY_AFTER)]).into_response();
        }
        status.into_response()
    }
}

/// `POST /webhooks/meta`.
pub(crate) async fn take(
    State(ingest): State<Arc<Ingest>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let span = tracing::trace_span!(target: SPANS, "webhook", otel.kind = "server", bytes = body.len(), events = Empty);
    follow(&span, headers.get("traceparent").and_then(|value| value.to_str().ok()));
    let answer = accept(&ingest, headers, body).instrument(span).await;
    if matches!(answer, Err(Refusal::Overload)) {
        ingest.held_refusals.hold().await; // with neither its body nor a place among those under way
    }
    answer
}

async fn accept(ingest: &Ingest, headers: HeaderMap, body: Bytes) -> Result<StatusCode, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let under_way = ingest.under_way.enter();
    if under_way.count() > ingest.in_flight_max.saturating_mul(2) {
        return Err(Refusal::Overload);
    }
    let verified = ingest.secrets.verify(text("x-hub-signature-256"), body)?;
    let mut interpretation = interpret(&verified, (ingest.clock)(), &*ingest.accounts);
    if speaks_of_strangers(&interpretation) && ingest.accounts.look_again().await {
        interpretation = interpret(&verified, (ingest.clock)(), &*ingest.accounts);
    }
    let given = || text("traceparent").and_then(TraceContext::parse);
    let span = Span::current();
    span.record("events", interpretation.events.len());
    let trace = step_of(&span).or_else(given).unwrap_or_else(|| TraceContext::random(0));
    let now = (ingest.clock)();
    let admits = |brand: &BrandId| ingest.quotas.admits(brand, now);
    let outgoing = Outgoing::of(&interpretation, Some(&trace.to_string()), &ingest.our_apps, admits)?;
    // A refusal is cheap, and early: Meta comes again. What may forbid a send is taken as long as anything can be.
    if under_way.count() > ingest.in_flight_max && outgoing.consent.is_empty() {
        return Err(Refusal::Overload);
    }
    let publish = async {
        for (lane, messages) in outgoing.lanes() {
            if !messages.is_empty() {
                ingest.bus.publish(lane, messages).await?;
            }
        }
        Ok::<(), PublishError>(())
    };
    let begun = tokio::time::Instant::now();
    tokio::time::timeout(ingest.confirm_deadline, publish).await.map_err(|_| Refusal::Deadline)??;
    metrics::histogram!("afterglow_ingest_confirm_seconds").record(begun.elapsed().as_secs_f64());
    tracing::debug!(trace_id = trace.trace_id(), events = interpretation.events.len(), "took a webhook");
    metrics::counter!("afterglow_ingest_events_total").increment(interpretation.events.len() as u64);
    metrics::counter!("afterglow_ingest_webhooks_total", "outcome" => "accepted").increment(1);
    heard_of(&interpretation, (ingest.clock)());
    // What is not JSON is kept, but the sender should know.
    Ok(if interpretation.not_json { StatusCode::BAD_REQUEST } else { StatusCode::OK })
}

/// When each account was last heard of: one that falls silent is noticed by the age of this.
fn heard_of(interpretation: &Interpretation, now: Timestamp) {
    let mut last = None;
    for event in &interpretation.events {
        if let Interpreted::Interaction(interaction) = event
            && last != Some(&interaction.account)
        {
            last = Some(&interaction.account);
            #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch")]
            let seconds = (now.millis() / 1000) as f64;
            let account = interaction.account.as_str().to_owned();
            metrics::gauge!("afterglow_account_last_webhook_seconds", "account" => account).set(seconds);
        }
    }
}

/// Whether an account is unknown: it may have been connected since the list was read.
fn speaks_of_strangers(interpretation: &Interpretation) -> bool {
    interpretation.events.iter().any(|event| match event {
        Interpreted::Quarantined(kept) => kept.reason == QuarantineReason::UnknownAccount,
        Interpreted::Interaction(_) => false,
    })
}
