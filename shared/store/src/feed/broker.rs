//! How far changes were published to the broker.
//!
//! A cursor for each brand, moved when the broker has confirmed. What was published and not written down is published again, under the
//! same ids.

use afterglow_domain::BrandId;

use crate::engine::{on_read, on_tx, row};
use crate::{BrandStore, Store, StoreError};

/// How far a brand's changes were published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerPlace {
    /// Whose.
    pub brand: BrandId,
    /// The last change that the broker confirmed; 0 before the first.
    pub cursor: u64,
    /// Changes up to this number may have been removed for their age; 0 if none was.
    pub floor: u64,
    /// The number of the latest change there ever was.
    pub head: u64,
}

row! {
    struct PlaceColumns { brand: String, cursor: i64, floor: i64, head: i64 }
}

impl PlaceColumns {
    fn decode(self) -> BrokerPlace {
        BrokerPlace {
            brand: BrandId::new(self.brand),
            cursor: self.cursor.unsigned_abs(),
            floor: self.floor.unsigned_abs(),
            head: self.head.unsigned_abs(),
        }
    }
}

const BEHIND: &str = "SELECT h.brand, COALESCE(b.cursor, 0) AS cursor, h.floor, h.sequence AS head
    FROM feed_head h LEFT JOIN feed_broker b ON b.brand = h.brand
    WHERE h.sequence > COALESCE(b.cursor, 0) ORDER BY h.brand LIMIT $1";
const PLACE: &str = "SELECT h.brand, COALESCE(b.cursor, 0) AS cursor, h.floor, h.sequence AS head
    FROM feed_head h LEFT JOIN feed_broker b ON b.brand = h.brand WHERE h.brand = $1";
/// From where it was alone: a replay in between wins.
const ADVANCE: &str = "INSERT INTO feed_broker (brand, cursor) SELECT h.brand, $3 FROM feed_head h WHERE h.brand = $1
    ON CONFLICT (brand) DO UPDATE SET cursor = $3 WHERE feed_broker.cursor = $2";
const REPLAY: &str = "INSERT INTO feed_broker (brand, cursor) SELECT h.brand, $2 FROM feed_head h
        WHERE h.brand = $1 AND h.sequence >= $2
    ON CONFLICT (brand) DO UPDATE SET cursor = $2";

fn number(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

impl Store {
    /// Brands with changes that the broker has not had, by name, at most `limit`.
    pub async fn feed_broker_behind(&self, limit: u32) -> Result<Vec<BrokerPlace>, StoreError> {
        let rows: Vec<PlaceColumns> =
            on_read!(&self.engine, |pool| sqlx::query_as(BEHIND).bind(i64::from(limit)).fetch_all(pool).await?);
        Ok(rows.into_iter().map(PlaceColumns::decode).collect())
    }
}

impl BrandStore<'_> {
    /// How far the brand's changes were published; `None` if nothing ever changed.
    pub async fn feed_broker_place(&self) -> Result<Option<BrokerPlace>, StoreError> {
        let row: Option<PlaceColumns> = on_read!(&self.store.engine, |pool| {
            sqlx::query_as(PLACE).bind(self.brand.as_str()).fetch_optional(pool).await?
        });
        Ok(row.map(PlaceColumns::decode))
    }

    /// Writes down that the broker confirmed what lies behind `from`, up to `to`. `false` if the place was moved meanwhile: then it
    /// stays where it was moved to.
    pub async fn advance_feed_broker(&self, from: u64, to: u64) -> Result<bool, StoreError> {
        let mut tx = self.store.engine.begin().await?;
        let moved = on_tx!(&mut tx, |connection| {
            let query = sqlx::query(ADVANCE).bind(self.brand.as_str()).bind(number(from)).bind(number(to));
            query.execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(moved == 1)
    }

    /// Has all that follows `after` published again, or left out if `after` lies ahead; `false` if there is no such change.
    pub async fn replay_feed_broker(&self, after: u64) -> Result<bool, StoreError> {
        let mut tx = self.store.engine.begin().await?;
        let moved = on_tx!(&mut tx, |connection| {
            sqlx::query(REPLAY).bind(self.brand.as_str()).bind(number(after)).execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(moved == 1)
    }
}
