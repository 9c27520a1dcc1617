//! What every process of Afterglow needs around its work: settings, telemetry, health, an orderly end, sealed secrets,
//! the clock, and one kind of HTTP client. Knows nothing of the work itself.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `settings` | every process setting, with its default |
//! | `load` | flag before environment before TOML file |
//! | `secret` | settings that must not be shown |
//! | `telemetry` | logs and metrics |
//! | `trace_context` | W3C Trace Context, carried from the webhook to the send |
//! | `traces` | spans, sent by OTLP |
//! | `ops` | `/healthz`, `/readyz`, `/metrics` |
//! | `lifecycle` | signals, services, what is done regularly, and how all of it ends |
//! | `keyring` | tokens encrypted at rest, under keys that rotate |
//! | `clock` | the only place that asks the system for the time |
//! | `error_chain` | an error and its causes in one line |
//! | `http_client` | time-outs, one TLS stack, no redirects |
//! | `http_server` | serves strangers: slow, silent, greedy and many keep nobody from being answered |

mod clock;
mod error_chain;
mod http_client;
mod http_server;
mod keyring;
mod lifecycle;
mod load;
mod ops;
mod secret;
mod settings;
mod telemetry;
mod trace_context;
pub mod traces;

pub use clock::now_ms;
pub use error_chain::error_chain;
pub use http_client::{HttpClientError, http_client, http_client_builder};
pub use http_server::serve_http;
pub use keyring::{Keyring, KeyringError};
pub use lifecycle::{Ended, Services, regularly, signals};
pub use load::{LoadError, Sources};
pub use ops::{Gauges, Health, ReadyCheck, ops_router};
pub use secret::{Address, Secret};
pub use settings::{
    Api, Bus, Console, Database, Drafts, Feed, Http, Ingest, Keys, Log, LogFormat, Meta, Oidc, Ops, Responder, Scorer,
    Settings,
};
pub use telemetry::{TelemetryError, keep_metrics, start_logs, start_metrics};
pub use trace_context::TraceContext;
pub use traces::Traces;
