//! People's attention: who waits, who attends to whom, and what people note about a viewer.

use afterglow_domain::{AccountId, Segment, Timestamp, ViewerId, ViewerKey};

use crate::audit::{Deed, note};
use crate::codec::segment_to_number;
use crate::engine::{Sql, Texts, on_tx, row, storable};
use crate::viewers::{ViewerColumns, ViewerRow};
use crate::wall::on_brand;
use crate::{BrandStore, StoreError, feed};

/// Who attends to a viewer, for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The viewer.
    pub viewer: ViewerKey,
    /// Who.
    pub person: String,
    /// Until then, unless they go on or let go.
    pub until: Timestamp,
}

row! {
    struct ClaimColumns { account: String, viewer: String, person: String, until_ms: i64 }
}

macro_rules! viewers {
    ($rest:literal) => {
        concat!(
            "SELECT account, viewer, brand, username, state, segment, score_rank, last_contact_ms, first_seen_ms,
                last_seen_ms, needs_reply_since_ms, rules_version, tags, due_ms, triage_ms, review_ms
            FROM viewer WHERE brand = $1 AND state IS NOT NULL ",
            $rest
        )
    };
}

// The index on (brand, triage_ms) holds those who wait and nobody else.
const WAITING: &str = viewers!("AND triage_ms IS NOT NULL ORDER BY triage_ms, account, viewer LIMIT $2");
const OF_SEGMENT: &str = viewers!("AND segment = $3 ORDER BY score_rank DESC, account, viewer LIMIT $2");
const NAMED: &str = viewers!(
    "AND account IN (SELECT id FROM account WHERE brand = $1) AND username >= $3 AND username < $4
    ORDER BY username, account, viewer LIMIT $2"
);
// Along the primary key of each of the brand's accounts.
const AFTER: &str = viewers!(
    "AND account IN (SELECT id FROM account WHERE brand = $1) AND (account, viewer) > ($3, $4)
    ORDER BY account, viewer LIMIT $2"
);
const LABELLED: &str = viewers!(
    "AND (account, viewer) IN (SELECT l.account, l.viewer FROM viewer_label l WHERE l.brand = $1 AND l.label = $3)
    ORDER BY segment, score_rank DESC LIMIT $2"
);

