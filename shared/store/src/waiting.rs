//! Intents that wait: how long, and for which of them nobody may speak any longer.

use afterglow_domain::{BrandId, Decision, DerivedId, IntentId, Reason, Timestamp};
use serde_json::json;
use uuid::Uuid;

use crate::codec::moment;
use crate::engine::{on_read, on_tx, row};
use crate::intents::record;
use crate::{Store, StoreError};

/// The oldest of what waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OldestWaiting {
    /// When the first of those should have been judged that are to be judged by themselves; may be in the future.
    pub due: Option<Timestamp>,
    /// Since when the first of those waits that wait for a person.
    pub held: Option<Timestamp>,
}

// The viewer may have written since: then a person may answer, and may use what waits.
const OVER: &str = "SELECT i.id, i.brand FROM intent i
    WHERE i.status = 'held' AND i.cause_ms < $1 AND i.updated_ms < $1
        AND NOT EXISTS (SELECT 1 FROM viewer v WHERE v.account = i.account AND v.viewer = i.viewer
            AND v.last_contact_ms >= $1)
    ORDER BY i.updated_ms, i.id LIMIT $2";

const END: &str =
    "UPDATE intent SET status = 'dropped', due_ms = NULL, updated_ms = $2 WHERE id = $1 AND status = 'held'";

row! {
    struct OverColumns { id: Uuid, brand: String }
}

row! {
    struct OldestColumns { pending: Option<i64>, deferred: Option<i64>, held: Option<i64> }
}

impl Store {
    /// Ends at most `limit` intents that wait for a person since before `before`, whose viewers did nothing since then that
    /// would let anybody write. Returns how many.
    pub async fn expire_held(&self, before: Timestamp, limit: u32, now: Timestamp) -> Result<u64, StoreError> {
        let over: Vec<OverColumns> = on_read!(&self.engine, |pool| {
            sqlx::query_as(OVER).bind(before.millis()).bind(i64::from(limit)).fetch_all(pool).await?
        });
        let mut ended = 0;
        for OverColumns { id, brand } in over {
            let mut tx = self.engine.begin().await?;
            let changed = on_tx!(&mut tx, |connection| {
                sqlx::query(END).bind(id).bind(now.millis()).execute(connection).await?.rows_affected()
            });
            if changed == 0 {
                continue; // a person was faster
            }
            let decision = Decision::drop(vec![Reason::Expired]);
            let facts = json!({ "held_until": now.millis() });
            record(&mut tx, IntentId::from_uuid(id), &BrandId::new(brand), &decision, &facts, None, now).await?;
            tx.commit().await?;
            ended += 1;
        }
        Ok(ended)
    }

    /// The oldest of what waits. Their ages are what to alert on.
    pub async fn oldest_waiting(&self) -> Result<OldestWaiting, StoreError> {
        let sql = "SELECT (SELECT MIN(due_ms) FROM intent WHERE status = 'pending') AS pending,
            (SELECT MIN(due_ms) FROM intent WHERE status = 'deferred') AS deferred,
            (SELECT MIN(updated_ms) FROM intent WHERE status = 'held') AS held";
        let row: OldestColumns = on_read!(&self.engine, |pool| sqlx::query_as(sql).fetch_one(pool).await?);
        let due = [row.pending, row.deferred].into_iter().flatten().min();
        Ok(OldestWaiting { due: moment(due), held: moment(row.held) })
    }
}
