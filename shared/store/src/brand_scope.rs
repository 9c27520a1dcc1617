//! What a brand's console and API may read. Every query here names the brand; there is no other way to them.

use afterglow_domain::{
    AccountId, BrandId, Consent, Decision, DerivedId, Intent, IntentId, Interaction, InteractionId, Kind, PlayId,
    SendId, Timestamp, ViewerId, ViewerKey,
};
use uuid::Uuid;

use crate::codec::{InteractionColumns, consent, from_json, from_name, moment};
use crate::engine::{Sql, Texts, row};
use crate::viewers::{ViewerColumns, ViewerRow};
use crate::wall::on_brand;
use crate::{SendStatus, Store, StoreError};

/// The store as one brand sees it.
#[derive(Debug, Clone, Copy)]
pub struct BrandStore<'a> {
    pub(crate) store: &'a Store,
    pub(crate) brand: &'a BrandId,
}

/// A decision with what it was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRecord {
    /// Its place in the order of decisions.
    pub seq: i64,
    /// When it was made.
    pub at: Timestamp,
    /// The intent judged.
    pub intent: IntentId,
    /// Which account would speak.
    pub account: AccountId,
    /// To whom.
    pub viewer: ViewerId,
    /// Their last known name.
    pub username: Option<String>,
    /// What would be said.
    pub play: PlayId,
    /// The interaction answered.
    pub cause: InteractionId,
    /// Its kind.
    pub cause_kind: Kind,
    /// The verdict, with its reasons.
    pub decision: Decision,
    /// What the policy saw, as JSON.
    pub facts: String,
    /// Which policy decided.
    pub policy_version: String,
    /// The intent's send, if one was ever reserved: its id, where it stands now, and its text.
    pub send: Option<(SendId, SendStatus, String)>,
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
    struct DecisionColumns {
        seq: i64,
        at_ms: i64,
        intent: Uuid,
        account: String,
        viewer: String,
        username: Option<String>,
        play: String,
        cause: Uuid,
        cause_kind: String,
        verdict: String,
        until_ms: Option<i64>,
        reasons: String,
        facts: String,
        policy_version: String,
        send_id: Option<Uuid>,
        send_status: Option<String>,
        send_text: Option<String>,
    }
}

row! {
    struct ConsentColumns {
        clear_state: Option<String>,
        clear_ms: Option<i64>,
        ambiguous_ms: Option<i64>,
        handed_over: bool,
    }
}

impl DecisionColumns {
    fn decode(self) -> Result<DecisionRecord, StoreError> {
        let send = match (self.send_id, self.send_status, self.send_text) {
            (Some(id), Some(status), Some(text)) => {
                Some((SendId::from_uuid(id), from_name("send.status", &status)?, text))
            }
            _ => None,
        };
        Ok(DecisionRecord {
            seq: self.seq,
            at: Timestamp::from_millis(self.at_ms),
            intent: IntentId::from_uuid(self.intent),
            account: AccountId::new(self.account),
            viewer: ViewerId::new(self.viewer),
            username: self.username,
            play: PlayId::new(self.play),
            cause: InteractionId::from_uuid(self.cause),
            cause_kind: from_name("intent.cause_kind", &self.cause_kind)?,
            decision: Decision {
                verdict: from_name("decision.verdict", &self.verdict)?,
                until: moment(self.until_ms),
                reasons: from_json("decision.reasons", &self.reasons)?,
            },
            facts: self.facts,
            policy_version: self.policy_version,
            send,
        })
    }
}

/// Decisions of a brand, with a condition.
macro_rules! decisions {
    ($condition:literal) => {
        concat!(
            "SELECT d.seq, d.at_ms, d.intent, i.account, i.viewer, v.username, i.play, i.cause, i.cause_kind, d.verdict,
                d.until_ms, d.reasons, d.facts, d.policy_version,
                s.id AS send_id, s.status AS send_status, s.text AS send_text
            FROM decision d
            JOIN intent i ON i.id = d.intent AND i.brand = d.brand
            LEFT JOIN viewer v ON v.account = i.account AND v.viewer = i.viewer AND v.brand = d.brand
            LEFT JOIN send s ON s.intent = i.id AND s.brand = d.brand
            WHERE d.brand = $1 ",
            $condition,
            " ORDER BY d.seq DESC LIMIT $2"
        )
    };
}

