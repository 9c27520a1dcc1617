//! What people write themselves, and what waits for a person's word.

use afterglow_domain::{
    Control, ControlChange, Decision, DerivedId, Intent, IntentId, IntentStatus, InteractionId, Reason, Timestamp,
    ViewerKey,
};
use serde_json::json;
use uuid::Uuid;

use crate::audit::{Deed, note};
use crate::codec::{from_json, from_name};
use crate::drafts::Draft;
use crate::engine::{on_tx, row};
use crate::intents::{insert, record};
use crate::wall::on_brand;
use crate::{BrandStore, StoreError, consent};

/// An intent that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The intent.
    pub intent: Intent,
    /// The viewer's last known name.
    pub username: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reasons: Vec<Reason>,
    /// What would be said, as it stood when it was held; empty if there was nothing.
    pub text: String,
    /// The machine's draft, if one was asked for.
    pub draft: Option<Draft>,
}

row! {
    struct HeldColumns {
        body: String,
        username: Option<String>,
        updated_ms: i64,
        reasons: Option<String>,
        facts: Option<String>,
        send_text: Option<String>,
        draft_outcome: Option<String>,
        draft_text: Option<String>,
        draft_confidence: Option<i64>,
        draft_detail: Option<String>,
    }
}

const HELD: &str = "SELECT i.body, v.username, i.updated_ms,
        (SELECT d.reasons FROM decision d WHERE d.intent = i.id ORDER BY d.seq DESC LIMIT 1) AS reasons,
        (SELECT d.facts FROM decision d WHERE d.intent = i.id ORDER BY d.seq DESC LIMIT 1) AS facts,
        (SELECT s.text FROM send s WHERE s.intent = i.id) AS send_text,
        dr.outcome AS draft_outcome, dr.text AS draft_text, dr.confidence AS draft_confidence, dr.detail AS draft_detail
    FROM intent i LEFT JOIN viewer v ON v.account = i.account AND v.viewer = i.viewer AND v.brand = i.brand
        LEFT JOIN draft dr ON dr.intent = i.id AND dr.brand = i.brand
    WHERE i.brand = $1 AND i.status = 'held' ORDER BY i.updated_ms, i.id LIMIT $2";

const LIFT: &str =
    "UPDATE intent SET status = 'dropped', updated_ms = $3 WHERE id = $1 AND brand = $2 AND status = 'held'";

/// The text in a decision's facts.
fn said(facts: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Said {
        play: Option<Text>,
    }
    #[derive(serde::Deserialize)]
    struct Text {
        text: String,
    }
    serde_json::from_str::<Said>(facts).ok()?.play.map(|play| play.text)
}

