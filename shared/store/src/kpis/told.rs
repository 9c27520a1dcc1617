//! What of a viewer is counted that no interaction tells.

use afterglow_domain::{AccountId, Timestamp, ViewerId, ViewerKey};

use crate::engine::row;
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

const WRITTEN: &str = "SELECT started_ms, play, snippet, by_person, status, error_code, error_subcode FROM send
    WHERE brand = $1 AND account = $2 AND viewer = $3 AND started_ms IS NOT NULL AND status IN ('sent', 'failed')
    ORDER BY started_ms, id";
const STOPS: &str = "SELECT occurred_ms FROM consent_log
    WHERE brand = $1 AND account = $2 AND viewer = $3 AND state = 'opted_out' ORDER BY occurred_ms";

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
}
