//! Messages to other rooms, written in the same transaction as the state they speak of.
//!
//! A row is leased to whoever wrote or claimed it. The holder publishes it, waits for the broker's confirm and deletes it
//! ([`Store::outbox_done`]); if the holder dies, the lease runs out and another claims it. A message can so be published
//! twice, never lost: its readers know it by its id.

use afterglow_domain::Timestamp;

use crate::engine::{Numbers, Sql, Tx, lease, on_read, on_tx, row};
use crate::{Store, StoreError};

/// A message to be written to the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    /// Which lane (`intents`, `changes`).
    pub lane: String,
    /// The same message has the same id, however often it is published.
    pub message_id: String,
    /// What it is about; messages of one key may be ordered by a broker that can.
    pub key: String,
    /// W3C trace context of the batch that caused it.
    pub traceparent: Option<String>,
    /// The message itself.
    pub body: Vec<u8>,
}

/// A message in the outbox, leased to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its number: give it to [`Store::outbox_done`] after the broker's confirm.
    pub seq: i64,
    /// The message.
    pub message: OutboxMessage,
}

row! {
    struct OutboxColumns {
        seq: i64,
        lane: String,
        message_id: String,
        key: String,
        traceparent: Option<String>,
        body: Vec<u8>,
    }
}

impl From<OutboxColumns> for OutboxRow {
    fn from(row: OutboxColumns) -> Self {
        let OutboxColumns { seq, lane, message_id, key, traceparent, body } = row;
        Self { seq, message: OutboxMessage { lane, message_id, key, traceparent, body } }
    }
}

const CLAIM: Sql = Sql {
    postgres: "UPDATE outbox SET leased_until_ms = $3 WHERE seq IN
            (SELECT seq FROM outbox WHERE leased_until_ms <= $1 ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED)
        RETURNING seq, lane, message_id, key, traceparent, body",
    sqlite: "UPDATE outbox SET leased_until_ms = $3 WHERE seq IN
            (SELECT seq FROM outbox WHERE leased_until_ms <= $1 ORDER BY seq LIMIT $2)
        RETURNING seq, lane, message_id, key, traceparent, body",
};

const DONE: Sql = Sql {
    postgres: "DELETE FROM outbox WHERE seq = ANY($1)",
    sqlite: "DELETE FROM outbox WHERE seq IN (SELECT value FROM json_each($1))",
};

const INSERT: &str = "INSERT INTO outbox (lane, message_id, key, traceparent, body, leased_until_ms, created_ms)
    SELECT lane, message_id, key, traceparent, body, $6, $7
    FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[]) WITH ORDINALITY
        AS m (lane, message_id, key, traceparent, body, place)
    ORDER BY place RETURNING seq";

const INSERT_ONE: &str = "INSERT INTO outbox (lane, message_id, key, traceparent, body, leased_until_ms, created_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING seq";

/// Writes messages, leased to the caller, and numbers them in the order given.
pub(crate) async fn insert(
    tx: &mut Tx,
    messages: Vec<OutboxMessage>,
    now: Timestamp,
    lease_ms: i64,
) -> Result<Vec<OutboxRow>, StoreError> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let until = now.plus(lease_ms).millis();
    let mut seqs: Vec<i64> = Vec::with_capacity(messages.len());
    match tx {
        Tx::Postgres(tx) => {
            let texts = |of: fn(&OutboxMessage) -> &str| messages.iter().map(of).collect::<Vec<&str>>();
            seqs = sqlx::query_scalar(INSERT)
                .bind(texts(|m| &m.lane))
                .bind(texts(|m| &m.message_id))
                .bind(texts(|m| &m.key))
                .bind(messages.iter().map(|m| m.traceparent.as_deref()).collect::<Vec<_>>())
                .bind(messages.iter().map(|m| m.body.as_slice()).collect::<Vec<_>>())
                .bind(until)
                .bind(now.millis())
                .fetch_all(&mut **tx)
                .await?;
            seqs.sort_unstable(); // numbers are drawn in the order of insertion, whatever order they come back in
        }
        Tx::Sqlite(tx) => {
            for m in &messages {
                let seq: i64 = sqlx::query_scalar(INSERT_ONE)
                    .bind(&m.lane)
                    .bind(&m.message_id)
                    .bind(&m.key)
                    .bind(&m.traceparent)
                    .bind(&m.body)
                    .bind(until)
                    .bind(now.millis())
                    .fetch_one(&mut **tx)
                    .await?;
                seqs.push(seq);
            }
        }
    }
    Ok(seqs.into_iter().zip(messages).map(|(seq, message)| OutboxRow { seq, message }).collect())
}

impl Store {
    /// Forgets messages that the broker has confirmed. Numbers that are gone already do not matter.
    pub async fn outbox_done(&self, seqs: &[i64]) -> Result<(), StoreError> {
        if seqs.is_empty() {
            return Ok(());
        }
        let mut tx = self.engine.begin_forgettable().await?; // one that is there again is published again, and known
        let sql = tx.sql(&DONE);
        on_tx!(&mut tx, |connection| sqlx::query(sql)
            .bind(Numbers(seqs.to_vec()))
            .execute(connection)
            .await?
            .rows_affected());
        tx.commit().await
    }

    /// Takes over at most `limit` messages whose lease ran out, oldest first, and leases them for `lease_ms`.
    pub async fn outbox_claim(&self, limit: u32, now: Timestamp, lease_ms: i64) -> Result<Vec<OutboxRow>, StoreError> {
        let mut tx = self.engine.begin().await?;
        let mut rows: Vec<OutboxColumns> = lease(&mut tx, &CLAIM, now, limit, lease_ms).await?;
        tx.commit().await?;
        rows.sort_by_key(|row| row.seq);
        Ok(rows.into_iter().map(OutboxRow::from).collect())
    }

    /// When the oldest message that waits was written; `None` if none waits. Its age is what to alert on.
    pub async fn outbox_oldest_ms(&self) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT created_ms FROM outbox ORDER BY seq LIMIT 1";
        let row: Option<(i64,)> = on_read!(&self.engine, |pool| sqlx::query_as(sql).fetch_optional(pool).await?);
        Ok(row.map(|(ms,)| ms))
    }
}
