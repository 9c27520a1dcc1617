//! What comes in: Meta's app, the endpoint for webhooks, what partners post.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::lists::{comma_list, comma_texts};
use super::loopback;
use crate::secret::Secret;

/// `[meta]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Meta {
    /// App secrets that sign webhooks; several while they rotate. In the environment with commas.
    #[serde(deserialize_with = "comma_list")]
    pub app_secrets: Vec<Secret>,
    /// The token that Meta's handshake must show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_token: Option<Secret>,
    /// Ids of the apps through which Afterglow speaks: a hand-over to one of them is one to us. Without them every
    /// hand-over silences automation. In the environment with commas.
    #[serde(deserialize_with = "comma_texts")]
    pub app_ids: Vec<String>,
    /// Id of the Instagram app, with which accounts are connected by Instagram Login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instagram_app_id: Option<String>,
    /// Its secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instagram_app_secret: Option<Secret>,
    /// Id of the app, with which accounts are connected by Facebook Login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facebook_app_id: Option<String>,
    /// Its secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facebook_app_secret: Option<Secret>,
    /// Base of the Graph API, in place of Meta's own hosts; for tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_url: Option<String>,
    /// Version of the Graph API; none: the one this program was written for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_version: Option<String>,
}

/// `[ingest]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    /// Where webhooks, conversions and the opening of tracked links are taken.
    pub listen: SocketAddr,
    /// How long the broker may take to confirm, in ms, before the answer is 503. Meta gives up after 5 s.
    pub confirm_deadline_ms: u64,
    /// Largest webhook body, in bytes.
    pub body_limit: usize,
    /// Webhooks under way in one process from which on more are answered 503 at once; those that carry a stop, a start or a
    /// hand-over from twice as many on.
    pub in_flight_max: usize,
    /// Interactions of one brand a second that one process puts on the fast lane; more of them wait behind other brands'. 0:
    /// all of them go on the fast lane.
    pub brand_events_per_second: u32,
    /// How many of them may come at once after a quiet time.
    pub brand_events_burst: u32,
    /// How often the list of accounts is read again, in ms.
    pub accounts_refresh_ms: u64,
    /// How often conversations are searched for what webhooks missed, in ms; 0: never.
    pub sweep_ms: u64,
    /// How old a message must be before it counts as missed, in ms.
    pub sweep_grace_ms: u64,
    /// How often accounts' webhook subscriptions are checked and repaired, in ms; 0: never.
    pub subscriptions_ms: u64,
    /// How often accounts' ice breakers are compared with what their brands' documents name, and set, in ms; 0: never.
    pub ice_breakers_ms: u64,
    /// How often accounts' tokens are checked, and refreshed when they are half through their time, in ms; 0: never.
    pub tokens_ms: u64,
    /// Where this endpoint is reached from outside, such as `https://hooks.example`: for addresses that are given to people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// How often it is looked for live Stories and for figures that are due, in ms; 0: never.
    pub insights_ms: u64,
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            listen: loopback(8090),
            confirm_deadline_ms: 3_000,
            body_limit: 4 * 1024 * 1024,
            in_flight_max: 128,
            brand_events_per_second: 50,
            brand_events_burst: 500,
            accounts_refresh_ms: 5_000,
            sweep_ms: 300_000,
            sweep_grace_ms: 120_000,
            subscriptions_ms: 600_000,
            ice_breakers_ms: 60_000,
            tokens_ms: 3_600_000,
            public_url: None,
            insights_ms: 60_000,
        }
    }
}

/// `[api]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// `brand:secret` for each brand whose shop posts conversions; in the environment with commas.
    #[serde(deserialize_with = "comma_list")]
    pub secrets: Vec<Secret>,
}
