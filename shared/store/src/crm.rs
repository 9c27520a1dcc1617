//! Connections to CRMs: how far each has come, what was written of each viewer, and what was refused.

use std::collections::HashMap;

use afterglow_domain::{AccountId, BrandId, Timestamp, ViewerId, ViewerKey};

use crate::codec::moment;
use crate::engine::{Sql, Texts, on_read, on_tx, row, storable};
use crate::feed::mark;
use crate::wall::on_brand;
use crate::{BrandStore, SealedSecret, Store, StoreError};

/// How a connection stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrmState {
    /// Its access token, sealed; `None` if none was given.
    pub token: Option<SealedSecret>,
    /// The last change of the feed that is settled there.
    pub cursor: u64,
    /// Nothing is written before then: its limits, or an illness of its.
    pub not_before: Option<Timestamp>,
    /// Why nothing is written until a person says otherwise.
    pub paused: Option<String>,
}

/// A record that a CRM refused, and would again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrmRefusal {
    /// Whose.
    pub viewer: ViewerKey,
    /// The CRM's name for what is wrong.
    pub code: String,
    /// The CRM's words.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// What became of some records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrmSettlement {
    /// Written, with the digests of what is there now.
    pub written: Vec<(ViewerKey, String)>,
    /// Emptied, for their persons are forgotten.
    pub forgotten: Vec<ViewerKey>,
    /// Refused.
    pub refused: Vec<CrmRefusal>,
    /// Everything up to this change is settled.
    pub cursor: Option<u64>,
    /// Nothing more before then.
    pub not_before: Option<Timestamp>,
    /// Nothing more until a person says otherwise, and why. Of a token that was replaced meanwhile it says nothing.
    pub paused: Option<String>,
    /// The token that was used.
    pub token: Option<SealedSecret>,
}

row! {
    struct StateColumns { token: Option<Vec<u8>>, cursor: i64, not_before_ms: i64, paused: Option<String> }
}

row! {
    struct RecordColumns { account: String, viewer: String, written: String }
}

row! {
    struct RefusalColumns { account: String, viewer: String, code: String, message: String, at_ms: i64 }
}

const MAKE: &str = "INSERT INTO crm_connection (brand, name) VALUES ($1, $2) ON CONFLICT (brand, name) DO NOTHING";
const STATE: &str = "SELECT token, cursor, not_before_ms, paused FROM crm_connection WHERE brand = $1 AND name = $2";
const WRITTEN: Sql = Sql {
    postgres: "SELECT account, viewer, written FROM crm_record
        WHERE brand = $1 AND connection = $2 AND account = ANY($3) AND viewer = ANY($4)",
    sqlite: "SELECT account, viewer, written FROM crm_record
        WHERE brand = $1 AND connection = $2 AND account IN (SELECT value FROM json_each($3))
            AND viewer IN (SELECT value FROM json_each($4))",
};
const WRITE: &str = "INSERT INTO crm_record (brand, connection, account, viewer, written) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (brand, connection, account, viewer) DO UPDATE SET written = excluded.written";
const UNWRITE: &str = "DELETE FROM crm_record WHERE brand = $1 AND connection = $2 AND account = $3 AND viewer = $4";
const ADMIT: &str = "DELETE FROM crm_refusal WHERE brand = $1 AND connection = $2 AND account = $3 AND viewer = $4";
const REFUSE: &str = "INSERT INTO crm_refusal (brand, connection, account, viewer, code, message, at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (brand, connection, account, viewer)
        DO UPDATE SET code = excluded.code, message = excluded.message, at_ms = excluded.at_ms";
const GO_ON: &str = "UPDATE crm_connection SET
        cursor = CASE WHEN $3 > cursor THEN $3 ELSE cursor END, not_before_ms = $4, paused = CASE WHEN $5 IS NOT NULL AND token IS NOT DISTINCT FROM $6 THEN $5 ELSE paused END
    WHERE brand = $1 AND name = $2";
const REFUSALS: &str = "SELECT account, viewer, code, message, at_ms FROM crm_refusal
    WHERE brand = $1 AND connection = $2 ORDER BY at_ms DESC, account, viewer LIMIT $3";

