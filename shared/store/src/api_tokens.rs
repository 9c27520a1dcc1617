//! Tokens by which programs read what belongs to a brand.

use afterglow_domain::{BrandId, Timestamp};

use crate::engine::{on_read, on_tx, row, storable};
use crate::wall::on_brand;
use crate::{BrandStore, Store, StoreError};

/// A token, without what opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Whose data it reads.
    pub brand: BrandId,
    /// For whom or what it was made.
    pub name: String,
    /// When.
    pub created: Timestamp,
    /// By whom.
    pub created_by: String,
}

row! {
    struct TokenColumns { brand: String, name: String, created_ms: i64, created_by: String }
}

impl Store {
    /// Keeps a token's hash. `false` if the brand has one of this name, or there is no such brand.
    pub async fn put_api_token(&self, hash: &[u8], token: &ApiToken) -> Result<bool, StoreError> {
        let sql = "INSERT INTO api_token (hash, brand, name, created_ms, created_by)
            SELECT $1, id, $3, $4, $5 FROM brand WHERE id = $2 ON CONFLICT DO NOTHING";
        let mut tx = self.engine.begin().await?;
        let made = on_tx!(&mut tx, |connection| {
            sqlx::query(sql)
                .bind(hash)
                .bind(token.brand.as_str())
                .bind(storable(&token.name))
                .bind(token.created.millis())
                .bind(storable(&token.created_by))
                .execute(connection)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(made == 1)
    }

    /// Which brand a token opens, if any.
    pub async fn api_token_brand(&self, hash: &[u8]) -> Result<Option<BrandId>, StoreError> {
        let sql = "SELECT brand FROM api_token WHERE hash = $1";
        let brand: Option<String> =
            on_read!(&self.engine, |pool| sqlx::query_scalar(sql).bind(hash).fetch_optional(pool).await?);
        Ok(brand.map(BrandId::new))
    }
}

impl BrandStore<'_> {
    /// The brand's tokens.
    pub async fn api_tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        let sql = "SELECT brand, name, created_ms, created_by FROM api_token WHERE brand = $1 ORDER BY name";
        let rows: Vec<TokenColumns> =
            on_brand!(self, |pool| { sqlx::query_as(sql).bind(self.brand.as_str()).fetch_all(pool).await? });
        let decode = |row: TokenColumns| ApiToken {
            brand: BrandId::new(row.brand),
            name: row.name,
            created: Timestamp::from_millis(row.created_ms),
            created_by: row.created_by,
        };
        Ok(rows.into_iter().map(decode).collect())
    }

    /// Makes a token worthless, at once. `false` if there is none of this name.
    pub async fn revoke_api_token(&self, name: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM api_token WHERE brand = $1 AND name = $2";
        let mut tx = self.begin().await?;
        let gone = on_tx!(&mut tx, |connection| {
            sqlx::query(sql).bind(self.brand.as_str()).bind(name).execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(gone == 1)
    }
}
