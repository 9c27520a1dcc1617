//! Time alone changes where viewers stand: Hot becomes Warm, Warm becomes Cool, a tag ends. Whoever's moment has come is looked
//! at, without anything having happened.

use std::time::Duration;

use afterglow_domain::{Clock, Interaction, Timestamp};
use afterglow_runtime::error_chain;
use afterglow_store::{Review, Reviewer, Store, ViewerRow};
use tokio_util::sync::CancellationToken;

use crate::fold::row_of;
use crate::rulebooks::Rulebooks;
use crate::state::ViewerState;

/// How often it is looked for viewers whose moment has come.
const EVERY: Duration = Duration::from_millis(500);
/// Viewers in one transaction.
const LIMIT: u32 = 500;
/// When a viewer is looked at again whose state cannot be read, in ms: somebody has to mend it first.
const UNREADABLE_MS: i64 = 3_600_000;

struct Look<'a> {
    rulebooks: &'a Rulebooks,
    now: Timestamp,
}

impl Look<'_> {
    fn unreadable(&self, row: ViewerRow, error: &serde_json::Error) -> ViewerRow {
        tracing::error!(viewer = %row.key, %error, "a stored viewer state cannot be read or written");
        ViewerRow { review: Some(self.now.plus(UNREADABLE_MS)), ..row }
    }

    fn written(&self, state: &ViewerState, row: ViewerRow) -> ViewerRow {
        let rulebook = self.rulebooks.of(&row.brand);
        let last = Some((row.segment, row.tags.clone()));
        match row_of(state, &rulebook, last, self.now, row.clone()) {
            Ok(row) => row,
            Err(error) => self.unreadable(row, &error),
        }
    }
}

impl Reviewer for Look<'_> {
    fn review(&self, row: ViewerRow, document_version: i64) -> Review {
        if self.rulebooks.of(&row.brand).version != document_version {
            return Review::Later; // a document was applied a moment ago
        }
        match serde_json::from_str::<ViewerState>(&row.state) {
            Ok(state) if state.is_out_of_date(&self.rulebooks.of(&row.brand).scoring) => Review::FromLog(row),
            Ok(state) => Review::Row(self.written(&state, row)),
            Err(error) => Review::Row(self.unreadable(row, &error)),
        }
    }

    fn refold(&self, row: ViewerRow, log: &[Interaction]) -> ViewerRow {
        let rulebook = self.rulebooks.of(&row.brand);
        self.written(&ViewerState::of(log, &rulebook.scoring), row)
    }
}

/// Looks at viewers until `stop`.
pub(crate) async fn run(store: &Store, clock: &Clock, rulebooks: &Rulebooks, stop: &CancellationToken) {
    let mut more = false;
    loop {
        let pause = if more { Duration::ZERO } else { EVERY };
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
        let now = clock();
        match store.review(now, LIMIT, &Look { rulebooks, now }).await {
            Ok(reviewed) => {
                metrics::counter!("afterglow_reviews_total").increment(reviewed);
                more = reviewed >= u64::from(LIMIT);
            }
            Err(error) => {
                more = false;
                tracing::warn!(error = %error_chain(&error), "viewers wait to be looked at");
            }
        }
    }
}
