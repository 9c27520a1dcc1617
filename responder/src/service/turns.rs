//! Places in which intents are judged and sent, of which no account takes all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use afterglow_domain::AccountId;
use tokio::sync::Notify;

/// The places of a process.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    part: usize,
    places: Arc<Mutex<Places>>,
    freed: Arc<Notify>,
}

#[derive(Debug)]
struct Places {
    free: usize,
    taken: HashMap<AccountId, usize>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    account: AccountId,
}

impl Turns {
    /// The last of `parts` parts of all places is kept for accounts that have less than such a part.
    pub(super) fn new(places: usize, parts: usize) -> Self {
        let part = (places / parts.max(1)).max(1);
        let places = Places { free: places, taken: HashMap::new() };
        Self { part, places: Arc::new(Mutex::new(places)), freed: Arc::default() }
    }

    /// What one account is given at once while others wait.
    pub(super) const fn part(&self) -> usize {
        self.part
    }

    /// A place, if one is free that is not kept for others.
    pub(super) fn try_take(&self, account: &AccountId) -> Option<Turn> {
        self.try_beyond(account, self.part)
    }

    /// Waits for a place that is not kept for others.
    pub(super) async fn take(&self, account: &AccountId) -> Turn {
        self.wait(account, self.part).await
    }

    /// Waits for any place.
    pub(super) async fn take_any(&self, account: &AccountId) -> Turn {
        self.wait(account, 0).await
    }

    async fn wait(&self, account: &AccountId, kept: usize) -> Turn {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable(); // before looking, so that a place that is freed in between wakes us
            if let Some(turn) = self.try_beyond(account, kept) {
                return turn;
            }
            freed.await;
        }
    }

    /// A place; of the last `kept` ones only for an account that has not its part.
    fn try_beyond(&self, account: &AccountId, kept: usize) -> Option<Turn> {
        let mut places = self.lock();
        let has = places.taken.get(account).copied().unwrap_or(0);
        if places.free == 0 || has >= self.part && places.free <= kept {
            return None;
        }
        places.free -= 1;
        *places.taken.entry(account.clone()).or_default() += 1;
        Some(Turn { turns: self.clone(), account: account.clone() })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut places = self.turns.lock();
        places.free += 1;
        if let Some(count) = places.taken.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                places.taken.remove(&self.account);
            }
        }
        drop(places);
        self.turns.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_last_part_is_kept_for_those_who_have_less() {
        let (turns, loud, calm) = (Turns::new(8, 4), AccountId::new("loud"), AccountId::new("calm"));
        let mut held: Vec<Turn> = std::iter::from_fn(|| turns.try_take(&loud)).collect();
        assert_eq!(held.len(), 6);
        let of_calm = turns.try_take(&calm);
        assert!(of_calm.is_some());
        held.truncate(4);
        assert!(turns.try_take(&loud).is_some(), "there is room again");
        drop((held, of_calm));
        assert!(turns.lock().taken.is_empty(), "nothing is kept of those who left");
        assert_eq!(turns.lock().free, 8);
    }

    #[tokio::test]
    async fn who_is_past_their_part_waits_until_a_place_is_free() {
        let (turns, loud) = (Turns::new(4, 4), AccountId::new("loud"));
        let mut held: Vec<Turn> = std::iter::from_fn(|| turns.try_take(&loud)).collect();
        let waiting = turns.take(&loud);
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut waiting).await.is_err());
        held.pop();
        drop(waiting.await);
        drop(turns.take_any(&loud).await);
    }

    #[tokio::test]
    async fn one_place_is_enough() {
        let (turns, only) = (Turns::new(1, 4), AccountId::new("only"));
        let turn = turns.try_take(&only);
        assert!(turn.is_some() && turns.try_take(&only).is_none());
        drop(turn);
        assert!(turns.try_take(&only).is_some());
    }
}
