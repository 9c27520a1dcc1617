//! Bytes that no honest client sends, and what became of them.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// How long anything may take until it is answered or ends. Far above the limits that the processes are given: the
/// machine may be busy.
pub(super) const BOUND: Duration = Duration::from_secs(20);

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// The statuses that were answered, in order.
    pub(super) statuses: Vec<u16>,
    /// Bytes that went out.
    pub(super) sent: usize,
}

pub(super) async fn connect(port: u16) -> Option<TcpStream> {
    timeout(BOUND, TcpStream::connect(("127.0.0.1", port))).await.ok()?.ok()
}

/// Sends pieces, with a pause between them, as long as the other side takes them; then reads until it ends.
///
/// # Panics
/// If it did not end within [`BOUND`].
pub(super) async fn say(port: u16, name: &str, pieces: impl Iterator<Item = Vec<u8>>, pause: Duration) -> End {
    let Some(stream) = connect(port).await else { return End { statuses: Vec::new(), sent: 0 } };
    let (mut read, mut write) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut answer = Vec::new();
        let _ = read.read_to_end(&mut answer).await; // a reset is an end as well
        answer
    });
    let begun = Instant::now();
    let mut sent = 0;
    for piece in pieces {
        let written = timeout(BOUND, write.write_all(&piece)).await;
        if written.unwrap_or_else(|_| panic!("{name}: nothing is taken and nothing ends")).is_err() {
            break;
        }
        sent += piece.len();
        assert!(begun.elapsed() < BOUND, "{name}: it goes on and on, {sent} bytes so far");
        if reading.is_finished() {
            break;
        }
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
    let answer = timeout(BOUND, reading).await.unwrap_or_else(|_| panic!("{name}: no end")).unwrap();
    End { statuses: statuses(&answer), sent }
}

/// The statuses of a stream of answers.
fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer);
    let lines = text.split("HTTP/1.1 ").skip(1);
    lines.filter_map(|rest| rest.get(..3)?.parse().ok()).filter(|status| *status != 100).collect()
}

/// All at once.
pub(super) async fn shout(port: u16, name: &str, bytes: Vec<u8>) -> End {
    say(port, name, std::iter::once(bytes), Duration::ZERO).await
}

/// Asks for many answers and reads none of them, until the other side has had enough: that is when next to nothing went for as long as
/// a body may take, after it has filled the buffers of both sides.
pub(super) async fn never_read(port: u16) {
    let Some(mut stream) = connect(port).await else { return };
    let questions = "GET /none HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".repeat(500);
    let (begun, enough) = (Instant::now(), BOUND * 4);
    while let Ok(Ok(())) = timeout(enough, stream.write_all(questions.as_bytes())).await {
        assert!(begun.elapsed() < enough, "it answers for ever, though nobody reads");
    }
    assert!(begun.elapsed() < enough, "nothing was cut");
}

/// Bytes that look random, of a seed.
pub(super) fn noise(mut seed: u64, length: usize) -> Vec<u8> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()[3]
    };
    std::iter::repeat_with(&mut next).take(length).collect()
}
