//! Comments about which something is to be done at Meta: taken, done, or tried again.

use afterglow_domain::{AccountId, DerivedId as _, InteractionId, Timestamp};
use uuid::Uuid;

use super::FlagAction;
use crate::codec::from_name;
use crate::engine::{Sql, lease, on_tx, row, storable};
use crate::{Store, StoreError};

/// What is to be done at Meta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagTask {
    /// The interaction.
    pub interaction: InteractionId,
    /// Whose account.
    pub account: AccountId,
    /// The comment.
    pub comment_id: String,
    /// What.
    pub wanted: FlagAction,
    /// How often it was tried before.
    pub attempts: i64,
}

row! {
    struct TaskColumns { interaction: Uuid, account: String, comment_id: Option<String>, wanted: String, attempts: i64 }
}

const DUE: Sql = Sql {
    postgres: "UPDATE moderation SET due_ms = $3, attempts = attempts + 1 WHERE interaction IN
            (SELECT interaction FROM moderation WHERE due_ms <= $1 ORDER BY due_ms, interaction LIMIT $2
             FOR UPDATE SKIP LOCKED)
        RETURNING interaction, account, comment_id, wanted, attempts",
    sqlite: "UPDATE moderation SET due_ms = $3, attempts = attempts + 1 WHERE interaction IN
            (SELECT interaction FROM moderation WHERE due_ms <= $1 ORDER BY due_ms, interaction LIMIT $2)
        RETURNING interaction, account, comment_id, wanted, attempts",
};

/// Only if nobody wants something else by now. What was hidden and is to be deleted waits for that.
const DONE: &str = "UPDATE moderation SET done = $2, error = NULL, attempts = 0,
        wanted = CASE WHEN $2 = 'hide' AND delete_ms IS NOT NULL THEN 'delete' ELSE wanted END,
        due_ms = CASE WHEN $2 = 'hide' THEN delete_ms END
    WHERE interaction = $1 AND wanted = $2";

const OVERTAKEN: &str = "UPDATE moderation SET done = $2 WHERE interaction = $1 AND wanted <> $2";

const FAILED: &str = "UPDATE moderation SET error = $2, due_ms = $3 WHERE interaction = $1 AND wanted = $4";

impl Store {
    /// Takes at most `limit` comments about which something is to be done at Meta; each is the caller's for `lease_ms`.
    pub async fn due_flags(&self, now: Timestamp, limit: u32, lease_ms: i64) -> Result<Vec<FlagTask>, StoreError> {
        let mut tx = self.engine.begin().await?;
        let rows: Vec<TaskColumns> = lease(&mut tx, &DUE, now, limit, lease_ms).await?;
        tx.commit().await?;
        let decode = |row: TaskColumns| {
            Ok(FlagTask {
                interaction: InteractionId::from_uuid(row.interaction),
                account: AccountId::new(row.account),
                comment_id: row.comment_id.unwrap_or_default(),
                wanted: from_name("moderation.wanted", &row.wanted)?,
                attempts: row.attempts,
            })
        };
        rows.into_iter().map(decode).collect()
    }

    /// Meta did what was wanted.
    pub async fn flag_done(&self, task: &FlagTask) -> Result<(), StoreError> {
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            for sql in [DONE, OVERTAKEN] {
                let query = sqlx::query(sql).bind(task.interaction.uuid()).bind(task.wanted.as_str());
                query.execute(&mut *connection).await?;
            }
        });
        tx.commit().await
    }

    /// Meta did not: it is tried again at `due`, or never.
    pub async fn flag_failed(&self, task: &FlagTask, error: &str, due: Option<Timestamp>) -> Result<(), StoreError> {
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            sqlx::query(FAILED)
                .bind(task.interaction.uuid())
                .bind(storable(error))
                .bind(due.map(Timestamp::millis))
                .bind(task.wanted.as_str())
                .execute(connection)
                .await?;
        });
        tx.commit().await
    }
}
