//! The consumers in `examples/` as real processes, against really signed deliveries.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use afterglow_crm::egress::{AddressPolicy, EgressClient, EgressSettings, Request};
use afterglow_crm::webhook::{Change, ChangeEvent, Endpoint, Secrets, Settlement, signed_headers};
use afterglow_domain::{BrandId, Timestamp};
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::webhook::{Bench, endpoint, event, secret, until};

struct Consumer {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Consumer {
    async fn start(program: &str, script: &str, state: &Path, secrets: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(script);
        let mut child = Command::new(program)
            .arg(script)
            .args(["--port", "0", "--state"])
            .arg(state)
            .env("WEBHOOK_SECRETS", secrets)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = next(&mut lines).await["listening"].as_u64().unwrap();
        Self { _child: child, lines, url: format!("http://127.0.0.1:{port}/") }
    }
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = tokio::time::timeout(Duration::from_secs(10), lines.next_line()).await.expect("a line in time");
    serde_json::from_str(&line.unwrap().expect("the process goes on")).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_millis(afterglow_runtime::now_ms())
}

/// Sends one delivery by hand, so that it can be sent wrongly.
async fn post(url: &str, event: &ChangeEvent, secrets: &Secrets, at: Timestamp, tamper: bool) -> u16 {
    let body = event.to_cloudevent().unwrap();
    let headers = signed_headers(secrets, &event.id().to_string(), at, &body).unwrap();
    let body = if tamper { String::from_utf8_lossy(&body).replace("warm", "cool").into() } else { body };
    send(url, headers, body).await
}

async fn send(url: &str, headers: HeaderMap, body: Bytes) -> u16 {
    let client = EgressClient::new(EgressSettings {
        policy: AddressPolicy { allowed_networks: vec!["127.0.0.0/8".parse().unwrap()], plain_http: true },
        ..EgressSettings::default()
    })
    .unwrap();
    client.send(Request { method: Method::POST, url: url.parse().unwrap(), headers, body }).await.unwrap().status
}

async fn verifies_takes_once_and_keeps_its_place(program: &str, script: &str) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let mut consumer = Consumer::start(program, script, &state, &secret(2).reveal()).await;

    // By the real deliverer, in the middle of a rotation: the consumer knows only the new one of two secrets.
    let rotation = Secrets::new(secret(1)).rotate(secret(2), now().plus(600_000));
    let bench = Bench::start();
    bench.queue.add_endpoint(Endpoint { secrets: rotation, concurrency: 1, ..endpoint("a", &consumer.url) });
    (1..=3).for_each(|n| bench.queue.push("a", &event(n, "v1")));
    until("all arrive", || bench.queue.settled("a").len() == 3).await;
    assert_eq!(bench.stop().await.settled("a"), [Settlement::Delivered; 3]);
    for cursor in 1..=3 {
        let line = next(&mut consumer.lines).await;
        let kind = "app.afterglow.viewer.changed";
        assert_eq!(line, json!({"type": kind, "viewer": "v1", "fresh": true, "cursor": cursor}));
    }

    // What must be refused.
    let good = Secrets::new(secret(2));
    let url = consumer.url.clone();
    let fourth = event(4, "v1");
    for (what, secrets, at, tamper) in [
        ("another secret", &Secrets::new(secret(3)), now(), false),
        ("too old", &good, now().minus(301_000), false),
        ("from the future", &good, now().plus(302_000), false),
        ("another body", &good, now(), true),
    ] {
        assert_eq!(post(&url, &fourth, secrets, at, tamper).await, 401, "{what}");
    }

    // Once more is not fresh, and the place in the feed outlives the process.
    assert_eq!(post(&url, &event(2, "v1"), &good, now(), false).await, 204);
    let again = next(&mut consumer.lines).await;
    assert_eq!((&again["fresh"], &again["cursor"]), (&json!(false), &json!(3)));
    let holds = |words: &str| String::from_utf8_lossy(&std::fs::read(&state).unwrap()).contains(words);
    assert!(holds("repeat viewer"));
    drop(consumer);
    let mut consumer = Consumer::start(program, script, &state, &secret(2).reveal()).await;
    assert_eq!(post(&consumer.url, &event(3, "v1"), &good, now(), false).await, 204);
    let forgotten = Change::Forgotten { brand: BrandId::new("lumen"), viewer: event(1, "v1").viewer() };
    let forgotten = ChangeEvent { sequence: 7, at: now(), change: forgotten };
    assert_eq!(post(&consumer.url, &forgotten, &good, now(), false).await, 204);
    let (third, gone) = (next(&mut consumer.lines).await, next(&mut consumer.lines).await);
    assert_eq!((&third["fresh"], &third["cursor"]), (&json!(false), &json!(3)));
    assert_eq!((&gone["type"], &gone["cursor"]), (&json!("app.afterglow.viewer.forgotten"), &json!(7)));
    assert!(!holds("repeat viewer"), "what was known of a forgotten viewer is still there");

    // What tells of no viewer: a test, which is in no feed, and a brand's week.
    let common = json!({
        "specversion": "1.0", "source": "/brands/lumen", "time": now().to_rfc3339(),
        "datacontenttype": "application/json", "brand": "lumen",
    });
    for (id, more, cursor) in [
        ("t-1", json!({ "type": "app.afterglow.test", "data": null }), 7),
        (
            "w-1",
            json!({
                "type": "app.afterglow.week.reported", "subject": "2026-11-01", "sequence": "00000000000000000008",
                "data": { "until": "2026-11-01" },
            }),
            8,
        ),
    ] {
        let mut body = common.clone();
        body["id"] = id.into();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let bytes = Bytes::from(body.to_string());
        let headers = signed_headers(&good, id, now(), &bytes).unwrap();
        assert_eq!(send(&consumer.url, headers, bytes).await, 204, "{id}");
        let line = next(&mut consumer.lines).await;
        assert_eq!(line, json!({ "type": body["type"], "viewer": null, "fresh": true, "cursor": cursor }));
    }
}

#[tokio::test]
async fn python() {
    verifies_takes_once_and_keeps_its_place("python3", "consumer.py").await;
}

/// Where there is a Node that runs TypeScript by leaving the types out (22.18, <https://nodejs.org/api/typescript.html>).
#[tokio::test]
async fn node() {
    let program = std::env::var("AFTERGLOW_TEST_NODE").unwrap_or_else(|_| "node".into());
    let version = Command::new(&program).arg("--version").output().await.map(|out| out.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&version);
    let mut numbers = version.trim().trim_start_matches('v').split('.').map_while(|n| n.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < (22, 18) {
        println!("skipped: no Node of 22.18 or newer here (found {version:?})");
        return;
    }
    verifies_takes_once_and_keeps_its_place(&program, "consumer.ts").await;
}
