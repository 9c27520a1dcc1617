//! Who did what in the console.

use afterglow_domain::{BrandId, Timestamp, ViewerKey};

use crate::engine::{Tx, on_read, on_tx, row, storable};
use crate::wall::on_brand;
use crate::{BrandStore, Store, StoreError};

/// Something a person did.
#[derive(Debug, Clone)]
pub struct Deed<'a> {
    /// Who.
    pub person: &'a str,
    /// For which brand; `None` for what concerns none.
    pub brand: Option<&'a BrandId>,
    /// What, such as `reply` or `kill_switch_on`.
    pub action: &'a str,
    /// To whom.
    pub viewer: Option<&'a ViewerKey>,
    /// In which words.
    pub detail: &'a str,
}

/// A deed as it was noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub person: String,
    /// What.
    pub action: String,
    /// To whom: account and viewer.
    pub viewer: Option<(String, String)>,
    /// In which words.
    pub detail: String,
}

row! {
    struct AuditColumns {
        at_ms: i64,
        person: String,
        action: String,
        account: Option<String>,
        viewer: Option<String>,
        detail: String,
    }
}

const LATEST: &str = "SELECT at_ms, person, action, account, viewer, detail FROM audit
    WHERE brand = $1 ORDER BY seq DESC LIMIT $2";

impl Store {
    /// Notes a deed.
    pub async fn note_deed(&self, deed: &Deed<'_>, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.engine.begin().await?;
        note(&mut tx, deed, now).await?;
        tx.commit().await
    }

    /// The latest deeds that concern no brand: signing in, people.
    pub async fn audit(&self, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let rows: Vec<AuditColumns> = on_read!(&self.engine, |pool| {
            sqlx::query_as(LATEST).bind("").bind(i64::from(limit)).fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(AuditColumns::decode).collect())
    }
}

impl BrandStore<'_> {
    /// The latest deeds for the brand. At most `limit`.
    pub async fn audit(&self, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let rows: Vec<AuditColumns> = on_brand!(self, |pool| {
            sqlx::query_as(LATEST).bind(self.brand.as_str()).bind(i64::from(limit)).fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(AuditColumns::decode).collect())
    }
}

impl AuditColumns {
    fn decode(self) -> AuditRow {
        AuditRow {
            at: Timestamp::from_millis(self.at_ms),
            person: self.person,
            action: self.action,
            viewer: self.account.zip(self.viewer),
            detail: self.detail,
        }
    }
}

/// Notes a deed in the transaction that does it.
pub(crate) async fn note(tx: &mut Tx, deed: &Deed<'_>, now: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT INTO audit (at_ms, person, brand, action, account, viewer, detail)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    on_tx!(tx, |connection| {
        sqlx::query(sql)
            .bind(now.millis())
            .bind(storable(deed.person))
            .bind(deed.brand.map_or("", BrandId::as_str))
            .bind(deed.action)
            .bind(deed.viewer.map(|key| key.account.as_str()))
            .bind(deed.viewer.map(|key| key.viewer.as_str()))
            .bind(storable(deed.detail))
            .execute(connection)
            .await?;
    });
    Ok(())
}
