//! The store as one brand sees it, and its viewers. Every query of a [`BrandStore`] names the brand; there is no other way
//! to what its console and API may read.

use afterglow_domain::{AccountId, BrandId, Consent, Interaction, Timestamp, ViewerId, ViewerKey};

use crate::codec::consent;
use crate::engine::{Sql, Texts, row};
use crate::viewers::{ViewerColumns, ViewerRow};
use crate::wall::on_brand;
use crate::{DecisionRecord, Store, StoreError};

/// The store as one brand sees it.
#[derive(Debug, Clone, Copy)]
pub struct BrandStore<'a> {
    pub(crate) store: &'a Store,
    pub(crate) brand: &'a BrandId,
}

/// Everything about one viewer.
#[derive(Debug, Clone)]
pub struct ViewerDetail {
    /// Their state.
    pub row: ViewerRow,
    /// What they said about being written to.
    pub consent: Consent,
    /// A person or another app has the conversation.
    pub handed_over: bool,
    /// What happened, latest first.
    pub interactions: Vec<Interaction>,
    /// What was decided, latest first.
    pub decisions: Vec<DecisionRecord>,
}

row! {
    struct ConsentColumns {
        clear_state: Option<String>,
        clear_ms: Option<i64>,
        ambiguous_ms: Option<i64>,
        handed_over: bool,
    }
}

const TRIAGE: &str = "SELECT account, viewer, brand, username, state, segment, score_rank, last_contact_ms,
        first_seen_ms, last_seen_ms, needs_reply_since_ms, rules_version, tags, due_ms, triage_ms, review_ms
    FROM viewer WHERE brand = $1 AND state IS NOT NULL
    ORDER BY segment, score_rank DESC, account, viewer LIMIT $2";

const VIEWER: &str = "SELECT account, viewer, brand, username, state, segment, score_rank, last_contact_ms,
        first_seen_ms, last_seen_ms, needs_reply_since_ms, rules_version, tags, due_ms, triage_ms, review_ms
    FROM viewer WHERE brand = $1 AND account = $2 AND viewer = $3";

const CONSENT: &str = "SELECT clear_state, clear_ms, ambiguous_ms, handed_over
    FROM consent WHERE brand = $1 AND account = $2 AND viewer = $3";

const NAMED: Sql = Sql {
    postgres: "SELECT viewer, username, last_seen_ms FROM viewer
        WHERE brand = $1 AND account = $2 AND username = ANY($3)",
    sqlite: "SELECT viewer, username, last_seen_ms FROM viewer
        WHERE brand = $1 AND account = $2 AND username IN (SELECT value FROM json_each($3))",
};

row! {
    struct NamedColumns { viewer: String, username: String, last_seen_ms: i64 }
}

impl Store {
    /// The store as one brand sees it: the only way to its viewers, interactions and decisions.
    pub fn brand<'a>(&'a self, brand: &'a BrandId) -> BrandStore<'a> {
        BrandStore { store: self, brand }
    }
}

impl BrandStore<'_> {
    /// The queue of viewers to attend to: hottest segment first, then by score. At most `limit`.
    pub async fn triage(&self, limit: u32) -> Result<Vec<ViewerRow>, StoreError> {
        let rows: Vec<ViewerColumns> = on_brand!(self, |pool| {
            sqlx::query_as(TRIAGE).bind(self.brand.as_str()).bind(i64::from(limit)).fetch_all(pool).await?
        });
        rows.into_iter().filter_map(|row| row.decode().transpose()).collect()
    }

    /// One viewer with at most `limit` interactions and decisions; `None` if the brand has no such viewer.
    pub async fn viewer(&self, key: &ViewerKey, limit: u32) -> Result<Option<ViewerDetail>, StoreError> {
        let row: Option<ViewerColumns> = on_brand!(self, |pool| {
            sqlx::query_as(VIEWER)
                .bind(self.brand.as_str())
                .bind(key.account.as_str())
                .bind(key.viewer.as_str())
                .fetch_optional(pool)
                .await?
        });
        let Some(row) = row.map(ViewerColumns::decode).transpose()?.flatten() else { return Ok(None) };
        let fence: Option<ConsentColumns> = on_brand!(self, |pool| {
            sqlx::query_as(CONSENT)
                .bind(self.brand.as_str())
                .bind(key.account.as_str())
                .bind(key.viewer.as_str())
                .fetch_optional(pool)
                .await?
        });
        let (consent, handed_over) = match fence {
            Some(f) => (consent(f.clear_state.as_deref(), f.clear_ms, f.ambiguous_ms)?, f.handed_over),
            None => (Consent::default(), false),
        };
        let interactions = self.interactions(key, limit).await?;
        let decisions = self.decisions_of(key, limit).await?;
        Ok(Some(ViewerDetail { row, consent, handed_over, interactions, decisions }))
    }

    /// Viewers of one account by the name last heard of them, with the time of their latest interaction. A name may have
    /// moved from one person to another: several may bear it.
    pub async fn viewers_named(
        &self,
        account: &AccountId,
        usernames: Vec<String>,
    ) -> Result<Vec<(String, ViewerId, Timestamp)>, StoreError> {
        let sql = self.store.engine.sql(&NAMED);
        let rows: Vec<NamedColumns> = on_brand!(self, |pool| {
            sqlx::query_as(sql)
                .bind(self.brand.as_str())
                .bind(account.as_str())
                .bind(Texts(usernames))
                .fetch_all(pool)
                .await?
        });
        let decode =
            |row: NamedColumns| (row.username, ViewerId::new(row.viewer), Timestamp::from_millis(row.last_seen_ms));
        Ok(rows.into_iter().map(decode).collect())
    }
}
