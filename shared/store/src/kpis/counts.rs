//! What each viewer adds to a brand's figures, and the sums that this changes.

use std::collections::{BTreeMap, HashMap};

use afterglow_domain::{AccountId, ViewerId, ViewerKey};

use crate::codec::to_json;
use crate::engine::{Sql, Texts, Tx, on_tx};
use crate::wall::on_brand;
use crate::{BrandStore, StoreError};

/// Day, dimension, which of it, and measure.
type Place = (String, String, String, String);

/// A count: day, dimension, which of it, measure, and how much.
pub type KpiCount = (Place, i64);

/// A change of one viewer's counts: as JSON, and what it changes of the sums.
#[derive(Debug, Clone)]
pub struct KpiChange {
    /// Who.
    pub viewer: ViewerKey,
    /// What they add now, as JSON.
    pub counts: String,
    /// What that changes.
    pub changes: Vec<KpiCount>,
}

const PUT_PG: &str = "INSERT INTO kpi_viewer (brand, account, viewer, counts)
    SELECT $1, account, viewer, counts FROM UNNEST($2::text[], $3::text[], $4::text[]) AS n (account, viewer, counts)
    ON CONFLICT (account, viewer) DO UPDATE SET counts = excluded.counts";
const PUT_LITE: &str = "INSERT INTO kpi_viewer (brand, account, viewer, counts)
    SELECT $1, value ->> 0, value ->> 1, value ->> 2 FROM json_each($2) WHERE TRUE
    ON CONFLICT (account, viewer) DO UPDATE SET counts = excluded.counts";
const ADD_PG: &str = "INSERT INTO kpi_day (brand, day, dim, item, measure, value)
    SELECT $1, day, dim, item, measure, value
    FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[]) AS n (day, dim, item, measure, value)
    ON CONFLICT (brand, dim, day, item, measure) DO UPDATE SET value = kpi_day.value + excluded.value";
const ADD_MONTH_PG: &str = "INSERT INTO kpi_month (brand, month, dim, item, measure, value)
    SELECT $1, month, dim, item, measure, value
    FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[]) AS n (month, dim, item, measure, value)
    ON CONFLICT (brand, dim, month, item, measure) DO UPDATE SET value = kpi_month.value + excluded.value";
const ADD_MONTH_LITE: &str = "INSERT INTO kpi_month (brand, month, dim, item, measure, value)
    SELECT $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each($2) WHERE TRUE
    ON CONFLICT (brand, dim, month, item, measure) DO UPDATE SET value = kpi_month.value + excluded.value";
const ADD_LITE: &str = "INSERT INTO kpi_day (brand, day, dim, item, measure, value)
    SELECT $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each($2) WHERE TRUE
    ON CONFLICT (brand, dim, day, item, measure) DO UPDATE SET value = kpi_day.value + excluded.value";
const COUNTS: Sql = Sql {
    postgres: "SELECT k.account, k.viewer, k.counts FROM kpi_viewer k
        JOIN UNNEST($2::text[], $3::text[]) AS n (account, viewer) ON k.account = n.account AND k.viewer = n.viewer
        WHERE k.brand = $1",
    sqlite: "SELECT k.account, k.viewer, k.counts FROM json_each($2) AS a
        JOIN json_each($3) AS v ON v.key = a.key
        CROSS JOIN kpi_viewer k ON k.account = a.value AND k.viewer = v.value
        WHERE k.brand = $1",
};
const HEAD: &str = "INSERT INTO kpi_head (brand, sequence) VALUES ($1, $2)
    ON CONFLICT (brand) DO UPDATE SET sequence = excluded.sequence";

