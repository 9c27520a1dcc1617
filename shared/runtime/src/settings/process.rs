//! What every process has: listeners, health and metrics, logs, spans.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::loopback;

/// `[http]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Connections of one listener at most; three quarters of the files that the system allows the process, if that is
    /// less. When one more comes, the one goes that has been waited for longest.
    pub connections_max: usize,
    /// How long a request's head may take, in ms, from its first byte on.
    pub head_ms: u64,
    /// Largest head, in bytes.
    pub head_bytes_max: usize,
    /// How long a request's body may take, in ms; and how long an answer may wait to be read.
    pub body_ms: u64,
    /// What all bodies of one listener may hold at once, in bytes. Above, the one goes that has been read for longest.
    pub body_bytes_max: usize,
    /// How long a connection may be quiet, in ms: longer than the load balancer in front keeps it, or a request meets a
    /// closed connection. (60 s: the default of nginx' `keepalive_timeout` to upstreams and of AWS' load balancers, 2026.)
    pub quiet_ms: u64,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            connections_max: 2_048,
            head_ms: 10_000,
            head_bytes_max: 32 * 1024,
            body_ms: 30_000,
            body_bytes_max: 64 * 1024 * 1024,
            quiet_ms: 75_000,
        }
    }
}

/// `[ops]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ops {
    /// Where `/healthz`, `/readyz` and `/metrics` are served.
    pub listen: SocketAddr,
    /// How long a process goes on taking requests after SIGTERM, in ms, while `/readyz` says that it is about to end: as
    /// long as a load balancer needs to notice. Processes that take none end at once.
    pub linger_ms: u64,
    /// How long a service may take to finish its work after that, in ms.
    pub drain_ms: u64,
}

impl Default for Ops {
    fn default() -> Self {
        Self { listen: loopback(9464), linger_ms: 0, drain_ms: 20_000 }
    }
}

/// `[log]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// What is logged, as `tracing_subscriber::EnvFilter` reads it.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Pretty, filter: "info".into() }
    }
}

/// Form of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

/// `[traces]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// Where spans are sent by OTLP over HTTP, such as `http://collector:4318`; none: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Of how many in a hundred webhooks spans are sent.
    pub sample_percent: u32,
}

impl Default for Traces {
    fn default() -> Self {
        Self { endpoint: None, sample_percent: 10 }
    }
}