const ONE: &str = decisions!("AND d.seq = $3");
const RECENT: &str = decisions!("");
const BEFORE: &str = decisions!("AND d.seq < $3");
const OF_VIEWER: &str = decisions!("AND i.account = $3 AND i.viewer = $4");

const TRIAGE: &str = "SELECT account, viewer, brand, username, state, segment, score_rank, last_contact_ms,
        first_seen_ms, last_seen_ms, needs_reply_since_ms, rules_version, tags, due_ms, triage_ms, review_ms
    FROM viewer WHERE brand = $1 AND state IS NOT NULL
    ORDER BY segment, score_rank DESC, account, viewer LIMIT $2";

const VIEWER: &str = "SELECT account, viewer, brand, username, state, segment, score_rank, last_contact_ms,
        first_seen_ms, last_seen_ms, needs_reply_since_ms, rules_version, tags, due_ms, triage_ms, review_ms
    FROM viewer WHERE brand = $1 AND account = $2 AND viewer = $3";

const CONSENT: &str = "SELECT clear_state, clear_ms, ambiguous_ms, handed_over
    FROM consent WHERE brand = $1 AND account = $2 AND viewer = $3";

const INTERACTIONS: &str = "SELECT id, brand, account, viewer, username, channel, source, occurred_ms, received_ms,
        standby, body, raw,
        (SELECT k.key FROM viewer_key k
            WHERE k.account = interaction.account AND k.viewer = interaction.viewer) AS raw_key
    FROM interaction WHERE brand = $1 AND account = $2 AND viewer = $3
    ORDER BY occurred_ms DESC, id DESC LIMIT $4";

const BETWEEN: &str = "SELECT id, brand, account, viewer, username, channel, source, occurred_ms, received_ms,
        standby, body, raw,
        (SELECT k.key FROM viewer_key k
            WHERE k.account = interaction.account AND k.viewer = interaction.viewer) AS raw_key
    FROM interaction WHERE brand = $1 AND occurred_ms >= $2 AND occurred_ms < $3 ORDER BY occurred_ms, id";

const PAGE: &str = "SELECT id, brand, account, viewer, username, channel, source, occurred_ms, received_ms,
        standby, body, raw,
        (SELECT k.key FROM viewer_key k
            WHERE k.account = interaction.account AND k.viewer = interaction.viewer) AS raw_key
    FROM interaction WHERE brand = $1 AND occurred_ms >= $2 AND occurred_ms < $3 AND (occurred_ms > $2 OR id > $4)
    ORDER BY occurred_ms, id LIMIT $5";

const INSIGHTS_BETWEEN: &str = "SELECT id, brand, account, viewer, username, channel, source, occurred_ms, received_ms,
        standby, body, raw,
        (SELECT k.key FROM viewer_key k
            WHERE k.account = interaction.account AND k.viewer = interaction.viewer) AS raw_key
    FROM interaction WHERE brand = $1 AND kind = 'story_insights' AND occurred_ms >= $2 AND occurred_ms < $3
    ORDER BY occurred_ms, id";

const SENT_BETWEEN: &str = "SELECT account, viewer, COALESCE(started_ms, reserved_ms) AS at_ms
    FROM send WHERE brand = $1 AND status = 'sent' AND started_ms >= $2 AND started_ms < $3 ORDER BY started_ms";

const NAMED: Sql = Sql {
    postgres: "SELECT viewer, username, last_seen_ms FROM viewer
        WHERE brand = $1 AND account = $2 AND username = ANY($3)",
    sqlite: "SELECT viewer, username, last_seen_ms FROM viewer
        WHERE brand = $1 AND account = $2 AND username IN (SELECT value FROM json_each($3))",
};