impl Store {
    /// Every sealed token of every connection: whose, and of which.
    pub async fn sealed_crm_tokens(&self) -> Result<Vec<(BrandId, String, SealedSecret)>, StoreError> {
        let sql = "SELECT brand, name, token FROM crm_connection WHERE token IS NOT NULL ORDER BY brand, name";
        let rows: Vec<(String, String, Vec<u8>)> =
            on_read!(&self.engine, |pool| sqlx::query_as(sql).fetch_all(pool).await?);
        Ok(rows.into_iter().map(|(brand, name, sealed)| (BrandId::new(brand), name, SealedSecret(sealed))).collect())
    }

    /// Puts the same token, sealed anew, in the place of `before`. `false` if that one is no longer there.
    pub async fn reseal_crm_token(
        &self,
        brand: &BrandId,
        connection: &str,
        before: &SealedSecret,
        after: &SealedSecret,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE crm_connection SET token = $4 WHERE brand = $1 AND name = $2 AND token = $3";
        let mut tx = self.engine.begin().await?;
        let changed = on_tx!(&mut tx, |tx| {
            sqlx::query(sql)
                .bind(brand.as_str())
                .bind(connection)
                .bind(&before.0)
                .bind(&after.0)
                .execute(tx)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(changed == 1)
    }
}

impl BrandStore<'_> {
    /// How a connection stands; as a new one if nothing is known of it.
    pub async fn crm_state(&self, connection: &str) -> Result<CrmState, StoreError> {
        let row: Option<StateColumns> = on_brand!(self, |pool| {
            sqlx::query_as(STATE).bind(self.brand.as_str()).bind(connection).fetch_optional(pool).await?
        });
        let state = |row: StateColumns| CrmState {
            token: row.token.map(SealedSecret),
            cursor: row.cursor.unsigned_abs(),
            not_before: moment(Some(row.not_before_ms).filter(|at| *at > 0)),
            paused: row.paused,
        };
        Ok(row.map(state).unwrap_or_default())
    }

    /// Gives a connection its access token, and has it go on.
    pub async fn set_crm_token(&self, connection: &str, token: &SealedSecret) -> Result<(), StoreError> {
        let sql = "UPDATE crm_connection SET token = $3, paused = NULL, not_before_ms = 0
            WHERE brand = $1 AND name = $2";
        let mut tx = self.begin().await?;
        on_tx!(&mut tx, |tx| {
            sqlx::query(MAKE).bind(self.brand.as_str()).bind(connection).execute(&mut *tx).await?;
            sqlx::query(sql).bind(self.brand.as_str()).bind(connection).bind(&token.0).execute(tx).await?;
        });
        tx.commit().await
    }

    /// Pauses a connection, with the reason; `None`: has it go on, at once.
    pub async fn pause_crm(&self, connection: &str, reason: Option<&str>) -> Result<(), StoreError> {
        let sql = "UPDATE crm_connection SET paused = $3, not_before_ms = 0 WHERE brand = $1 AND name = $2";
        let mut tx = self.begin().await?;
        on_tx!(&mut tx, |tx| {
            sqlx::query(MAKE).bind(self.brand.as_str()).bind(connection).execute(&mut *tx).await?;
            let reason = reason.map(storable);
            sqlx::query(sql).bind(self.brand.as_str()).bind(connection).bind(reason).execute(tx).await?;
        });
        tx.commit().await
    }

    /// Has everything that follows a change written again, whether it was or not.
    pub async fn replay_crm(&self, connection: &str, after: u64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        on_tx!(&mut tx, |tx| {
            let brand = self.brand.as_str();
            sqlx::query(MAKE).bind(brand).bind(connection).execute(&mut *tx).await?;
            sqlx::query("UPDATE crm_record SET written = '{}' WHERE brand = $1 AND connection = $2")
                .bind(brand)
                .bind(connection)
                .execute(&mut *tx)
                .await?;
            sqlx::query("UPDATE crm_connection SET cursor = $3 WHERE brand = $1 AND name = $2")
                .bind(brand)
                .bind(connection)
                .bind(i64::try_from(after).unwrap_or(i64::MAX))
                .execute(tx)
                .await?;
        });
        tx.commit().await
    }

    /// What was last written of viewers, those of whom something was.
    pub async fn crm_written(
        &self,
        connection: &str,
        viewers: &[ViewerKey],
    ) -> Result<HashMap<ViewerKey, String>, StoreError> {
        let sql = self.store.engine.sql(&WRITTEN);
        let mut accounts: Vec<String> = viewers.iter().map(|key| key.account.to_string()).collect();
        accounts.sort_unstable();
        accounts.dedup();
        let names = viewers.iter().map(|key| key.viewer.to_string()).collect();
        let rows: Vec<RecordColumns> = on_brand!(self, |pool| {
            sqlx::query_as(sql)
                .bind(self.brand.as_str())
                .bind(connection)
                .bind(Texts(accounts))
                .bind(Texts(names))
                .fetch_all(pool)
                .await?
        });
        Ok(rows.into_iter().map(|row| (key(row.account, row.viewer), row.written)).collect())
    }

    /// Notes what became of records, in one transaction.
    pub async fn settle_crm(&self, connection: &str, settlement: &CrmSettlement) -> Result<(), StoreError> {
        let brand = self.brand.as_str();
        let mut tx = self.begin().await?;
        on_tx!(&mut tx, |tx| {
            sqlx::query(MAKE).bind(brand).bind(connection).execute(&mut *tx).await?;
            let done = settlement.written.iter().map(|(viewer, written)| (viewer, Some(written)));
            for (viewer, written) in done.chain(settlement.forgotten.iter().map(|viewer| (viewer, None))) {
                let of = |sql| sqlx::query(sql).bind(brand).bind(connection);
                let (account, name) = (viewer.account.as_str(), viewer.viewer.as_str());
                of(ADMIT).bind(account).bind(name).execute(&mut *tx).await?;
                match written {
                    Some(written) => of(WRITE).bind(account).bind(name).bind(written).execute(&mut *tx).await?,
                    None => of(UNWRITE).bind(account).bind(name).execute(&mut *tx).await?,
                };
            }
            for refusal in &settlement.refused {
                sqlx::query(REFUSE)
                    .bind(brand)
                    .bind(connection)
                    .bind(refusal.viewer.account.as_str())
                    .bind(refusal.viewer.viewer.as_str())
                    .bind(storable(&refusal.code))
                    .bind(storable(&refusal.message))
                    .bind(refusal.at.millis())
                    .execute(&mut *tx)
                    .await?;
            }
            sqlx::query(GO_ON)
                .bind(brand)
                .bind(connection)
                .bind(i64::try_from(settlement.cursor.unwrap_or(0)).unwrap_or(i64::MAX))
                .bind(settlement.not_before.map_or(0, Timestamp::millis))
                .bind(settlement.paused.as_deref().map(storable))
                .bind(settlement.token.as_ref().map(|token| token.0.as_slice()))
                .execute(tx)
                .await?;
        });
        tx.commit().await
    }

    /// What a CRM refused, the latest first.
    pub async fn crm_refusals(&self, connection: &str, limit: u32) -> Result<Vec<CrmRefusal>, StoreError> {
        let rows: Vec<RefusalColumns> = on_brand!(self, |pool| {
            sqlx::query_as(REFUSALS)
                .bind(self.brand.as_str())
                .bind(connection)
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        });
        let refusal = |row: RefusalColumns| CrmRefusal {
            viewer: key(row.account, row.viewer),
            code: row.code,
            message: row.message,
            at: Timestamp::from_millis(row.at_ms),
        };
        Ok(rows.into_iter().map(refusal).collect())
    }

    /// Has what a CRM refused tried again: its viewers become changes. How many.
    pub async fn retry_crm_refusals(&self, connection: &str, now: Timestamp) -> Result<u64, StoreError> {
        let refusals = self.crm_refusals(connection, u32::MAX >> 1).await?;
        let mut tx = self.begin().await?;
        for refusal in &refusals {
            mark(&mut tx, self.brand, &refusal.viewer, now).await?;
            on_tx!(&mut tx, |tx| {
                sqlx::query(ADMIT)
                    .bind(self.brand.as_str())
                    .bind(connection)
                    .bind(refusal.viewer.account.as_str())
                    .bind(refusal.viewer.viewer.as_str())
                    .execute(tx)
                    .await?;
            });
        }
        tx.commit().await?;
        Ok(refusals.len() as u64)
    }
}

fn key(account: String, viewer: String) -> ViewerKey {
    ViewerKey { account: AccountId::new(account), viewer: ViewerId::new(viewer) }
}
