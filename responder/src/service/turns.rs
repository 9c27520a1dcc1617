//! Places in which intents are judged and sent, of which no account takes all.
//!
//! Whoever finds no place waits in their account's line, and accounts with a line are served in turn: a flood waits for itself.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use afterglow_domain::{AccountId, Intent};
use tokio::sync::oneshot;

/// Who may have which places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    /// How many places there are, ≥ 1.
    pub(super) places: usize,
    /// As many as this, of the last ones, are kept for accounts that have less than this.
    pub(super) part: usize,
    /// What one account has at most.
    pub(super) most: usize,
    /// When more than this wait in an account's line, it has one place at a time: who waits long waits hardly longer for it, and
    /// the others' answers come sooner.
    pub(super) flood: usize,
}

/// The places of a process.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    shares: Shares,
    places: Arc<Mutex<Places>>,
}

#[derive(Debug)]
struct Places {
    free: usize,
    taken: HashMap<AccountId, usize>,
    /// Those who take any place, before all others.
    first: VecDeque<(AccountId, oneshot::Sender<Turn>)>,
    lines: HashMap<AccountId, VecDeque<oneshot::Sender<Turn>>>,
    /// Accounts with a line, the next one first.
    round: VecDeque<AccountId>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    account: AccountId,
}

impl Turns {
    pub(super) fn new(shares: Shares) -> Self {
        let Shares { places, part, most, flood } = shares;
        let shares = Shares { places: places.max(1), part: part.max(1), most: most.max(1), flood };
        let places = Places {
            free: shares.places,
            taken: HashMap::new(),
            first: VecDeque::new(),
            lines: HashMap::new(),
            round: VecDeque::new(),
        };
        Self { shares, places: Arc::new(Mutex::new(places)) }
    }

    /// What one account is given at once while others wait.
    pub(super) const fn part(&self) -> usize {
        self.shares.part
    }

    /// How many of an account wait for a place.
    pub(super) fn in_line(&self, account: &AccountId) -> usize {
        self.lock().lines.get(account).map_or(0, VecDeque::len)
    }

    /// A place, if one is free that is not kept for others, and nobody of the account waits for one.
    pub(super) fn try_take(&self, account: &AccountId) -> Option<Turn> {
        let mut places = self.lock();
        (!places.lines.contains_key(account) && places.may_have(account, self.shares))
            .then(|| places.give(self, account.clone()))
    }

    /// Waits for a place for an intent: what a person writes never stands aside.
    pub(super) async fn take_for(&self, intent: &Intent) -> Turn {
        match intent.person {
            Some(_) => self.take_any(&intent.account).await,
            None => self.take(&intent.account).await,
        }
    }

    /// Waits for a place that is not kept for others.
    pub(super) async fn take(&self, account: &AccountId) -> Turn {
        loop {
            if let Some(turn) = self.try_take(account) {
                return turn;
            }
            let (sender, given) = oneshot::channel();
            {
                let mut places = self.lock();
                let line = places.lines.entry(account.clone()).or_default();
                line.push_back(sender);
                if line.len() == 1 {
                    places.round.push_back(account.clone());
                }
            }
            self.serve(); // a place may have been freed before we stood in line
            if let Ok(turn) = given.await {
                return turn;
            }
        }
    }

    /// Waits for any place, before those who stand in line.
    async fn take_any(&self, account: &AccountId) -> Turn {
        loop {
            let (sender, given) = oneshot::channel();
            self.lock().first.push_back((account.clone(), sender));
            self.serve();
            if let Ok(turn) = given.await {
                return turn;
            }
        }
    }

