//! What became of deliveries, and the log of attempts.

use std::collections::HashSet;

use afterglow_domain::Timestamp;
use uuid::Uuid;

use crate::codec::to_json;
use crate::engine::{Sql, Tx, hex_digits, on_tx, row, storable};
use crate::wall::on_brand;
use crate::{BrandStore, StoreError};

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedSettlement {
    /// It arrived.
    Delivered,
    /// It is tried again, not before then.
    RetryAt(Timestamp),
    /// Every attempt failed: it is a dead letter.
    Exhausted,
    /// The endpoint wants no more: it is a dead letter, and the endpoint is switched off.
    Gone,
}

impl FeedSettlement {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::RetryAt(_) => "retry",
            Self::Exhausted => "exhausted",
            Self::Gone => "gone",
        }
    }
}

/// What became of one claim, and the attempt that showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedOutcome {
    /// The change's number.
    pub sequence: u64,
    /// Which claim it was.
    pub claim: i64,
    /// What becomes of the delivery.
    pub settlement: FeedSettlement,
    /// For the log.
    pub attempt: FeedAttempt,
}

/// One attempt, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedAttempt {
    /// Which change.
    pub change: Uuid,
    /// The how manieth, from 1.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in ms.
    pub took_ms: i64,
    /// The status, if there was a reply.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<String>,
    /// How the reply of a failed attempt begins.
    pub excerpt: Option<String>,
    /// What became of it: `delivered`, `retry`, `exhausted` or `gone`.
    pub outcome: String,
}

/// By number and claim, so that the key finds each; the claim guards against one that had lapsed.
const ARRIVED: Sql = Sql {
    postgres: "DELETE FROM feed_delivery d USING UNNEST($3::bigint[], $4::bigint[]) AS s (sequence, claim)
        WHERE d.brand = $1 AND d.endpoint = $2 AND d.sequence = s.sequence AND d.claim = s.claim RETURNING d.sequence",
    sqlite: "DELETE FROM feed_delivery WHERE brand = $1 AND endpoint = $2
        AND (sequence, claim) IN (SELECT value ->> 0, value ->> 1 FROM json_each($3)) RETURNING sequence",
};
const AGAIN: &str = "UPDATE feed_delivery SET attempts = attempts + 1, due_ms = $5, lease_ms = 0
    WHERE brand = $1 AND endpoint = $2 AND sequence = $3 AND claim = $4";
const DEAD: &str = "UPDATE feed_delivery SET attempts = attempts + 1, dead = $5, dead_ms = $6
    WHERE brand = $1 AND endpoint = $2 AND sequence = $3 AND claim = $4";
const OFF: &str = "UPDATE feed_endpoint SET state = 'gone' WHERE brand = $1 AND id = $2";
const LOG_PG: &str =
    "INSERT INTO feed_attempt (brand, endpoint, change, number, at_ms, took_ms, status, error, excerpt, outcome)
    SELECT $1, $2, a.change, a.number, a.at_ms, a.took_ms, a.status, a.error, a.excerpt, a.outcome
    FROM UNNEST($3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::text[], $10::text[])
        AS a (change, number, at_ms, took_ms, status, error, excerpt, outcome)";
const LOG_LITE: &str =
    "INSERT INTO feed_attempt (brand, endpoint, change, number, at_ms, took_ms, status, error, excerpt, outcome)
    SELECT $1, $2, unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
        value ->> 7
    FROM json_each($3)";

row! {
    struct AttemptColumns {
        change: Uuid,
        number: i64,
        at_ms: i64,
        took_ms: i64,
        status: Option<i64>,
        error: Option<String>,
        excerpt: Option<String>,
        outcome: String,
    }
}

