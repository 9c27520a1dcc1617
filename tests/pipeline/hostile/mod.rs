//! Strangers who are slow, greedy, many or talk nonsense: each gets a clear answer or an end within a bounded time, whoever
//! asks beside them is answered all the while, and the process' memory stays within bounds.

mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use afterglow_meta::sign;
use afterglow_rig::Usage;
use tokio::task::JoinSet;

use self::wire::{BOUND, End, connect, never_read, noise, say, shout};
use crate::installation::{Installation, client, in_both_forms};

in_both_forms!(nonsense_is_answered_or_ended, crowds_keep_nobody_out, what_is_huge_or_deep_costs_little);

/// How much more memory than before an attack a process may have had at its worst. Bodies may hold 16 MiB here, and are
/// held twice while they are put together.
const MORE_MEMORY: u64 = 160 << 20;

/// The limits of these tests: shorter than the defaults, so that a run takes seconds, and narrow enough that each attack
/// goes far beyond them.
const LIMITS: [(&str, &str); 4] = [
    ("AFTERGLOW_HTTP__HEAD_MS", "1500"),
    ("AFTERGLOW_HTTP__BODY_MS", "3000"),
    ("AFTERGLOW_HTTP__CONNECTIONS_MAX", "200"),
    ("AFTERGLOW_HTTP__BODY_BYTES_MAX", "16777216"),
];

/// An installation with these limits, whoever asks beside the attack, and what memory it had before.
struct Attacked {
    installation: Installation,
    service: &'static str,
    ports: Vec<u16>,
    over: Arc<AtomicBool>,
    beside: JoinSet<Beside>,
    before: Usage,
}

/// Who asks beside an attack.
struct Beside {
    asked: usize,
    slowest: Duration,
    failed: Vec<String>,
}

