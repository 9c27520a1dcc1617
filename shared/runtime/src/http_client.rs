//! The one kind of HTTP client.

use std::time::Duration;

/// The client cannot be built: no TLS roots, or no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("cannot build the HTTP client")]
pub struct HttpClientError(#[from] reqwest::Error);

/// A client with time-outs for connecting and for the whole request, over rustls, that follows no redirects: a token
/// must not travel to where a redirect points.
pub fn http_client(timeout: Duration) -> Result<reqwest::Client, HttpClientError> {
    Ok(http_client_builder(timeout).build()?)
}

/// The same client before it is built, for who must add to it (a resolver of its own, say).
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn http_client_builder(timeout: Duration) -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default(); // an error means: there is one already
    reqwest::Client::builder()
        .connect_timeout(timeout.min(Duration::from_secs(3)))
        .timeout(timeout)
        .pool_idle_timeout(Duration::from_secs(30))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("afterglow/", env!("CARGO_PKG_VERSION")))
}
