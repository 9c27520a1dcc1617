//! How many automated sends did harm, by play, snippet and account; what the responder's test of safety looks at.

use afterglow_domain::{AccountId, BrandId, CONFIRMATION, DAY_MS, Harms, PlayId, Timestamp};

use crate::engine::{Tx, on_tx, row};
use crate::wall::on_brand;
use crate::{BrandStore, KillSwitch, StoreError};

/// Days that are counted anew: within so many a stop or an answer may still come.
const OPEN_DAYS: i64 = 3;

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Watched {
    /// An account, with all that it says.
    Account(AccountId),
    /// A play, on all accounts.
    Play(PlayId),
    /// A snippet that a play says.
    Snippet(PlayId, String),
}

/// Why a send ended that did not go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedBy {
    /// Meta's error code.
    pub code: Option<i64>,
    /// Meta's error subcode.
    pub subcode: Option<i64>,
}

// A stop is counted once: for the last thing that was said before it.
const COUNT: &str = "SELECT s.account, s.play, COALESCE(s.snippet, '') AS snippet,
        s.started_ms / 86400000 * 86400000 AS day_ms, s.status, s.error_code, s.error_subcode, COUNT(*) AS sends,
        COUNT(CASE WHEN EXISTS (SELECT 1 FROM consent_log c WHERE c.account = s.account AND c.viewer = s.viewer
                AND c.state = 'opted_out' AND c.occurred_ms >= s.started_ms AND c.occurred_ms < s.started_ms + 86400000
                AND NOT EXISTS (SELECT 1 FROM send l WHERE l.account = s.account AND l.viewer = s.viewer
                    AND l.status = 'sent' AND l.started_ms > s.started_ms AND l.started_ms <= c.occurred_ms))
            THEN 1 END) AS stops
    FROM send s
    WHERE s.brand = $1 AND s.started_ms >= $2 AND s.status IN ('sent', 'failed') AND s.by_person IS NULL AND s.play <> $3
    GROUP BY 1, 2, 3, 4, 5, 6, 7";

const CLEAR: &str = "DELETE FROM safety_tally WHERE brand = $1 AND day_ms >= $2";

const TALLY: &str = "INSERT INTO safety_tally (brand, account, play, snippet, day_ms, sends, stops, blocks, failures)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (brand, account, play, snippet, day_ms) DO UPDATE SET sends = safety_tally.sends + excluded.sends,
        stops = safety_tally.stops + excluded.stops, blocks = safety_tally.blocks + excluded.blocks,
        failures = safety_tally.failures + excluded.failures";

const SUMS: &str =
    "SELECT account, play, snippet, CAST(SUM(sends) AS BIGINT) AS sends, CAST(SUM(stops) AS BIGINT) AS stops,
        CAST(SUM(blocks) AS BIGINT) AS blocks, CAST(SUM(failures) AS BIGINT) AS failures
    FROM safety_tally WHERE brand = $1 GROUP BY account, play, snippet ORDER BY account, play, snippet";

const KNOWN: &str = "SELECT scope, id, sends, stops, blocks, failures FROM safety_watch WHERE brand = $1";

const KNOW: &str = "INSERT INTO safety_watch (brand, scope, id, since_ms, sends, stops, blocks, failures)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (brand, scope, id) DO UPDATE SET since_ms = excluded.since_ms, sends = excluded.sends,
        stops = excluded.stops, blocks = excluded.blocks, failures = excluded.failures";

row! {
    struct CountColumns {
        account: String,
        play: String,
        snippet: String,
        day_ms: i64,
        status: String,
        error_code: Option<i64>,
        error_subcode: Option<i64>,
        sends: i64,
        stops: i64,
    }
}

row! {
    struct SumColumns {
        account: String,
        play: String,
        snippet: String,
        sends: i64,
        stops: i64,
        blocks: i64,
        failures: i64,
    }
}

row! {
    struct KnownColumns { scope: String, id: String, sends: i64, stops: i64, blocks: i64, failures: i64 }
}

impl Watched {
    const fn scope(&self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Play(_) => "play",
            Self::Snippet(..) => "snippet",
        }
    }

    fn id(&self) -> String {
        match self {
            Self::Account(account) => account.to_string(),
            Self::Play(play) => play.to_string(),
            Self::Snippet(play, snippet) => format!("{play}/{snippet}"),
        }
    }
}

fn harms(sends: i64, stops: i64, blocks: i64, failures: i64) -> Harms {
    Harms {
        sends: sends.unsigned_abs(),
        stops: stops.unsigned_abs(),
        blocks: blocks.unsigned_abs(),
        failures: failures.unsigned_abs(),
    }
}

