//! The counts behind a brand's figures: what each viewer adds, and the sums.

use std::collections::{BTreeMap, HashMap};

use afterglow_domain::{AccountId, Timestamp, ViewerId, ViewerKey};

use crate::codec::to_json;
use crate::engine::{Sql, Texts, Tx, on_tx, row};
use crate::wall::on_brand;
use crate::{BrandStore, StoreError};

/// A message that was written to a viewer, as the figures need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenSend {
    /// When the call began.
    pub at: Timestamp,
    /// By which play.
    pub play: String,
    /// The snippet that was said, if one was.
    pub snippet: Option<String>,
    /// Who wrote it, if a person did.
    pub person: Option<String>,
    /// Meta took it.
    pub sent: bool,
    /// Meta's error code, if it refused.
    pub code: Option<i64>,
    /// Its subcode.
    pub subcode: Option<i64>,
}

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

const WRITTEN: &str = "SELECT started_ms, play, snippet, by_person, status, error_code, error_subcode FROM send
    WHERE brand = $1 AND account = $2 AND viewer = $3 AND started_ms IS NOT NULL AND status IN ('sent', 'failed')
    ORDER BY started_ms, id";
const STOPS: &str = "SELECT occurred_ms FROM consent_log
    WHERE brand = $1 AND account = $2 AND viewer = $3 AND state = 'opted_out' ORDER BY occurred_ms";
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

row! {
    struct WrittenColumns {
        started_ms: i64,
        play: String,
        snippet: Option<String>,
        by_person: Option<String>,
        status: String,
        error_code: Option<i64>,
        error_subcode: Option<i64>,
    }
}

/// Days outside of the whole months, and the whole months. A range that is empty ends before it begins.
const TOTALS: &str = "SELECT item, measure, CAST(SUM(value) AS BIGINT) AS value FROM (
        SELECT item, measure, value FROM kpi_month WHERE brand = $1 AND dim = $2 AND month >= $3 AND month <= $4
        UNION ALL
        SELECT item, measure, value FROM kpi_day WHERE brand = $1 AND dim = $2 AND day >= $5 AND day <= $6
        UNION ALL
        SELECT item, measure, value FROM kpi_day WHERE brand = $1 AND dim = $2 AND day >= $7 AND day <= $8
    ) AS parts GROUP BY item, measure HAVING SUM(value) <> 0";

row! {
    struct TotalColumns { item: String, measure: String, value: i64 }
}

/// A stretch of days as whole months and the days before and after them; each from and to, both included. An empty one ends before it
/// begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KpiStretch {
    /// `YYYY-MM`.
    pub months: (String, String),
    /// `YYYY-MM-DD`.
    pub before: (String, String),
    /// `YYYY-MM-DD`.
    pub after: (String, String),
}

row! {
    struct DayColumns { item: String, day: String, measure: String, value: i64 }
}