    /// Gives free places to those who wait.
    fn serve(&self) {
        loop {
            let next = self.lock().next(self);
            // Given outside of the lock: one that nobody waits for any more is dropped here, and so is free again.
            let Some((sender, turn)) = next else { return };
            drop(sender.send(turn));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn may_have(&self, account: &AccountId, shares: Shares) -> bool {
        let has = self.taken.get(account).copied().unwrap_or(0);
        let waits = self.lines.get(account).map_or(0, VecDeque::len);
        let most = if waits > shares.flood { 1 } else { shares.most };
        self.free > 0 && has < most && (has < shares.part || self.free > shares.part)
    }

    fn give(&mut self, turns: &Turns, account: AccountId) -> Turn {
        self.free -= 1;
        *self.taken.entry(account.clone()).or_default() += 1;
        Turn { turns: turns.clone(), account }
    }

    /// The next who waits and may have a place, and the place.
    fn next(&mut self, turns: &Turns) -> Option<(oneshot::Sender<Turn>, Turn)> {
        if self.free == 0 {
            return None;
        }
        if let Some((account, sender)) = self.first.pop_front() {
            return Some((sender, self.give(turns, account)));
        }
        for _ in 0..self.round.len() {
            let account = self.round.pop_front()?;
            if !self.may_have(&account, turns.shares) {
                self.round.push_back(account);
                continue;
            }
            let line = self.lines.get_mut(&account)?;
            let sender = line.pop_front();
            if line.is_empty() {
                self.lines.remove(&account);
            } else {
                self.round.push_back(account.clone());
            }
            return Some((sender?, self.give(turns, account)));
        }
        None
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
        self.turns.serve();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn turns(places: usize, part: usize, most: usize) -> Turns {
        Turns::new(Shares { places, part, most, flood: usize::MAX })
    }

    fn accounts() -> (AccountId, AccountId) {
        (AccountId::new("loud"), AccountId::new("calm"))
    }

    #[tokio::test]
    async fn the_last_part_is_kept_for_those_who_have_less() {
        let (turns, (loud, calm)) = (turns(8, 2, 8), accounts());
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
    async fn no_account_has_more_than_the_most() {
        let (turns, (loud, calm)) = (turns(8, 8, 2), accounts());
        let held: Vec<Turn> = std::iter::from_fn(|| turns.try_take(&loud)).collect();
        assert_eq!(held.len(), 2);
        assert!(turns.try_take(&calm).is_some());
    }

    #[tokio::test]
    async fn a_flood_has_one_place_at_a_time() {
        let turns = Turns::new(Shares { places: 8, part: 2, most: 2, flood: 3 });
        let ((loud, calm), told) = (accounts(), Told::default());
        let mut held: Vec<Turn> = std::iter::from_fn(|| turns.try_take(&loud)).collect();
        assert_eq!(held.len(), 2, "while nobody waits");
        let mut waiting = Vec::new();
        for _ in 0..5 {
            waiting.push(stand(&turns, &loud, "loud", &told));
            tokio::task::yield_now().await;
        }
        held.pop();
        tokio::task::yield_now().await;
        assert!(told.lock().unwrap().is_empty(), "five wait, and one has a place");
        assert!(turns.try_take(&calm).is_some());
        held.pop();
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(told.lock().unwrap().len(), 5, "all have their turn");
        assert_eq!(turns.lock().free, 8);
    }

    #[tokio::test]
    async fn who_is_past_their_part_waits_until_a_place_is_free() {
        let (turns, (loud, _)) = (turns(4, 1, 4), accounts());
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
        let (turns, (only, _)) = (turns(1, 1, 1), accounts());
        let turn = turns.try_take(&only);
        assert!(turn.is_some() && turns.try_take(&only).is_none());
        drop(turn);
        assert!(turns.try_take(&only).is_some());
    }

    /// Waits for a place, and tells when it has it.
    fn stand(turns: &Turns, account: &AccountId, name: &'static str, told: &Told) -> tokio::task::JoinHandle<()> {
        let (turns, account, told) = (turns.clone(), account.clone(), told.clone());
        tokio::spawn(async move {
            let turn = turns.take(&account).await;
            told.lock().unwrap().push(name);
            drop(turn);
        })
    }

    type Told = Arc<Mutex<Vec<&'static str>>>;

    #[tokio::test]
    async fn lines_are_served_in_turn_and_people_before_them() {
        let (turns, (loud, calm), told) = (turns(1, 1, 1), accounts(), Told::default());
        let held = turns.take(&loud).await;
        let mut waiting = Vec::new();
        for (account, name) in [(&loud, "loud 1"), (&loud, "loud 2"), (&loud, "loud 3"), (&calm, "calm")] {
            waiting.push(stand(&turns, account, name, &told));
            tokio::task::yield_now().await;
        }
        let person = tokio::spawn({
            let (turns, loud, told) = (turns.clone(), loud.clone(), told.clone());
            async move {
                let turn = turns.take_any(&loud).await;
                told.lock().unwrap().push("person");
                drop(turn);
            }
        });
        tokio::task::yield_now().await;
        assert!(turns.try_take(&loud).is_none());
        drop(held);
        for task in waiting {
            task.await.unwrap();
        }
        person.await.unwrap();
        assert_eq!(*told.lock().unwrap(), ["person", "loud 1", "calm", "loud 2", "loud 3"]);
        assert_eq!(turns.lock().free, 1);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_no_place_taken() {
        let (turns, (loud, calm), told) = (turns(1, 1, 1), accounts(), Told::default());
        let held = turns.take(&loud).await;
        for _ in 0..3 {
            let given_up = stand(&turns, &loud, "gave up", &told);
            tokio::task::yield_now().await;
            given_up.abort();
            assert!(given_up.await.unwrap_err().is_cancelled());
        }
        let waiting = stand(&turns, &calm, "calm", &told);
        tokio::task::yield_now().await;
        drop(held);
        waiting.await.unwrap();
        assert_eq!(*told.lock().unwrap(), ["calm"]);
        let places = turns.lock();
        assert!(places.free == 1 && places.taken.is_empty() && places.lines.is_empty() && places.round.is_empty());
    }
}
