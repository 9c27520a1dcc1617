//! Brand documents: every version that was applied, and which one is in force.

use afterglow_domain::{BrandId, BrandSettings, Timestamp};

use crate::codec::to_json;
use crate::engine::{on_read, on_tx, row, storable};
use crate::wall::on_brand;
use crate::{BrandStore, Store, StoreError};

/// A version of a brand's document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrandDocument {
    /// From 1 on, without gaps.
    pub version: i64,
    /// As it was written.
    pub text: String,
    /// When it was applied.
    pub applied: Timestamp,
    /// By whom.
    pub applied_by: String,
    /// Why, in their words.
    pub note: String,
}

/// A document to be put in force.
#[derive(Debug, Clone)]
pub struct NewDocument<'a> {
    /// Whose.
    pub brand: &'a BrandId,
    /// The brand's name for people.
    pub name: &'a str,
    /// IANA name.
    pub time_zone: &'a str,
    /// As it was written.
    pub text: &'a str,
    /// What it says.
    pub settings: &'a BrandSettings,
    /// By whom.
    pub by: &'a str,
    /// Why, in their words.
    pub note: &'a str,
    /// The version that it was made from; `None` to apply whatever is in force.
    pub expected: Option<i64>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentApplied {
    /// It is in force, as this version.
    Applied(i64),
    /// Another version is in force than the one it was made from.
    Conflict {
        /// The one in force.
        current: i64,
    },
}

row! {
    struct DocumentColumns { version: i64, text: String, applied_ms: i64, applied_by: String, note: String }
}

impl DocumentColumns {
    fn decode(self) -> BrandDocument {
        BrandDocument {
            version: self.version,
            text: self.text,
            applied: Timestamp::from_millis(self.applied_ms),
            applied_by: self.applied_by,
            note: self.note,
        }
    }
}

impl Store {
    /// Puts a document in force, making the brand if there is none, and has every viewer of the brand looked at anew. Two who
    /// apply at once do so one after the other.
    pub async fn apply_document(
        &self,
        document: &NewDocument<'_>,
        now: Timestamp,
    ) -> Result<DocumentApplied, StoreError> {
        let settings = to_json("brand.settings", document.settings)?;
        let brand = document.brand.as_str();
        let mut tx = self.engine.begin().await?;
        let current: i64 = on_tx!(&mut tx, |connection| {
            sqlx::query(
                "INSERT INTO brand (id, name, time_zone, settings, created_ms) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (id) DO NOTHING",
            )
            .bind(brand)
            .bind(storable(document.name))
            .bind(document.time_zone)
            .bind(settings.as_str())
            .bind(now.millis())
            .execute(&mut *connection)
            .await?;
            // The update locks the row: the next one to apply waits here.
            let (version,): (i64,) =
                sqlx::query_as("UPDATE brand SET id = id WHERE id = $1 RETURNING document_version")
                    .bind(brand)
                    .fetch_one(connection)
                    .await?;
            version
        });
        if document.expected.is_some_and(|expected| expected != current) {
            return Ok(DocumentApplied::Conflict { current });
        }
        let version = current + 1;
        on_tx!(&mut tx, |connection| {
            sqlx::query(
                "INSERT INTO brand_document (brand, version, text, applied_ms, applied_by, note)
                VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(brand)
            .bind(version)
            .bind(storable(document.text))
            .bind(now.millis())
            .bind(storable(document.by))
            .bind(storable(document.note))
            .execute(&mut *connection)
            .await?;
            sqlx::query(
                "UPDATE brand SET name = $2, time_zone = $3, settings = $4, document_version = $5 WHERE id = $1",
            )
            .bind(brand)
            .bind(storable(document.name))
            .bind(document.time_zone)
            .bind(settings.as_str())
            .bind(version)
            .execute(&mut *connection)
            .await?;
            sqlx::query("UPDATE viewer SET review_ms = $2 WHERE brand = $1 AND state IS NOT NULL")
                .bind(brand)
                .bind(now.millis())
                .execute(connection)
                .await?;
        });
        tx.commit().await?;
        Ok(DocumentApplied::Applied(version))
    }

    /// Which version each brand has in force: cheap, to be asked often.
    pub async fn document_versions(&self) -> Result<Vec<(BrandId, i64)>, StoreError> {
        let sql = "SELECT id, document_version FROM brand";
        let rows: Vec<(String, i64)> = on_read!(&self.engine, |pool| sqlx::query_as(sql).fetch_all(pool).await?);
        Ok(rows.into_iter().map(|(id, version)| (BrandId::new(id), version)).collect())
    }
}

impl BrandStore<'_> {
    /// Every version that was applied, the latest first.
    pub async fn documents(&self) -> Result<Vec<BrandDocument>, StoreError> {
        let sql = "SELECT version, text, applied_ms, applied_by, note FROM brand_document
            WHERE brand = $1 ORDER BY version DESC";
        let rows: Vec<DocumentColumns> =
            on_brand!(self, |pool| { sqlx::query_as(sql).bind(self.brand.as_str()).fetch_all(pool).await? });
        Ok(rows.into_iter().map(DocumentColumns::decode).collect())
    }

    /// One version.
    pub async fn document(&self, version: i64) -> Result<Option<BrandDocument>, StoreError> {
        let sql = "SELECT version, text, applied_ms, applied_by, note FROM brand_document
            WHERE brand = $1 AND version = $2";
        let row: Option<DocumentColumns> = on_brand!(self, |pool| {
            sqlx::query_as(sql).bind(self.brand.as_str()).bind(version).fetch_optional(pool).await?
        });
        Ok(row.map(DocumentColumns::decode))
    }
}
