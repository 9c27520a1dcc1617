//! Room for the next message of an account: a steady pace, shared by all processes, so that Meta never has to say no.
//!
//! The generic cell rate algorithm, of which each process takes some calls at a time, so that no row is hot. Whoever would have
//! to wait long is told when there is room, and waits in the store, so that one account's flood keeps nobody else from speaking.
//! (The brand's own limit for an hour is a fact that the gate is told.)

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use afterglow_domain::{AccountId, Clock, Timestamp};
use afterglow_store::{Store, StoreError};

/// Calls that a process takes at once.
const AT_ONCE: u32 = 8;
/// How long somebody waits here, in ms; longer waits are the store's.
pub(super) const WAIT_MS: i64 = 1_000;
/// From this share of Meta's hourly limit on, an account rests a while after each call.
const TIGHT_PERCENT: u32 = 90;
/// How long, in ms.
const REST_MS: i64 = 30_000;

/// Calls that were taken and are not used yet.
#[derive(Debug, Default)]
struct Taken {
    /// When each may be made, in epoch microseconds.
    slots: VecDeque<i64>,
    /// Nothing before this moment: Meta asked for a pause.
    paused_until: Timestamp,
    /// Where the line ends of those who were told to come later, in epoch microseconds.
    line_us: i64,
    /// Nothing is near, and until this moment nothing can be: there is no use in asking.
    full_until: Timestamp,
    /// One fetches, and the others then find what it brought: calls that were taken for nobody would be made in a rush later.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

/// Room for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// It is taken, for this moment.
    At(Timestamp),
    /// None is near, and none was taken: ask again then.
    AskAgain(Timestamp),
}

/// The pace of each account.
pub(super) struct Pace {
    store: Store,
    clock: Clock,
    interval_us: i64,
    burst: u32,
    taken: Mutex<HashMap<AccountId, Taken>>,
}

impl Pace {
    /// `per_second` calls of an account a second among all processes, and up to `burst` ahead of their time.
    pub(super) fn new(store: Store, clock: Clock, per_second: u32, burst: u32) -> Self {
        let interval_us = 1_000_000 / i64::from(per_second.max(1));
        Self { store, clock, interval_us, burst, taken: Mutex::default() }
    }

    fn with<T>(&self, account: &AccountId, change: impl FnOnce(&mut Taken) -> T) -> T {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        change(taken.entry(account.clone()).or_default())
    }

    /// Takes room for one call, if there is some within [`WAIT_MS`].
    pub(super) async fn room(&self, account: &AccountId) -> Result<Room, StoreError> {
        let now = (self.clock)();
        if let Some(room) = self.held(account, now) {
            return Ok(room);
        }
        // Each account's own: one that has none left keeps no other waiting.
        let fetching = self.with(account, |taken| Arc::clone(&taken.fetching));
        let _fetching = fetching.lock().await;
        loop {
            let now = (self.clock)();
            if let Some(room) = self.held(account, now) {
                return Ok(room);
            }
            let (name, pace) = (format!("sends/{account}"), (self.interval_us, self.burst.saturating_sub(AT_ONCE)));
            let first = self.store.take_slots(&name, AT_ONCE, pace, WAIT_MS, now).await?;
            let Some(first) = first else {
                return Ok(self.with(account, |taken| {
                    taken.full_until = now.plus(i64::from(AT_ONCE) * self.interval_us / 1000);
                    self.later(taken, now)
                }));
            };
            self.with(account, |taken| {
                taken.slots.extend((0..i64::from(AT_ONCE)).map(|n| first + n * self.interval_us));
            });
        }
    }

    /// Room that this process holds already, or has not because of a pause.
    fn held(&self, account: &AccountId, now: Timestamp) -> Option<Room> {
        self.with(account, |taken| {
            if taken.paused_until.since(now) > WAIT_MS || taken.slots.is_empty() && now < taken.full_until {
                return Some(self.later(taken, now));
            }
            let at = Timestamp::from_millis(taken.slots.pop_front()?.div_euclid(1000));
            Some(Room::At(at.max(taken.paused_until)))
        })
    }

