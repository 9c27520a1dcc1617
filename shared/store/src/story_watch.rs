//! Who answers within a Story's first minutes.

use std::collections::BTreeMap;

use afterglow_domain::Timestamp;

use crate::engine::{on_tx, row, storable};
use crate::wall::on_brand;
use crate::{BrandStore, StoreError};

row! {
    struct WatchColumns { story: String, person: String }
}

impl BrandStore<'_> {
    /// Says that `person` answers a Story's first ones. Who has it: them, or who was first.
    pub async fn watch_story(&self, story: &str, person: &str, now: Timestamp) -> Result<String, StoreError> {
        let take =
            "INSERT INTO story_watch (brand, story, person, at_ms) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        let who = "SELECT person FROM story_watch WHERE brand = $1 AND story = $2";
        let mut tx = self.begin().await?;
        let person: String = on_tx!(&mut tx, |connection| {
            sqlx::query(take)
                .bind(self.brand.as_str())
                .bind(storable(story))
                .bind(storable(person))
                .bind(now.millis())
                .execute(&mut *connection)
                .await?;
            sqlx::query_scalar(who).bind(self.brand.as_str()).bind(storable(story)).fetch_one(connection).await?
        });
        tx.commit().await?;
        Ok(person)
    }

    /// Somebody no longer answers a Story's first ones; `false` if it was not theirs.
    pub async fn leave_story(&self, story: &str, person: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM story_watch WHERE brand = $1 AND story = $2 AND person = $3";
        let mut tx = self.begin().await?;
        let left = on_tx!(&mut tx, |connection| {
            let query = sqlx::query(sql).bind(self.brand.as_str()).bind(storable(story)).bind(storable(person));
            query.execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(left == 1)
    }

    /// Who answers which Story's first ones, of those taken since `since`.
    pub async fn story_watchers(&self, since: Timestamp) -> Result<BTreeMap<String, String>, StoreError> {
        let sql = "SELECT story, person FROM story_watch WHERE brand = $1 AND at_ms >= $2";
        let rows: Vec<WatchColumns> = on_brand!(self, |pool| {
            sqlx::query_as(sql).bind(self.brand.as_str()).bind(since.millis()).fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(|row| (row.story, row.person)).collect())
    }
}