impl BrandStore<'_> {
    /// Writes down what became of claims of one endpoint, and the attempts in the log, together. Returns of each, in their order,
    /// whether it was settled: `false` if the claim had lapsed and was taken by another; of that only the log tells.
    pub async fn settle_feed(&self, endpoint: &str, outcomes: &[FeedOutcome]) -> Result<Vec<bool>, StoreError> {
        let mut tx = self.begin().await?;
        let mut settled = arrive(&mut tx, self.brand.as_str(), endpoint, outcomes).await?;
        for outcome in outcomes.iter().filter(|outcome| outcome.settlement != FeedSettlement::Delivered) {
            if self.keep(&mut tx, endpoint, outcome).await? {
                settled.insert((outcome.sequence, outcome.claim));
            }
        }
        log(&mut tx, self.brand.as_str(), endpoint, outcomes).await?;
        tx.commit().await?;
        Ok(outcomes.iter().map(|outcome| settled.remove(&(outcome.sequence, outcome.claim))).collect())
    }

    /// Keeps what did not arrive, for later or for people. `false` if the claim had lapsed.
    async fn keep(&self, tx: &mut Tx, endpoint: &str, outcome: &FeedOutcome) -> Result<bool, StoreError> {
        let brand = self.brand.as_str();
        let (sequence, claim) = (i64::try_from(outcome.sequence).unwrap_or(i64::MAX), outcome.claim);
        let ended = outcome.attempt.at.plus(outcome.attempt.took_ms);
        let kept = on_tx!(&mut *tx, |connection| {
            let query = match outcome.settlement {
                FeedSettlement::RetryAt(due) => {
                    sqlx::query(AGAIN).bind(brand).bind(endpoint).bind(sequence).bind(claim).bind(due.millis())
                }
                dead => {
                    let query = sqlx::query(DEAD).bind(brand).bind(endpoint).bind(sequence).bind(claim);
                    query.bind(dead.as_str()).bind(ended.millis())
                }
            };
            query.execute(connection).await?.rows_affected() == 1
        });
        if kept && outcome.settlement == FeedSettlement::Gone {
            on_tx!(tx, |connection| {
                sqlx::query(OFF).bind(brand).bind(endpoint).execute(connection).await?;
            });
        }
        Ok(kept)
    }

    /// The latest attempts at an endpoint, at most `limit`.
    pub async fn feed_attempts(&self, endpoint: &str, limit: u32) -> Result<Vec<FeedAttempt>, StoreError> {
        let sql = "SELECT change, number, at_ms, took_ms, status, error, excerpt, outcome FROM feed_attempt
            WHERE brand = $1 AND endpoint = $2 ORDER BY seq DESC LIMIT $3";
        let rows: Vec<AttemptColumns> = on_brand!(self, |pool| {
            sqlx::query_as(sql).bind(self.brand.as_str()).bind(endpoint).bind(i64::from(limit)).fetch_all(pool).await?
        });
        let decode = |row: AttemptColumns| FeedAttempt {
            change: row.change,
            number: u32::try_from(row.number).unwrap_or(u32::MAX),
            at: Timestamp::from_millis(row.at_ms),
            took_ms: row.took_ms,
            status: row.status.and_then(|status| u16::try_from(status).ok()),
            error: row.error,
            excerpt: row.excerpt,
            outcome: row.outcome,
        };
        Ok(rows.into_iter().map(decode).collect())
    }
}

/// Removes what arrived. Returns which.
async fn arrive(
    tx: &mut Tx,
    brand: &str,
    endpoint: &str,
    outcomes: &[FeedOutcome],
) -> Result<HashSet<(u64, i64)>, StoreError> {
    let arrived: Vec<(i64, i64)> = outcomes
        .iter()
        .filter(|outcome| outcome.settlement == FeedSettlement::Delivered)
        .map(|outcome| (i64::try_from(outcome.sequence).unwrap_or(i64::MAX), outcome.claim))
        .collect();
    if arrived.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = tx.sql(&ARRIVED);
    let gone: Vec<i64> = match tx {
        Tx::Postgres(tx) => {
            let (sequences, claims): (Vec<i64>, Vec<i64>) = arrived.iter().copied().unzip();
            let query = sqlx::query_scalar(sql).bind(brand).bind(endpoint).bind(sequences).bind(claims);
            query.fetch_all(&mut **tx).await?
        }
        Tx::Sqlite(tx) => {
            let query = sqlx::query_scalar(sql).bind(brand).bind(endpoint).bind(to_json("claims", &arrived)?);
            query.fetch_all(&mut **tx).await?
        }
    };
    let gone: HashSet<i64> = gone.into_iter().collect();
    let arrived = arrived.into_iter().filter(|(sequence, _)| gone.contains(sequence));
    Ok(arrived.map(|(sequence, claim)| (sequence.unsigned_abs(), claim)).collect())
}

async fn log(tx: &mut Tx, brand: &str, endpoint: &str, outcomes: &[FeedOutcome]) -> Result<(), StoreError> {
    let free = |text: &Option<String>| text.as_deref().map(|text| storable(text).into_owned());
    let each = || outcomes.iter().map(|outcome| &outcome.attempt);
    match tx {
        Tx::Postgres(tx) => {
            let query = sqlx::query(LOG_PG)
                .bind(brand)
                .bind(endpoint)
                .bind(each().map(|one| one.change).collect::<Vec<_>>())
                .bind(each().map(|one| i64::from(one.number)).collect::<Vec<_>>())
                .bind(each().map(|one| one.at.millis()).collect::<Vec<_>>())
                .bind(each().map(|one| one.took_ms).collect::<Vec<_>>())
                .bind(each().map(|one| one.status.map(i64::from)).collect::<Vec<_>>())
                .bind(each().map(|one| free(&one.error)).collect::<Vec<_>>())
                .bind(each().map(|one| free(&one.excerpt)).collect::<Vec<_>>())
                .bind(outcomes.iter().map(|outcome| outcome.settlement.as_str()).collect::<Vec<_>>());
            query.execute(&mut **tx).await?;
        }
        Tx::Sqlite(tx) => {
            let row = |outcome: &FeedOutcome| {
                let one = &outcome.attempt;
                let (change, at) = (hex_digits(&one.change), one.at.millis());
                let outcome = outcome.settlement.as_str();
                (change, one.number, at, one.took_ms, one.status, free(&one.error), free(&one.excerpt), outcome)
            };
            let rows = to_json("attempts", &outcomes.iter().map(row).collect::<Vec<_>>())?;
            sqlx::query(LOG_LITE).bind(brand).bind(endpoint).bind(rows).execute(&mut **tx).await?;
        }
    }
    Ok(())
}