    /// Those who have to come again do so one after the other, at the pace, and not all at once.
    fn later(&self, taken: &mut Taken, now: Timestamp) -> Room {
        let earliest = now.plus(WAIT_MS).max(taken.paused_until).millis().saturating_mul(1000);
        taken.line_us = taken.line_us.max(earliest) + self.interval_us;
        Room::AskAgain(Timestamp::from_millis(taken.line_us.div_euclid(1000)))
    }

    /// Meta asked for a pause: everybody waits.
    pub(super) fn pause(&self, account: &AccountId, pause_ms: i64) {
        let until = (self.clock)().plus(pause_ms);
        self.with(account, |taken| taken.paused_until = taken.paused_until.max(until));
    }

    /// Meta told how much of its hourly limits is used: near the end it is used up slowly, and after it not at all.
    pub(super) fn heed(&self, account: &AccountId, usage: &afterglow_meta::graph::Usage) {
        if usage.regain_minutes > 0 {
            self.pause(account, i64::from(usage.regain_minutes) * 60_000);
        } else if usage.account_percent.max(usage.app_percent) >= TIGHT_PERCENT {
            self.pause(account, REST_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use afterglow_meta::graph::Usage;
    use afterglow_store::StoreOptions;

    use super::*;

    const T: i64 = 1_790_000_000_000;

    async fn paces(count: usize) -> (tempfile::TempDir, Arc<AtomicI64>, Vec<Pace>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(None, folder.path(), StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let time = Arc::new(AtomicI64::new(T));
        let pace = |_| {
            let time = Arc::clone(&time);
            let clock: Clock = Arc::new(move || Timestamp::from_millis(time.load(Ordering::Relaxed)));
            Pace::new(store.clone(), clock, 100, 20)
        };
        (folder, Arc::clone(&time), (0..count).map(pace).collect())
    }

    #[tokio::test]
    async fn processes_share_one_pace() {
        let (_folder, time, paces) = paces(3).await;
        let account = AccountId::new("1");
        // 600 want to speak at once; whoever is told to come again does so then.
        let mut waiting: Vec<i64> = vec![T; 600];
        let (mut slots, mut asked) = (Vec::new(), 0);
        while !waiting.is_empty() {
            waiting.sort_unstable();
            let now = waiting.remove(0);
            time.store(now, Ordering::Relaxed);
            asked += 1;
            match paces[asked % 3].room(&account).await.unwrap() {
                Room::At(at) => slots.push(at.millis().max(now) - T),
                Room::AskAgain(at) => waiting.push(at.millis()),
            }
        }
        slots.sort_unstable();
        // No second holds more than the pace, its burst and what the processes hold.
        for from in (0..8_000).step_by(50) {
            let within = slots.iter().filter(|at| (from..from + 1_000).contains(*at)).count();
            assert!(within <= 120 + 3 * 8, "{within} calls in the second from {from}");
        }
        let last = slots[599];
        assert!((5_000..9_000).contains(&last), "600 calls at 100 a second: {last}");
        assert!(asked < 2_500, "nobody asks in vain for ever: {asked}");
        let other = paces[0].room(&AccountId::new("2")).await.unwrap();
        assert!(matches!(other, Room::At(at) if at.millis() <= T + last), "another account does not wait");
    }

    #[tokio::test]
    async fn what_meta_says_is_heeded() {
        let (_folder, _, paces) = paces(1).await;
        let (pace, account) = (&paces[0], AccountId::new("1"));
        pace.heed(&account, &Usage { account_percent: 89, ..Usage::default() });
        assert!(matches!(pace.room(&account).await.unwrap(), Room::At(at) if at.millis() <= T));
        pace.heed(&account, &Usage { app_percent: 95, ..Usage::default() });
        assert!(matches!(pace.room(&account).await.unwrap(), Room::AskAgain(at) if at.millis() >= T + REST_MS));
        pace.heed(&account, &Usage { regain_minutes: 12, ..Usage::default() });
        assert!(matches!(pace.room(&account).await.unwrap(), Room::AskAgain(at) if at.millis() >= T + 12 * 60_000));
    }
}
