//! What processes share: work that one of them does for all, and calls that all of them make within one limit.

use std::collections::HashSet;

use afterglow_domain::{AccountId, DerivedId, InteractionId, Timestamp};
use uuid::Uuid;

use crate::engine::{Ids, Sql, Texts, on_read, on_tx};
use crate::{Store, StoreError};

const LEASE: &str = "INSERT INTO lease (name, holder, until_ms) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms
    WHERE lease.holder = excluded.holder OR lease.until_ms <= $4";

const SLOT: Sql = Sql {
    postgres: "INSERT INTO rate_slot (name, next_ms) VALUES ($1, $2 + $3)
        ON CONFLICT (name) DO UPDATE SET next_ms = GREATEST(rate_slot.next_ms, $2) + $3 RETURNING next_ms",
    sqlite: "INSERT INTO rate_slot (name, next_ms) VALUES ($1, $2 + $3)
        ON CONFLICT (name) DO UPDATE SET next_ms = MAX(rate_slot.next_ms, $2) + $3 RETURNING next_ms",
};

// The generic cell rate algorithm: what was not used counts for at most a burst. Nothing is taken that lies too far ahead.
const SLOTS: Sql = Sql {
    postgres: "INSERT INTO rate_slot (name, next_ms) VALUES ($1, $2 - $4 + $3)
        ON CONFLICT (name) DO UPDATE SET next_ms = GREATEST(rate_slot.next_ms, $2 - $4) + $3
        WHERE rate_slot.next_ms <= $5 RETURNING next_ms",
    sqlite: "INSERT INTO rate_slot (name, next_ms) VALUES ($1, $2 - $4 + $3)
        ON CONFLICT (name) DO UPDATE SET next_ms = MAX(rate_slot.next_ms, $2 - $4) + $3
        WHERE rate_slot.next_ms <= $5 RETURNING next_ms",
};

const KNOWN_IDS: Sql = Sql {
    postgres: "SELECT id FROM interaction WHERE id = ANY($1)",
    sqlite: "SELECT id FROM interaction WHERE id IN (SELECT unhex(value) FROM json_each($1))",
};

const KNOWN_MIDS: Sql = Sql {
    postgres: "SELECT mid FROM interaction WHERE account = $1 AND mid = ANY($2)",
    sqlite: "SELECT mid FROM interaction WHERE account = $1 AND mid IN (SELECT value FROM json_each($2))",
};

impl Store {
    /// Takes or keeps the lease `name` for `holder` until `lease_ms` from now. `false` while another holds it.
    pub async fn lease(&self, name: &str, holder: &str, now: Timestamp, lease_ms: i64) -> Result<bool, StoreError> {
        let mut tx = self.engine.begin().await?;
        let changed = on_tx!(&mut tx, |connection| {
            sqlx::query(LEASE)
                .bind(name)
                .bind(holder)
                .bind(now.plus(lease_ms).millis())
                .bind(now.millis())
                .execute(connection)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(changed == 1)
    }

    /// Gives a lease back, so that another need not wait until it runs out. Nothing happens if another holds it.
    pub async fn release_lease(&self, name: &str, holder: &str) -> Result<(), StoreError> {
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            sqlx::query("DELETE FROM lease WHERE name = $1 AND holder = $2")
                .bind(name)
                .bind(holder)
                .execute(connection)
                .await?;
        });
        tx.commit().await
    }

    /// The moment at which the next call under `name` may be made; `interval_ms` later another. One row for each name:
    /// for limits of a few calls a second.
    pub async fn take_slot(&self, name: &str, interval_ms: i64, now: Timestamp) -> Result<Timestamp, StoreError> {
        let mut tx = self.engine.begin().await?;
        let sql = tx.sql(&SLOT);
        let (next,): (i64,) = on_tx!(&mut tx, |connection| {
            sqlx::query_as(sql).bind(name).bind(now.millis()).bind(interval_ms).fetch_one(connection).await?
        });
        tx.commit().await?;
        Ok(Timestamp::from_millis(next - interval_ms))
    }

    /// Takes `count` calls at once under `name`, among all processes: one every `interval_us` microseconds, and up to `burst`
    /// ahead of their time after a quiet while. Gives when the first of them may be made, in epoch microseconds; `None`, and
    /// nothing is taken, if that is more than `patience_ms` from now. A process that takes some at once touches the row that
    /// much more rarely.
    pub async fn take_slots(
        &self,
        name: &str,
        count: u32,
        (interval_us, burst): (i64, u32),
        patience_ms: i64,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let taken = interval_us.saturating_mul(i64::from(count));
        let ahead = interval_us.saturating_mul(i64::from(burst));
        let now_us = now.millis().saturating_mul(1000);
        let mut tx = self.engine.begin().await?;
        let sql = tx.sql(&SLOTS);
        let next: Option<i64> = on_tx!(&mut tx, |connection| {
            sqlx::query_scalar(sql)
                .bind(name)
                .bind(now_us)
                .bind(taken)
                .bind(ahead)
                .bind(now_us + patience_ms * 1000)
                .fetch_optional(connection)
                .await?
        });
        tx.commit().await?;
        Ok(next.map(|next| next - taken))
    }

    /// Which of Meta's message ids the log has for an account.
    pub async fn known_messages(&self, account: &AccountId, mids: Vec<String>) -> Result<HashSet<String>, StoreError> {
        let sql = self.engine.sql(&KNOWN_MIDS);
        let known: Vec<(String,)> = on_read!(&self.engine, |pool| {
            sqlx::query_as(sql).bind(account.as_str()).bind(Texts(mids)).fetch_all(pool).await?
        });
        Ok(known.into_iter().map(|(mid,)| mid).collect())
    }

    /// Which interactions the log has.
    pub async fn known_interactions(&self, ids: Vec<InteractionId>) -> Result<HashSet<InteractionId>, StoreError> {
        let sql = self.engine.sql(&KNOWN_IDS);
        let ids = Ids(ids.iter().map(DerivedId::uuid).collect());
        let known: Vec<(Uuid,)> = on_read!(&self.engine, |pool| sqlx::query_as(sql).bind(ids).fetch_all(pool).await?);
        Ok(known.into_iter().map(|(id,)| InteractionId::from_uuid(id)).collect())
    }
}
