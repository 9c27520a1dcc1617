//! Viewers whose standing time alone may have changed, and the log from which a state can be made anew.

use std::collections::HashMap;

use afterglow_domain::{BrandId, Interaction, Timestamp, ViewerKey};

use crate::codec::InteractionColumns;
use crate::engine::{Sql, Tx, on_tx};
use crate::viewers::{self, ViewerColumns, ViewerRow};
use crate::wall::on_brand;
use crate::{BrandStore, Store, StoreError, feed};

/// What a look at a viewer gives.
#[derive(Debug)]
pub enum Review {
    /// The row as it is to be.
    Row(ViewerRow),
    /// The state cannot be brought up to date: it has to be made anew from the log.
    FromLog(ViewerRow),
    /// Not now: the rules in force are not known here yet.
    Later,
}

/// Looks at viewers. Pure: the same rows give the same answers.
pub trait Reviewer: Send + Sync {
    /// A row whose time has come, and the version of its brand's document that is in force.
    fn review(&self, row: ViewerRow, document_version: i64) -> Review;
    /// A row whose state is made anew from everything that happened, by time and then by id.
    fn refold(&self, row: ViewerRow, log: &[Interaction]) -> ViewerRow;
}

const DUE: Sql = Sql {
    postgres: "SELECT account, viewer, brand, username, state, segment, score_rank, last_contact_ms, first_seen_ms,
            last_seen_ms, needs_reply_since_ms, rules_version, tags, due_ms, triage_ms, review_ms
        FROM viewer WHERE review_ms <= $1 ORDER BY review_ms LIMIT $2 FOR UPDATE SKIP LOCKED",
    sqlite: "SELECT account, viewer, brand, username, state, segment, score_rank, last_contact_ms, first_seen_ms,
            last_seen_ms, needs_reply_since_ms, rules_version, tags, due_ms, triage_ms, review_ms
        FROM viewer WHERE review_ms <= $1 ORDER BY review_ms LIMIT $2",
};

// Without Meta's fragments: nothing that is folded needs them.
const LOG: &str =
    "SELECT id, brand, account, viewer, username, channel, source, occurred_ms, received_ms, standby, body,
        NULL AS raw, NULL AS raw_key
    FROM interaction WHERE brand = $1 AND account = $2 AND viewer = $3 ORDER BY occurred_ms, id";

const ROWS_AFTER: &str = "SELECT account, viewer, brand, username, state, segment, score_rank, last_contact_ms,
        first_seen_ms, last_seen_ms, needs_reply_since_ms, rules_version, tags, due_ms, triage_ms, review_ms
    FROM viewer WHERE brand = $1 AND (account, viewer) > ($2, $3) AND last_seen_ms >= $4 AND state IS NOT NULL
    ORDER BY account, viewer LIMIT $5";

const LOGS: Sql = Sql {
    postgres:
        "SELECT i.id, i.brand, i.account, i.viewer, i.username, i.channel, i.source, i.occurred_ms, i.received_ms,
            i.standby, i.body, NULL AS raw, NULL::bytea AS raw_key
        FROM interaction i WHERE i.brand = $1 AND i.account = $2 AND i.viewer >= $3 AND i.viewer <= $4
        ORDER BY i.viewer, i.occurred_ms, i.id",
    sqlite: "SELECT i.id, i.brand, i.account, i.viewer, i.username, i.channel, i.source, i.occurred_ms, i.received_ms,
            i.standby, i.body, NULL AS raw, NULL AS raw_key
        FROM interaction i WHERE i.brand = $1 AND i.account = $2 AND i.viewer >= $3 AND i.viewer <= $4
        ORDER BY i.viewer, i.occurred_ms, i.id",
};

const COUNT: &str = "SELECT COUNT(*) FROM viewer WHERE brand = $1 AND last_seen_ms >= $2 AND state IS NOT NULL";

impl Store {
    /// Looks at viewers whose time has come, at most `limit`, and writes what `reviewer` says. Those that another process holds
    /// are left to it. Returns how many were looked at.
    pub async fn review(&self, now: Timestamp, limit: u32, reviewer: &dyn Reviewer) -> Result<u64, StoreError> {
        let mut tx = self.engine.begin().await?;
        let sql = tx.sql(&DUE);
        let due: Vec<ViewerColumns> = on_tx!(&mut tx, |connection| {
            sqlx::query_as(sql).bind(now.millis()).bind(i64::from(limit)).fetch_all(connection).await?
        });
        let versions: HashMap<String, i64> = if due.is_empty() {
            HashMap::new()
        } else {
            let sql = "SELECT id, document_version FROM brand";
            let rows: Vec<(String, i64)> =
                on_tx!(&mut tx, |connection| sqlx::query_as(sql).fetch_all(connection).await?);
            rows.into_iter().collect()
        };
        let mut rows = Vec::with_capacity(due.len());
        for columns in due {
            let Some(row) = columns.decode()? else { continue };
            let version = versions.get(row.brand.as_str()).copied().unwrap_or(0);
            match reviewer.review(row, version) {
                Review::Row(row) => rows.push(row),
                Review::FromLog(row) => {
                    let log = log(&mut tx, &row.brand, &row.key).await?;
                    rows.push(reviewer.refold(row, &log));
                }
                Review::Later => {}
            }
        }
        let looked_at = rows.len() as u64;
        if !rows.is_empty() {
            viewers::write(&mut tx, &rows).await?;
            feed::mark_rows(&mut tx, &rows, now).await?;
        }
        tx.commit().await?;
        Ok(looked_at)
    }
}