impl BrandStore<'_> {
    /// Up to which change the figures are.
    pub async fn kpi_head(&self) -> Result<u64, StoreError> {
        let sql = "SELECT sequence FROM kpi_head WHERE brand = $1";
        let head: Option<i64> =
            on_brand!(self, |pool| { sqlx::query_scalar(sql).bind(self.brand.as_str()).fetch_optional(pool).await? });
        Ok(head.unwrap_or(0).unsigned_abs())
    }

    /// What viewers added when they were counted last, as JSON.
    pub async fn kpi_counts(&self, viewers: &[ViewerKey]) -> Result<HashMap<ViewerKey, String>, StoreError> {
        let sql = self.store.engine.sql(&COUNTS);
        let (accounts, names): (Vec<_>, Vec<_>) =
            viewers.iter().map(|key| (key.account.to_string(), key.viewer.to_string())).unzip();
        let rows: Vec<(String, String, String)> = on_brand!(self, |pool| {
            sqlx::query_as(sql)
                .bind(self.brand.as_str())
                .bind(Texts(accounts))
                .bind(Texts(names))
                .fetch_all(pool)
                .await?
        });
        let key = |(account, viewer, counts)| {
            (ViewerKey { account: AccountId::new(account), viewer: ViewerId::new(viewer) }, counts)
        };
        Ok(rows.into_iter().map(key).collect())
    }

    /// Writes what viewers add now, changes the sums by it, and notes up to which change they are: in one transaction. One process at a
    /// time may call it for a brand.
    pub async fn count_kpis(&self, counted: &[KpiChange], head: u64) -> Result<(), StoreError> {
        let mut sums = BTreeMap::<&Place, i64>::new();
        for (place, n) in counted.iter().flat_map(|change| &change.changes) {
            *sums.entry(place).or_default() += n;
        }
        sums.retain(|_, n| *n != 0);
        let mut months = BTreeMap::<Place, i64>::new();
        for ((day, dim, item, measure), n) in &sums {
            let month = day.get(..7).unwrap_or(day).to_owned();
            *months.entry((month, dim.clone(), item.clone(), measure.clone())).or_default() += n;
        }
        months.retain(|_, n| *n != 0);
        let brand = self.brand.as_str();
        let mut tx = self.begin().await?;
        match &mut tx {
            _ if counted.is_empty() => {}
            Tx::Postgres(tx) => {
                let accounts: Vec<&str> = counted.iter().map(|change| change.viewer.account.as_str()).collect();
                let viewers: Vec<&str> = counted.iter().map(|change| change.viewer.viewer.as_str()).collect();
                let counts: Vec<&str> = counted.iter().map(|change| change.counts.as_str()).collect();
                let query = sqlx::query(PUT_PG).bind(brand).bind(accounts).bind(viewers).bind(counts);
                query.execute(&mut **tx).await?;
                for (sql, sums) in [(ADD_PG, sums), (ADD_MONTH_PG, months.iter().map(|(p, n)| (p, *n)).collect())] {
                    let column =
                        |of: fn(&Place) -> &String| sums.keys().map(|place| of(place).as_str()).collect::<Vec<_>>();
                    sqlx::query(sql)
                        .bind(brand)
                        .bind(column(|place| &place.0))
                        .bind(column(|place| &place.1))
                        .bind(column(|place| &place.2))
                        .bind(column(|place| &place.3))
                        .bind(sums.values().copied().collect::<Vec<i64>>())
                        .execute(&mut **tx)
                        .await?;
                }
            }
            Tx::Sqlite(tx) => {
                let rows: Vec<_> = counted.iter().map(|c| (&c.viewer.account, &c.viewer.viewer, &c.counts)).collect();
                let rows = to_json("kpi viewers", &rows)?;
                sqlx::query(PUT_LITE).bind(brand).bind(rows).execute(&mut **tx).await?;
                let rows: Vec<_> = sums.iter().map(|(p, n)| (&p.0, &p.1, &p.2, &p.3, n)).collect();
                let rows = to_json("kpi sums", &rows)?;
                sqlx::query(ADD_LITE).bind(brand).bind(rows).execute(&mut **tx).await?;
                let rows: Vec<_> = months.iter().map(|(p, n)| (&p.0, &p.1, &p.2, &p.3, n)).collect();
                let rows = to_json("kpi months", &rows)?;
                sqlx::query(ADD_MONTH_LITE).bind(brand).bind(rows).execute(&mut **tx).await?;
            }
        }
        self.note_head(&mut tx, head).await?;
        tx.commit().await
    }

    /// Forgets all figures, to count them from the beginning; what was counted of persons who are gone goes with them.
    pub async fn clear_kpis(&self, head: u64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for sql in [
            "DELETE FROM kpi_viewer WHERE brand = $1",
            "DELETE FROM kpi_day WHERE brand = $1",
            "DELETE FROM kpi_month WHERE brand = $1",
        ] {
            on_tx!(&mut tx, |connection| {
                sqlx::query(sql).bind(self.brand.as_str()).execute(connection).await?;
            });
        }
        self.note_head(&mut tx, head).await?;
        tx.commit().await
    }

    async fn note_head(&self, tx: &mut Tx, head: u64) -> Result<(), StoreError> {
        on_tx!(tx, |connection| {
            sqlx::query(HEAD)
                .bind(self.brand.as_str())
                .bind(i64::try_from(head).unwrap_or(i64::MAX))
                .execute(connection)
                .await?;
        });
        Ok(())
    }
}
