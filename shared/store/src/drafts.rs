//! Drafts of answers, and what they took of a brand's day.

use afterglow_domain::{BrandId, DerivedId, Intent, IntentId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::codec::from_name;
use crate::engine::{Tx, on_tx, row, storable};
use crate::{Store, StoreError};

/// What became of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftOutcome {
    /// A person reads it first.
    ToRead,
    /// The brand lets it pass unread.
    Passes,
    /// There is none that could be sent.
    Failed,
}

impl DraftOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            DraftOutcome::ToRead => "to_read",
            DraftOutcome::Passes => "passes",
            DraftOutcome::Failed => "failed",
        }
    }
}

/// The draft of one answer. It is written once: what a person was shown does not change under them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What became of it.
    pub outcome: DraftOutcome,
    /// The text; empty if there is none.
    pub text: String,
    /// How much of it rests on the brand's facts, 0 to 100.
    pub confidence: u8,
    /// JSON: what speaks for it and against it, or why there is none.
    pub detail: String,
}

/// Tokens, and millionths of a currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DraftCost {
    /// Tokens, in and out.
    pub tokens: u64,
    /// Millionths.
    pub micros: u64,
}

row! {
    struct DraftColumns { outcome: String, text: String, confidence: i64, detail: String }
}

const KEEP: &str = "INSERT INTO draft (intent, brand, account, viewer, outcome, text, confidence, detail, created_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";

/// Adds what a draft may take at most, if that still fits.
const RESERVE: &str = "INSERT INTO draft_spent (brand, day, tokens, micros)
    SELECT $1, $2, $3, $4 WHERE $3 <= $5 AND ($4 <= $6 OR $6 = 0)
    ON CONFLICT (brand, day) DO UPDATE
        SET tokens = draft_spent.tokens + excluded.tokens, micros = draft_spent.micros + excluded.micros
        WHERE draft_spent.tokens + excluded.tokens <= $5 AND (draft_spent.micros + excluded.micros <= $6 OR $6 = 0)";

const GIVE_BACK: &str =
    "UPDATE draft_spent SET tokens = tokens - $3, micros = micros - $4 WHERE brand = $1 AND day = $2";

pub(crate) async fn of(tx: &mut Tx, intent: IntentId) -> Result<Option<Draft>, StoreError> {
    let sql = "SELECT outcome, text, confidence, detail FROM draft WHERE intent = $1";
    let row: Option<DraftColumns> =
        on_tx!(tx, |connection| sqlx::query_as(sql).bind(intent.uuid()).fetch_optional(connection).await?);
    row.map(|row| {
        Ok(Draft {
            outcome: from_name("draft.outcome", &row.outcome)?,
            text: row.text,
            confidence: u8::try_from(row.confidence).unwrap_or(0),
            detail: row.detail,
        })
    })
    .transpose()
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Store {
    /// Keeps the draft of an intent's answer; one that is there stays as it is.
    pub async fn keep_draft(&self, intent: &Intent, draft: &Draft, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            sqlx::query(KEEP)
                .bind(intent.id.uuid())
                .bind(intent.brand.as_str())
                .bind(intent.account.as_str())
                .bind(intent.viewer.as_str())
                .bind(draft.outcome.as_str())
                .bind(storable(&draft.text))
                .bind(i64::from(draft.confidence))
                .bind(storable(&draft.detail))
                .bind(now.millis())
                .execute(connection)
                .await?;
        });
        tx.commit().await
    }

    /// Takes what a draft may cost at most out of a brand's day, before a model is asked: so the ceiling holds among all
    /// processes. `false` if it does not fit. `ceiling.micros` of 0 is no ceiling.
    pub async fn reserve_draft(
        &self,
        brand: &BrandId,
        day: &str,
        most: DraftCost,
        ceiling: DraftCost,
    ) -> Result<bool, StoreError> {
        let mut tx = self.engine.begin().await?;
        let reserved = on_tx!(&mut tx, |connection| {
            sqlx::query(RESERVE)
                .bind(brand.as_str())
                .bind(day)
                .bind(number(most.tokens))
                .bind(number(most.micros))
                .bind(number(ceiling.tokens))
                .bind(number(ceiling.micros))
                .execute(connection)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(reserved == 1)
    }

    /// Gives back what a draft did not take of what was reserved for it.
    pub async fn give_back_draft(&self, brand: &BrandId, day: &str, unused: DraftCost) -> Result<(), StoreError> {
        if unused == DraftCost::default() {
            return Ok(());
        }
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            let query = sqlx::query(GIVE_BACK).bind(brand.as_str()).bind(day);
            query.bind(number(unused.tokens)).bind(number(unused.micros)).execute(connection).await?;
        });
        tx.commit().await
    }
}
