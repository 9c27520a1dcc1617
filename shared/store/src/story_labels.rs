//! What Stories are for in their series, as people said.

use std::collections::BTreeMap;

use afterglow_domain::Timestamp;

use crate::engine::{on_tx, storable};
use crate::wall::on_brand;
use crate::{BrandStore, StoreError};

impl BrandStore<'_> {
    /// Says what a Story is for; `None` takes back what was said.
    pub async fn label_story(
        &self,
        story: &str,
        label: Option<&str>,
        person: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let put = "INSERT INTO story_label (brand, story, label, by_person, at_ms) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (brand, story) DO UPDATE SET label = excluded.label, by_person = excluded.by_person,
                at_ms = excluded.at_ms";
        let remove = "DELETE FROM story_label WHERE brand = $1 AND story = $2";
        let mut tx = self.begin().await?;
        on_tx!(&mut tx, |connection| {
            match label {
                Some(label) => {
                    sqlx::query(put)
                        .bind(self.brand.as_str())
                        .bind(storable(story))
                        .bind(storable(label))
                        .bind(storable(person))
                        .bind(now.millis())
                        .execute(connection)
                        .await?
                }
                None => sqlx::query(remove).bind(self.brand.as_str()).bind(storable(story)).execute(connection).await?,
            };
        });
        tx.commit().await
    }

    /// What Stories are for, by Story.
    pub async fn story_labels(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let sql = "SELECT story, label FROM story_label WHERE brand = $1";
        let rows: Vec<(String, String)> =
            on_brand!(self, |pool| { sqlx::query_as(sql).bind(self.brand.as_str()).fetch_all(pool).await? });
        Ok(rows.into_iter().collect())
    }
}
