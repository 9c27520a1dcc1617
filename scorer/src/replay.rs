//! Makes states anew from the log, beside the ones that are stored, and compares.

use std::sync::Arc;

use afterglow_domain::{AccountId, BrandId, Timestamp, ViewerId, ViewerKey};
use afterglow_rules::Rulebook;
use afterglow_store::{Store, StoreError, ViewerLog};

use crate::state::ViewerState;

/// Viewers that are read at once: bounds memory.
const CHUNK: u32 = 500;

/// A stored viewer who is not what the log makes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Who.
    pub viewer: ViewerKey,
    /// As stored.
    pub stored: String,
    /// As the log makes it.
    pub replayed: String,
}

/// What a step found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Viewers whose state was made anew.
    pub viewers: u64,
    /// Interactions that were folded.
    pub interactions: u64,
    /// Viewers who wait to be folded with other half-lives: the scorer does so by itself.
    pub waiting: u64,
    /// Who differs.
    pub differences: Vec<Difference>,
}

/// A replay of one brand, step by step. Between two steps it can be left, and taken up again at [`Replay::position`].
pub struct Replay {
    store: Store,
    brand: BrandId,
    rulebook: Arc<Rulebook>,
    since: Timestamp,
    position: ViewerKey,
}

impl Replay {
    /// Of viewers who did something since `since`, from behind `position` on.
    pub fn new(
        store: Store,
        brand: BrandId,
        rulebook: Arc<Rulebook>,
        since: Timestamp,
        position: Option<ViewerKey>,
    ) -> Self {
        let start = ViewerKey { account: AccountId::new(""), viewer: ViewerId::new("") };
        Self { store, brand, rulebook, since, position: position.unwrap_or(start) }
    }

    /// Behind whom the next step begins.
    pub fn position(&self) -> &ViewerKey {
        &self.position
    }

    /// How many viewers there are to replay.
    pub async fn viewers(&self) -> Result<u64, StoreError> {
        self.store.brand(&self.brand).viewer_count(self.since).await
    }

    /// The next few viewers; `None` at the end.
    pub async fn step(&mut self) -> Result<Option<Replayed>, StoreError> {
        let logs = self.store.brand(&self.brand).viewer_logs(&self.position, self.since, CHUNK).await?;
        let Some(last) = logs.last() else { return Ok(None) };
        self.position = last.row.key.clone();
        let mut replayed = Replayed::default();
        for viewer in logs {
            replayed.viewers += 1;
            replayed.interactions += viewer.log.len() as u64;
            self.compare(viewer, &mut replayed);
        }
        Ok(Some(replayed))
    }

    fn compare(&self, viewer: ViewerLog, replayed: &mut Replayed) {
        let state = ViewerState::of(&viewer.log, &self.rulebook.scoring);
        let made = serde_json::to_string(&state).unwrap_or_default();
        if made == viewer.row.state {
            return;
        }
        let stored: Result<ViewerState, _> = serde_json::from_str(&viewer.row.state);
        if stored.is_ok_and(|stored| stored.is_out_of_date(&self.rulebook.scoring)) {
            replayed.waiting += 1;
            return;
        }
        replayed.differences.push(Difference { viewer: viewer.row.key, stored: viewer.row.state, replayed: made });
    }
}
