//! Where a brand wants its changes.

use afterglow_domain::{BrandId, Timestamp};

use crate::codec::{from_name, moment};
use crate::engine::{on_read, on_tx, row, storable};
use crate::wall::on_brand;
use crate::{BrandStore, Store, StoreError};
use serde::{Deserialize, Serialize};

/// Whether an endpoint is given anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedEndpointState {
    /// It is.
    On,
    /// A person paused it; what changes meanwhile waits.
    Paused,
    /// It answered 410: it wants no more, until a person says otherwise.
    Gone,
}

impl FeedEndpointState {
    /// The name as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Paused => "paused",
            Self::Gone => "gone",
        }
    }
}

/// A signing secret, sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret(pub Vec<u8>);

impl std::fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedSecret")
    }
}

/// Where a brand wants its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEndpoint {
    /// Whose.
    pub brand: BrandId,
    /// Its name within the brand.
    pub id: String,
    /// Where to.
    pub url: String,
    /// What signs.
    pub secret: SealedSecret,
    /// What signs as well while it is replaced, and until when.
    pub former: Option<(SealedSecret, Timestamp)>,
    /// Calls in a minute, in the long run.
    pub per_minute: u32,
    /// Calls at once.
    pub burst: u32,
    /// Calls under way at once.
    pub concurrency: u32,
    /// Whether it is given anything.
    pub state: FeedEndpointState,
    /// The last change that was given to it.
    pub cursor: u64,
    /// When it was made.
    pub created: Timestamp,
}

row! {
    struct EndpointColumns {
        brand: String,
        id: String,
        url: String,
        secret: Vec<u8>,
        former: Option<Vec<u8>>,
        former_until_ms: Option<i64>,
        per_minute: i64,
        burst: i64,
        concurrency: i64,
        state: String,
        cursor: i64,
        created_ms: i64,
    }
}

impl EndpointColumns {
    pub(super) fn decode(self) -> Result<FeedEndpoint, StoreError> {
        let number = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(FeedEndpoint {
            state: from_name("feed_endpoint.state", &self.state)?,
            brand: BrandId::new(self.brand),
            id: self.id,
            url: self.url,
            secret: SealedSecret(self.secret),
            former: self.former.map(SealedSecret).zip(moment(self.former_until_ms)),
            per_minute: number(self.per_minute),
            burst: number(self.burst),
            concurrency: number(self.concurrency),
            cursor: self.cursor.unsigned_abs(),
            created: Timestamp::from_millis(self.created_ms),
        })
    }
}

const PUT: &str = "INSERT INTO feed_endpoint
        (brand, id, url, secret, per_minute, burst, concurrency, state, cursor, created_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 'on', $8, $9) ON CONFLICT (brand, id) DO NOTHING";

impl Store {
    /// The endpoints, of every brand, that are on and were not given every change yet.
    pub async fn feed_endpoints_behind(&self) -> Result<Vec<FeedEndpoint>, StoreError> {
        let sql =
            "SELECT e.brand, id, url, secret, former, former_until_ms, per_minute, burst, concurrency, state, cursor,
                created_ms
            FROM feed_endpoint e JOIN feed_head h ON h.brand = e.brand
            WHERE state = 'on' AND e.cursor < h.sequence ORDER BY e.brand, id";
        let rows: Vec<EndpointColumns> = on_read!(&self.engine, |pool| sqlx::query_as(sql).fetch_all(pool).await?);
        rows.into_iter().map(EndpointColumns::decode).collect()
    }
}

const RESEAL: &str = "UPDATE feed_endpoint
    SET secret = CASE WHEN secret = $3 THEN $4 ELSE secret END, former = CASE WHEN former = $3 THEN $4 ELSE former END
    WHERE brand = $1 AND id = $2 AND (secret = $3 OR former = $3)";

impl Store {
    /// Every sealed secret of every endpoint, those that are being replaced among them: whose, and of which endpoint.
    pub async fn sealed_feed_secrets(&self) -> Result<Vec<(BrandId, String, SealedSecret)>, StoreError> {
        let sql = "SELECT brand, id, secret FROM feed_endpoint
            UNION ALL SELECT brand, id, former FROM feed_endpoint WHERE former IS NOT NULL ORDER BY brand, id";
        let rows: Vec<(String, String, Vec<u8>)> =
            on_read!(&self.engine, |pool| sqlx::query_as(sql).fetch_all(pool).await?);
        Ok(rows.into_iter().map(|(brand, id, sealed)| (BrandId::new(brand), id, SealedSecret(sealed))).collect())
    }

