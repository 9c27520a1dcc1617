//! How accounts are connected: what was begun, and the tokens that came of it, with their time.

use afterglow_domain::{AccountId, BrandId, Login, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::brands::{Account, SealedToken};
use crate::codec::from_name;
use crate::engine::on_tx;
use crate::{Store, StoreError};

/// Pauses that a new token mends: the reasons begin with one of these.
const MENDED_BY_TOKEN: [&str; 3] = ["disconnected", "the access token", "the account has no access token"];

/// A connection that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connecting {
    /// For which brand.
    pub brand: BrandId,
    /// How.
    pub login: Login,
}

impl Store {
    /// Remembers that whoever comes back with `state` connects an account of this brand, until `expires`.
    ///
    /// # Errors
    /// `Constraint` if the brand does not exist.
    pub async fn begin_connecting(
        &self,
        state: &str,
        connecting: &Connecting,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            sqlx::query("INSERT INTO oauth_state (hash, brand, login, expires_ms) VALUES ($1, $2, $3, $4)")
                .bind(hash(state))
                .bind(connecting.brand.as_str())
                .bind(connecting.login.as_str())
                .bind(expires.millis())
                .execute(connection)
                .await?;
        });
        tx.commit().await
    }

    /// What was begun under `state`, once: a state that was taken, is unknown or too old gives `None`.
    pub async fn take_connecting(&self, state: &str, now: Timestamp) -> Result<Option<Connecting>, StoreError> {
        let mut tx = self.engine.begin().await?;
        let begun: Option<(String, String)> = on_tx!(&mut tx, |connection| {
            sqlx::query("DELETE FROM oauth_state WHERE expires_ms <= $1")
                .bind(now.millis())
                .execute(&mut *connection)
                .await?;
            sqlx::query_as("DELETE FROM oauth_state WHERE hash = $1 RETURNING brand, login")
                .bind(hash(state))
                .fetch_optional(connection)
                .await?
        });
        tx.commit().await?;
        let decode = |(brand, login): (String, String)| {
            Ok(Connecting { brand: BrandId::new(brand), login: from_name("oauth_state.login", &login)? })
        };
        begun.map(decode).transpose()
    }

    /// Connects an account with a new token, or gives it another one, and lifts a pause that was for want of a good one.
    ///
    /// # Errors
    /// As [`Store::upsert_account`].
    pub async fn connect_account(&self, account: &Account, now: Timestamp) -> Result<(), StoreError> {
        self.upsert_account(account).await?;
        let mended = MENDED_BY_TOKEN.map(|reason| format!("paused_reason LIKE '{reason}%'")).join(" OR ");
        let sql = format!(
            "UPDATE account SET token_obtained_ms = $2, token_expires_ms = $3,
                paused_reason = CASE WHEN {mended} THEN NULL ELSE paused_reason END WHERE id = $1"
        );
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            // The text is made of constants.
            sqlx::query(sqlx::AssertSqlSafe(sql.as_str()))
                .bind(account.id.as_str())
                .bind(now.millis())
                .bind(account.token_expires.map(Timestamp::millis))
                .execute(connection)
                .await?;
        });
        tx.commit().await
    }

    /// Stops sends from an account because Meta refused this token; nothing happens if it has another one by now.
    pub async fn pause_for_token(
        &self,
        id: &AccountId,
        refused: &SealedToken,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE account SET paused_reason = COALESCE(paused_reason, $3)
            WHERE id = $1 AND token_sealed = $2";
        let mut tx = self.engine.begin().await?;
        let changed = on_tx!(&mut tx, |connection| {
            let query = sqlx::query(sql).bind(id.as_str()).bind(refused.0.as_slice()).bind(reason);
            query.execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(changed == 1)
    }

    /// Puts a refreshed token in the place of the one it came from. `false` if that one is no longer there.
    pub async fn replace_token(
        &self,
        id: &AccountId,
        before: &SealedToken,
        after: &SealedToken,
        now: Timestamp,
        expires: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE account SET token_sealed = $3, token_obtained_ms = $4, token_expires_ms = $5
            WHERE id = $1 AND token_sealed = $2";
        let mut tx = self.engine.begin().await?;
        let changed = on_tx!(&mut tx, |connection| {
            sqlx::query(sql)
                .bind(id.as_str())
                .bind(before.0.as_slice())
                .bind(after.0.as_slice())
                .bind(now.millis())
                .bind(expires.map(Timestamp::millis))
                .execute(connection)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(changed == 1)
    }
}

fn hash(state: &str) -> Vec<u8> {
    Sha256::digest(state).to_vec()
}