row! {
    struct SentColumns { account: String, viewer: String, at_ms: i64 }
}

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

    /// The latest decisions, latest first. At most `limit`.
    pub async fn recent_decisions(&self, limit: u32) -> Result<Vec<DecisionRecord>, StoreError> {
        let rows: Vec<DecisionColumns> = on_brand!(self, |pool| {
            sqlx::query_as(RECENT).bind(self.brand.as_str()).bind(i64::from(limit)).fetch_all(pool).await?
        });
        rows.into_iter().map(DecisionColumns::decode).collect()
    }

    /// At most `limit` decisions that were made before the one of this number, the latest first.
    pub async fn decisions_before(&self, seq: i64, limit: u32) -> Result<Vec<DecisionRecord>, StoreError> {
        let rows: Vec<DecisionColumns> = on_brand!(self, |pool| {
            sqlx::query_as(BEFORE).bind(self.brand.as_str()).bind(i64::from(limit)).bind(seq).fetch_all(pool).await?
        });
        rows.into_iter().map(DecisionColumns::decode).collect()
    }

    /// One decision by its number, with the intent that it judged.
    pub async fn decision(&self, seq: i64) -> Result<Option<(DecisionRecord, Intent)>, StoreError> {
        let row: Option<DecisionColumns> = on_brand!(self, |pool| {
            sqlx::query_as(ONE).bind(self.brand.as_str()).bind(1_i64).bind(seq).fetch_optional(pool).await?
        });
        let Some(record) = row.map(DecisionColumns::decode).transpose()? else { return Ok(None) };
        let sql = "SELECT body FROM intent WHERE brand = $1 AND id = $2";
        let (body,): (String,) = on_brand!(self, |pool| {
            sqlx::query_as(sql).bind(self.brand.as_str()).bind(record.intent.uuid()).fetch_one(pool).await?
        });
        Ok(Some((record, from_json("intent.body", &body)?)))
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

    /// What happened with one viewer, latest first. At most `limit`.
    pub async fn interactions(&self, key: &ViewerKey, limit: u32) -> Result<Vec<Interaction>, StoreError> {
        let rows: Vec<InteractionColumns> = on_brand!(self, |pool| {
            sqlx::query_as(INTERACTIONS)
                .bind(self.brand.as_str())
                .bind(key.account.as_str())
                .bind(key.viewer.as_str())
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(InteractionColumns::decode).collect()
    }

    /// What was decided about one viewer, latest first. At most `limit`.
    pub async fn decisions_of(&self, key: &ViewerKey, limit: u32) -> Result<Vec<DecisionRecord>, StoreError> {
        let rows: Vec<DecisionColumns> = on_brand!(self, |pool| {
            sqlx::query_as(OF_VIEWER)
                .bind(self.brand.as_str())
                .bind(i64::from(limit))
                .bind(key.account.as_str())
                .bind(key.viewer.as_str())
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(DecisionColumns::decode).collect()
    }

    /// What happened from `from` on and before `until`, in order.
    pub async fn interactions_between(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Interaction>, StoreError> {
        let rows: Vec<InteractionColumns> = on_brand!(self, |pool| {
            sqlx::query_as(BETWEEN)
                .bind(self.brand.as_str())
                .bind(from.millis())
                .bind(until.millis())
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(InteractionColumns::decode).collect()
    }

    /// What happened behind a place in the log, by moment and then by id, and before `until`, in order. At most `limit`.
    pub async fn interactions_after(
        &self,
        (at, id): (Timestamp, InteractionId),
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Interaction>, StoreError> {
        let rows: Vec<InteractionColumns> = on_brand!(self, |pool| {
            sqlx::query_as(PAGE)
                .bind(self.brand.as_str())
                .bind(at.millis())
                .bind(until.millis())
                .bind(id.uuid())
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(InteractionColumns::decode).collect()
    }

    /// Figures of Stories, polled and pushed, from `from` on and before `until`, in order.
    pub async fn story_insights_between(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Interaction>, StoreError> {
        let rows: Vec<InteractionColumns> = on_brand!(self, |pool| {
            sqlx::query_as(INSIGHTS_BETWEEN)
                .bind(self.brand.as_str())
                .bind(from.millis())
                .bind(until.millis())
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(InteractionColumns::decode).collect()
    }

    /// Messages that went out from `from` on and before `until`: to whom, and when their call began.
    pub async fn sent_between(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<(ViewerKey, Timestamp)>, StoreError> {
        let rows: Vec<SentColumns> = on_brand!(self, |pool| {
            sqlx::query_as(SENT_BETWEEN)
                .bind(self.brand.as_str())
                .bind(from.millis())
                .bind(until.millis())
                .fetch_all(pool)
                .await?
        });
        let decode = |row: SentColumns| {
            let key = ViewerKey { account: AccountId::new(row.account), viewer: ViewerId::new(row.viewer) };
            (key, Timestamp::from_millis(row.at_ms))
        };
        Ok(rows.into_iter().map(decode).collect())
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
