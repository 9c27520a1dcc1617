//! Serves HTTP/1.1 to strangers: nobody who is slow, silent, greedy or many keeps others from being answered.
//!
//! `axum::serve` sets no time for anything (axum 0.8), and hyper's own timer knows only a request's head. Here each
//! connection is in one of four phases, each with its time; what bodies hold in memory has one bound for all of them; and
//! when there is no room for another connection, the one goes that has been waited for longest.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `connections` | the connections of a listener, their phases and bounds; pure but for the lock, time is passed in |
//! | `paced` | a connection's bytes and a request's body, watched |

mod connections;
mod paced;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use self::connections::{Connection, Connections, Cut};
use self::paced::{Paced, WatchedBody};
use crate::settings::Http;

/// How often it is looked whose time is over. A connection may stay by so much longer.
const LOOK: Duration = Duration::from_millis(200);
/// Bytes of answers that the system keeps for whoever does not read. By itself it keeps up to 4 MiB (tcp(7), `tcp_wmem`): ten thousands
/// of short answers are made before it is seen that nobody reads them.
const SEND_BUFFER: usize = 256 * 1024;
/// How soon it is looked again for room, when every connection is being answered, or the system has no more of them.
const ROOM: Duration = Duration::from_millis(5);

/// Serves until `stop`, then answers what is under way.
///
/// # Errors
/// None: what befalls one connection ends that one, and a listener that cannot accept now is asked again.
pub async fn serve_http(
    listener: TcpListener,
    router: Router,
    limits: &Http,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let most = limits.connections_max.min(room_of_files().unwrap_or(usize::MAX));
    let connections = Arc::new(Connections::new(limits, most));
    let tasks = TaskTracker::new();
    let begun = Instant::now();
    let over = CancellationToken::new();
    let keeper = keep_time(Arc::clone(&connections), begun, over.clone());
    let keeper = tokio::spawn(keeper);
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                while !connections.has_room() && !stop.is_cancelled() {
                    sleep(ROOM).await; // every one of them is being answered
                }
                let connection = connections.open(elapsed(begun));
                tasks.spawn(answer(stream, router.clone(), connection, limits.head_bytes_max, stop.clone()));
            }
            Err(error) => {
                // The one who connected may be gone again; or the process may have no more files, and needs one back.
                tracing::warn!(reason = %error, "cannot accept a connection now");
                connections.give_one_up();
                sleep(ROOM).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
    over.cancel();
    let _ = keeper.await; // it ends when it is told to
    Ok(())
}

/// Answers one connection's requests, one after the other.
async fn answer(
    stream: TcpStream,
    router: Router,
    connection: Arc<Connection>,
    head_bytes_max: usize,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true); // slower without, and no worse
    let _ = SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER); // the system's own grows further, and no worse
    let watched = Arc::clone(&connection);
    let service = service_fn(move |request: Request<Incoming>| {
        let (watched, mut router) = (Arc::clone(&watched), router.clone());
        let request = request.map(|body| Body::new(WatchedBody::new(body, Arc::clone(&watched))));
        async move {
            let response = router.call(request).await;
            watched.answered();
            response
        }
    });
    // Without hyper's timer: a head's time is measured here, from its first byte, and a quiet connection may stay longer.
    let mut http = http1::Builder::new();
    http.header_read_timeout(None).max_buf_size(head_bytes_max);
    let io = TokioIo::new(Paced::new(stream, Arc::clone(&connection)));
    let served = http.serve_connection(io, service);
    tokio::pin!(served);
    let cut = connection.cut();
    let mut leaving = false;
    loop {
        tokio::select! {
            () = cut.cancelled() => break,
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(reason = %error, "a connection ended early");
                }
                break;
            }
            () = stop.cancelled(), if !leaving => {
                leaving = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Says what time it is, and cuts whoever's time is over.
async fn keep_time(connections: Arc<Connections>, begun: Instant, over: CancellationToken) {
    while over.run_until_cancelled(sleep(LOOK)).await.is_some() {
        for why in connections.look(elapsed(begun)) {
            count(why);
        }
    }
}

fn count(why: Cut) {
    metrics::counter!("afterglow_http_cut_total", "why" => why.as_str()).increment(1);
}

/// Milliseconds since the listener began; never 0.
fn elapsed(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
}

/// For how many connections this process may have files: three quarters of what the system allows it (`ulimit -n`, which
/// is 1024 on many), so that the database and the broker always find one. `None` where the system does not say.
fn room_of_files() -> Option<usize> {
    allowed_files(&std::fs::read_to_string("/proc/self/limits").ok()?).map(|files| (files / 4 * 3).max(16))
}

/// The soft limit, as Linux writes it (proc(5), `/proc/pid/limits`).
fn allowed_files(limits: &str) -> Option<usize> {
    let rest = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    rest.split_whitespace().next()?.parse().ok() // "unlimited" is no bound
}

#[cfg(test)]
mod tests;
