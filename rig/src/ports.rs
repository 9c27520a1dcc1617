//! Ports that nobody listens on.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;

/// How many are tried before it is said that there is none.
const TRIES: u32 = 12_000;

/// A port of the loopback address that nobody listens on, below those that the system gives to connections which go out: one of these
/// could take it before the process that it is for does.
///
/// # Errors
/// If somebody listens on each of them.
pub fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let port = |_| {
        let n = std::process::id().wrapping_mul(61).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        u16::try_from(20_000 + n % TRIES).ok()
    };
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..TRIES).filter_map(port).find(is_free).context("no port from 20000 to 31999 is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice_or_while_somebody_listens() {
        let taken: Vec<TcpListener> =
            (0..20).map(|_| TcpListener::bind(("127.0.0.1", free_port().unwrap())).unwrap()).collect();
        let again = free_port().unwrap();
        assert!(taken.iter().all(|listener| listener.local_addr().unwrap().port() != again));
        assert!((20_000..32_000).contains(&again));
    }
}
