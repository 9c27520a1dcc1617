//! A brand's log: what happened, with one viewer or in a span of time.

use afterglow_domain::{AccountId, DerivedId as _, Interaction, InteractionId, Timestamp, ViewerId, ViewerKey};

use crate::codec::{InteractionColumns, interaction_columns};
use crate::engine::row;
use crate::wall::on_brand;
use crate::{BrandStore, StoreError};

const INTERACTIONS: &str = concat!(
    "SELECT ",
    interaction_columns!("interaction"),
    " FROM interaction WHERE brand = $1 AND account = $2 AND viewer = $3
    ORDER BY occurred_ms DESC, id DESC LIMIT $4"
);

const BETWEEN: &str = concat!(
    "SELECT ",
    interaction_columns!("interaction"),
    " FROM interaction WHERE brand = $1 AND occurred_ms >= $2 AND occurred_ms < $3 ORDER BY occurred_ms, id"
);

const PAGE: &str = concat!(
    "SELECT ",
    interaction_columns!("interaction"),
    " FROM interaction WHERE brand = $1 AND occurred_ms >= $2 AND occurred_ms < $3 AND (occurred_ms > $2 OR id > $4)
    ORDER BY occurred_ms, id LIMIT $5"
);

const INSIGHTS_BETWEEN: &str = concat!(
    "SELECT ",
    interaction_columns!("interaction"),
    " FROM interaction WHERE brand = $1 AND kind = 'story_insights' AND occurred_ms >= $2 AND occurred_ms < $3
    ORDER BY occurred_ms, id"
);

const SENT_BETWEEN: &str = "SELECT account, viewer, COALESCE(started_ms, reserved_ms) AS at_ms
    FROM send WHERE brand = $1 AND status = 'sent' AND started_ms >= $2 AND started_ms < $3 ORDER BY started_ms";

row! {
    struct SentColumns { account: String, viewer: String, at_ms: i64 }
}

impl BrandStore<'_> {
    /// What happened with one viewer, latest first. At most `limit`.
    pub async fn interactions(&self, key: &ViewerKey, limit: u32) -> Result<Vec<Interaction>, StoreError> {
        let rows: Vec<InteractionColumns> = on_brand!(self, |pool| {
            sqlx::query_as(INTERACTIONS)
                .bind(self.brand.as_str())
                .bind(key.account.as_str())
                .bind(key.viewer.as_str())
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(InteractionColumns::decode).collect()
    }

    /// What happened from `from` on and before `until`, in order.
    pub async fn interactions_between(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Interaction>, StoreError> {
        self.between(BETWEEN, from, until).await
    }

    async fn between(
        &self,
        sql: &'static str,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Interaction>, StoreError> {
        let rows: Vec<InteractionColumns> = on_brand!(self, |pool| {
            sqlx::query_as(sql)
                .bind(self.brand.as_str())
                .bind(from.millis())
                .bind(until.millis())
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(InteractionColumns::decode).collect()
    }

    /// What happened behind a place in the log, by moment and then by id, and before `until`, in order. At most `limit`.
    pub async fn interactions_after(
        &self,
        (at, id): (Timestamp, InteractionId),
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Interaction>, StoreError> {
        let rows: Vec<InteractionColumns> = on_brand!(self, |pool| {
            sqlx::query_as(PAGE)
                .bind(self.brand.as_str())
                .bind(at.millis())
                .bind(until.millis())
                .bind(id.uuid())
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(InteractionColumns::decode).collect()
    }

    /// Figures of Stories, polled and pushed, from `from` on and before `until`, in order.
    pub async fn story_insights_between(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Interaction>, StoreError> {
        self.between(INSIGHTS_BETWEEN, from, until).await
    }

    /// Messages that went out from `from` on and before `until`: to whom, and when their call began.
    pub async fn sent_between(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<(ViewerKey, Timestamp)>, StoreError> {
        let rows: Vec<SentColumns> = on_brand!(self, |pool| {
            sqlx::query_as(SENT_BETWEEN)
                .bind(self.brand.as_str())
                .bind(from.millis())
                .bind(until.millis())
                .fetch_all(pool)
                .await?
        });
        let decode = |row: SentColumns| {
            let key = ViewerKey { account: AccountId::new(row.account), viewer: ViewerId::new(row.viewer) };
            (key, Timestamp::from_millis(row.at_ms))
        };
        Ok(rows.into_iter().map(decode).collect())
    }
}
