//! Room for the next call of an account: a steady pace, so that Meta never has to say no.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use afterglow_domain::AccountId;
use tokio::time::Instant;

/// The pace of each account, in this process (generic cell rate algorithm: one time for each account, nothing to
/// refill).
pub(super) struct Pace {
    interval: Duration,
    burst: u32,
    next: Mutex<HashMap<AccountId, Instant>>,
}

impl Pace {
    /// One call of an account every `interval`, and up to `burst` ahead of their time after a quiet while.
    pub(super) fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, burst, next: Mutex::default() }
    }

    /// Waits for room, and takes it.
    pub(super) async fn wait(&self, account: &AccountId) {
        let slot = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let slot = next.get(account).map_or(now, |at| (*at).max(now));
            next.insert(account.clone(), slot + self.interval);
            slot
        };
        // A burst's worth of slots may be used ahead of their time.
        tokio::time::sleep_until(slot.checked_sub(self.interval * self.burst).unwrap_or(slot)).await;
    }

    /// Meta asked for a pause: everybody waits.
    pub(super) fn pause(&self, account: &AccountId, pause: Duration) {
        let until = Instant::now() + pause + self.interval * self.burst;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.entry(account.clone()).and_modify(|at| *at = (*at).max(until)).or_insert(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_the_pace() {
        let (pace, account, other) =
            (Pace::new(Duration::from_millis(100), 10), AccountId::new("1"), AccountId::new("2"));
        let begun = Instant::now();
        for _ in 0..=10 {
            pace.wait(&account).await;
        }
        assert_eq!(begun.elapsed(), Duration::ZERO, "the burst");
        for _ in 0..20 {
            pace.wait(&account).await;
        }
        assert_eq!(begun.elapsed().as_millis() / 100, 20, "the pace");
        pace.pause(&account, Duration::from_secs(5));
        pace.wait(&other).await;
        assert_eq!(begun.elapsed().as_millis() / 100, 20, "another account does not wait");
        pace.wait(&account).await;
        assert!(begun.elapsed() >= Duration::from_secs(7), "the pause");
    }
}
