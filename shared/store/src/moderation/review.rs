//! What people see of spam and abuse, and their word on it.

use afterglow_domain::{AccountId, DerivedId as _, InteractionId, Timestamp, ViewerId, ViewerKey};
use uuid::Uuid;

use super::{Flag, FlagAction};
use crate::audit::{Deed, note};
use crate::codec::{from_name, moment};
use crate::engine::{on_tx, row, storable};
use crate::wall::on_brand;
use crate::{BrandStore, StoreError};

row! {
    struct FlagColumns {
        interaction: Uuid,
        account: String,
        viewer: String,
        username: Option<String>,
        comment_id: Option<String>,
        at_ms: i64,
        verdict: String,
        findings: String,
        wanted: String,
        done: String,
        delete_ms: Option<i64>,
        error: Option<String>,
        cleared_ms: Option<i64>,
        cleared_by: Option<String>,
        body: Option<String>,
    }
}

const LIST: &str =
    "SELECT m.interaction, m.account, m.viewer, v.username, m.comment_id, m.at_ms, m.verdict, m.findings,
        m.wanted, m.done, m.delete_ms, m.error, m.cleared_ms, m.cleared_by, i.body
    FROM moderation m
    LEFT JOIN viewer v ON v.account = m.account AND v.viewer = m.viewer AND v.brand = m.brand
    LEFT JOIN interaction i ON i.id = m.interaction AND i.brand = m.brand
    WHERE m.brand = $1 AND (m.cleared_ms IS NULL OR $3)
    ORDER BY m.at_ms DESC, m.interaction LIMIT $2";

/// A comment that is gone cannot be shown again.
const CLEAR: &str = "UPDATE moderation SET cleared_ms = $3, cleared_by = $4, delete_ms = NULL, error = NULL,
        wanted = CASE WHEN done = 'hide' OR wanted = 'hide' AND done = 'none' AND attempts > 0 THEN 'show'
            WHEN done = 'delete' THEN wanted ELSE 'none' END,
        due_ms = CASE WHEN done = 'hide' OR wanted = 'hide' AND done = 'none' AND attempts > 0 THEN $3 END, attempts = 0
    WHERE interaction = $1 AND brand = $2 AND cleared_ms IS NULL";

const HIDE: &str =
    "UPDATE moderation SET cleared_ms = NULL, cleared_by = NULL, verdict = 'hide', wanted = $4, due_ms = $3,
        attempts = 0, error = NULL
    WHERE interaction = $1 AND brand = $2 AND comment_id IS NOT NULL AND done <> 'delete'";

impl BrandStore<'_> {
    /// What moderation found, the latest first; with `all`, what people cleared as well. At most `limit`.
    pub async fn flags(&self, all: bool, limit: u32) -> Result<Vec<Flag>, StoreError> {
        let rows: Vec<FlagColumns> = on_brand!(self, |pool| {
            sqlx::query_as(LIST).bind(self.brand.as_str()).bind(i64::from(limit)).bind(all).fetch_all(pool).await?
        });
        let decode = |row: FlagColumns| {
            Ok(Flag {
                interaction: InteractionId::from_uuid(row.interaction),
                viewer: ViewerKey { account: AccountId::new(row.account), viewer: ViewerId::new(row.viewer) },
                username: row.username,
                comment_id: row.comment_id,
                at: Timestamp::from_millis(row.at_ms),
                verdict: from_name("moderation.verdict", &row.verdict)?,
                findings: row.findings,
                wanted: from_name("moderation.wanted", &row.wanted)?,
                done: from_name("moderation.done", &row.done)?,
                delete_at: moment(row.delete_ms),
                error: row.error,
                cleared: moment(row.cleared_ms).zip(row.cleared_by),
                body: row.body,
            })
        };
        rows.into_iter().map(decode).collect()
    }

    /// A person says that it is neither spam nor abuse: its writer may be answered again, and a comment that was hidden is shown.
    /// `false` if there is no such flag, or it is cleared already.
    pub async fn clear_flag(&self, interaction: InteractionId, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.change_flag(CLEAR, interaction, by, "moderation_clear", by, now).await
    }

    /// A person says that it is: a comment is hidden. `false` if there is no such flag, or it is no comment.
    pub async fn hide_flagged(&self, interaction: InteractionId, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.change_flag(HIDE, interaction, by, "moderation_hide", FlagAction::Hide.as_str(), now).await
    }

    async fn change_flag(
        &self,
        sql: &'static str,
        interaction: InteractionId,
        by: &str,
        action: &str,
        fourth: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let changed = on_tx!(&mut tx, |connection| {
            sqlx::query(sql)
                .bind(interaction.uuid())
                .bind(self.brand.as_str())
                .bind(now.millis())
                .bind(storable(fourth))
                .execute(connection)
                .await?
                .rows_affected()
        });
        if changed == 1 {
            let detail = interaction.to_string();
            let deed = Deed { person: by, brand: Some(self.brand), action, viewer: None, detail: &detail };
            note(&mut tx, &deed, now).await?;
            tx.commit().await?;
        }
        Ok(changed == 1)
    }
}
