//! A request and its reply.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use afterglow_runtime::{HttpClientError, http_client_builder};
use bytes::Bytes;
use http::{HeaderMap, Method};
use url::Url;

use super::address::{AddressPolicy, RefusedAddress, RefusedUrl};
use super::resolver::GuardedResolver;

/// How requests leave.
#[derive(Debug, Clone)]
pub struct EgressSettings {
    /// Which addresses may be called.
    pub policy: AddressPolicy,
    /// For the whole exchange: resolving, connecting, writing, and reading the reply.
    pub timeout: Duration,
    /// Of a reply's body, in bytes; the rest is not read.
    pub max_body: usize,
}

impl Default for EgressSettings {
    /// The public internet, 20 seconds (Standard Webhooks 1.0, "Delivery": 15 to 30), 64 KiB.
    fn default() -> Self {
        Self { policy: AddressPolicy::default(), timeout: Duration::from_secs(20), max_body: 64 * 1024 }
    }
}

/// One request, ready to leave.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST` or `PATCH`.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Its headers; those that carry secrets are marked sensitive.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status, 100–599. A redirect is a reply like any other.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body up to the cap.
    pub body: Vec<u8>,
    /// Whether that is all of it: neither the cap, nor the time-out, nor a lost connection cut it.
    pub whole: bool,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The URL may not be called. It stays so until somebody changes it.
    #[error(transparent)]
    Url(#[from] RefusedUrl),
    /// The name resolves to an address that may not be called.
    #[error(transparent)]
    Address(RefusedAddress),
    /// The time was over before there was a status.
    #[error("no reply within the time-out")]
    TimedOut,
    /// No connection: the name is unknown, the port is closed, or TLS failed.
    #[error("no connection")]
    Connect(#[source] reqwest::Error),
    /// The exchange broke.
    #[error("the exchange broke")]
    Exchange(#[source] reqwest::Error),
}

impl EgressError {
    /// A short name for logs and metrics.
    pub const fn class(&self) -> &'static str {
        match self {
            EgressError::Url(_) => "refused_url",
            EgressError::Address(_) => "refused_address",
            EgressError::TimedOut => "timed_out",
            EgressError::Connect(_) => "no_connection",
            EgressError::Exchange(_) => "broken",
        }
    }

    fn from_reqwest(error: reqwest::Error) -> Self {
        if let Some(refused) = refused_address(&error) {
            return EgressError::Address(refused);
        }
        let error = error.without_url(); // an address may hold a secret in its path or query
        if error.is_timeout() {
            EgressError::TimedOut
        } else if error.is_connect() {
            EgressError::Connect(error)
        } else {
            EgressError::Exchange(error)
        }
    }
}

/// The resolver's verdict, from wherever the HTTP client has wrapped it.
fn refused_address(error: &reqwest::Error) -> Option<RefusedAddress> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<RefusedAddress>() {
            return Some(*refused);
        }
        cause = error.source();
    }
    None
}

/// Sends requests to addresses that somebody else chose. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EgressClient {
    inner: reqwest::Client,
    policy: Arc<AddressPolicy>,
    max_body: usize,
}

impl EgressClient {
    /// Builds the client.
    pub fn new(settings: EgressSettings) -> Result<Self, HttpClientError> {
        let policy = Arc::new(settings.policy);
        let inner = http_client_builder(settings.timeout)
            .dns_resolver(Arc::new(GuardedResolver::new(Arc::clone(&policy))))
            .no_proxy() // a proxy would resolve the name itself, unjudged
            .build()
            .map_err(HttpClientError::from)?;
        Ok(Self { inner, policy, max_body: settings.max_body })
    }

    /// Sends, and reads the reply up to the cap. Once there is a status there is a reply: a body that is cut short, by
    /// whatever, is told by [`Reply::whole`].
    pub async fn send(&self, request: Request) -> Result<Reply, EgressError> {
        self.policy.judge_url(&request.url)?;
        let mut response = self
            .inner
            .request(request.method, request.url)
            .headers(request.headers)
            .body(request.body)
            .send()
            .await
            .map_err(EgressError::from_reqwest)?;
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        let mut body = Vec::new();
        let whole = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = self.max_body - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        break false;
                    }
                }
                Ok(None) => break true,
                Err(_) => break false, // the time was over, or the connection was lost
            }
        };
        Ok(Reply { status, headers, body, whole })
    }
}
