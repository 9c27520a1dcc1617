//! Meta asks whether the endpoint is ours (Meta, "Webhooks: Getting started", verification requests).

use std::sync::Arc;

use afterglow_meta::verify_token_matches;
use axum::extract::{Query, State};
use axum::http::StatusCode;

use crate::Ingest;

#[derive(serde::Deserialize)]
pub(crate) struct Handshake {
    #[serde(rename = "hub.mode", default)]
    mode: String,
    #[serde(rename = "hub.verify_token", default)]
    verify_token: String,
    #[serde(rename = "hub.challenge", default)]
    challenge: String,
}

/// The challenge, exactly as it came, or 403 without a word.
pub(crate) async fn answer(
    State(ingest): State<Arc<Ingest>>,
    Query(asked): Query<Handshake>,
) -> Result<String, StatusCode> {
    if asked.mode == "subscribe" && verify_token_matches(&ingest.verify_token, &asked.verify_token) {
        Ok(asked.challenge)
    } else {
        tracing::warn!("refused a handshake with a wrong mode or token");
        Err(StatusCode::FORBIDDEN)
    }
}
