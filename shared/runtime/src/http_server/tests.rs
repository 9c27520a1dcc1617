use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connections::{Connection, Connections, Cut, Phase};
use super::*;

/// Long beside every time below; a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(20);

fn limits() -> Http {
    Http {
        connections_max: 4,
        head_ms: 500,
        head_bytes_max: 8_192,
        body_ms: 500,
        body_bytes_max: 100_000,
        quiet_ms: 60_000,
    }
}

fn of(limits: &Http) -> Arc<Connections> {
    Arc::new(Connections::new(limits, limits.connections_max))
}

fn is_cut(connection: &Connection) -> bool {
    connection.cut().is_cancelled()
}

#[test]
fn each_phase_has_its_time() {
    let all = of(&limits());
    let (quiet, head, body, answering) = (all.open(1), all.open(1), all.open(1), all.open(1));
    assert!(all.look(1_000).is_empty(), "a quiet connection is no slow head");
    head.came();
    body.asked(true);
    answering.asked(false);
    assert!(all.look(1_500).is_empty());
    head.came(); // a byte at a time changes nothing
    assert_eq!(all.look(1_501), [Cut::Head, Cut::Body]);
    assert!(is_cut(&head) && is_cut(&body) && !is_cut(&quiet) && !is_cut(&answering));
    answering.answered();
    answering.stuck();
    assert_eq!(all.look(2_002), [Cut::Unread]);
    assert_eq!(all.look(60_002), [Cut::Quiet]);
    assert!(is_cut(&quiet));
}

#[test]
fn whoever_reads_its_answer_in_time_stays() {
    let all = of(&limits());
    let connection = all.open(1);
    for now in (1..10).map(|n| n * 400) {
        all.look(now);
        connection.stuck();
        all.look(now + 300);
        connection.went(100);
    }
    assert!(!is_cut(&connection));
}

#[test]
fn whoever_takes_a_few_bytes_now_and_then_reads_nothing_and_whoever_reads_slowly_stays() {
    for (bytes, cut) in [(100, true), (20_000, false)] {
        let all = of(&limits());
        let connection = all.open(1);
        all.look(2);
        connection.stuck();
        for now in (1..20).map(|n| n * 100) {
            connection.went(bytes);
            connection.stuck(); // there is more, and it cannot go
            all.look(now);
        }
        assert_eq!(is_cut(&connection), cut, "{bytes} bytes every 100 ms");
    }
}

#[test]
fn one_more_takes_the_place_of_the_one_waited_for_longest_and_never_of_one_that_is_answered() {
    let all = of(&limits());
    let open: Vec<_> = (1..=4).map(|now| all.open(now)).collect();
    open[0].asked(false);
    assert!(!all.has_room(), "they have just begun");
    all.look(1_000);
    assert!(all.has_room());
    assert_eq!(open.iter().map(|one| is_cut(one)).collect::<Vec<_>>(), [false, true, false, false]);
    assert!(all.has_room(), "there is room now");
    open[2].asked(false);
    open[3].asked(false);
    let late = all.open(9);
    late.asked(false);
    all.look(9_000);
    assert!(!all.has_room(), "each of the four is being answered");
    drop(open);
    assert!(all.has_room());
}

#[test]
fn bodies_have_one_bound_and_what_is_answered_holds_nothing() {
    let all = of(&limits());
    let (first, second) = (all.open(1), all.open(1));
    first.asked(true);
    second.asked(true);
    first.holds(60_000);
    second.holds(40_000);
    assert!(!is_cut(&first) && !is_cut(&second));
    second.holds(1);
    assert!(is_cut(&first) && !is_cut(&second), "the one that came first goes");
    second.holds(59_999);
    assert!(!is_cut(&second), "what the first held is free");
    second.read();
    assert_eq!(second.phase(), Phase::Answering);
    second.answered();
    second.asked(true);
    second.holds(100_000);
    assert!(!is_cut(&second));
}

proptest! {
    /// Whatever happens in whatever order, what is held is what open connections hold, and ends at nothing.
    #[test]
    fn nothing_held_is_forgotten(steps in proptest::collection::vec((0..4_usize, 0..6_u8, 0..200_000_usize), 0..60)) {
        let all = of(&limits());
        let mut open: Vec<_> = (0..4).map(|_| all.open(1)).collect();
        for (now, (which, what, bytes)) in (1..).zip(steps) {
            match what {
                0 => open[which].asked(true),
                1 => open[which].holds(bytes),
                2 => open[which].read(),
                3 => open[which].answered(),
                4 => open[which] = all.open(now),
                _ => drop(all.look(now * 100)),
            }
        }
        drop(open);
        prop_assert_eq!(all.held(), 0);
        prop_assert_eq!(all.count(), 0);
    }
}

#[test]
fn the_systems_bound_on_files_is_read_as_linux_writes_it() {
    let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                Max open files            1024                 524288               files     \n";
    assert_eq!(allowed_files(text), Some(1024));
    assert_eq!(allowed_files(&text.replace("1024  ", "unlimited")), None);
    assert_eq!(allowed_files(""), None);
}

struct Served {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn served(limits: Http) -> Served {
    let slow = get(async || {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        "late"
    });
    let router = Router::new()
        .route("/", get(async || "here"))
        .route("/slow", slow)
        .route("/", post(async |body: Bytes| body.len().to_string()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let token = stop.clone();
    let task = tokio::spawn(async move { serve_http(listener, router, &limits, token).await });
    Served { address, stop, task }
}

async fn ask(address: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = String::new();
    let _ = timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer or an end");
    answer
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_ones_go_and_the_others_are_answered() {
    let served = served(limits()).await;
    let body = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\na";
    let (head, body, good) =
        tokio::join!(ask(served.address, b"GET / HT"), ask(served.address, body), ask(served.address, GET));
    assert_eq!((head.as_str(), body.as_str()), ("", ""), "cut without a word");
    assert!(good.starts_with("HTTP/1.1 200 OK\r\n") && good.ends_with("here"), "{good}");
    let many = "x: y\r\n".repeat(200);
    assert!(ask(served.address, format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes()).await.starts_with("HTTP/1.1 431"));
    let large = "y".repeat(40_000);
    let large = format!("GET / HTTP/1.1\r\nx: {large}\r\n\r\n");
    let answer = ask(served.address, large.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}"); // a reset may overtake the answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_says_nothing_keeps_nobody_out() {
    let served = served(limits()).await;
    let mut crowd = Vec::new();
    for _ in 0..40 {
        crowd.push(TcpStream::connect(served.address).await.unwrap());
        assert!(ask(served.address, GET).await.ends_with("here"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_never_reads_is_cut() {
    for window in [Some(4_096), None] {
        let served = served(limits()).await;
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = window {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let mut stream = socket.connect(served.address).await.unwrap();
        let questions = "GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(500);
        let asks = async { while stream.write_all(questions.as_bytes()).await.is_ok() {} };
        timeout(PATIENCE, asks).await.expect("it is cut");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_is_answered_before_the_end() {
    let served = served(limits()).await;
    let late = tokio::spawn(ask(served.address, b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n"));
    let quiet = TcpStream::connect(served.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    served.stop.cancel();
    assert!(late.await.unwrap().ends_with("late"), "longer than any time above, and nobody's fault");
    timeout(PATIENCE, served.task).await.expect("it ends").unwrap().unwrap();
    drop(quiet);
}
