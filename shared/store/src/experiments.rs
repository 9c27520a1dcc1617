//! Who was taken in by which experiment, and what they did.

use std::collections::BTreeMap;

use afterglow_domain::{AccountId, Exposure, Timestamp, ViewerId, ViewerKey};

use crate::codec::to_json;
use crate::engine::{Sql, Texts, Tx, on_tx, row};
use crate::wall::on_brand;
use crate::{BrandStore, StoreError};

/// What a viewer did first after they were taken in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// They did something that opens a right to answer, and that was no stop.
    pub replied: Option<Timestamp>,
    /// They opened a tracked link.
    pub clicked: Option<Timestamp>,
    /// They bought.
    pub bought: Option<Timestamp>,
    /// They said stop.
    pub stopped: Option<Timestamp>,
}

/// A viewer who was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// Who.
    pub viewer: ViewerKey,
    /// By which experiment.
    pub experiment: String,
    /// Into which arm.
    pub arm: String,
    /// What the experiment was like.
    pub shape: String,
    /// When.
    pub at: Timestamp,
    /// What they did.
    pub outcomes: Outcomes,
}

// The first time counts, in whatever order events come.
const TAKE_PG: &str = "INSERT INTO experiment_exposure (brand, experiment, account, viewer, arm, shape, exposed_ms)
    SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
    ON CONFLICT (brand, experiment, account, viewer) DO UPDATE SET arm = excluded.arm, shape = excluded.shape,
        exposed_ms = excluded.exposed_ms
    WHERE excluded.exposed_ms < experiment_exposure.exposed_ms";
const TAKE_LITE: &str = "INSERT INTO experiment_exposure (brand, experiment, account, viewer, arm, shape, exposed_ms)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
    FROM json_each($1) WHERE TRUE
    ON CONFLICT (brand, experiment, account, viewer) DO UPDATE SET arm = excluded.arm, shape = excluded.shape,
        exposed_ms = excluded.exposed_ms
    WHERE excluded.exposed_ms < experiment_exposure.exposed_ms";
const OF_VIEWERS: Sql = Sql {
    postgres: "SELECT e.* FROM experiment_exposure e
        JOIN UNNEST($2::text[], $3::text[]) AS n (account, viewer) ON e.account = n.account AND e.viewer = n.viewer
        WHERE e.brand = $1",
    sqlite: "SELECT e.* FROM json_each($2) AS a
        JOIN json_each($3) AS v ON v.key = a.key
        CROSS JOIN experiment_exposure e ON e.account = a.value AND e.viewer = v.value
        WHERE e.brand = $1",
};
const NOTE: &str = "UPDATE experiment_exposure SET replied_ms = $5, clicked_ms = $6, bought_ms = $7, stopped_ms = $8
    WHERE brand = $1 AND experiment = $2 AND account = $3 AND viewer = $4";

row! {
    struct ExposedColumns {
        experiment: String,
        account: String,
        viewer: String,
        arm: String,
        shape: String,
        exposed_ms: i64,
        replied_ms: Option<i64>,
        clicked_ms: Option<i64>,
        bought_ms: Option<i64>,
        stopped_ms: Option<i64>,
    }
}

impl From<ExposedColumns> for Exposed {
    fn from(row: ExposedColumns) -> Self {
        let at = |ms: Option<i64>| ms.map(Timestamp::from_millis);
        Self {
            viewer: ViewerKey { account: AccountId::new(row.account), viewer: ViewerId::new(row.viewer) },
            experiment: row.experiment,
            arm: row.arm,
            shape: row.shape,
            at: Timestamp::from_millis(row.exposed_ms),
            outcomes: Outcomes {
                replied: at(row.replied_ms),
                clicked: at(row.clicked_ms),
                bought: at(row.bought_ms),
                stopped: at(row.stopped_ms),
            },
        }
    }
}

