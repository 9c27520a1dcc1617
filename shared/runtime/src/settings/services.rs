//! Scorer, responder and its drafts, console, feed.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::lists::comma_texts;
use super::loopback;
use crate::secret::Secret;

/// `[scorer]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scorer {
    /// Interactions in one transaction at most.
    pub batch_max: usize,
    /// How long a batch waits to fill, in ms.
    pub batch_wait_ms: u64,
    /// Batches that one process works on at once, on PostgreSQL; SQLite has one writer.
    pub workers: u16,
    /// How long an edit, reaction or unsend waits for its message, in ms, before it goes to quarantine.
    pub park_ms: u64,
    /// How often it is looked for brand documents that were applied, in ms.
    pub rules_refresh_ms: u64,
    /// How often what is older than brands keep is looked for and removed, in ms; 0: never.
    pub retention_ms: u64,
    /// How long what could not be understood is kept, in days; 0: for ever.
    pub quarantine_days: u32,
}

impl Default for Scorer {
    fn default() -> Self {
        Self {
            batch_max: 1000,
            workers: 2,
            batch_wait_ms: 5,
            park_ms: 24 * 3_600_000,
            rules_refresh_ms: 1_000,
            retention_ms: 3_600_000,
            quarantine_days: 365,
        }
    }
}

/// `[responder]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Responder {
    /// Intents that are judged or sent at once.
    pub concurrency: u16,
    /// How often due intents and lost sends are looked for, in ms.
    pub sweep_ms: u64,
    /// How long one call to Meta may take, in ms.
    pub send_timeout_ms: u64,
    /// Messages a second from one account (Meta: 100 for text).
    pub sends_per_second: u32,
    /// How long a send of unknown fate waits for its echo before the conversation is read, in ms.
    pub echo_patience_ms: u64,
    /// How long its fate is looked for before a person is asked, in ms.
    pub fate_patience_ms: u64,
}

impl Default for Responder {
    fn default() -> Self {
        Self {
            concurrency: 32,
            sweep_ms: 500,
            send_timeout_ms: 10_000,
            sends_per_second: 80,
            echo_patience_ms: 5_000,
            fate_patience_ms: 120_000,
        }
    }
}

/// `[drafts]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drafts {
    /// An OpenAI-compatible endpoint, up to and without `/chat/completions`; none: nothing is drafted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The model's name, as the endpoint knows it.
    pub model: String,
    /// Sent as a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Secret>,
    /// For the whole call, in ms.
    pub timeout_ms: u64,
    /// What a million tokens that are sent cost, in millionths of a currency.
    pub input_price_micros: u64,
    /// What a million tokens that are answered cost, in the same.
    pub output_price_micros: u64,
}

impl Default for Drafts {
    fn default() -> Self {
        Self {
            url: None,
            model: "gpt-4o-mini".into(),
            api_key: None,
            timeout_ms: 20_000,
            input_price_micros: 150_000,
            output_price_micros: 600_000,
        }
    }
}

/// `[console]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// Where the console is served.
    pub listen: SocketAddr,
    /// Under which address people reach it, such as `https://console.example`; none: under loopback names alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// An identity provider by which people sign in; none: by password or link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,
}

impl Default for Console {
    fn default() -> Self {
        Self { listen: loopback(8080), public_url: None, oidc: None }
    }
}

/// `[console.oidc]`: OpenID Connect.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// The provider's issuer, such as `https://accounts.google.com`: below it lies `/.well-known/openid-configuration`.
    pub issuer: String,
    /// Under which id the provider knows this installation.
    pub client_id: String,
    /// By which secret; none: a public client, which PKCE alone protects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// What people call it, on the sign-in page.
    #[serde(default = "provider_name")]
    pub name: String,
    /// Whether whoever it vouches for becomes a person here, who may nothing until an owner says so.
    #[serde(default)]
    pub create: bool,
}

fn provider_name() -> String {
    "your organisation".into()
}

/// `[feed]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Feed {
    /// How often it is looked for what changed and for what is due, in ms.
    pub poll_ms: u64,
    /// How often figures are brought up to date, in ms.
    pub figures_ms: u64,
    /// How long changes can be read again, in days.
    pub keep_days: u32,
    /// For a whole call of an endpoint, in ms.
    pub timeout_ms: u64,
    /// Networks beside the public internet that may be called, such as `10.1.0.0/16`. In the environment with commas.
    #[serde(deserialize_with = "comma_texts")]
    pub allowed_networks: Vec<String>,
    /// Whether endpoints may be called over plain http.
    pub plain_http: bool,
    /// Whether changes are published to the broker as well, to the topic exchange `PREFIX.changes`. Needs `bus.url`.
    pub broker: bool,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            poll_ms: 500,
            figures_ms: 30_000,
            keep_days: 30,
            timeout_ms: 20_000,
            allowed_networks: Vec::new(),
            plain_http: false,
            broker: false,
        }
    }
}