    /// Puts the same secret, sealed anew, in the place of `before`, wherever it stands by now. `false` if it stands nowhere.
    pub async fn reseal_feed_secret(
        &self,
        brand: &BrandId,
        id: &str,
        before: &SealedSecret,
        after: &SealedSecret,
    ) -> Result<bool, StoreError> {
        let mut tx = self.engine.begin().await?;
        let changed = on_tx!(&mut tx, |connection| {
            sqlx::query(RESEAL)
                .bind(brand.as_str())
                .bind(id)
                .bind(&before.0)
                .bind(&after.0)
                .execute(connection)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(changed == 1)
    }
}

impl BrandStore<'_> {
    /// The brand's endpoints, by name.
    pub async fn feed_endpoints(&self) -> Result<Vec<FeedEndpoint>, StoreError> {
        let sql =
            "SELECT brand, id, url, secret, former, former_until_ms, per_minute, burst, concurrency, state, cursor,
                created_ms
            FROM feed_endpoint WHERE brand = $1 ORDER BY id";
        let rows: Vec<EndpointColumns> =
            on_brand!(self, |pool| { sqlx::query_as(sql).bind(self.brand.as_str()).fetch_all(pool).await? });
        rows.into_iter().map(EndpointColumns::decode).collect()
    }

    /// Makes an endpoint; `false` if there is one of that name.
    pub async fn add_feed_endpoint(&self, endpoint: &FeedEndpoint) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let made = on_tx!(&mut tx, |connection| {
            sqlx::query(PUT)
                .bind(self.brand.as_str())
                .bind(storable(&endpoint.id))
                .bind(storable(&endpoint.url))
                .bind(&endpoint.secret.0)
                .bind(i64::from(endpoint.per_minute))
                .bind(i64::from(endpoint.burst))
                .bind(i64::from(endpoint.concurrency))
                .bind(i64::try_from(endpoint.cursor).unwrap_or(i64::MAX))
                .bind(endpoint.created.millis())
                .execute(connection)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(made == 1)
    }

    /// Pauses an endpoint, or has it given what waits again; `false` if there is none.
    pub async fn set_feed_endpoint(&self, id: &str, state: FeedEndpointState) -> Result<bool, StoreError> {
        let sql = "UPDATE feed_endpoint SET state = $3 WHERE brand = $1 AND id = $2";
        self.on_endpoint(sql, id, state.as_str()).await
    }

    /// Has an endpoint given again what follows a change; what waits for it or was given up is let go, for it comes again. `false` if
    /// there is none.
    pub async fn replay_feed_endpoint(&self, id: &str, after: u64) -> Result<bool, StoreError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let mut tx = self.begin().await?;
        let found = on_tx!(&mut tx, |connection| {
            let brand = self.brand.as_str();
            sqlx::query("DELETE FROM feed_delivery WHERE brand = $1 AND endpoint = $2 AND sequence > $3")
                .bind(brand)
                .bind(id)
                .bind(after)
                .execute(&mut *connection)
                .await?;
            sqlx::query("UPDATE feed_endpoint SET cursor = $3, state = 'on' WHERE brand = $1 AND id = $2")
                .bind(brand)
                .bind(id)
                .bind(after)
                .execute(connection)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(found == 1)
    }

    /// Replaces an endpoint's secret: both sign until `until`. `false` if there is none.
    pub async fn rotate_feed_secret(
        &self,
        id: &str,
        secret: &SealedSecret,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE feed_endpoint SET former = secret, former_until_ms = $4, secret = $3
            WHERE brand = $1 AND id = $2";
        let mut tx = self.begin().await?;
        let found = on_tx!(&mut tx, |connection| {
            sqlx::query(sql)
                .bind(self.brand.as_str())
                .bind(id)
                .bind(&secret.0)
                .bind(until.millis())
                .execute(connection)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(found == 1)
    }

    /// Removes an endpoint with all that waits for it; `false` if there is none.
    pub async fn remove_feed_endpoint(&self, id: &str) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let mut found = 0;
        for sql in [
            "DELETE FROM feed_delivery WHERE brand = $1 AND endpoint = $2",
            "DELETE FROM feed_attempt WHERE brand = $1 AND endpoint = $2",
            "DELETE FROM feed_endpoint WHERE brand = $1 AND id = $2",
        ] {
            found = on_tx!(&mut tx, |connection| {
                sqlx::query(sql).bind(self.brand.as_str()).bind(id).execute(connection).await?.rows_affected()
            });
        }
        tx.commit().await?;
        Ok(found == 1)
    }

    async fn on_endpoint(&self, sql: &'static str, id: &str, third: &str) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let found = on_tx!(&mut tx, |connection| {
            sqlx::query(sql).bind(self.brand.as_str()).bind(id).bind(third).execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(found == 1)
    }
}
