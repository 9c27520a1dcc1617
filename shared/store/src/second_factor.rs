//! The second factor of people: its sealed secret, the step between the two factors, the codes for who has lost it, and the
//! brands that nobody enters without.

use afterglow_domain::{BrandId, Timestamp};

use crate::engine::{on_read, on_tx, row, storable};
use crate::wall::on_brand;
use crate::{BrandStore, Store, StoreError};

/// A sign-in that has shown its first factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondStep {
    /// Who.
    pub person: String,
    /// How they came in so far, as the audit names it.
    pub action: String,
}

row! {
    struct StepColumns { person: String, action: String }
}

row! {
    struct SealedColumns { id: String, totp_sealed: Vec<u8> }
}

impl Store {
    /// Gives a person a second factor, whose code of `step` they have just shown, and new recovery codes (hashes) in place of
    /// all earlier ones. Every session of theirs ends but the one of `keep`: the others were opened without it.
    pub async fn put_second_factor(
        &self,
        person: &str,
        sealed: &[u8],
        step: i64,
        codes: &[Vec<u8>],
        keep: &[u8],
    ) -> Result<(), StoreError> {
        let person = person.to_lowercase();
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            sqlx::query("UPDATE person SET totp_sealed = $2, totp_last_step = $3 WHERE id = $1")
                .bind(&person)
                .bind(sealed)
                .bind(step)
                .execute(&mut *connection)
                .await?;
            let old = sqlx::query("DELETE FROM recovery_code WHERE person = $1");
            old.bind(&person).execute(&mut *connection).await?;
            for code in codes {
                let new = sqlx::query("INSERT INTO recovery_code (person, hash) VALUES ($1, $2)");
                new.bind(&person).bind(code.as_slice()).execute(&mut *connection).await?;
            }
            let others = sqlx::query("DELETE FROM session WHERE person = $1 AND token_hash <> $2");
            others.bind(&person).bind(keep).execute(connection).await?;
        });
        tx.commit().await
    }

    /// Takes a person's second factor away, with its recovery codes. `false` if they had none.
    pub async fn remove_second_factor(&self, person: &str) -> Result<bool, StoreError> {
        let person = person.to_lowercase();
        let sql = "UPDATE person SET totp_sealed = NULL, totp_last_step = 0 WHERE id = $1 AND totp_sealed IS NOT NULL";
        let mut tx = self.engine.begin().await?;
        let had = on_tx!(&mut tx, |connection| {
            let codes = sqlx::query("DELETE FROM recovery_code WHERE person = $1");
            codes.bind(&person).execute(&mut *connection).await?;
            sqlx::query(sql).bind(&person).execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(had == 1)
    }

    /// Uses up the code of a time step (RFC 6238); `false` if that one or a later one was used.
    pub async fn use_totp_step(&self, person: &str, step: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE person SET totp_last_step = $2 WHERE id = $1 AND totp_last_step < $2";
        let mut tx = self.engine.begin().await?;
        let used = on_tx!(&mut tx, |connection| {
            sqlx::query(sql).bind(person.to_lowercase()).bind(step).execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(used == 1)
    }

    /// Uses up a recovery code; `false` if the person has none of this hash.
    pub async fn use_recovery_code(&self, person: &str, hash: &[u8]) -> Result<bool, StoreError> {
        let sql = "DELETE FROM recovery_code WHERE person = $1 AND hash = $2";
        let mut tx = self.engine.begin().await?;
        let used = on_tx!(&mut tx, |connection| {
            sqlx::query(sql).bind(person.to_lowercase()).bind(hash).execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(used == 1)
    }

    /// How many recovery codes a person has left.
    pub async fn recovery_codes(&self, person: &str) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) FROM recovery_code WHERE person = $1";
        let person = person.to_lowercase();
        Ok(on_read!(&self.engine, |pool| sqlx::query_scalar(sql).bind(&person).fetch_one(pool).await?))
    }

    /// Remembers that `person` has shown the first factor, until `expires`.
    pub async fn begin_second_step(
        &self,
        token_hash: &[u8],
        step: &SecondStep,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            let old = sqlx::query("DELETE FROM second_step WHERE expires_ms <= $1");
            old.bind(now.millis()).execute(&mut *connection).await?;
            sqlx::query("INSERT INTO second_step (token_hash, person, action, expires_ms) VALUES ($1, $2, $3, $4)")
                .bind(token_hash)
                .bind(step.person.to_lowercase())
                .bind(storable(&step.action))
                .bind(expires.millis())
                .execute(connection)
                .await?;
        });
        tx.commit().await
    }

    /// Who stands between the two factors with this token.
    pub async fn second_step(&self, token_hash: &[u8], now: Timestamp) -> Result<Option<SecondStep>, StoreError> {
        let sql = "SELECT person, action FROM second_step WHERE token_hash = $1 AND expires_ms > $2";
        let row: Option<StepColumns> = on_read!(&self.engine, |pool| {
            sqlx::query_as(sql).bind(token_hash).bind(now.millis()).fetch_optional(pool).await?
        });
        Ok(row.map(|row| SecondStep { person: row.person, action: row.action }))
    }

    /// Ends a step that led in; `false` if it had ended.
    pub async fn end_second_step(&self, token_hash: &[u8]) -> Result<bool, StoreError> {
        let mut tx = self.engine.begin().await?;
        let ended = on_tx!(&mut tx, |connection| {
            let step = sqlx::query("DELETE FROM second_step WHERE token_hash = $1");
            step.bind(token_hash).execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(ended == 1)
    }

    /// Everybody's sealed secrets, to be sealed with another key.
    pub async fn sealed_second_factors(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let sql = "SELECT id, totp_sealed FROM person WHERE totp_sealed IS NOT NULL ORDER BY id";
        let rows: Vec<SealedColumns> = on_read!(&self.engine, |pool| sqlx::query_as(sql).fetch_all(pool).await?);
        Ok(rows.into_iter().map(|row| (row.id, row.totp_sealed)).collect())
    }

    /// Puts the same secret, sealed anew, in the place of `before`. `false` if that one is no longer there.
    pub async fn reseal_second_factor(&self, person: &str, before: &[u8], after: &[u8]) -> Result<bool, StoreError> {
        let sql = "UPDATE person SET totp_sealed = $3 WHERE id = $1 AND totp_sealed = $2";
        let mut tx = self.engine.begin().await?;
        let changed = on_tx!(&mut tx, |connection| {
            sqlx::query(sql).bind(person).bind(before).bind(after).execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(changed == 1)
    }

    /// The brands that nobody enters without a second factor.
    pub async fn second_factor_brands(&self) -> Result<Vec<BrandId>, StoreError> {
        let sql = "SELECT brand FROM second_factor_brand ORDER BY brand";
        let brands: Vec<String> = on_read!(&self.engine, |pool| sqlx::query_scalar(sql).fetch_all(pool).await?);
        Ok(brands.into_iter().map(BrandId::new).collect())
    }
}

impl BrandStore<'_> {
    /// Whether nobody enters the brand without a second factor.
    pub async fn needs_second_factor(&self) -> Result<bool, StoreError> {
        let sql = "SELECT COUNT(*) FROM second_factor_brand WHERE brand = $1";
        let n: i64 =
            on_brand!(self, |pool| { sqlx::query_scalar(sql).bind(self.brand.as_str()).fetch_one(pool).await? });
        Ok(n > 0)
    }

    /// Asks for a second factor from now on, or no longer. `false` if there is no such brand, or nothing changed.
    pub async fn ask_second_factor(&self, asked: bool, person: &str, now: Timestamp) -> Result<bool, StoreError> {
        let put = "INSERT INTO second_factor_brand (brand, person, since_ms) SELECT id, $2, $3 FROM brand WHERE id = $1
            ON CONFLICT DO NOTHING";
        let mut tx = self.begin().await?;
        let changed = on_tx!(&mut tx, |connection| {
            let query = if asked {
                sqlx::query(put).bind(self.brand.as_str()).bind(storable(person)).bind(now.millis())
            } else {
                sqlx::query("DELETE FROM second_factor_brand WHERE brand = $1").bind(self.brand.as_str())
            };
            query.execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(changed == 1)
    }
}
