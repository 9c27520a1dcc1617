//! Signatures that are none, and a Graph API that lies: answers that never end, nest without bounds, or say other things than
//! were asked.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use afterglow_domain::{AccountId, Login};
use afterglow_meta::graph::{App, GraphAccount, GraphClient, GraphHosts};
use afterglow_meta::{AppSecrets, read_signed_request, sign, sign_request};
use bytes::Bytes;
use proptest::prelude::*;
use secrecy::SecretString;

fn secret() -> SecretString {
    SecretString::from("an app's secret")
}

proptest! {
    /// Only the signature itself opens a body, in whatever words another one comes.
    #[test]
    fn no_other_header_opens_a_body(header in any::<String>(), body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let secrets = AppSecrets::new(&[secret()]);
        let body = Bytes::from(body);
        let good = sign(&secret(), &body);
        let mut others = vec![header.clone(), format!("sha256={header}"), format!("{good}{header}"), good[..good.len() - 1].to_owned()];
        others.extend([good.replacen("sha256", "sha1", 1), good.replacen('=', "==", 1), good.replace("sha256=", "")]);
        for other in others {
            // Space around it and capital digits are the same signature.
            let same = other.trim().eq_ignore_ascii_case(&good);
            prop_assert!(same || secrets.verify(Some(&other), body.clone()).is_err(), "{other:?} opened it");
        }
        prop_assert!(secrets.verify(Some(&good), body.clone()).is_ok());
        let mut changed = body.to_vec();
        changed.push(0);
        prop_assert!(secrets.verify(Some(&good), changed.into()).is_err());
    }

    #[test]
    fn no_other_request_is_a_signed_one(text in any::<String>(), at in 0..200_usize, with in any::<char>()) {
        let secrets = AppSecrets::new(&[secret()]);
        let good = sign_request(&secret(), r#"{"algorithm":"HMAC-SHA256","user_id":"1","issued_at":1}"#);
        prop_assert!(read_signed_request(&secrets, &good).is_ok());
        prop_assert!(read_signed_request(&secrets, &text).is_err());
        let mut changed: Vec<char> = good.chars().collect();
        let at = at % changed.len();
        changed[at] = with;
        let changed: String = changed.into_iter().collect();
        // The last digit of either part has bits that say nothing; they must be zero.
        prop_assert!(changed == good || read_signed_request(&secrets, &changed).is_err(), "{changed}");
    }
}

#[test]
fn what_is_signed_and_huge_or_deep_is_refused() {
    let secrets = AppSecrets::new(&[secret()]);
    for payload in
        ["[".repeat(1_000_000), "{\"a\":".repeat(300_000), format!("{{\"user_id\":\"{}\"}}", "1".repeat(1_000_000))]
    {
        let begun = Instant::now();
        let _ = read_signed_request(&secrets, &sign_request(&secret(), &payload));
        assert!(begun.elapsed().as_secs() < 10);
    }
}

/// Answers every request with the same words, and then goes on for ever if `endless`.
fn liar(head: &'static str, body: Arc<Vec<u8>>, endless: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let body = Arc::clone(&body);
            std::thread::spawn(move || lie(stream, head, &body, endless));
        }
    });
    base
}

fn lie(mut stream: TcpStream, head: &str, body: &[u8], endless: bool) {
    let mut asked = [0; 4096];
    let _ = stream.read(&mut asked); // whatever it was
    let mut said = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    while endless && said.is_ok() {
        said = stream.write_all(body);
    }
}

async fn ask_everything(base: &str) -> usize {
    let http = afterglow_runtime::http_client(Duration::from_secs(2)).unwrap();
    let graph = GraphClient::new(http, GraphHosts::single(base));
    let app = App { id: "1".into(), secret: secret() };
    let (id, token) = (AccountId::new("17"), SecretString::from("t"));
    let account = GraphAccount { id: &id, login: Login::Instagram, token: &token };
    let mut good = 0;
    for login in [Login::Instagram, Login::Facebook] {
        good += usize::from(graph.connect(login, &app, "https://a.example/back", "code").await.is_ok());
    }
    good += usize::from(graph.refresh(&token).await.is_ok());
    let _ = graph.check_token(&account).await;
    let _ = graph.subscribed_fields(&account).await;
    let _ = graph.ice_breakers(&account).await;
    let _ = graph.live_stories(&account).await;
    good
}

#[tokio::test]
async fn a_graph_api_that_lies_connects_nobody_and_ends() {
    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    for (name, head, body, endless) in [
        ("nothing", OK, String::new(), false),
        ("another length", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n", "{}".into(), false),
        ("null", OK, "null".into(), false),
        ("a page", OK, "<html>sign in to this network</html>".into(), false),
        (
            "other types",
            OK,
            r#"{"access_token":7,"data":{"access_token":[]},"expires_in":"soon","user_id":{}}"#.into(),
            false,
        ),
        ("an empty token", OK, r#"{"data":[],"expires_in":-1}"#.into(), false),
        ("a million lists", OK, "[".repeat(1_000_000), false),
        ("a million objects", OK, "{\"data\":".repeat(125_000), false),
        ("spaces for ever", OK, " ".repeat(100_000), true),
        ("a token for ever", OK, format!("{{\"access_token\":\"{}", "a".repeat(100_000)), true),
        ("chunks for ever", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\n \r\n".repeat(10_000), true),
        ("headers for ever", "HTTP/1.1 200 OK\r\n", "a: b\r\n".repeat(10_000), true),
        ("no HTTP", "", "\u{0}\u{1}".repeat(1_000), false),
        (
            "away",
            "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n",
            String::new(),
            false,
        ),
        (
            "a refusal in a million words",
            "HTTP/1.1 400 No\r\nconnection: close\r\n\r\n",
            format!("{{\"error\":{{\"message\":\"{}\"}}}}", "a".repeat(1_000_000)),
            false,
        ),
    ] {
        let base = liar(head, Arc::new(body.into_bytes()), endless);
        let begun = Instant::now();
        let asked = tokio::time::timeout(Duration::from_mins(1), ask_everything(&base)).await;
        let good = asked.unwrap_or_else(|_| panic!("{name}: no end"));
        eprintln!("{name}: {:?}", begun.elapsed());
        assert_eq!(good, 0, "{name}: somebody was connected");
    }
}
