//! Figures for the status line, the console and the doctor.

use afterglow_domain::{IntentStatus, Reason, Segment, Verdict};

use crate::codec::{from_name, segment_from_number};
use crate::engine::on_read;
use crate::interactions::{ACCEPTED, DUPLICATES};
use crate::wall::on_brand;
use crate::{BrandStore, SendStatus, Store, StoreError};

/// How many of each kind; kinds that do not occur are left out.
pub type Tally<K> = Vec<(K, u64)>;

/// The figures of one brand, or of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    /// Viewers by segment, hottest first.
    pub viewers: Tally<Segment>,
    /// Viewers whose question waits for a person.
    pub needs_reply: u64,
    /// Intents by status.
    pub intents: Tally<IntentStatus>,
    /// Decisions by verdict and deciding reason.
    pub decisions: Tally<(Verdict, Reason)>,
    /// Sends by status.
    pub sends: Tally<SendStatus>,
}

/// The figures of the whole installation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Interactions that were new when they came.
    pub accepted: u64,
    /// Interactions that were known already.
    pub duplicates: u64,
    /// Things in quarantine that nobody has replayed.
    pub quarantined: u64,
    /// Messages in the outbox.
    pub outbox: u64,
    /// What is also told of each brand.
    pub all: Overview,
}

/// A tally over all brands, and over one.
struct PerBrand {
    all: &'static str,
    one: &'static str,
}

macro_rules! per_brand {
    ($select:literal, $condition:literal, $group:literal) => {
        PerBrand {
            all: concat!($select, " WHERE ", $condition, " ", $group),
            one: concat!($select, " WHERE brand = $1 AND ", $condition, " ", $group),
        }
    };
}

const VIEWERS: PerBrand = per_brand!(
    "SELECT segment, COUNT(*), COUNT(needs_reply_since_ms) FROM viewer",
    "state IS NOT NULL",
    "GROUP BY segment ORDER BY segment"
);
const INTENTS: PerBrand = per_brand!("SELECT status, COUNT(*) FROM intent", "TRUE", "GROUP BY status ORDER BY status");
const SENDS: PerBrand = per_brand!("SELECT status, COUNT(*) FROM send", "TRUE", "GROUP BY status ORDER BY status");
const DECISIONS: PerBrand = per_brand!(
    "SELECT verdict, reason, COUNT(*) FROM decision",
    "TRUE",
    "GROUP BY verdict, reason ORDER BY verdict, reason"
);

const COUNTERS: &str = "SELECT CAST(COALESCE(SUM(value), 0) AS BIGINT) FROM counter WHERE name = $1";
const QUARANTINED: &str = "SELECT COUNT(*) FROM quarantine WHERE replayed_ms IS NULL";
const OUTBOX: &str = "SELECT COUNT(*) FROM outbox";

impl Store {
    /// The figures of the whole installation. Each is exact; between two of them work may go on.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        let counter = async |name: &'static str| -> Result<u64, StoreError> {
            let (n,): (i64,) =
                on_read!(&self.engine, |pool| sqlx::query_as(COUNTERS).bind(name).fetch_one(pool).await?);
            Ok(n.unsigned_abs())
        };
        let count = async |sql: &'static str| -> Result<u64, StoreError> {
            let (n,): (i64,) = on_read!(&self.engine, |pool| sqlx::query_as(sql).fetch_one(pool).await?);
            Ok(n.unsigned_abs())
        };
        Ok(Totals {
            accepted: counter(ACCEPTED).await?,
            duplicates: counter(DUPLICATES).await?,
            quarantined: count(QUARANTINED).await?,
            outbox: count(OUTBOX).await?,
            all: overview(self, None).await?,
        })
    }
}

impl BrandStore<'_> {
    /// The brand's figures.
    pub async fn overview(&self) -> Result<Overview, StoreError> {
        overview(self.store, Some(self)).await
    }
}

/// Runs a tally for one brand or for all.
macro_rules! tally {
    ($store:expr, $sql:expr, $scope:expr) => {
        match $scope {
            Some(scope) => {
                on_brand!(scope, |pool| { sqlx::query_as($sql.one).bind(scope.brand.as_str()).fetch_all(pool).await? })
            }
            None => on_read!(&$store.engine, |pool| sqlx::query_as($sql.all).fetch_all(pool).await?),
        }
    };
}

async fn overview(store: &Store, scope: Option<&BrandStore<'_>>) -> Result<Overview, StoreError> {
    let viewers: Vec<(i64, i64, i64)> = tally!(store, VIEWERS, scope);
    let intents: Vec<(String, i64)> = tally!(store, INTENTS, scope);
    let sends: Vec<(String, i64)> = tally!(store, SENDS, scope);
    let decisions: Vec<(String, String, i64)> = tally!(store, DECISIONS, scope);
    Ok(Overview {
        needs_reply: viewers.iter().map(|(_, _, waiting)| waiting.unsigned_abs()).sum(),
        viewers: viewers
            .into_iter()
            .map(|(segment, n, _)| Ok((segment_from_number(segment)?, n.unsigned_abs())))
            .collect::<Result<_, StoreError>>()?,
        intents: intents
            .into_iter()
            .map(|(status, n)| Ok((from_name("intent.status", &status)?, n.unsigned_abs())))
            .collect::<Result<_, StoreError>>()?,
        sends: sends
            .into_iter()
            .map(|(status, n)| Ok((from_name("send.status", &status)?, n.unsigned_abs())))
            .collect::<Result<_, StoreError>>()?,
        decisions: decisions
            .into_iter()
            .map(|(verdict, reason, n)| {
                let key = (from_name("decision.verdict", &verdict)?, from_name("decision.reason", &reason)?);
                Ok((key, n.unsigned_abs()))
            })
            .collect::<Result<_, StoreError>>()?,
    })
}
