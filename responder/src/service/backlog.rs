//! How many interactions wait to be taken in, looked at now and then.

use std::sync::{Mutex, PoisonError};

use afterglow_bus::{Bus, Lane};
use afterglow_domain::{Clock, Timestamp};

/// How long a figure is used, in ms.
const HELD_MS: i64 = 1_000;

/// The last figure, and when it was read.
#[derive(Default)]
pub(super) struct Backlog {
    last: Mutex<Option<(Timestamp, u64)>>,
}

impl Backlog {
    /// How many wait. A broker that cannot be asked counts as a backlog: nobody can say what is in it.
    pub(super) async fn waiting(&self, bus: &dyn Bus, clock: &Clock) -> u64 {
        let now = clock();
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, waiting)) = last.filter(|(at, _)| now.since(*at) < HELD_MS) {
            return waiting;
        }
        let waiting = bus.depth(Lane::Interactions).await.map_or(u64::MAX, |depth| depth.ready);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, waiting));
        waiting
    }
}
