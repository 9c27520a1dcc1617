//! Connections dealt out to ready members in turn, as a Kubernetes Service does: a member is in turn while its `/readyz`
//! answers 200.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::http::get;

/// How often members are asked. Kubernetes asks more rarely, but takes a pod that it ends out of turn at once.
const EVERY: Duration = Duration::from_millis(100);

/// A member of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Member {
    serves: u16,
    ops: u16,
    ready: bool,
}

/// Listens on one port for all members.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    members: Arc<Mutex<Vec<Member>>>,
    _end: DropGuard,
}

impl Balancer {
    /// A balancer without members.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let members = Arc::new(Mutex::new(Vec::new()));
        let end = CancellationToken::new();
        tokio::spawn(ask(Arc::clone(&members), end.clone()));
        tokio::spawn(accept(listener, Arc::clone(&members), end.clone()));
        Ok(Self { address, members, _end: end.drop_guard() })
    }

    /// Where to connect to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a member that serves on one port, and tells on another whether it is ready.
    pub fn add(&self, serves: u16, ops: u16) {
        lock(&self.members).push(Member { serves, ops, ready: false });
    }

    /// Takes a member out.
    pub fn remove(&self, ops: u16) {
        lock(&self.members).retain(|member| member.ops != ops);
    }
}

fn lock(members: &Mutex<Vec<Member>>) -> std::sync::MutexGuard<'_, Vec<Member>> {
    members.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn ask(members: Arc<Mutex<Vec<Member>>>, end: CancellationToken) {
    while end.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let all: Vec<Member> = lock(&members).clone();
        for member in all {
            let ready = is_ready(member.ops).await;
            for known in lock(&members).iter_mut().filter(|known| known.ops == member.ops) {
                known.ready = ready;
            }
        }
    }
}

/// Whether a process says that it is ready.
pub(crate) async fn is_ready(ops: u16) -> bool {
    get(ops, "/readyz").await.is_some_and(|(status, _)| status == 200)
}

async fn accept(listener: TcpListener, members: Arc<Mutex<Vec<Member>>>, end: CancellationToken) {
    let mut turn = 0_usize;
    while let Some(Ok((mut here, _))) = end.run_until_cancelled(listener.accept()).await {
        turn = turn.wrapping_add(1);
        let ready: Vec<u16> = lock(&members).iter().filter(|member| member.ready).map(|member| member.serves).collect();
        let Some(port) = ready.get(turn % ready.len().max(1)).copied() else { continue };
        let end = end.clone();
        tokio::spawn(async move {
            let Ok(mut there) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            let _ = (here.set_nodelay(true), there.set_nodelay(true));
            end.run_until_cancelled(tokio::io::copy_bidirectional(&mut here, &mut there)).await;
        });
    }
}