impl Store {
    /// Has every viewer of a brand looked at whose standing other rules gave than those of this version. Returns how many.
    pub async fn mark_outdated(&self, brand: &BrandId, version: i64, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "UPDATE viewer SET review_ms = $3 WHERE brand = $1 AND rules_version <> $2 AND state IS NOT NULL";
        let mut tx = self.engine.begin().await?;
        let marked = on_tx!(&mut tx, |connection| {
            let query = sqlx::query(sql).bind(brand.as_str()).bind(version.to_string()).bind(now.millis());
            query.execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(marked)
    }
}

async fn log(tx: &mut Tx, brand: &BrandId, key: &ViewerKey) -> Result<Vec<Interaction>, StoreError> {
    let sql = match tx {
        Tx::Postgres(_) => LOG_PG,
        Tx::Sqlite(_) => LOG,
    };
    let rows: Vec<InteractionColumns> = on_tx!(tx, |connection| {
        let query = sqlx::query_as(sql).bind(brand.as_str()).bind(key.account.as_str()).bind(key.viewer.as_str());
        query.fetch_all(connection).await?
    });
    rows.into_iter().map(InteractionColumns::decode).collect()
}

const LOG_PG: &str =
    "SELECT id, brand, account, viewer, username, channel, source, occurred_ms, received_ms, standby, body,
        NULL AS raw, NULL::bytea AS raw_key
    FROM interaction WHERE brand = $1 AND account = $2 AND viewer = $3 ORDER BY occurred_ms, id";

/// A viewer with everything that they did.
#[derive(Debug)]
pub struct ViewerLog {
    /// As the scorer left them.
    pub row: ViewerRow,
    /// By time and then by id, without Meta's fragments.
    pub log: Vec<Interaction>,
}

impl BrandStore<'_> {
    /// How many viewers did something since `since`.
    pub async fn viewer_count(&self, since: Timestamp) -> Result<u64, StoreError> {
        let (count,): (i64,) = on_brand!(self, |pool| {
            sqlx::query_as(COUNT).bind(self.brand.as_str()).bind(since.millis()).fetch_one(pool).await?
        });
        Ok(count.unsigned_abs())
    }

    /// The next viewers by key who did something since `since`, at most `limit`, each with everything that they did, as of one
    /// moment: work that goes on meanwhile is either in both or in neither.
    pub async fn viewer_logs(
        &self,
        after: &ViewerKey,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<ViewerLog>, StoreError> {
        let mut tx = self.begin_snapshot().await?;
        let rows: Vec<ViewerColumns> = on_tx!(&mut tx, |connection| {
            sqlx::query_as(ROWS_AFTER)
                .bind(self.brand.as_str())
                .bind(after.account.as_str())
                .bind(after.viewer.as_str())
                .bind(since.millis())
                .bind(i64::from(limit))
                .fetch_all(connection)
                .await?
        });
        let rows: Vec<ViewerRow> =
            rows.into_iter().filter_map(|row| row.decode().transpose()).collect::<Result<_, StoreError>>()?;
        let mut logs: Vec<ViewerLog> = Vec::with_capacity(rows.len());
        let sql = tx.sql(&LOGS);
        for chunk in rows.chunk_by(|a, b| a.key.account == b.key.account) {
            let (Some(first), Some(last)) = (chunk.first(), chunk.last()) else { continue };
            let found: Vec<InteractionColumns> = on_tx!(&mut tx, |connection| {
                sqlx::query_as(sql)
                    .bind(self.brand.as_str())
                    .bind(first.key.account.as_str())
                    .bind(first.key.viewer.as_str())
                    .bind(last.key.viewer.as_str())
                    .fetch_all(connection)
                    .await?
            });
            let mut found = found.into_iter().map(InteractionColumns::decode).peekable();
            for row in chunk {
                let mut log = Vec::new();
                // Those in between who did nothing lately are passed over.
                while let Some(interaction) = found.next_if(|next| {
                    next.as_ref().map_or(true, |i| i.viewer.as_ref().is_some_and(|viewer| *viewer <= row.key.viewer))
                }) {
                    let interaction = interaction?;
                    if interaction.viewer.as_ref() == Some(&row.key.viewer) {
                        log.push(interaction);
                    }
                }
                logs.push(ViewerLog { row: row.clone(), log });
            }
        }
        tx.commit().await?;
        Ok(logs)
    }
}
