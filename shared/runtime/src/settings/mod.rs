//! Every process setting, with its default. What a brand sets for itself is not here: that is data.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `back_ends` | the database, the broker, the keys |
//! | `inbound` | what comes in: Meta's app, the endpoint, what partners post |
//! | `services` | each of the other services |
//! | `process` | what every process has: listeners, health, logs, spans |
//! | `bounds` | within which a value makes sense |
//! | `lists` | lists, which the environment has as one text |

mod back_ends;
mod bounds;
mod inbound;
mod lists;
mod process;
mod services;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use back_ends::{Bus, Database, Keys};
pub use inbound::{Api, Ingest, Meta};
pub(crate) use process::Traces;
pub use process::{Http, Log, LogFormat, Ops};
pub use services::{Console, Drafts, Feed, Oidc, Responder, Scorer};

/// Everything that a process can be told. Each field is a key of the TOML file, and `AFTERGLOW_SECTION__KEY` in the
/// environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where the SQLite file, the embedded bus and a generated key live, if these are used.
    pub data_dir: PathBuf,
    /// The database.
    pub database: Database,
    /// The broker.
    pub bus: Bus,
    /// Meta's app.
    pub meta: Meta,
    /// The endpoint for webhooks.
    pub ingest: Ingest,
    /// Scoring.
    pub scorer: Scorer,
    /// Judging and sending.
    pub responder: Responder,
    /// Replies drafted by a model.
    pub drafts: Drafts,
    /// The web console.
    pub console: Console,
    /// What other systems are told.
    pub feed: Feed,
    /// Health and metrics.
    pub ops: Ops,
    /// What strangers' connections may cost, of every listener.
    pub http: Http,
    /// Keys that seal access tokens.
    pub keys: Keys,
    /// What partners post.
    pub api: Api,
    /// Logs.
    pub log: Log,
    /// Spans.
    pub traces: Traces,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("afterglow-data"),
            database: Database::default(),
            bus: Bus::default(),
            meta: Meta::default(),
            ingest: Ingest::default(),
            scorer: Scorer::default(),
            responder: Responder::default(),
            drafts: Drafts::default(),
            console: Console::default(),
            feed: Feed::default(),
            ops: Ops::default(),
            http: Http::default(),
            keys: Keys::default(),
            api: Api::default(),
            log: Log::default(),
            traces: Traces::default(),
        }
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