impl Attacked {
    async fn begin(mut installation: Installation) -> Self {
        for service in installation.services() {
            assert!(installation.take(service).terminate().await.success());
        }
        installation.environment.extend(LIMITS.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for service in installation.stopped() {
            installation.spawn(service);
        }
        installation.ready().await;
        let ports = installation.open_ports();
        for port in &ports {
            let begun = Instant::now();
            while connect(*port).await.is_none() {
                assert!(begun.elapsed() < BOUND, "{}", installation.logs());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let service = if installation.services().contains(&"all") { "all" } else { "ingest" };
        let handshake = "/webhooks/meta?hub.mode=subscribe&hub.verify_token=t0ken&hub.challenge=7";
        let urls = [installation.webhook_url().replace("/webhooks/meta", handshake)].into_iter();
        let urls = urls.chain(ports.get(1).map(|port| format!("http://127.0.0.1:{port}/sign-in")));
        let over = Arc::new(AtomicBool::new(false));
        let mut beside = JoinSet::new();
        for url in urls {
            beside.spawn(ask_beside(url, Arc::clone(&over)));
        }
        let before = Usage::of(installation.pid(service));
        Self { installation, service, ports, over, beside, before }
    }

    /// Everybody beside was answered, the process is the same, and its memory stayed within bounds.
    async fn end(self, name: &str) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.over.store(true, Ordering::Relaxed);
        let all = self.beside.join_all().await;
        let after = Usage::of(self.installation.pid(self.service));
        let peak = after.peak.saturating_sub(self.before.peak);
        let asked: Vec<_> = all.iter().map(|one| (one.asked, one.slowest)).collect();
        eprintln!(
            "{name} ({}): {} MiB before, at most {} MiB more; asked beside, slowest: {asked:?}",
            self.service,
            self.before.peak >> 20,
            peak >> 20
        );
        for one in &all {
            assert!(one.failed.is_empty() && one.asked > 3, "{:?} of {}", one.failed, one.asked);
        }
        assert!(after.resident > 0, "the process is there:\n{}", self.installation.logs());
        assert!(peak < MORE_MEMORY, "{} MiB more", peak >> 20);
    }
}

async fn ask_beside(url: String, over: Arc<AtomicBool>) -> Beside {
    let mut beside = Beside { asked: 0, slowest: Duration::ZERO, failed: Vec::new() };
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        match client().get(&url).send().await {
            Ok(response) if response.status() == 200 => {}
            Ok(response) => beside.failed.push(response.status().to_string()),
            Err(error) => beside.failed.push(format!("{error:?}")),
        }
        beside.asked += 1;
        beside.slowest = beside.slowest.max(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    beside
}

/// What is sent, and which statuses may be answered; an end without an answer is always allowed, a 5xx never.
fn nonsense() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let post = |rest: &str| format!("POST /webhooks/meta HTTP/1.1\r\nhost: 127.0.0.1\r\n{rest}").into_bytes();
    let get = |rest: &str| format!("GET /none HTTP/1.1\r\nhost: 127.0.0.1\r\n{rest}").into_bytes();
    let joined = |mut first: Vec<u8>, rest: &[u8]| {
        first.extend_from_slice(rest);
        first
    };
    let refused: &[u16] = &[400, 401, 403, 404, 405, 413];
    vec![
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(20), &[400]),
        ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(), &[400, 505]),
        ("many headers", get(&("x: y\r\n".repeat(5_000) + "\r\n")), &[431]),
        ("a large header", get(&format!("x: {}\r\n\r\n", "y".repeat(1 << 20))), &[431]),
        ("a long address", format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20)).into_bytes(), &[414, 431]),
        (
            "an address that is no UTF-8",
            b"GET /\xff\xfe\xc0\x80 HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
            &[400, 404, 421],
        ),
        ("a header that is no UTF-8", get("x: \u{ff}\r\nconnection: close\r\n\r\n"), refused),
        (
            "a signature that is no UTF-8",
            joined(post("content-length: 0\r\nconnection: close\r\nx-hub-signature-256: "), b"\xff\xff\r\n\r\n"),
            refused,
        ),
        ("two lengths that differ", post("content-length: 5\r\ncontent-length: 6\r\n\r\nhello!"), &[400]),
        ("one length twice", post("content-length: 2\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"), refused),
        ("a length and chunks", post("content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET x"), refused),
        ("chunks that are not last", post("transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"), &[400]),
        ("a negative length", post("content-length: -1\r\n\r\n"), &[400]),
        ("a length beyond all numbers", post("content-length: 99999999999999999999999\r\n\r\n"), &[400]),
        ("a length that never comes", post("content-length: 4000000\r\n\r\n{"), refused),
        ("a chunk of no number", post("transfer-encoding: chunked\r\n\r\nzz\r\n\r\n"), refused),
        ("a chunk beyond all numbers", post("transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n"), refused),
        (
            "endless words after a chunk's length",
            post(&format!("transfer-encoding: chunked\r\n\r\n1;{}\r\n", "a".repeat(1 << 20))),
            refused,
        ),
        ("a line feed in a header", get("x: a\nb\r\n\r\n"), refused),
        ("folded headers", get("x: a\r\n b\r\n\r\n"), refused),
        ("no version", b"GET /\r\n\r\n".to_vec(), &[400]),
        ("another version", b"GET / HTTP/9.9\r\nhost: a\r\n\r\n".to_vec(), &[400, 505]),
        ("nothing but zeros", vec![0; 100_000], &[400]),
        ("a question and then noise", joined(get("\r\n"), &noise(7, 5_000)), &[400, 404, 303, 431]),
    ]
}

async fn nonsense_is_answered_or_ended(installation: Installation) {
    let attacked = Attacked::begin(installation).await;
    for port in attacked.ports.clone() {
        let mut all = JoinSet::new();
        for (name, bytes, allowed) in nonsense() {
            all.spawn(async move { (name, shout(port, name, bytes).await, allowed) });
        }
        for seed in 1..=50 {
            all.spawn(async move { ("noise", shout(port, "noise", noise(seed, 20_000)).await, &[400, 431][..]) });
        }
        for (name, end, allowed) in all.join_all().await {
            if name != "noise" {
                eprintln!("{port} {name}: {:?}", end.statuses);
            }
            // The console sends whoever is not signed in to its door, or says that the name is not its own.
            let fine = |status: &u16| allowed.contains(status) || (allowed.len() > 2 && [303, 421].contains(status));
            assert!(end.statuses.iter().all(fine), "{name}: {:?}", end.statuses);
            let only = allowed.len() == 1 && end.sent < 10_000;
            assert!(!only || end.statuses.len() == 1 || name.contains("preface"), "{name}: no clear answer, {end:?}");
        }
        // Streams without an end.
        let head = |first: &str, piece: &str| {
            std::iter::once(first.as_bytes().to_vec()).chain(std::iter::repeat(piece.repeat(1_000).into_bytes()))
        };
        let End { sent, .. } =
            say(port, "endless headers", head("GET / HTTP/1.1\r\n", "a: b\r\n"), Duration::ZERO).await;
        assert!(sent < 8 << 20, "{sent} bytes of headers were taken"); // what the system's buffers hold
        let chunked = "POST /webhooks/meta HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n";
        let End { sent, statuses } =
            say(port, "endless chunks", head(chunked, "8\r\n12345678\r\n"), Duration::ZERO).await;
        eprintln!("{port} endless chunks: {sent} bytes, {statuses:?}");
        assert!(
            sent < 32 << 20 && statuses.iter().all(|status| *status < 500),
            "{sent} bytes were taken, {statuses:?}"
        );
    }
    attacked.end("nonsense").await;
}

