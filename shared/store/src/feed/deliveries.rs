//! What waits for an endpoint: given, claimed, given up, sent again.

use afterglow_domain::{AccountId, Timestamp, ViewerId, ViewerKey};
use uuid::Uuid;

use super::FeedEndpoint;
use super::endpoints::EndpointColumns;
use crate::codec::moment;
use crate::engine::{Sql, on_read, on_tx, row};
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
        RETURNING sequence, change, account, viewer, attempts, claim, (SELECT c.body FROM feed_change c
            WHERE c.brand = feed_delivery.brand AND c.sequence = feed_delivery.sequence) AS body",
    sqlite: "UPDATE feed_delivery SET claim = claim + 1, lease_ms = $4 WHERE (brand, endpoint, sequence) IN
            (SELECT d.brand, d.endpoint, d.sequence FROM feed_delivery d
             WHERE d.brand = $1 AND d.endpoint = $2 AND d.dead IS NULL AND d.due_ms <= $3 AND d.lease_ms <= $3
                AND NOT EXISTS (SELECT 1 FROM feed_delivery e WHERE e.brand = d.brand AND e.endpoint = d.endpoint
                    AND e.account = d.account AND e.viewer = d.viewer AND e.dead IS NULL AND e.sequence < d.sequence)
             ORDER BY d.due_ms, d.sequence LIMIT $5)
        RETURNING sequence, change, account, viewer, attempts, claim, (SELECT c.body FROM feed_change c
            WHERE c.brand = feed_delivery.brand AND c.sequence = feed_delivery.sequence) AS body",
};

row! {
    struct ClaimColumns {
        sequence: i64,
        change: Uuid,
        account: String,
        viewer: String,
        attempts: i64,
        claim: i64,
        body: Option<String>,
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
            // Without a body there is nothing to deliver: its person was forgotten a moment ago, and so is this.
            let Some(body) = row.body else { continue };
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
