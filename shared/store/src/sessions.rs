//! Sessions of the console, links by which one signs in once, and failed attempts. Tokens are kept as hashes: whoever reads
//! the database cannot come in with what it holds.

use afterglow_domain::Timestamp;

use crate::engine::{Tx, on_read, on_tx, row};
use crate::{Store, StoreError};

/// A session that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub person: String,
    /// What forms have to show.
    pub csrf: String,
    /// When it was last used, as far as was noted.
    pub seen: Timestamp,
}

row! {
    struct SessionColumns { person: String, csrf: String, seen_ms: i64 }
}

/// How many attempts may fail within [`ATTEMPTS_MS`] before no more are looked at.
const ATTEMPTS: i64 = 5;
const ATTEMPTS_MS: i64 = 15 * 60_000;

impl Store {
    /// Opens a session for who is not disabled.
    pub async fn open_session(
        &self,
        token_hash: &[u8],
        person: &str,
        csrf: &str,
        now: Timestamp,
        length_ms: i64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.engine.begin().await?;
        let opened = open(&mut tx, token_hash, person, csrf, now, length_ms).await?;
        tx.commit().await?;
        Ok(opened)
    }

    /// The session of a token, if it is open and its person may come in.
    pub async fn session(&self, token_hash: &[u8], now: Timestamp) -> Result<Option<Session>, StoreError> {
        let sql = "SELECT s.person, s.csrf, s.seen_ms FROM session s JOIN person p ON p.id = s.person
            WHERE s.token_hash = $1 AND s.expires_ms > $2 AND p.disabled_ms IS NULL";
        let row: Option<SessionColumns> = on_read!(&self.engine, |pool| {
            sqlx::query_as(sql).bind(token_hash).bind(now.millis()).fetch_optional(pool).await?
        });
        Ok(row.map(|row| Session { person: row.person, csrf: row.csrf, seen: Timestamp::from_millis(row.seen_ms) }))
    }

    /// Notes that a session is used, and lets it last as long again.
    pub async fn touch_session(&self, token_hash: &[u8], now: Timestamp, idle_ms: i64) -> Result<(), StoreError> {
        let sql = "UPDATE session SET seen_ms = $2, expires_ms = $3 WHERE token_hash = $1";
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            let query = sqlx::query(sql).bind(token_hash).bind(now.millis()).bind(now.plus(idle_ms).millis());
            query.execute(connection).await?;
        });
        tx.commit().await
    }

    /// Ends a session.
    pub async fn end_session(&self, token_hash: &[u8]) -> Result<(), StoreError> {
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            sqlx::query("DELETE FROM session WHERE token_hash = $1").bind(token_hash).execute(connection).await?;
        });
        tx.commit().await
    }

    /// Makes a link by which a person signs in once.
    pub async fn put_sign_in_link(
        &self,
        token_hash: &[u8],
        person: &str,
        expires: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql =
            "INSERT INTO sign_in_link (token_hash, person, expires_ms) SELECT $1, id, $3 FROM person WHERE id = $2";
        let mut tx = self.engine.begin().await?;
        let made = on_tx!(&mut tx, |connection| {
            let query = sqlx::query(sql).bind(token_hash).bind(person.to_lowercase()).bind(expires.millis());
            query.execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(made == 1)
    }

    /// Uses a link up; whose it is, if it was good.
    pub async fn use_sign_in_link(&self, token_hash: &[u8], now: Timestamp) -> Result<Option<String>, StoreError> {
        let mut tx = self.engine.begin().await?;
        let person: Option<String> = on_tx!(&mut tx, |connection| {
            sqlx::query("DELETE FROM sign_in_link WHERE expires_ms <= $1")
                .bind(now.millis())
                .execute(&mut *connection)
                .await?;
            sqlx::query_scalar("DELETE FROM sign_in_link WHERE token_hash = $1 RETURNING person")
                .bind(token_hash)
                .fetch_optional(connection)
                .await?
        });
        tx.commit().await?;
        Ok(person)
    }

    /// Counts an attempt to sign in as `subject`, before anything is compared. `false`: too many failed, come back later.
    pub async fn sign_in_attempt(&self, subject: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "INSERT INTO sign_in_attempt (subject, failures, since_ms) VALUES ($1, 1, $2)
            ON CONFLICT (subject) DO UPDATE SET
                failures = CASE WHEN sign_in_attempt.since_ms <= $3 THEN 1 ELSE sign_in_attempt.failures + 1 END,
                since_ms = CASE WHEN sign_in_attempt.since_ms <= $3 THEN $2 ELSE sign_in_attempt.since_ms END
            RETURNING failures";
        let mut tx = self.engine.begin().await?;
        let failures: i64 = on_tx!(&mut tx, |connection| {
            sqlx::query("DELETE FROM sign_in_attempt WHERE since_ms <= $1")
                .bind(now.minus(4 * ATTEMPTS_MS).millis())
                .execute(&mut *connection)
                .await?;
            sqlx::query_scalar(sql)
                .bind(subject)
                .bind(now.millis())
                .bind(now.minus(ATTEMPTS_MS).millis())
                .fetch_one(connection)
                .await?
        });
        tx.commit().await?;
        Ok(failures <= ATTEMPTS)
    }

    /// Forgets failed attempts after one that was good.
    pub async fn sign_in_succeeded(&self, subject: &str) -> Result<(), StoreError> {
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            sqlx::query("DELETE FROM sign_in_attempt WHERE subject = $1").bind(subject).execute(connection).await?;
        });
        tx.commit().await
    }
}

async fn open(
    tx: &mut Tx,
    token_hash: &[u8],
    person: &str,
    csrf: &str,
    now: Timestamp,
    length_ms: i64,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO session (token_hash, person, csrf, created_ms, seen_ms, expires_ms)
        SELECT $1, id, $3, $4, $4, $5 FROM person WHERE id = $2 AND disabled_ms IS NULL";
    let made = on_tx!(tx, |connection| {
        sqlx::query("DELETE FROM session WHERE expires_ms <= $1").bind(now.millis()).execute(&mut *connection).await?;
        sqlx::query(sql)
            .bind(token_hash)
            .bind(person.to_lowercase())
            .bind(csrf)
            .bind(now.millis())
            .bind(now.plus(length_ms).millis())
            .execute(connection)
            .await?
            .rows_affected()
    });
    Ok(made == 1)
}
