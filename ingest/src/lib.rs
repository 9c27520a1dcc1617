//! The one way in for Meta: verifies, reads, and hands on.
//!
//! Guarantee: a webhook is answered 200 only after the bus has confirmed every event in it. What cannot be confirmed in
//! time is answered 503, and Meta delivers it again (for up to 36 hours); consumers know by the ids what they have seen.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `handshake` | `GET /webhooks/meta`: Meta asks whether the endpoint is ours |
//! | `webhook` | `POST /webhooks/meta`: signature, events, confirms, answer |
//! | `outgoing` | which event goes on which lane, in which form |

mod handshake;
mod outgoing;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use afterglow_bus::Bus;
use afterglow_domain::Timestamp;
use afterglow_meta::AppSecrets;
use afterglow_meta::webhook::Directory;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use secrecy::SecretString;

/// What the endpoint needs. Time and the knowledge of accounts are passed in.
pub struct Ingest {
    /// The app secrets that are valid now.
    pub secrets: AppSecrets,
    /// The token that Meta's handshake must show; an empty one refuses every handshake.
    pub verify_token: SecretString,
    /// Who owns which account.
    pub directory: Arc<dyn Directory + Send + Sync>,
    /// Where events go.
    pub bus: Arc<dyn Bus>,
    /// The time.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// How long to wait for confirms before answering 503. Meta counts an answer after 5 s as none (Meta, "Webhooks for
    /// Messenger Platform", 2026).
    pub confirm_deadline: Duration,
    /// Largest body that is read, in bytes. Meta sends up to 1000 updates in one.
    pub body_limit: usize,
}

/// The routes.
pub fn router(ingest: Ingest) -> Router {
    let limit = DefaultBodyLimit::max(ingest.body_limit);
    Router::new()
        .route("/webhooks/meta", get(handshake::answer).post(webhook::take))
        .layer(limit)
        .with_state(Arc::new(ingest))
}