impl BrandStore<'_> {
    /// What waits for a person's word, the oldest first. At most `limit`.
    pub async fn held(&self, limit: u32) -> Result<Vec<Held>, StoreError> {
        let rows: Vec<HeldColumns> = on_brand!(self, |pool| {
            sqlx::query_as(HELD).bind(self.brand.as_str()).bind(i64::from(limit)).fetch_all(pool).await?
        });
        let decode = |row: HeldColumns| {
            let draft = match (row.draft_outcome, row.draft_text, row.draft_detail) {
                (Some(outcome), Some(text), Some(detail)) => Some(Draft {
                    outcome: from_name("draft.outcome", &outcome)?,
                    text,
                    confidence: u8::try_from(row.draft_confidence.unwrap_or(0)).unwrap_or(0),
                    detail,
                }),
                _ => None,
            };
            Ok(Held {
                draft,
                intent: from_json("intent.body", &row.body)?,
                username: row.username,
                since: Timestamp::from_millis(row.updated_ms),
                reasons: row.reasons.map_or_else(|| Ok(Vec::new()), |text| from_json("decision.reasons", &text))?,
                // What was begun to be sent is what was said; else what the gate saw.
                text: row.send_text.or_else(|| said(row.facts.as_deref()?)).unwrap_or_default(),
            })
        };
        rows.into_iter().map(decode).collect()
    }

    /// Hands a person's message to the responder, and the conversation to that person: in one transaction, under the fence,
    /// so that no machine speaks after this returns. `instead` is the held intent that it replaces, if it does. `false` if
    /// that one has its end already: then nothing was done. The same message given twice is one.
    pub async fn write_as_person(
        &self,
        intent: &Intent,
        instead: Option<IntentId>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = intent.viewer_key();
        let by = intent.person.as_ref().map_or("", |message| message.by.as_str());
        let mut tx = self.begin().await?;
        let change = ControlChange {
            brand: self.brand.clone(),
            account: intent.account.clone(),
            viewer: intent.viewer.clone(),
            control: Control::Person,
            reason: None,
            cause: InteractionId::derive(&["written", &intent.id.to_string()]),
            occurred: now,
            received: now,
        };
        consent::take_control(&mut tx, &change, now).await?;
        if let Some(held) = instead
            && !self.lift(&mut tx, held, Reason::PersonAnswered, by, now).await?
        {
            return Ok(false); // the transaction rolls back
        }
        insert(&mut tx, intent, now).await?;
        let deed = Deed { person: by, brand: Some(self.brand), action: "reply", viewer: Some(&key), detail: "" };
        note(&mut tx, &deed, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Says no to what waits for a person's word. `false` if it does not wait any more.
    pub async fn refuse_held(&self, held: &Intent, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        consent::lock_fence(&mut tx, self.brand, &held.account, &held.viewer, now).await?;
        let lifted = self.lift(&mut tx, held.id, Reason::PersonRefused, by, now).await?;
        if lifted {
            let key = held.viewer_key();
            let detail = held.play.as_str();
            let deed = Deed { person: by, brand: Some(self.brand), action: "refuse", viewer: Some(&key), detail };
            note(&mut tx, &deed, now).await?;
            tx.commit().await?;
        }
        Ok(lifted)
    }

    /// Says who leads a conversation from now on: a person, or automation again.
    pub async fn lead(&self, viewer: &ViewerKey, control: Control, by: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let change = ControlChange {
            brand: self.brand.clone(),
            account: viewer.account.clone(),
            viewer: viewer.viewer.clone(),
            control,
            reason: None,
            cause: InteractionId::derive(&["lead", by, &viewer.to_string(), &now.millis().to_string()]),
            occurred: now,
            received: now,
        };
        consent::take_control(&mut tx, &change, now).await?;
        let action = if control.is_handed_over() { "take_over" } else { "give_back" };
        let deed = Deed { person: by, brand: Some(self.brand), action, viewer: Some(viewer), detail: "" };
        note(&mut tx, &deed, now).await?;
        tx.commit().await
    }

    /// One intent of the brand.
    pub async fn intent(&self, id: IntentId) -> Result<Option<Intent>, StoreError> {
        let sql = "SELECT body FROM intent WHERE brand = $1 AND id = $2";
        let body: Option<String> = on_brand!(self, |pool| {
            sqlx::query_scalar(sql).bind(self.brand.as_str()).bind(id.uuid()).fetch_optional(pool).await?
        });
        body.map(|body| from_json("intent.body", &body)).transpose()
    }

    async fn lift(
        &self,
        tx: &mut crate::engine::Tx,
        held: IntentId,
        reason: Reason,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let id: Uuid = held.uuid();
        let lifted = on_tx!(&mut *tx, |connection| {
            let query = sqlx::query(LIFT).bind(id).bind(self.brand.as_str()).bind(now.millis());
            query.execute(connection).await?.rows_affected()
        });
        if lifted == 1 {
            let decision = Decision::drop(vec![reason]);
            record(tx, held, self.brand, &decision, &json!({ "person": by }), None, now).await?;
        }
        Ok(lifted == 1)
    }
}

impl BrandStore<'_> {
    /// Where an intent of the brand stands.
    pub async fn intent_status(&self, id: IntentId) -> Result<Option<IntentStatus>, StoreError> {
        let sql = "SELECT status FROM intent WHERE brand = $1 AND id = $2";
        let status: Option<String> = on_brand!(self, |pool| {
            sqlx::query_scalar(sql).bind(self.brand.as_str()).bind(id.uuid()).fetch_optional(pool).await?
        });
        status.map(|status| from_name("intent.status", &status)).transpose()
    }
}
