//! The one way in for Meta: verifies, reads, and hands on.
//!
//! Guarantee: a webhook is answered 200 only after the bus has confirmed every event in it. What cannot be confirmed in
//! time is answered 503, and Meta delivers it again (for up to 36 hours); consumers know by the ids what they have seen.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `handshake` | `GET /webhooks/meta`: Meta asks whether the endpoint is ours |
//! | `webhook` | `POST /webhooks/meta`: signature, events, confirms, answer |
//! | `quota`, `under_way` | what a brand may have on the fast lane; how many webhooks are under way |
//! | `held_refusals` | whoever is refused for overload learns it after a pause |
//! | `outgoing` | which event goes on which lane, in which form |
//! | `accounts` | who owns which account |
//! | `callbacks` | somebody removed the app, or wants their data deleted |
//! | `connect` | an account is connected by its owner's consent |
//! | `token_keeper` | tokens are checked, and refreshed long before they die |
//! | `links` | tracked links: leads on at once, and counts |
//! | `partners` | what a brand's other systems tell: conversions, consents, notes |
//! | `observations` | what people of a brand saw |
//! | `rounds` | rounds through all accounts, which one process of all makes |
//! | `story_insights` | keeps the figures of Stories |
//! | `subscriptions` | keeps accounts subscribed |
//! | `ice_breakers` | keeps accounts' ice breakers as their brand wants them |
//! | `sweep`, `comment_sweep` | find what webhooks missed |
//! | `quarantine` | keeps what was not understood, and puts it through the same door again |

mod accounts;
mod callbacks;
mod comment_sweep;
mod connect;
mod handshake;
mod held_refusals;
mod ice_breakers;
mod links;
pub mod observations;
mod outgoing;
mod partners;
mod quarantine;
mod quota;
mod rounds;
mod story_insights;
mod subscriptions;
mod sweep;
mod token_keeper;
mod under_way;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use afterglow_bus::Bus;
use afterglow_domain::Clock;
use afterglow_meta::AppSecrets;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use secrecy::SecretString;

pub use accounts::{Accounts, StoredAccounts};
pub use callbacks::{Callbacks, callbacks_router};
pub use connect::{Connect, ConnectApps, NoApp, connect_router};
pub use held_refusals::HeldRefusals;
pub use ice_breakers::IceBreakerKeeper;
pub use links::{Links, Openings, links_router};
pub use partners::{BadSecret, Partners, partners_router};
pub use quarantine::{KeepError, Replay, ReplayError, Replayed, keep_quarantine};
pub use quota::Quotas;
pub use rounds::Rounds;
pub use story_insights::InsightsCollector;
pub use subscriptions::SubscriptionKeeper;
pub use sweep::Sweep;
pub use token_keeper::TokenKeeper;
pub use under_way::{Entered, UnderWay};

/// What the endpoint needs. Time and the knowledge of accounts are passed in.
pub struct Ingest {
    /// The app secrets that are valid now.
    pub secrets: AppSecrets,
    /// The token that Meta's handshake must show; an empty one refuses every handshake.
    pub verify_token: SecretString,
    /// Who owns which account.
    pub accounts: Arc<dyn Accounts>,
    /// Ids of the apps through which Afterglow speaks; a hand-over to one of them is one to us.
    pub our_apps: Vec<String>,
    /// Where events go.
    pub bus: Arc<dyn Bus>,
    /// The time.
    pub clock: Clock,
    /// How long to wait for confirms before answering 503. Meta counts an answer after 5 s as none (Meta, "Webhooks for
    /// Messenger Platform", 2026).
    pub confirm_deadline: Duration,
    /// What a brand may have on the fast lane.
    pub quotas: Quotas,
    /// How many webhooks are under way now.
    pub under_way: UnderWay,
    /// Webhooks under way from which on those are refused that carry no stop, start or hand-over; from twice as many on all.
    pub in_flight_max: usize,
    /// Refusals for overload that wait to be answered.
    pub held_refusals: HeldRefusals,
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
