//! What a brand believes and has not proved: noted, tested, decided.

use afterglow_domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::codec::from_name;
use crate::engine::{on_tx, row, storable};
use crate::wall::on_brand;
use crate::{BrandStore, StoreError};

/// Where a hypothesis stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HypothesisStatus {
    /// Nobody tests it yet.
    Open,
    /// An experiment tests it.
    Testing,
    /// It is decided: the result says how.
    Decided,
}

impl HypothesisStatus {
    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Testing => "testing",
            Self::Decided => "decided",
        }
    }
}

/// A hypothesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hypothesis {
    /// By which it is known in the brand.
    pub id: String,
    /// What is believed.
    pub text: String,
    /// On what ground, with denominators.
    pub evidence: String,
    /// What in the figures it came from, if from there.
    pub pattern: Option<String>,
    /// Where it stands.
    pub status: HypothesisStatus,
    /// By which experiment it is tested.
    pub experiment: Option<String>,
    /// What came of it.
    pub result: Option<String>,
    /// Who noted it.
    pub by: String,
    /// When.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

/// A hypothesis to be noted.
#[derive(Debug, Clone, Copy)]
pub struct NewHypothesis<'a> {
    /// By which it will be known.
    pub id: &'a str,
    /// What is believed.
    pub text: &'a str,
    /// On what ground, with denominators.
    pub evidence: &'a str,
    /// What in the figures it came from, if from there.
    pub pattern: Option<&'a str>,
    /// Who notes it.
    pub by: &'a str,
}

const NOTE: &str = "INSERT INTO hypothesis
        (brand, id, text, evidence, pattern, status, by_person, created_ms, changed_ms)
    VALUES ($1, $2, $3, $4, $5, 'open', $6, $7, $7) ON CONFLICT DO NOTHING";
const MOVE: &str = "UPDATE hypothesis SET status = $3, experiment = COALESCE($4, experiment),
        result = COALESCE($5, result), changed_ms = $6
    WHERE brand = $1 AND id = $2";
const ALL: &str = "SELECT id, text, evidence, pattern, status, experiment, result, by_person, created_ms, changed_ms
    FROM hypothesis WHERE brand = $1 ORDER BY created_ms DESC, id";

row! {
    struct HypothesisColumns {
        id: String,
        text: String,
        evidence: String,
        pattern: Option<String>,
        status: String,
        experiment: Option<String>,
        result: Option<String>,
        by_person: String,
        created_ms: i64,
        changed_ms: i64,
    }
}

impl HypothesisColumns {
    fn decode(self) -> Result<Hypothesis, StoreError> {
        Ok(Hypothesis {
            status: from_name("hypothesis.status", &self.status)?,
            id: self.id,
            text: self.text,
            evidence: self.evidence,
            pattern: self.pattern,
            experiment: self.experiment,
            result: self.result,
            by: self.by_person,
            created: Timestamp::from_millis(self.created_ms),
            changed: Timestamp::from_millis(self.changed_ms),
        })
    }
}

impl BrandStore<'_> {
    /// Notes a hypothesis; `false` if it is known, by its id or by what it came from.
    pub async fn note_hypothesis(&self, new: &NewHypothesis<'_>, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let noted = on_tx!(&mut tx, |connection| {
            sqlx::query(NOTE)
                .bind(self.brand.as_str())
                .bind(storable(new.id))
                .bind(storable(new.text))
                .bind(storable(new.evidence))
                .bind(new.pattern.map(storable))
                .bind(storable(new.by))
                .bind(now.millis())
                .execute(connection)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(noted == 1)
    }

    /// Moves a hypothesis; an experiment and a result that are not given stay. `false` if there is none of this id.
    pub async fn move_hypothesis(
        &self,
        id: &str,
        status: HypothesisStatus,
        (experiment, result): (Option<&str>, Option<&str>),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let moved = on_tx!(&mut tx, |connection| {
            sqlx::query(MOVE)
                .bind(self.brand.as_str())
                .bind(storable(id))
                .bind(status.as_str())
                .bind(experiment.map(storable))
                .bind(result.map(storable))
                .bind(now.millis())
                .execute(connection)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(moved == 1)
    }

    /// The brand's hypotheses, the latest first.
    pub async fn hypotheses(&self) -> Result<Vec<Hypothesis>, StoreError> {
        let rows: Vec<HypothesisColumns> =
            on_brand!(self, |pool| { sqlx::query_as(ALL).bind(self.brand.as_str()).fetch_all(pool).await? });
        rows.into_iter().map(HypothesisColumns::decode).collect()
    }
}
