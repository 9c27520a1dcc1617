//! Spam and abuse: what was found, what is to be done about it at Meta, and what people say of it.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `at_meta` | comments to be hidden, shown or deleted there |
//! | `review` | what people see of it, and their word |

mod at_meta;
mod review;

use afterglow_domain::{BrandId, DerivedId as _, InteractionId, Timestamp, ViewerKey};
use serde::{Deserialize, Serialize};

pub use at_meta::FlagTask;

use crate::codec::to_json;
use crate::engine::{Tx, hex_digits, storable};
use crate::{Store, StoreError};

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
}