async fn crowds_keep_nobody_out(installation: Installation) {
    let attacked = Attacked::begin(installation).await;
    for port in attacked.ports.clone() {
        let mut all = JoinSet::new();
        for n in 0..600 {
            let body = "POST /webhooks/meta HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 3000\r\n\r\n";
            let head = "GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ";
            let first = if n % 2 == 0 { head } else { body };
            let pieces = std::iter::once(first.as_bytes().to_vec()).chain(std::iter::repeat(b"a".to_vec()));
            all.spawn(async move {
                let end = say(port, "a byte at a time", pieces, Duration::from_millis(100)).await;
                assert!(end.statuses.iter().all(|status| *status < 500), "{end:?}");
            });
        }
        all.join_all().await;
        // Many who say nothing at all, and some who never read.
        let silent = futures(300, || connect(port)).await;
        let mut unread = JoinSet::new();
        for _ in 0..20 {
            unread.spawn(never_read(port));
        }
        unread.join_all().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(silent);
    }
    attacked.end("crowds").await;
}

async fn futures<T: Send + 'static, F>(count: usize, make: impl Fn() -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let mut all = JoinSet::new();
    for _ in 0..count {
        all.spawn(make());
    }
    all.join_all().await
}

async fn what_is_huge_or_deep_costs_little(installation: Installation) {
    let attacked = Attacked::begin(installation).await;
    let secret = attacked.installation.sim.accounts()[1].app.secret.clone();
    let port = attacked.ports[0];
    // Bodies of 4 MB that stop before their end, four times as much as all bodies may hold; and some in single bytes.
    let mut all = JoinSet::new();
    for n in 0..24 {
        let first = "POST /webhooks/meta HTTP/1.1\r\nhost: 127.0.0.1\r\n";
        let (rest, piece) = if n % 3 == 0 {
            ("transfer-encoding: chunked\r\n\r\n", "1\r\na\r\n".repeat(10_000))
        } else {
            ("content-length: 4000000\r\n\r\n", "a".repeat(50_000))
        };
        let first = std::iter::once(format!("{first}{rest}").into_bytes());
        let pieces = first.chain(std::iter::repeat_n(piece.into_bytes(), 79));
        all.spawn(async move { say(port, "a large body", pieces, Duration::ZERO).await });
    }
    let ends = all.join_all().await;
    assert!(ends.iter().all(|end| end.statuses.iter().all(|status| *status < 500)), "{ends:?}");
    // What Meta itself signs, and is no webhook: kept as bytes, in whatever it is packed, and never unpacked.
    let deep = |open: &str, close: &str| {
        let (open, close) = (open.repeat(1_000_000), close.repeat(if close.len() > 1 { 0 } else { 1_000_000 }));
        format!(r#"{{"object":"instagram","entry":{open}{close}}}"#).into_bytes()
    };
    let bomb = include_bytes!("bomb.gz").to_vec();
    for (name, encoding, body, answer) in [
        ("a million lists", "identity", deep("[", "]"), &[400_u16, 200][..]),
        ("half a million objects", "identity", deep("{\"a\":", "")[..3_900_000].to_vec(), &[400]),
        ("a gibibyte, packed twice to two kilobytes", "gzip, gzip", bomb.clone(), &[400]),
        ("the same, and a mebibyte unpacked once", "gzip", [&bomb[..], b" "].concat(), &[400]),
    ] {
        let url = attacked.installation.webhook_url();
        let signature = sign(&secret, &body);
        let request = client().post(url).header("x-hub-signature-256", signature).header("content-encoding", encoding);
        let begun = Instant::now();
        let response = request.body(body).send().await.unwrap();
        eprintln!("{name}: {} in {:?}", response.status(), begun.elapsed());
        assert!(answer.contains(&response.status().as_u16()), "{name}: {}", response.status());
        assert!(begun.elapsed() < BOUND);
    }
    attacked.installation.at_rest().await;
    let kept = attacked.installation.totals().await.quarantined;
    assert_eq!(kept, 4, "what was signed is kept, whatever it is");
    attacked.end("huge and deep").await;
}