/// Notes who is taken in, each once, by the earliest moment. The viewers are locked by the caller.
pub(crate) async fn take_in(tx: &mut Tx, exposures: &[Exposure]) -> Result<(), StoreError> {
    let mut first = BTreeMap::<_, &Exposure>::new();
    for exposure in exposures {
        let known = first.entry((&exposure.brand, &exposure.experiment, &exposure.viewer)).or_insert(exposure);
        if exposure.at < known.at {
            *known = exposure;
        }
    }
    if first.is_empty() {
        return Ok(());
    }
    match tx {
        Tx::Postgres(tx) => {
            let texts = |of: fn(&Exposure) -> &str| first.values().map(|exposure| of(exposure)).collect::<Vec<_>>();
            sqlx::query(TAKE_PG)
                .bind(texts(|e| e.brand.as_str()))
                .bind(texts(|e| &e.experiment))
                .bind(texts(|e| e.viewer.account.as_str()))
                .bind(texts(|e| e.viewer.viewer.as_str()))
                .bind(texts(|e| &e.arm))
                .bind(texts(|e| &e.shape))
                .bind(first.values().map(|exposure| exposure.at.millis()).collect::<Vec<_>>())
                .execute(&mut **tx)
                .await?;
        }
        Tx::Sqlite(tx) => {
            let row = |e: &&Exposure| {
                let key = (e.brand.clone(), e.experiment.clone(), e.viewer.account.clone(), e.viewer.viewer.clone());
                (key.0, key.1, key.2, key.3, e.arm.clone(), e.shape.clone(), e.at.millis())
            };
            let rows = to_json("exposures", &first.values().map(row).collect::<Vec<_>>())?;
            sqlx::query(TAKE_LITE).bind(rows).execute(&mut **tx).await?;
        }
    }
    Ok(())
}

impl BrandStore<'_> {
    /// By which experiments these viewers were taken in.
    pub async fn exposures_of(&self, viewers: &[ViewerKey]) -> Result<Vec<Exposed>, StoreError> {
        let sql = self.store.engine.sql(&OF_VIEWERS);
        let (accounts, names): (Vec<_>, Vec<_>) =
            viewers.iter().map(|key| (key.account.to_string(), key.viewer.to_string())).unzip();
        let rows: Vec<ExposedColumns> = on_brand!(self, |pool| {
            sqlx::query_as(sql)
                .bind(self.brand.as_str())
                .bind(Texts(accounts))
                .bind(Texts(names))
                .fetch_all(pool)
                .await?
        });
        Ok(rows.into_iter().map(Exposed::from).collect())
    }

    /// Notes what viewers did after they were taken in.
    pub async fn note_outcomes(&self, exposed: &[Exposed]) -> Result<(), StoreError> {
        if exposed.is_empty() {
            return Ok(());
        }
        let ms = |at: Option<Timestamp>| at.map(Timestamp::millis);
        let mut tx = self.begin().await?;
        for one in exposed {
            on_tx!(&mut tx, |connection| {
                sqlx::query(NOTE)
                    .bind(self.brand.as_str())
                    .bind(&one.experiment)
                    .bind(one.viewer.account.as_str())
                    .bind(one.viewer.viewer.as_str())
                    .bind(ms(one.outcomes.replied))
                    .bind(ms(one.outcomes.clicked))
                    .bind(ms(one.outcomes.bought))
                    .bind(ms(one.outcomes.stopped))
                    .execute(connection)
                    .await?;
            });
        }
        tx.commit().await
    }

    /// Everybody whom an experiment took in, in the order in which they came.
    pub async fn exposed(&self, experiment: &str) -> Result<Vec<Exposed>, StoreError> {
        let sql = "SELECT * FROM experiment_exposure WHERE brand = $1 AND experiment = $2
            ORDER BY exposed_ms, account, viewer";
        let rows: Vec<ExposedColumns> = on_brand!(self, |pool| {
            sqlx::query_as(sql).bind(self.brand.as_str()).bind(experiment).fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(Exposed::from).collect())
    }

    /// Experiments that ever took anybody in, with how many.
    pub async fn experiments_seen(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let sql = "SELECT experiment, COUNT(*) FROM experiment_exposure WHERE brand = $1 GROUP BY experiment";
        let rows: Vec<(String, i64)> =
            on_brand!(self, |pool| { sqlx::query_as(sql).bind(self.brand.as_str()).fetch_all(pool).await? });
        Ok(rows.into_iter().map(|(experiment, n)| (experiment, n.unsigned_abs())).collect())
    }
}
