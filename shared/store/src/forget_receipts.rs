//! What is left of a request to be forgotten: a receipt that names nobody.

use afterglow_domain::{BrandId, Timestamp};

use crate::engine::{Tx, on_read, on_tx};
use crate::{Store, StoreError};

/// What is left of a request. Holds nothing of the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetReceipt {
    /// By which the request is known.
    pub code: String,
    /// Whose viewer it was.
    pub brand: BrandId,
    /// When it was done.
    pub done: Timestamp,
    /// How many rows were removed.
    pub rows: u64,
}

const RECEIPT: &str = "INSERT INTO forget_receipt (code, brand, done_ms, rows) VALUES ($1, $2, $3, $4)";

impl Store {
    /// The receipt of a request.
    pub async fn forget_receipt(&self, code: &str) -> Result<Option<ForgetReceipt>, StoreError> {
        let sql = "SELECT code, brand, done_ms, rows FROM forget_receipt WHERE code = $1";
        let row: Option<(String, String, i64, i64)> =
            on_read!(&self.engine, |pool| sqlx::query_as(sql).bind(code).fetch_optional(pool).await?);
        Ok(row.map(|(code, brand, done, rows)| ForgetReceipt {
            code,
            brand: BrandId::new(brand),
            done: Timestamp::from_millis(done),
            rows: rows.unsigned_abs(),
        }))
    }

    /// Leaves the receipt of something that was removed.
    pub async fn leave_receipt(
        &self,
        code: &str,
        brand: &BrandId,
        rows: u64,
        now: Timestamp,
    ) -> Result<ForgetReceipt, StoreError> {
        let mut tx = self.engine.begin().await?;
        leave(&mut tx, code, brand.as_str(), rows, now).await?;
        tx.commit().await?;
        Ok(ForgetReceipt { code: code.to_owned(), brand: brand.clone(), done: now, rows })
    }
}

/// Leaves a receipt. An empty brand is every brand.
pub(crate) async fn leave(tx: &mut Tx, code: &str, brand: &str, rows: u64, now: Timestamp) -> Result<(), StoreError> {
    on_tx!(tx, |connection| {
        sqlx::query(RECEIPT)
            .bind(code)
            .bind(brand)
            .bind(now.millis())
            .bind(i64::try_from(rows).unwrap_or(i64::MAX))
            .execute(connection)
            .await?;
    });
    Ok(())
}
