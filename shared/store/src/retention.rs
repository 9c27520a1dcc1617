//! What a brand no longer wants to keep goes, kind by kind, some rows at a time.
//!
//! A viewer goes as a whole, with everything that they did: a score can be replayed from what is left at any time.

use afterglow_domain::{AccountId, BrandId, Timestamp, ViewerId, ViewerKey};

use crate::engine::{Sql, on_read, on_tx};
use crate::{Store, StoreError};

/// What late events may still add to, in ms: Meta delivers up to 36 hours late.
const OVERLAP_MS: i64 = 3 * 86_400_000;

/// A kind of data with a retention of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kept {
    /// What Meta sent, word for word, beside what was understood of it.
    Fragments,
    /// Figures of Stories.
    StoryFigures,
    /// Decisions, and the sends and intents they were about.
    Decisions,
}

impl Kept {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Fragments, Self::StoryFigures, Self::Decisions];

    /// The name as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fragments => "fragments",
            Self::StoryFigures => "story_figures",
            Self::Decisions => "decisions",
        }
    }

    /// Removes what lies in a span of time; children before parents.
    const fn removals(self) -> &'static [&'static str] {
        match self {
            Self::Fragments => &["UPDATE interaction SET raw = NULL
                WHERE brand = $1 AND occurred_ms >= $2 AND occurred_ms < $3 AND raw IS NOT NULL"],
            Self::StoryFigures => &["DELETE FROM interaction
                WHERE brand = $1 AND occurred_ms >= $2 AND occurred_ms < $3 AND kind = 'story_insights'"],
            Self::Decisions => &[
                "DELETE FROM decision WHERE intent IN (SELECT id FROM intent
                    WHERE brand = $1 AND created_ms >= $2 AND created_ms < $3 AND status IN ('sent', 'dropped'))",
                "DELETE FROM send WHERE status NOT IN ('reserved', 'sending', 'unknown') AND intent IN
                    (SELECT id FROM intent
                    WHERE brand = $1 AND created_ms >= $2 AND created_ms < $3 AND status IN ('sent', 'dropped'))",
                "DELETE FROM intent WHERE brand = $1 AND created_ms >= $2 AND created_ms < $3
                    AND status IN ('sent', 'dropped') AND NOT EXISTS (SELECT 1 FROM send s WHERE s.intent = intent.id)",
            ],
        }
    }

    /// When the first of it was, after a moment.
    const fn first(self) -> &'static str {
        match self {
            Self::Fragments => {
                "SELECT MIN(occurred_ms) FROM interaction WHERE brand = $1 AND occurred_ms >= $2 AND occurred_ms < $3"
            }
            Self::StoryFigures => {
                "SELECT MIN(occurred_ms) FROM interaction
                WHERE brand = $1 AND occurred_ms >= $2 AND occurred_ms < $3 AND kind = 'story_insights'"
            }
            Self::Decisions => {
                "SELECT MIN(created_ms) FROM intent WHERE brand = $1 AND created_ms >= $2 AND created_ms < $3
                AND status IN ('sent', 'dropped')"
            }
        }
    }
}

const MARK: Sql = Sql {
    postgres: "INSERT INTO retention (brand, kind, until_ms) VALUES ($1, $2, $3)
        ON CONFLICT (brand, kind) DO UPDATE SET until_ms = GREATEST(retention.until_ms, excluded.until_ms)",
    sqlite: "INSERT INTO retention (brand, kind, until_ms) VALUES ($1, $2, $3)
        ON CONFLICT (brand, kind) DO UPDATE SET until_ms = MAX(retention.until_ms, excluded.until_ms)",
};

impl Store {
    /// Removes what a brand has of a kind from before `before`, at most `span_ms` of it at once. `None` when there is nothing
    /// left to remove, else how many rows went.
    pub async fn expire(
        &self,
        brand: &BrandId,
        kind: Kept,
        before: Timestamp,
        span_ms: i64,
    ) -> Result<Option<u64>, StoreError> {
        let mut tx = self.engine.begin().await?;
        let done: Option<(i64,)> = on_tx!(&mut tx, |connection| {
            sqlx::query_as("SELECT until_ms FROM retention WHERE brand = $1 AND kind = $2")
                .bind(brand.as_str())
                .bind(kind.as_str())
                .fetch_optional(connection)
                .await?
        });
        let from = done.map_or(0, |(until,)| until.saturating_sub(OVERLAP_MS));
        let (first,): (Option<i64>,) = on_tx!(&mut tx, |connection| {
            let query = sqlx::query_as(kind.first()).bind(brand.as_str()).bind(from).bind(before.millis());
            query.fetch_one(connection).await?
        });
        let marked = done.map_or(0, |(until,)| until);
        let Some(first) = first.filter(|_| marked < before.millis()) else { return Ok(None) };
        // What comes late is looked for again below the mark, but does not hold the mark back.
        let until = first.max(marked).saturating_add(span_ms).min(before.millis());
        let mut rows = 0;
        for sql in kind.removals() {
            rows += on_tx!(&mut tx, |connection| {
                sqlx::query(*sql).bind(brand.as_str()).bind(from).bind(until).execute(connection).await?.rows_affected()
            });
        }
        let sql = tx.sql(&MARK);
        on_tx!(&mut tx, |connection| {
            let query = sqlx::query(sql).bind(brand.as_str()).bind(kind.as_str()).bind(until);
            query.execute(connection).await?;
        });
        tx.commit().await?;
        Ok(Some(rows))
    }

    /// Viewers of a brand who did nothing since `before`, at most `limit`.
    pub async fn idle_viewers(
        &self,
        brand: &BrandId,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<ViewerKey>, StoreError> {
        let sql = "SELECT account, viewer FROM viewer WHERE brand = $1 AND last_seen_ms < $2
            ORDER BY last_seen_ms LIMIT $3";
        let rows: Vec<(String, String)> = on_read!(&self.engine, |pool| {
            let query = sqlx::query_as(sql).bind(brand.as_str()).bind(before.millis()).bind(i64::from(limit));
            query.fetch_all(pool).await?
        });
        let key = |(account, viewer): (String, String)| ViewerKey {
            account: AccountId::new(account),
            viewer: ViewerId::new(viewer),
        };
        Ok(rows.into_iter().map(key).collect())
    }

    /// Removes what could not be understood and came before `before`, waiting or replayed.
    pub async fn expire_quarantine(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.engine.begin().await?;
        let rows = on_tx!(&mut tx, |connection| {
            let query = sqlx::query("DELETE FROM quarantine WHERE received_ms < $1").bind(before.millis());
            query.execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(rows)
    }
}
