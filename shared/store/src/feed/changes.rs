//! The feed as it is read: changes by their numbers, where it begins and ends, and what is too old for it.

use afterglow_domain::Timestamp;
use uuid::Uuid;

use crate::engine::{on_tx, row};
use crate::wall::on_brand;
use crate::{BrandStore, Store, StoreError};

/// A change as every reader gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedChange {
    /// Its place in the brand's feed, from 1.
    pub sequence: u64,
    /// By which receivers know it.
    pub change: Uuid,
    /// The CloudEvent, as JSON.
    pub body: String,
}

/// Changes that follow a place in the feed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedPage {
    /// In their order.
    pub changes: Vec<NumberedChange>,
    /// The number of the latest change there is.
    pub head: u64,
}

/// Where a feed stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedTail {
    /// Changes up to this number may have been removed for their age; 0 if none was.
    pub floor: u64,
    /// The number of the latest change there ever was.
    pub head: u64,
}

const AFTER: &str = "SELECT sequence, change, body FROM feed_change WHERE brand = $1 AND sequence > $2
    ORDER BY sequence LIMIT $3";
const TAIL: &str = "SELECT floor, sequence AS head FROM feed_head WHERE brand = $1";

row! {
    struct ChangeColumns { sequence: i64, change: Uuid, body: String }
}

row! {
    struct TailColumns { floor: i64, head: i64 }
}

impl Store {
    /// Removes changes and attempts from before these moments, at most `limit` of each. Returns how many.
    pub async fn trim_feed(&self, changes: Timestamp, attempts: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let old_changes = "DELETE FROM feed_change WHERE (brand, sequence) IN
            (SELECT brand, sequence FROM feed_change c WHERE c.at_ms < $1
                AND NOT EXISTS (SELECT 1 FROM feed_delivery d WHERE d.brand = c.brand AND d.sequence = c.sequence)
             ORDER BY c.at_ms LIMIT $2)";
        let old_attempts = "DELETE FROM feed_attempt WHERE seq IN
            (SELECT seq FROM feed_attempt WHERE at_ms < $1 ORDER BY at_ms LIMIT $2)";
        let floor = "UPDATE feed_head SET floor = (SELECT MAX(c.sequence) FROM feed_change c
                WHERE c.brand = feed_head.brand AND c.at_ms < $1)
            WHERE EXISTS (SELECT 1 FROM feed_change c WHERE c.brand = feed_head.brand AND c.at_ms < $1)";
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            sqlx::query(floor).bind(changes.millis()).execute(connection).await?;
        });
        let mut gone = 0;
        for (sql, before) in [(old_changes, changes), (old_attempts, attempts)] {
            gone += on_tx!(&mut tx, |connection| {
                let query = sqlx::query(sql).bind(before.millis()).bind(i64::from(limit));
                query.execute(connection).await?.rows_affected()
            });
        }
        tx.commit().await?;
        Ok(gone)
    }
}

impl BrandStore<'_> {
    /// The changes that follow number `after`, in their order, at most `limit`.
    pub async fn changes_after(&self, after: u64, limit: u32) -> Result<FeedPage, StoreError> {
        // The head first: what comes between the two questions is on the next page.
        let head = self.feed_tail().await?.head;
        let rows: Vec<ChangeColumns> = on_brand!(self, |pool| {
            sqlx::query_as(AFTER)
                .bind(self.brand.as_str())
                .bind(i64::try_from(after).unwrap_or(i64::MAX))
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        });
        let decode = |row: ChangeColumns| NumberedChange {
            sequence: row.sequence.unsigned_abs(),
            change: row.change,
            body: row.body,
        };
        let changes: Vec<NumberedChange> = rows.into_iter().map(decode).collect();
        let head = changes.last().map_or(head, |last| last.sequence.max(head));
        Ok(FeedPage { changes, head })
    }

    /// Where the feed begins and ends.
    pub async fn feed_tail(&self) -> Result<FeedTail, StoreError> {
        let row: Option<TailColumns> =
            on_brand!(self, |pool| { sqlx::query_as(TAIL).bind(self.brand.as_str()).fetch_optional(pool).await? });
        let tail = |row: TailColumns| FeedTail { floor: row.floor.unsigned_abs(), head: row.head.unsigned_abs() };
        Ok(row.map(tail).unwrap_or_default())
    }
}
