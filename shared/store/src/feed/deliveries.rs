//! What waits for an endpoint: claimed, settled, given up, sent again.

use afterglow_domain::{AccountId, Timestamp, ViewerId, ViewerKey};
use uuid::Uuid;

use super::FeedEndpoint;
use super::endpoints::EndpointColumns;
use crate::codec::moment;
use crate::engine::{Sql, on_read, on_tx, row, storable};
use crate::wall::on_brand;
use crate::{BrandStore, Store, StoreError};

/// One change on its way to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedDelivery {
    /// Which change.
    pub change: Uuid,
    /// Its number.
    pub sequence: u64,
    /// Whom it is about.
    pub viewer: ViewerKey,
    /// How many attempts have failed.
    pub attempts: u32,
    /// Which claim this is.
    pub claim: i64,
    /// What is sent.
    pub body: String,
}

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

/// What was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedDeadLetter {
    /// Which change.
    pub change: Uuid,
    /// Its number.
    pub sequence: u64,
    /// Whom it is about.
    pub viewer: ViewerKey,
    /// `exhausted` or `gone`.
    pub reason: String,
    /// When.
    pub at: Option<Timestamp>,
}

/// Changes that wait for one endpoint at most: what is beyond them stays in the feed until there is room.
const ROOM: i64 = 5_000;

const GIVE: &str = "INSERT INTO feed_delivery (brand, endpoint, sequence, change, account, viewer, due_ms)
    SELECT brand, $2, sequence, change, account, viewer, $3 FROM feed_change
    WHERE brand = $1 AND sequence > $4 AND sequence <= $5
    ON CONFLICT DO NOTHING";

const DUE: &str =
    "SELECT brand, id, url, secret, former, former_until_ms, per_minute, burst, concurrency, state, cursor,
        created_ms
    FROM feed_endpoint e WHERE state = 'on' AND EXISTS (SELECT 1 FROM feed_delivery d
        WHERE d.brand = e.brand AND d.endpoint = e.id AND d.dead IS NULL AND d.due_ms <= $1 AND d.lease_ms <= $1)
    ORDER BY brand, id";

/// The oldest of each viewer that is neither delivered nor dead; a viewer's later ones wait behind it.
const CLAIM: Sql = Sql {
    postgres: "UPDATE feed_delivery SET claim = claim + 1, lease_ms = $4 WHERE (brand, endpoint, sequence) IN
            (SELECT d.brand, d.endpoint, d.sequence FROM feed_delivery d
             WHERE d.brand = $1 AND d.endpoint = $2 AND d.dead IS NULL AND d.due_ms <= $3 AND d.lease_ms <= $3
                AND NOT EXISTS (SELECT 1 FROM feed_delivery e WHERE e.brand = d.brand AND e.endpoint = d.endpoint
                    AND e.account = d.account AND e.viewer = d.viewer AND e.dead IS NULL AND e.sequence < d.sequence)
             ORDER BY d.due_ms, d.sequence LIMIT $5 FOR UPDATE OF d SKIP LOCKED)
        RETURNING sequence, change, account, viewer, attempts, claim",
    sqlite: "UPDATE feed_delivery SET claim = claim + 1, lease_ms = $4 WHERE (brand, endpoint, sequence) IN
            (SELECT d.brand, d.endpoint, d.sequence FROM feed_delivery d
             WHERE d.brand = $1 AND d.endpoint = $2 AND d.dead IS NULL AND d.due_ms <= $3 AND d.lease_ms <= $3
                AND NOT EXISTS (SELECT 1 FROM feed_delivery e WHERE e.brand = d.brand AND e.endpoint = d.endpoint
                    AND e.account = d.account AND e.viewer = d.viewer AND e.dead IS NULL AND e.sequence < d.sequence)
             ORDER BY d.due_ms, d.sequence LIMIT $5)
        RETURNING sequence, change, account, viewer, attempts, claim",
};

const BODY: &str = "SELECT body FROM feed_change WHERE brand = $1 AND sequence = $2";

const ARRIVED: &str = "DELETE FROM feed_delivery WHERE brand = $1 AND endpoint = $2 AND change = $3 AND claim = $4";
const AGAIN: &str = "UPDATE feed_delivery SET attempts = attempts + 1, due_ms = $5, lease_ms = 0
    WHERE brand = $1 AND endpoint = $2 AND change = $3 AND claim = $4";
const DEAD: &str = "UPDATE feed_delivery SET attempts = attempts + 1, dead = $5, dead_ms = $6
    WHERE brand = $1 AND endpoint = $2 AND change = $3 AND claim = $4";