impl BrandStore<'_> {
    /// What was written to a viewer and came to an end, by time.
    pub async fn written_to(&self, viewer: &ViewerKey) -> Result<Vec<WrittenSend>, StoreError> {
        let rows: Vec<WrittenColumns> = on_brand!(self, |pool| {
            sqlx::query_as(WRITTEN)
                .bind(self.brand.as_str())
                .bind(viewer.account.as_str())
                .bind(viewer.viewer.as_str())
                .fetch_all(pool)
                .await?
        });
        let decode = |row: WrittenColumns| WrittenSend {
            at: Timestamp::from_millis(row.started_ms),
            play: row.play,
            snippet: row.snippet,
            person: row.by_person,
            sent: row.status == "sent",
            code: row.error_code,
            subcode: row.error_subcode,
        };
        Ok(rows.into_iter().map(decode).collect())
    }

    /// When a viewer said stop, by time.
    pub async fn stops_of(&self, viewer: &ViewerKey) -> Result<Vec<Timestamp>, StoreError> {
        let rows: Vec<i64> = on_brand!(self, |pool| {
            sqlx::query_scalar(STOPS)
                .bind(self.brand.as_str())
                .bind(viewer.account.as_str())
                .bind(viewer.viewer.as_str())
                .fetch_all(pool)
                .await?
        });
        Ok(rows.into_iter().map(Timestamp::from_millis).collect())
    }

    /// Viewers of whom changes after `after` tell, at most of `limit` changes; and the last of these.
    pub async fn changed_viewers(&self, after: u64, limit: u32) -> Result<(Vec<ViewerKey>, u64), StoreError> {
        let sql = "SELECT account, viewer, MAX(sequence) FROM
                (SELECT account, viewer, sequence FROM feed_change WHERE brand = $1 AND sequence > $2
                 ORDER BY sequence LIMIT $3) AS page
            GROUP BY account, viewer ORDER BY account, viewer";
        let rows: Vec<(String, String, i64)> = on_brand!(self, |pool| {
            sqlx::query_as(sql)
                .bind(self.brand.as_str())
                .bind(i64::try_from(after).unwrap_or(i64::MAX))
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        });
        let last = rows.iter().map(|(_, _, sequence)| sequence.unsigned_abs()).max().unwrap_or(after);
        let key = |(account, viewer, _)| ViewerKey { account: AccountId::new(account), viewer: ViewerId::new(viewer) };
        Ok((rows.into_iter().map(key).collect(), last))
    }

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

    /// The sums of the days from `since` to `until` (both `YYYY-MM-DD`, both included), of one dimension: by day, item and measure.
    pub async fn kpi_days(&self, dim: &str, since: &str, until: &str) -> Result<Vec<KpiCount>, StoreError> {
        let sql = "SELECT item, day, measure, value FROM kpi_day
            WHERE brand = $1 AND dim = $2 AND day >= $3 AND day <= $4 AND value <> 0 ORDER BY day, item, measure";
        let rows: Vec<DayColumns> = on_brand!(self, |pool| {
            sqlx::query_as(sql).bind(self.brand.as_str()).bind(dim).bind(since).bind(until).fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(|row| ((row.day, dim.to_owned(), row.item, row.measure), row.value)).collect())
    }

    /// Two measures of everything, day by day from `since` to `until` (both `YYYY-MM-DD`, both included).
    pub async fn kpi_daily(
        &self,
        measures: [&str; 2],
        since: &str,
        until: &str,
    ) -> Result<Vec<(String, String, i64)>, StoreError> {
        let sql = "SELECT item, day, measure, value FROM kpi_day
            WHERE brand = $1 AND dim = 'all' AND day >= $2 AND day <= $3 AND measure IN ($4, $5) AND value <> 0";
        let rows: Vec<DayColumns> = on_brand!(self, |pool| {
            sqlx::query_as(sql)
                .bind(self.brand.as_str())
                .bind(since)
                .bind(until)
                .bind(measures[0])
                .bind(measures[1])
                .fetch_all(pool)
                .await?
        });
        Ok(rows.into_iter().map(|row| (row.day, row.measure, row.value)).collect())
    }

    /// The sums of a stretch of days, of one dimension: by item and measure.
    pub async fn kpi_totals(&self, dim: &str, over: &KpiStretch) -> Result<Vec<(String, String, i64)>, StoreError> {
        let rows: Vec<TotalColumns> = on_brand!(self, |pool| {
            sqlx::query_as(TOTALS)
                .bind(self.brand.as_str())
                .bind(dim)
                .bind(&over.months.0)
                .bind(&over.months.1)
                .bind(&over.before.0)
                .bind(&over.before.1)
                .bind(&over.after.0)
                .bind(&over.after.1)
                .fetch_all(pool)
                .await?
        });
        Ok(rows.into_iter().map(|row| (row.item, row.measure, row.value)).collect())
    }
}
