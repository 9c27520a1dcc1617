//! Places in which intents are judged and sent, of which no account takes all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use afterglow_domain::AccountId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The last of so many parts of all places is kept for accounts that have less than such a part.
const PARTS: usize = 4;

/// The places of a process.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    places: Arc<Semaphore>,
    part: usize,
    taken: Arc<Mutex<HashMap<AccountId, usize>>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    account: AccountId,
    _place: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn new(places: usize) -> Self {
        let part = (places / PARTS).max(1);
        Self { places: Arc::new(Semaphore::new(places)), part, taken: Arc::default() }
    }

    /// What one account is given at once while others wait.
    pub(super) const fn part(&self) -> usize {
        self.part
    }

    /// Whether an account has its part, and what is left is kept for others.
    pub(super) fn is_past_its_part(&self, account: &AccountId) -> bool {
        self.with(|taken| taken.get(account).copied().unwrap_or(0)) >= self.part
            && self.places.available_permits() <= self.part
    }

    /// Waits for a place; `None` never, but that the places are closed.
    pub(super) async fn take(&self, account: &AccountId) -> Option<Turn> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        self.with(|taken| *taken.entry(account.clone()).or_default() += 1);
        Some(Turn { turns: self.clone(), account: account.clone(), _place: place })
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<AccountId, usize>) -> T) -> T {
        change(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.with(|taken| {
            if let Some(count) = taken.get_mut(&self.account) {
                *count -= 1;
                if *count == 0 {
                    taken.remove(&self.account);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_part_is_kept_for_those_who_have_less() {
        let (turns, loud, calm) = (Turns::new(8), AccountId::new("loud"), AccountId::new("calm"));
        let mut held = Vec::new();
        while !turns.is_past_its_part(&loud) {
            held.push(turns.take(&loud).await.unwrap());
        }
        assert_eq!(held.len(), 6);
        assert!(!turns.is_past_its_part(&calm));
        let of_calm = turns.take(&calm).await.unwrap();
        held.pop();
        held.pop();
        assert!(!turns.is_past_its_part(&loud), "there is room again");
        drop((held, of_calm));
        assert!(turns.with(|taken| taken.is_empty()), "nothing is kept of those who left");
    }

    #[tokio::test]
    async fn one_place_is_enough() {
        let (turns, only) = (Turns::new(1), AccountId::new("only"));
        assert!(!turns.is_past_its_part(&only));
        let turn = turns.take(&only).await;
        assert!(turns.is_past_its_part(&only));
        drop(turn);
        assert!(!turns.is_past_its_part(&only));
    }
}
