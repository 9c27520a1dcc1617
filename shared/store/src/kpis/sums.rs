//! The sums behind a brand's figures, read: by day, and over a stretch of days.

use crate::engine::row;
use crate::wall::on_brand;
use crate::{BrandStore, KpiCount, StoreError};

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
