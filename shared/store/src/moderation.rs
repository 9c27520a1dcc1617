//! Spam and abuse: what was found, what is to be done about it at Meta, and what people say of it.

use afterglow_domain::{AccountId, BrandId, DerivedId, InteractionId, Timestamp, ViewerId, ViewerKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::audit::{Deed, note};
use crate::codec::{from_name, moment, to_json};
use crate::engine::{Sql, Tx, hex_digits, on_tx, row, storable};
use crate::wall::on_brand;
use crate::{BrandStore, Store, StoreError};

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlagVerdict {
    /// A person should look.
    Review,
    /// Grave: nothing is said to its writer until a person has looked.
    Hide,
}

/// What is done about a comment at Meta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlagAction {
    /// Nothing.
    None,
    /// Its writer alone sees it.
    Hide,
    /// Everybody sees it again.
    Show,
    /// It is gone, for good.
    Delete,
}

impl FlagVerdict {
    const fn as_str(self) -> &'static str {
        match self {
            FlagVerdict::Review => "review",
            FlagVerdict::Hide => "hide",
        }
    }
}

impl FlagAction {
    /// The name as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            FlagAction::None => "none",
            FlagAction::Hide => "hide",
            FlagAction::Show => "show",
            FlagAction::Delete => "delete",
        }
    }
}

/// What moderation found in one interaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFlag {
    /// The interaction.
    pub interaction: InteractionId,
    /// Whose account.
    pub brand: BrandId,
    /// Who wrote it.
    pub viewer: ViewerKey,
    /// Meta's id of the comment, if it is one.
    pub comment_id: Option<String>,
    /// How grave it is.
    pub verdict: FlagVerdict,
    /// JSON: every reason.
    pub findings: String,
    /// Hide it at once.
    pub hide: bool,
    /// Delete it then, if it was hidden and nobody has shown it again.
    pub delete_at: Option<Timestamp>,
}

/// What moderation found, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The interaction.
    pub interaction: InteractionId,
    /// Who wrote it.
    pub viewer: ViewerKey,
    /// Their last known name.
    pub username: Option<String>,
    /// Meta's id of the comment, if it is one.
    pub comment_id: Option<String>,
    /// When it was found.
    pub at: Timestamp,
    /// How grave it is.
    pub verdict: FlagVerdict,
    /// JSON: every reason.
    pub findings: String,
    /// What is to be done at Meta.
    pub wanted: FlagAction,
    /// What was done there last.
    pub done: FlagAction,
    /// When it is to be deleted.
    pub delete_at: Option<Timestamp>,
    /// Why it is not done yet.
    pub error: Option<String>,
    /// A person cleared it: when, and who.
    pub cleared: Option<(Timestamp, String)>,
    /// The interaction's body, as JSON, if it is still kept.
    pub body: Option<String>,
}

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

row! {
    struct TaskColumns { interaction: Uuid, account: String, comment_id: Option<String>, wanted: String, attempts: i64 }
}

const KEEP_PG: &str = "INSERT INTO moderation
        (interaction, brand, account, viewer, comment_id, at_ms, verdict, findings, wanted, due_ms, delete_ms)
    SELECT interaction, brand, account, viewer, comment_id, $9, verdict, findings, wanted,
        CASE wanted WHEN 'hide' THEN $9 END, delete_ms
    FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $10::bigint[])
        AS f (interaction, brand, account, viewer, comment_id, verdict, findings, wanted, delete_ms)
    ORDER BY interaction
    ON CONFLICT DO NOTHING";

const KEEP_LITE: &str = "INSERT INTO moderation
        (interaction, brand, account, viewer, comment_id, at_ms, verdict, findings, wanted, due_ms, delete_ms)
    SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, $2, value ->> 5, value ->> 6, value ->> 7,
        CASE value ->> 7 WHEN 'hide' THEN $2 END, value ->> 8
    FROM json_each($1) WHERE TRUE
    ON CONFLICT DO NOTHING";

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

/// What is to be done at Meta about something that was found.
fn wanted(flag: &NewFlag) -> FlagAction {
    if flag.hide && flag.comment_id.is_some() { FlagAction::Hide } else { FlagAction::None }
}

impl Store {
    /// Keeps what moderation found; what is known already stays as it is. How many were new.
    pub async fn keep_flags(&self, flags: &[NewFlag], now: Timestamp) -> Result<u64, StoreError> {
        if flags.is_empty() {
            return Ok(0);
        }
        let mut tx = self.engine.begin().await?;
        let new = match &mut tx {
            Tx::Postgres(tx) => {
                macro_rules! column {
                    (|$flag:ident| $value:expr) => {
                        flags.iter().map(|$flag| $value).collect::<Vec<_>>()
                    };
                }
                sqlx::query(KEEP_PG)
                    .bind(column!(|flag| flag.interaction.uuid()))
                    .bind(column!(|flag| flag.brand.as_str()))
                    .bind(column!(|flag| flag.viewer.account.as_str()))
                    .bind(column!(|flag| flag.viewer.viewer.as_str()))
                    .bind(column!(|flag| flag.comment_id.as_deref().map(|id| storable(id).into_owned())))
                    .bind(column!(|flag| flag.verdict.as_str()))
                    .bind(column!(|flag| storable(&flag.findings).into_owned()))
                    .bind(column!(|flag| wanted(flag).as_str()))
                    .bind(now.millis())
                    .bind(column!(|flag| flag.delete_at.map(Timestamp::millis)))
                    .execute(&mut **tx)
                    .await?
                    .rows_affected()
            }
            Tx::Sqlite(tx) => {
                let row = |flag: &NewFlag| {
                    (
                        hex_digits(&flag.interaction.uuid()),
                        flag.brand.clone(),
                        flag.viewer.account.clone(),
                        flag.viewer.viewer.clone(),
                        flag.comment_id.as_deref().map(|id| storable(id).into_owned()),
                        flag.verdict.as_str(),
                        storable(&flag.findings).into_owned(),
                        wanted(flag).as_str(),
                        flag.delete_at,
                    )
                };
                let rows = to_json("flags", &flags.iter().map(row).collect::<Vec<_>>())?;
                sqlx::query(KEEP_LITE).bind(rows).bind(now.millis()).execute(&mut **tx).await?.rows_affected()
            }
        };
        tx.commit().await?;
        Ok(new)
    }

    /// Takes at most `limit` comments about which something is to be done at Meta; each is the caller's for `lease_ms`.
    pub async fn due_flags(&self, now: Timestamp, limit: u32, lease_ms: i64) -> Result<Vec<FlagTask>, StoreError> {
        let mut tx = self.engine.begin().await?;
        let sql = tx.sql(&DUE);
        let rows: Vec<TaskColumns> = on_tx!(&mut tx, |connection| {
            sqlx::query_as(sql)
                .bind(now.millis())
                .bind(i64::from(limit))
                .bind(now.plus(lease_ms).millis())
                .fetch_all(connection)
                .await?
        });
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