/// Everything that was counted, for each thing watched.
fn by_watched(sums: Vec<SumColumns>) -> std::collections::BTreeMap<Watched, Harms> {
    let mut all = std::collections::BTreeMap::<Watched, Harms>::new();
    for row in sums {
        let counted = harms(row.sends, row.stops, row.blocks, row.failures);
        let play = PlayId::new(row.play);
        let mut of = vec![Watched::Account(AccountId::new(row.account)), Watched::Play(play.clone())];
        if !row.snippet.is_empty() {
            of.push(Watched::Snippet(play, row.snippet));
        }
        for watched in of {
            let sum = all.entry(watched).or_default();
            *sum = sum.plus(&counted);
        }
    }
    all
}

impl BrandStore<'_> {
    /// Counts the brand's automated sends of the last days anew. `reached_nobody` tells refusals that mean that the reader cannot
    /// be written to from others.
    pub async fn count_harms(
        &self,
        now: Timestamp,
        reached_nobody: &(dyn Fn(RefusedBy) -> bool + Sync),
    ) -> Result<(), StoreError> {
        let from = (now.millis().div_euclid(DAY_MS) - (OPEN_DAYS - 1)) * DAY_MS;
        let counted: Vec<CountColumns> = on_brand!(self, |pool| {
            sqlx::query_as(COUNT).bind(self.brand.as_str()).bind(from).bind(CONFIRMATION).fetch_all(pool).await?
        });
        let mut tx = self.begin().await?;
        on_tx!(&mut tx, |connection| {
            sqlx::query(CLEAR).bind(self.brand.as_str()).bind(from).execute(&mut *connection).await?;
            for row in counted {
                let refused = row.status == "failed";
                let blocked = reached_nobody(RefusedBy { code: row.error_code, subcode: row.error_subcode });
                sqlx::query(TALLY)
                    .bind(self.brand.as_str())
                    .bind(row.account)
                    .bind(row.play)
                    .bind(row.snippet)
                    .bind(row.day_ms)
                    .bind(row.sends)
                    .bind(if refused { 0 } else { row.stops })
                    .bind(if refused && blocked { row.sends } else { 0 })
                    .bind(if refused && !blocked { row.sends } else { 0 })
                    .execute(&mut *connection)
                    .await?;
            }
        });
        tx.commit().await
    }

    /// What was counted since a person last let each of them go on, or since ever.
    pub async fn harms(&self) -> Result<Vec<(Watched, Harms)>, StoreError> {
        let brand = self.brand.as_str();
        let sums: Vec<SumColumns> = on_brand!(self, |pool| sqlx::query_as(SUMS).bind(brand).fetch_all(pool).await?);
        let known: Vec<KnownColumns> =
            on_brand!(self, |pool| sqlx::query_as(KNOWN).bind(brand).fetch_all(pool).await?);
        let since = |(watched, counted): (Watched, Harms)| {
            let known = known.iter().find(|row| row.scope == watched.scope() && row.id == watched.id());
            let known = known.map_or_else(Harms::default, |row| harms(row.sends, row.stops, row.blocks, row.failures));
            (watched, counted.since(&known))
        };
        Ok(by_watched(sums).into_iter().map(since).collect())
    }
}

/// Begins the counts anew of what a lifted switch had silenced.
pub(crate) async fn begin_anew(tx: &mut Tx, switch: &KillSwitch, now: Timestamp) -> Result<(), StoreError> {
    let brand = match switch {
        KillSwitch::Play(brand, _) => Some(brand.to_string()),
        KillSwitch::Account(account) => {
            let sql = "SELECT brand FROM account WHERE id = $1";
            on_tx!(tx, |connection| sqlx::query_scalar(sql).bind(account.as_str()).fetch_optional(connection).await?)
        }
        KillSwitch::All | KillSwitch::Brand(_) | KillSwitch::Viewer(_) => None,
    };
    let Some(brand) = brand.map(BrandId::new) else { return Ok(()) };
    let sums: Vec<SumColumns> =
        on_tx!(&mut *tx, |connection| sqlx::query_as(SUMS).bind(brand.as_str()).fetch_all(connection).await?);
    let lifted = |watched: &Watched| match (switch, watched) {
        (KillSwitch::Account(lifted), Watched::Account(account)) => account == lifted,
        (KillSwitch::Play(_, lifted), Watched::Play(play) | Watched::Snippet(play, _)) => play == lifted,
        _ => false,
    };
    let known: Vec<_> = by_watched(sums).into_iter().filter(|(watched, _)| lifted(watched)).collect();
    on_tx!(tx, |connection| {
        for (watched, counted) in known {
            sqlx::query(KNOW)
                .bind(brand.as_str())
                .bind(watched.scope())
                .bind(watched.id())
                .bind(now.millis())
                .bind(counted.sends.cast_signed())
                .bind(counted.stops.cast_signed())
                .bind(counted.blocks.cast_signed())
                .bind(counted.failures.cast_signed())
                .execute(&mut *connection)
                .await?;
        }
    });
    Ok(())
}
