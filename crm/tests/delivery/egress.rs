use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use afterglow_crm::egress::{AddressPolicy, EgressClient, EgressError, EgressSettings, RefusedUrl, Request};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use http::{HeaderMap, Method};
use tokio::io::AsyncWriteExt;

use crate::server::{read_head, serve, serve_raw, stream_for_ever};

fn client(allowed: &[&str]) -> EgressClient {
    EgressClient::new(EgressSettings {
        policy: AddressPolicy {
            allowed_networks: allowed.iter().map(|net| net.parse().unwrap()).collect(),
            plain_http: true,
        },
        timeout: Duration::from_millis(500),
        max_body: 10_000,
    })
    .unwrap()
}

fn post_to(url: &str) -> Request {
    Request { method: Method::POST, url: url.parse().unwrap(), headers: HeaderMap::new(), body: "{}".into() }
}

const LOOPBACK: &[&str] = &["127.0.0.0/8", "::1/128"];

#[tokio::test]
async fn statuses_are_replies() {
    let server = serve(
        Router::new()
            .route("/ok", post(|| async { "fine" }))
            .route("/broken", post(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
            .route("/gone", post(|| async { StatusCode::GONE })),
    )
    .await;
    for (path, status, body) in [("ok", 200, "fine"), ("broken", 500, ""), ("gone", 410, "")] {
        let reply = client(LOOPBACK).send(post_to(&format!("http://{server}/{path}"))).await.unwrap();
        assert_eq!((reply.status, reply.body.as_slice(), reply.whole), (status, body.as_bytes(), true), "{path}");
    }
}

#[tokio::test]
async fn what_is_inside_is_never_connected_to() {
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let server = serve_raw(move |_stream| {
        count.fetch_add(1, Ordering::SeqCst);
        async {}
    })
    .await;
    let port = server.port();
    let outside_only = client(&[]);
    let by_literal = outside_only.send(post_to(&format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
    assert!(matches!(&by_literal, EgressError::Url(RefusedUrl::Address(refused)) if refused.range == "loopback"));
    let by_name = outside_only.send(post_to(&format!("http://localhost:{port}/"))).await.unwrap_err();
    assert!(matches!(&by_name, EgressError::Address(refused) if refused.range == "loopback"), "{by_name:?}");
    let mapped = outside_only.send(post_to(&format!("http://[::ffff:127.0.0.1]:{port}/"))).await.unwrap_err();
    assert!(matches!(mapped, EgressError::Url(RefusedUrl::Address(_))));
    assert_eq!(reached.load(Ordering::SeqCst), 0, "a connection was made");

    // The same name is reached where the operator allows it, so that the test above tests what it says.
    let allowed = client(LOOPBACK).send(post_to(&format!("http://localhost:{port}/"))).await;
    assert!(matches!(allowed, Err(EgressError::Exchange(_))), "{allowed:?}");
    assert!(reached.load(Ordering::SeqCst) > 0);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let inside = serve_raw(move |_stream| {
        count.fetch_add(1, Ordering::SeqCst);
        async {}
    })
    .await;
    let to = format!("http://{inside}/admin");
    let server = serve(
        Router::new().route("/", post(move || async move { (StatusCode::TEMPORARY_REDIRECT, [("location", to)]) })),
    )
    .await;
    let reply = client(LOOPBACK).send(post_to(&format!("http://{server}/"))).await.unwrap();
    assert_eq!(reply.status, 307);
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn who_hangs_is_left() {
    let server = serve_raw(|mut stream| async move {
        read_head(&mut stream).await;
        tokio::time::sleep(Duration::from_mins(1)).await;
    })
    .await;
    let began = Instant::now();
    let error = client(LOOPBACK).send(post_to(&format!("http://{server}/"))).await.unwrap_err();
    assert!(matches!(error, EgressError::TimedOut), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn who_streams_for_ever_is_cut_off() {
    let server = serve_raw(stream_for_ever).await;
    let began = Instant::now();
    let reply = client(LOOPBACK).send(post_to(&format!("http://{server}/"))).await.unwrap();
    assert_eq!((reply.status, reply.body.len(), reply.whole), (200, 10_000, false));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_body_that_drips_is_cut_off_by_the_time_out() {
    let server = serve_raw(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let began = Instant::now();
    let reply = client(LOOPBACK).send(post_to(&format!("http://{server}/"))).await.unwrap();
    assert!(!reply.whole && reply.body.len() < 1000, "{} bytes", reply.body.len());
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn who_is_not_there_or_speaks_no_http() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = client(LOOPBACK).send(post_to(&format!("http://{closed}/"))).await.unwrap_err();
    assert_eq!(error.class(), "no_connection");
    let garbage = serve_raw(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    })
    .await;
    let error = client(LOOPBACK).send(post_to(&format!("http://{garbage}/secret-path"))).await.unwrap_err();
    assert_eq!(error.class(), "broken");
    assert!(!format!("{error:?}").contains("secret-path"), "an error must not show the URL: {error:?}");
}

/// The environment belongs to the process, so the case runs in one of its own.
#[tokio::test]
async fn a_proxy_in_the_environment_is_not_used() {
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let proxy = serve_raw(move |_stream| {
        count.fetch_add(1, Ordering::SeqCst);
        async {}
    })
    .await;
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, format!("http://{proxy}"));
    }
    let output = command
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .args(["--exact", "egress::statuses_are_replies"])
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}
