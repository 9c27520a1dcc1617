//! Sign-ins at an identity provider (OpenID Connect): those that were begun, and who is who.

use afterglow_domain::Timestamp;

use crate::engine::{on_read, on_tx, row, storable};
use crate::{Store, StoreError};

/// A sign-in that was begun: what the answer has to fit.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityAttempt {
    /// The hash of what the browser that began it keeps in a cookie.
    pub browser_hash: Vec<u8>,
    /// What the identity token has to repeat (OpenID Connect Core 1.0, section 3.1.2.1).
    pub nonce: String,
    /// What proves that whoever began it also ends it (RFC 7636).
    pub verifier: String,
}

row! {
    struct AttemptColumns { browser_hash: Vec<u8>, nonce: String, verifier: String }
}

impl Store {
    /// Remembers a sign-in under the hash of its state, until `expires`.
    pub async fn begin_identity(
        &self,
        state_hash: &[u8],
        attempt: &IdentityAttempt,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO identity_attempt (state_hash, browser_hash, nonce, verifier, expires_ms)
            VALUES ($1, $2, $3, $4, $5)";
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            let old = sqlx::query("DELETE FROM identity_attempt WHERE expires_ms <= $1");
            old.bind(now.millis()).execute(&mut *connection).await?;
            sqlx::query(sql)
                .bind(state_hash)
                .bind(attempt.browser_hash.as_slice())
                .bind(&attempt.nonce)
                .bind(&attempt.verifier)
                .bind(expires.millis())
                .execute(connection)
                .await?;
        });
        tx.commit().await
    }

    /// The sign-in that was begun under a state, once: one that was taken, is unknown or too old gives `None`.
    pub async fn take_identity(
        &self,
        state_hash: &[u8],
        now: Timestamp,
    ) -> Result<Option<IdentityAttempt>, StoreError> {
        let sql = "DELETE FROM identity_attempt WHERE state_hash = $1 RETURNING browser_hash, nonce, verifier";
        let mut tx = self.engine.begin().await?;
        let row: Option<AttemptColumns> = on_tx!(&mut tx, |connection| {
            let old = sqlx::query("DELETE FROM identity_attempt WHERE expires_ms <= $1");
            old.bind(now.millis()).execute(&mut *connection).await?;
            sqlx::query_as(sql).bind(state_hash).fetch_optional(connection).await?
        });
        tx.commit().await?;
        let attempt = |row: AttemptColumns| IdentityAttempt {
            browser_hash: row.browser_hash,
            nonce: row.nonce,
            verifier: row.verifier,
        };
        Ok(row.map(attempt))
    }

    /// Which person a provider's subject is.
    pub async fn identity(&self, issuer: &str, subject: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT person FROM identity WHERE issuer = $1 AND subject = $2";
        Ok(on_read!(&self.engine, |pool| {
            sqlx::query_scalar(sql).bind(storable(issuer)).bind(storable(subject)).fetch_optional(pool).await?
        }))
    }

    /// Says that a provider's subject is this person from now on. `false` if there is no such person, if the subject is somebody
    /// already, or if the person is another subject of the same provider: an address may have been given to somebody else.
    pub async fn link_identity(
        &self,
        issuer: &str,
        subject: &str,
        person: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql =
            "INSERT INTO identity (issuer, subject, person, linked_ms) SELECT $1, $2, id, $4 FROM person WHERE id = $3
            ON CONFLICT DO NOTHING";
        let mut tx = self.engine.begin().await?;
        let linked = on_tx!(&mut tx, |connection| {
            sqlx::query(sql)
                .bind(storable(issuer))
                .bind(storable(subject))
                .bind(person.to_lowercase())
                .bind(now.millis())
                .execute(connection)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(linked == 1)
    }

    /// Forgets who a person is to providers: the next sign-in by a verified address says it anew.
    pub async fn unlink_identities(&self, person: &str) -> Result<u64, StoreError> {
        let mut tx = self.engine.begin().await?;
        let removed = on_tx!(&mut tx, |connection| {
            let query = sqlx::query("DELETE FROM identity WHERE person = $1").bind(person.to_lowercase());
            query.execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(removed)
    }
}
