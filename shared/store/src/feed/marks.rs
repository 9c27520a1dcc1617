//! Marks: of whom something changed, written in the transaction that changed it, not numbered yet.

use afterglow_domain::{BrandId, Timestamp, ViewerKey};

use crate::codec::to_json;
use crate::engine::{Tx, on_read, on_tx};
use crate::viewers::ViewerRow;
use crate::{Store, StoreError};

const MARK_PG: &str = "INSERT INTO feed_mark (brand, account, viewer, at_ms)
    SELECT brand, account, viewer, $4 FROM UNNEST($1::text[], $2::text[], $3::text[]) AS m (brand, account, viewer)";
const MARK_LITE: &str = "INSERT INTO feed_mark (brand, account, viewer, at_ms)
    SELECT value ->> 0, value ->> 1, value ->> 2, $2 FROM json_each($1)";
const MARK_ONE: &str = "INSERT INTO feed_mark (brand, account, viewer, forgotten, at_ms) VALUES ($1, $2, $3, $4, $5)";

/// Marks viewers whose rows were written in this transaction.
pub(crate) async fn mark_rows(tx: &mut Tx, rows: &[ViewerRow], now: Timestamp) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    match tx {
        Tx::Postgres(tx) => {
            let brands: Vec<&str> = rows.iter().map(|row| row.brand.as_str()).collect();
            let accounts: Vec<&str> = rows.iter().map(|row| row.key.account.as_str()).collect();
            let viewers: Vec<&str> = rows.iter().map(|row| row.key.viewer.as_str()).collect();
            let query = sqlx::query(MARK_PG).bind(brands).bind(accounts).bind(viewers).bind(now.millis());
            query.execute(&mut **tx).await?;
        }
        Tx::Sqlite(tx) => {
            let rows: Vec<_> = rows.iter().map(|row| (&row.brand, &row.key.account, &row.key.viewer)).collect();
            let rows = to_json("feed marks", &rows)?;
            sqlx::query(MARK_LITE).bind(rows).bind(now.millis()).execute(&mut **tx).await?;
        }
    }
    Ok(())
}

/// Marks a viewer of whom something else changed in this transaction.
pub(crate) async fn mark(tx: &mut Tx, brand: &BrandId, viewer: &ViewerKey, now: Timestamp) -> Result<(), StoreError> {
    mark_one(tx, brand, viewer, false, now).await
}

/// Marks a person who is being forgotten.
pub(crate) async fn mark_forgotten(
    tx: &mut Tx,
    brand: &BrandId,
    viewer: &ViewerKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    mark_one(tx, brand, viewer, true, now).await
}

async fn mark_one(
    tx: &mut Tx,
    brand: &BrandId,
    viewer: &ViewerKey,
    forgotten: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    on_tx!(tx, |connection| {
        sqlx::query(MARK_ONE)
            .bind(brand.as_str())
            .bind(viewer.account.as_str())
            .bind(viewer.viewer.as_str())
            .bind(forgotten)
            .bind(now.millis())
            .execute(connection)
            .await?;
    });
    Ok(())
}

impl Store {
    /// Brands with marks that are not numbered yet, the longest waiting first.
    pub async fn brands_with_marks(&self, limit: u32) -> Result<Vec<BrandId>, StoreError> {
        let sql = "SELECT brand FROM feed_mark GROUP BY brand ORDER BY MIN(id) LIMIT $1";
        let brands: Vec<String> =
            on_read!(&self.engine, |pool| sqlx::query_scalar(sql).bind(i64::from(limit)).fetch_all(pool).await?);
        Ok(brands.into_iter().map(BrandId::new).collect())
    }
}
