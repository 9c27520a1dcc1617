//! A brand's ledger of decisions, as people read it.

use afterglow_domain::{
    AccountId, Decision, DerivedId as _, Intent, IntentId, InteractionId, Kind, PlayId, SendId, Timestamp, ViewerId,
    ViewerKey,
};
use uuid::Uuid;

use crate::codec::{from_json, from_name, moment};
use crate::engine::row;
use crate::wall::on_brand;
use crate::{BrandStore, SendStatus, StoreError};

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

impl BrandStore<'_> {
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
}