const LOG: &str =
    "INSERT INTO feed_attempt (brand, endpoint, change, number, at_ms, took_ms, status, error, excerpt, outcome)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

row! {
    struct ClaimColumns {
        sequence: i64,
        change: Uuid,
        account: String,
        viewer: String,
        attempts: i64,
        claim: i64,
    }
}

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

row! {
    struct DeadColumns {
        change: Uuid,
        sequence: i64,
        account: String,
        viewer: String,
        dead: Option<String>,
        dead_ms: Option<i64>,
    }
}

impl Store {
    /// The endpoints that are on and have something to claim.
    pub async fn feed_endpoints_due(&self, now: Timestamp) -> Result<Vec<FeedEndpoint>, StoreError> {
        let rows: Vec<EndpointColumns> =
            on_read!(&self.engine, |pool| sqlx::query_as(DUE).bind(now.millis()).fetch_all(pool).await?);
        rows.into_iter().map(EndpointColumns::decode).collect()
    }
}

impl BrandStore<'_> {
    /// Gives an endpoint the changes that follow its cursor, as far as there is room. Returns how many.
    pub async fn give_feed(&self, endpoint: &str, now: Timestamp) -> Result<u64, StoreError> {
        let brand = self.brand.as_str();
        let lock = Sql {
            postgres: "SELECT cursor FROM feed_endpoint WHERE brand = $1 AND id = $2 AND state = 'on' FOR UPDATE",
            sqlite: "SELECT cursor FROM feed_endpoint WHERE brand = $1 AND id = $2 AND state = 'on'",
        };
        let waiting = "SELECT COUNT(*) FROM feed_delivery WHERE brand = $1 AND endpoint = $2 AND dead IS NULL";
        let until = "SELECT MAX(sequence) FROM (SELECT sequence FROM feed_change WHERE brand = $1 AND sequence > $2
            ORDER BY sequence LIMIT $3) AS page";
        let mut tx = self.begin().await?;
        let lock = tx.sql(&lock);
        let cursor: Option<i64> = on_tx!(&mut tx, |connection| {
            sqlx::query_scalar(lock).bind(brand).bind(endpoint).fetch_optional(connection).await?
        });
        let Some(cursor) = cursor else { return Ok(0) };
        let given = on_tx!(&mut tx, |connection| {
            let waiting: i64 =
                sqlx::query_scalar(waiting).bind(brand).bind(endpoint).fetch_one(&mut *connection).await?;
            let room = (ROOM - waiting).clamp(0, ROOM);
            let until: Option<i64> =
                sqlx::query_scalar(until).bind(brand).bind(cursor).bind(room).fetch_one(&mut *connection).await?;
            let until = until.unwrap_or(cursor);
            let given = sqlx::query(GIVE)
                .bind(brand)
                .bind(endpoint)
                .bind(now.millis())
                .bind(cursor)
                .bind(until)
                .execute(&mut *connection)
                .await?
                .rows_affected();
            sqlx::query("UPDATE feed_endpoint SET cursor = $3 WHERE brand = $1 AND id = $2")
                .bind(brand)
                .bind(endpoint)
                .bind(until)
                .execute(connection)
                .await?;
            given
        });
        tx.commit().await?;
        Ok(given)
    }

    /// Claims up to `limit` deliveries of an endpoint, the longest due first, at most one of each viewer. A claim that is not
    /// settled before `lease` lapses.
    pub async fn claim_feed(
        &self,
        endpoint: &str,
        limit: u32,
        now: Timestamp,
        lease: Timestamp,
    ) -> Result<Vec<FeedDelivery>, StoreError> {
        let mut tx = self.begin().await?;
        let sql = tx.sql(&CLAIM);
        let claimed: Vec<ClaimColumns> = on_tx!(&mut tx, |connection| {
            sqlx::query_as(sql)
                .bind(self.brand.as_str())
                .bind(endpoint)
                .bind(now.millis())
                .bind(lease.millis())
                .bind(i64::from(limit))
                .fetch_all(connection)
                .await?
        });
        let mut deliveries = Vec::with_capacity(claimed.len());
        for row in claimed {
            let body: Option<String> = on_tx!(&mut tx, |connection| {
                let query = sqlx::query_scalar(BODY).bind(self.brand.as_str()).bind(row.sequence);
                query.fetch_optional(connection).await?
            });
            // Without a body there is nothing to deliver: its person was forgotten a moment ago, and so is this.
            let Some(body) = body else { continue };
            deliveries.push(FeedDelivery {
                change: row.change,
                sequence: row.sequence.unsigned_abs(),
                viewer: ViewerKey { account: AccountId::new(row.account), viewer: ViewerId::new(row.viewer) },
                attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
                claim: row.claim,
                body,
            });
        }
        tx.commit().await?;
        deliveries.sort_by_key(|delivery| delivery.sequence);
        Ok(deliveries)
    }

    /// Writes down what became of a claim, and the attempt in the log, together. `false` if the claim had lapsed and was taken
    /// by another: then nothing changes but the log.
    pub async fn settle_feed(
        &self,
        endpoint: &str,
        delivery: (Uuid, i64),
        settlement: FeedSettlement,
        attempt: &FeedAttempt,
    ) -> Result<bool, StoreError> {
        let (brand, (change, claim)) = (self.brand.as_str(), delivery);
        let ended = attempt.at.plus(attempt.took_ms);
        let mut tx = self.begin().await?;
        let settled = on_tx!(&mut tx, |connection| {
            let query = match settlement {
                FeedSettlement::Delivered => sqlx::query(ARRIVED).bind(brand).bind(endpoint).bind(change).bind(claim),
                FeedSettlement::RetryAt(due) => {
                    sqlx::query(AGAIN).bind(brand).bind(endpoint).bind(change).bind(claim).bind(due.millis())
                }
                FeedSettlement::Exhausted | FeedSettlement::Gone => sqlx::query(DEAD)
                    .bind(brand)
                    .bind(endpoint)
                    .bind(change)
                    .bind(claim)
                    .bind(settlement.as_str())
                    .bind(ended.millis()),
            };
            let settled = query.execute(&mut *connection).await?.rows_affected();
            if settled == 1 && settlement == FeedSettlement::Gone {
                sqlx::query("UPDATE feed_endpoint SET state = 'gone' WHERE brand = $1 AND id = $2")
                    .bind(brand)
                    .bind(endpoint)
                    .execute(&mut *connection)
                    .await?;
            }
            sqlx::query(LOG)
                .bind(brand)
                .bind(endpoint)
                .bind(change)
                .bind(i64::from(attempt.number))
                .bind(attempt.at.millis())
                .bind(attempt.took_ms)
                .bind(attempt.status.map(i64::from))
                .bind(attempt.error.as_deref().map(storable))
                .bind(attempt.excerpt.as_deref().map(storable))
                .bind(settlement.as_str())
                .execute(connection)
                .await?;
            settled
        });
        tx.commit().await?;
        Ok(settled == 1)
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

    /// What was given up, the oldest first, at most `limit`.
    pub async fn feed_dead_letters(&self, endpoint: &str, limit: u32) -> Result<Vec<FeedDeadLetter>, StoreError> {
        let sql = "SELECT change, sequence, account, viewer, dead, dead_ms FROM feed_delivery
            WHERE brand = $1 AND endpoint = $2 AND dead IS NOT NULL ORDER BY sequence LIMIT $3";
        let rows: Vec<DeadColumns> = on_brand!(self, |pool| {
            sqlx::query_as(sql).bind(self.brand.as_str()).bind(endpoint).bind(i64::from(limit)).fetch_all(pool).await?
        });
        let decode = |row: DeadColumns| FeedDeadLetter {
            change: row.change,
            sequence: row.sequence.unsigned_abs(),
            viewer: ViewerKey { account: AccountId::new(row.account), viewer: ViewerId::new(row.viewer) },
            reason: row.dead.unwrap_or_default(),
            at: moment(row.dead_ms),
        };
        Ok(rows.into_iter().map(decode).collect())
    }

    /// Has what was given up tried again from the beginning. Returns how many.
    pub async fn revive_feed(&self, endpoint: &str, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "UPDATE feed_delivery SET dead = NULL, dead_ms = NULL, attempts = 0, due_ms = $3, lease_ms = 0
            WHERE brand = $1 AND endpoint = $2 AND dead IS NOT NULL";
        let mut tx = self.begin().await?;
        let revived = on_tx!(&mut tx, |connection| {
            let query = sqlx::query(sql).bind(self.brand.as_str()).bind(endpoint).bind(now.millis());
            query.execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(revived)
    }

    /// How many wait for an endpoint, and how many were given up.
    pub async fn feed_waiting(&self, endpoint: &str) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT COUNT(CASE WHEN dead IS NULL THEN 1 END), COUNT(CASE WHEN dead IS NOT NULL THEN 1 END)
            FROM feed_delivery WHERE brand = $1 AND endpoint = $2";
        let (waiting, dead): (i64, i64) = on_brand!(self, |pool| {
            sqlx::query_as(sql).bind(self.brand.as_str()).bind(endpoint).fetch_one(pool).await?
        });
        Ok((waiting.unsigned_abs(), dead.unsigned_abs()))
    }
}
