//! Listening, and serving until the end.

use std::net::SocketAddr;

use afterglow_runtime::{Http, serve_http};
use anyhow::Context as _;
use axum::Router;
use axum::http::{HeaderValue, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) async fn listen(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: is it in use? Choose another with --set {setting}=…"))
}

/// Serves until `stop`, then answers what is under way. While the process is leaving, answers ask clients to come by a new
/// connection next time, which a load balancer gives to another: none is then cut off in the middle of a request.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    http: Http,
    leaving: CancellationToken,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let part = move |mut response: axum::response::Response| {
        if leaving.is_cancelled() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        std::future::ready(response)
    };
    let router = router.layer(axum::middleware::map_response(part));
    serve_http(listener, router, &http, stop).await
}