impl BrandStore<'_> {
    /// Those who wait for an answer, in the order in which they should have it. At most `limit`.
    pub async fn waiting(&self, limit: u32) -> Result<Vec<ViewerRow>, StoreError> {
        let rows: Vec<ViewerColumns> = on_brand!(self, |pool| {
            sqlx::query_as(WAITING).bind(self.brand.as_str()).bind(i64::from(limit)).fetch_all(pool).await?
        });
        rows.into_iter().filter_map(|row| row.decode().transpose()).collect()
    }

    /// Those of a segment, as it stood when they were last folded; the highest score first. At most `limit`.
    pub async fn of_segment(&self, segment: Segment, limit: u32) -> Result<Vec<ViewerRow>, StoreError> {
        let rows: Vec<ViewerColumns> = on_brand!(self, |pool| {
            sqlx::query_as(OF_SEGMENT)
                .bind(self.brand.as_str())
                .bind(i64::from(limit))
                .bind(segment_to_number(segment))
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().filter_map(|row| row.decode().transpose()).collect()
    }

    /// Those whose name begins so. At most `limit`.
    pub async fn named_like(&self, beginning: &str, limit: u32) -> Result<Vec<ViewerRow>, StoreError> {
        let end = format!("{beginning}\u{10ffff}");
        let rows: Vec<ViewerColumns> = on_brand!(self, |pool| {
            sqlx::query_as(NAMED)
                .bind(self.brand.as_str())
                .bind(i64::from(limit))
                .bind(beginning)
                .bind(&end)
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().filter_map(|row| row.decode().transpose()).collect()
    }

    /// Those who carry a label. At most `limit`.
    pub async fn labelled(&self, label: &str, limit: u32) -> Result<Vec<ViewerRow>, StoreError> {
        let rows: Vec<ViewerColumns> = on_brand!(self, |pool| {
            sqlx::query_as(LABELLED)
                .bind(self.brand.as_str())
                .bind(i64::from(limit))
                .bind(label)
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().filter_map(|row| row.decode().transpose()).collect()
    }

    /// Viewers by key, those after `after`; for reading all of them, page by page. At most `limit`.
    pub async fn viewers_after(&self, after: &ViewerKey, limit: u32) -> Result<Vec<ViewerRow>, StoreError> {
        let rows: Vec<ViewerColumns> = on_brand!(self, |pool| {
            sqlx::query_as(AFTER)
                .bind(self.brand.as_str())
                .bind(i64::from(limit))
                .bind(after.account.as_str())
                .bind(after.viewer.as_str())
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().filter_map(|row| row.decode().transpose()).collect()
    }

    /// Takes a viewer on, or goes on doing so. Whose they are afterwards: another's while that claim lasts.
    pub async fn claim(
        &self,
        viewer: &ViewerKey,
        person: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let take = "INSERT INTO claim (account, viewer, brand, person, until_ms)
            SELECT v.account, v.viewer, v.brand, $4, $5 FROM viewer v
            WHERE v.account = $1 AND v.viewer = $2 AND v.brand = $3
            ON CONFLICT (account, viewer) DO UPDATE SET person = excluded.person, until_ms = excluded.until_ms
            WHERE claim.person = excluded.person OR claim.until_ms <= $6";
        let mut tx = self.begin().await?;
        let taken = on_tx!(&mut tx, |connection| {
            sqlx::query(take)
                .bind(viewer.account.as_str())
                .bind(viewer.viewer.as_str())
                .bind(self.brand.as_str())
                .bind(person)
                .bind(until.millis())
                .bind(now.millis())
                .execute(connection)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        let mine = Claim { viewer: viewer.clone(), person: person.to_owned(), until };
        if taken == 1 {
            return Ok(mine);
        }
        Ok(self.claims(now).await?.into_iter().find(|claim| claim.viewer == *viewer).unwrap_or(mine))
    }

    /// Lets a viewer go.
    pub async fn let_go(&self, viewer: &ViewerKey, person: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM claim WHERE account = $1 AND viewer = $2 AND brand = $3 AND person = $4";
        let mut tx = self.begin().await?;
        on_tx!(&mut tx, |connection| {
            sqlx::query(sql)
                .bind(viewer.account.as_str())
                .bind(viewer.viewer.as_str())
                .bind(self.brand.as_str())
                .bind(person)
                .execute(connection)
                .await?;
        });
        tx.commit().await
    }

    /// The claims that last.
    pub async fn claims(&self, now: Timestamp) -> Result<Vec<Claim>, StoreError> {
        let sql = "SELECT account, viewer, person, until_ms FROM claim WHERE brand = $1 AND until_ms > $2";
        let rows: Vec<ClaimColumns> = on_brand!(self, |pool| {
            sqlx::query_as(sql).bind(self.brand.as_str()).bind(now.millis()).fetch_all(pool).await?
        });
        let decode = |row: ClaimColumns| Claim {
            viewer: ViewerKey { account: AccountId::new(row.account), viewer: ViewerId::new(row.viewer) },
            person: row.person,
            until: Timestamp::from_millis(row.until_ms),
        };
        Ok(rows.into_iter().map(decode).collect())
    }

    /// Puts a label on viewers, or takes it off; those who are not this brand's are passed over. How many it met.
    pub async fn label(
        &self,
        viewers: &[ViewerKey],
        label: &str,
        on: bool,
        person: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let put = "INSERT INTO viewer_label (account, viewer, brand, label, person, at_ms)
            SELECT v.account, v.viewer, v.brand, $4, $5, $6 FROM viewer v
            WHERE v.account = $1 AND v.viewer = $2 AND v.brand = $3 ON CONFLICT DO NOTHING";
        let take = "DELETE FROM viewer_label WHERE account = $1 AND viewer = $2 AND brand = $3 AND label = $4";
        let (mut met, label) = (0, storable(label));
        let mut tx = self.begin().await?;
        for viewer in viewers {
            let rows = on_tx!(&mut tx, |connection| {
                let query = sqlx::query(if on { put } else { take })
                    .bind(viewer.account.as_str())
                    .bind(viewer.viewer.as_str())
                    .bind(self.brand.as_str())
                    .bind(label.as_ref());
                let query = if on { query.bind(person).bind(now.millis()) } else { query };
                query.execute(connection).await?.rows_affected()
            });
            if rows > 0 {
                let action = if on { "label" } else { "unlabel" };
                let deed = Deed { person, brand: Some(self.brand), action, viewer: Some(viewer), detail: &label };
                note(&mut tx, &deed, now).await?;
                feed::mark(&mut tx, self.brand, viewer, now).await?;
            }
            met += rows;
        }
        tx.commit().await?;
        Ok(met)
    }

    /// The labels of a viewer.
    pub async fn labels(&self, viewer: &ViewerKey) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT label FROM viewer_label WHERE brand = $1 AND account = $2 AND viewer = $3 ORDER BY label";
        Ok(on_brand!(self, |pool| {
            sqlx::query_scalar(sql)
                .bind(self.brand.as_str())
                .bind(viewer.account.as_str())
                .bind(viewer.viewer.as_str())
                .fetch_all(pool)
                .await?
        }))
    }

    /// A number that grows with whatever happens to the brand's viewers; equal numbers: nothing to show anew.
    pub async fn pulse(&self) -> Result<(i64, i64), StoreError> {
        let sql = "SELECT COALESCE((SELECT MAX(seq) FROM decision WHERE brand = $1), 0),
            COALESCE((SELECT MAX(occurred_ms) FROM interaction WHERE brand = $1), 0)";
        Ok(on_brand!(self, |pool| { sqlx::query_as(sql).bind(self.brand.as_str()).fetch_one(pool).await? }))
    }
}

row! {
    struct LabelColumns { account: String, viewer: String, label: String }
}

impl BrandStore<'_> {
    /// Several viewers, in no order.
    pub async fn viewers_of(&self, keys: &[ViewerKey]) -> Result<Vec<ViewerRow>, StoreError> {
        let sql = self.store.engine.sql(&OF_KEYS);
        let (accounts, viewers): (Vec<_>, Vec<_>) =
            keys.iter().map(|key| (key.account.to_string(), key.viewer.to_string())).unzip();
        let rows: Vec<ViewerColumns> = on_brand!(self, |pool| {
            sqlx::query_as(sql)
                .bind(self.brand.as_str())
                .bind(Texts(accounts))
                .bind(Texts(viewers))
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().filter_map(|row| row.decode().transpose()).collect()
    }

    /// The labels of several viewers.
    pub async fn labels_of(
        &self,
        viewers: &[ViewerKey],
    ) -> Result<std::collections::HashMap<ViewerKey, Vec<String>>, StoreError> {
        let sql = self.store.engine.sql(&LABELS);
        let names = viewers.iter().map(|key| key.viewer.to_string()).collect();
        let rows: Vec<LabelColumns> = on_brand!(self, |pool| {
            sqlx::query_as(sql).bind(self.brand.as_str()).bind(Texts(names)).fetch_all(pool).await?
        });
        let mut labels = std::collections::HashMap::<_, Vec<String>>::new();
        for row in rows {
            let key = ViewerKey { account: AccountId::new(row.account), viewer: ViewerId::new(row.viewer) };
            labels.entry(key).or_default().push(row.label);
        }
        Ok(labels)
    }
}

const OF_KEYS: Sql = Sql {
    postgres: viewers!("AND (account, viewer) IN (SELECT * FROM UNNEST($2::text[], $3::text[]))"),
    sqlite: viewers!(
        "AND (account, viewer) IN (SELECT a.value, v.value FROM json_each($2) a JOIN json_each($3) v ON v.key = a.key)"
    ),
};

const LABELS: Sql = Sql {
    postgres: "SELECT account, viewer, label FROM viewer_label WHERE brand = $1 AND viewer = ANY($2) ORDER BY label",
    sqlite: "SELECT account, viewer, label FROM viewer_label
        WHERE brand = $1 AND viewer IN (SELECT value FROM json_each($2)) ORDER BY label",
};
