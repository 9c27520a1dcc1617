//! What became of sends whose caller told nothing: leases that ran out, and the search for a message in its conversation.

use std::collections::HashSet;

use afterglow_domain::{AccountId, BrandId, Decision, DerivedId as _, IntentId, Reason, SendId, Timestamp, ViewerId};
use serde_json::json;
use uuid::Uuid;

use super::{Finished, SWEEP, SendStatus, already, end_intent, lock_current, mark_sent, release};
use crate::codec::moment;
use crate::engine::{Sql, Texts, on_read, on_tx, row};
use crate::intents::record;
use crate::{Store, StoreError};

/// What the reconciler found in the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The message is there.
    Found {
        /// Meta's message id.
        message_id: String,
    },
    /// The message cannot be found. A person decides; the send stays unknown and is never repeated.
    NotFound,
}

/// A send whose fate is to be found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSend {
    /// The send.
    pub send: SendId,
    /// Its intent.
    pub intent: IntentId,
    /// Whose account.
    pub brand: BrandId,
    /// Which account spoke.
    pub account: AccountId,
    /// To whom.
    pub viewer: ViewerId,
    /// What may have been said.
    pub text: String,
    /// When the call began.
    pub started: Option<Timestamp>,
}

/// What [`Store::expire_leases`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Reservations withdrawn; their intents wait to be judged again.
    pub released: u64,
    /// Sends whose caller vanished: now unknown.
    pub unknown: u64,
}

// As in `reservation`: word for word, or SQLite reads everything that was ever sent.
const EXPIRE: Sql = Sql {
    postgres: "UPDATE send SET status = 'unknown', error = 'the lease ran out' WHERE id IN
            (SELECT id FROM send WHERE status = 'sending' AND lease_until_ms <= $1
             ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)",
    sqlite: "UPDATE send SET status = 'unknown', error = 'the lease ran out' WHERE id IN
            (SELECT id FROM send WHERE status IN ('reserved', 'sending', 'unknown') AND status = 'sending'
                AND lease_until_ms <= $1 ORDER BY id LIMIT $2)",
};

const UNKNOWNS: &str = "SELECT s.id, s.intent, s.brand, s.account, s.viewer, s.text, s.started_ms
    FROM send s JOIN intent i ON i.id = s.intent
    WHERE s.status = 'unknown' AND i.status = 'sending' ORDER BY s.lease_until_ms, s.id LIMIT $1";

const RIVALS: &str = "SELECT COUNT(*) FROM send
    WHERE account = $1 AND viewer = $2 AND text = $3 AND id <> $4 AND started_ms >= $5
        AND (status IN ('sending', 'unknown') OR status = 'sent' AND meta_message_id IS NULL)";

const OPEN_OF: &str = "SELECT DISTINCT viewer FROM send
    WHERE account = $1 AND (status IN ('reserved', 'sending', 'unknown') OR status = 'sent' AND meta_message_id IS NULL)";

const CLAIMED: Sql = Sql {
    postgres: "SELECT meta_message_id FROM send WHERE meta_message_id = ANY($1)",
    sqlite: "SELECT meta_message_id FROM send WHERE meta_message_id IN (SELECT value FROM json_each($1))",
};

row! {
    struct UnknownColumns {
        id: Uuid,
        intent: Uuid,
        brand: String,
        account: String,
        viewer: String,
        text: String,
        started_ms: Option<i64>,
    }
}

impl Store {
    /// Withdraws reservations that nobody started in time, and marks sends as unknown whose caller vanished. Run it
    /// regularly, from any number of processes.
    pub async fn expire_leases(&self, now: Timestamp) -> Result<Expired, StoreError> {
        let mut tx = self.engine.begin().await?;
        let released = release(&mut tx, now).await?;
        let sql = tx.sql(&EXPIRE);
        let unknown = on_tx!(&mut tx, |connection| {
            sqlx::query(sql).bind(now.millis()).bind(SWEEP).execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(Expired { released, unknown })
    }

    /// Sends whose fate is to be found out, oldest first; without those that were handed to a person already.
    pub async fn unknown_sends(&self, limit: u32) -> Result<Vec<UnknownSend>, StoreError> {
        let rows: Vec<UnknownColumns> =
            on_read!(&self.engine, |pool| { sqlx::query_as(UNKNOWNS).bind(i64::from(limit)).fetch_all(pool).await? });
        let decode = |row: UnknownColumns| UnknownSend {
            send: SendId::from_uuid(row.id),
            intent: IntentId::from_uuid(row.intent),
            brand: BrandId::new(row.brand),
            account: AccountId::new(row.account),
            viewer: ViewerId::new(row.viewer),
            text: row.text,
            started: moment(row.started_ms),
        };
        Ok(rows.into_iter().map(decode).collect())
    }

    /// Viewers of an account to whom a message may be on its way, or went out without our knowing its id.
    pub async fn open_sends_of(&self, account: &AccountId) -> Result<HashSet<String>, StoreError> {
        let open: Vec<(String,)> =
            on_read!(&self.engine, |pool| { sqlx::query_as(OPEN_OF).bind(account.as_str()).fetch_all(pool).await? });
        Ok(open.into_iter().map(|(viewer,)| viewer).collect())
    }

    /// How many other sends to the same person with the same words, begun since `since`, may be the owners of a message that
    /// says these words: as long as there are any, one message proves nothing of either.
    pub async fn rival_sends(&self, send: &UnknownSend, since: Timestamp) -> Result<u64, StoreError> {
        let (rivals,): (i64,) = on_read!(&self.engine, |pool| {
            sqlx::query_as(RIVALS)
                .bind(send.account.as_str())
                .bind(send.viewer.as_str())
                .bind(send.text.as_str())
                .bind(send.send.uuid())
                .bind(since.millis())
                .fetch_one(pool)
                .await?
        });
        Ok(rivals.unsigned_abs())
    }

    /// Which of Meta's message ids belong to a send already: such a message is nobody else's.
    pub async fn claimed_messages(&self, message_ids: Vec<String>) -> Result<HashSet<String>, StoreError> {
        let sql = self.engine.sql(&CLAIMED);
        let claimed: Vec<(String,)> =
            on_read!(&self.engine, |pool| { sqlx::query_as(sql).bind(Texts(message_ids)).fetch_all(pool).await? });
        Ok(claimed.into_iter().map(|(id,)| id).collect())
    }

    /// Ends the search for a send's fate. `NotFound` hands the intent to a person and leaves the send unknown, so that
    /// neither it nor another answer to the same interaction goes out by itself.
    pub async fn resolve_unknown(
        &self,
        send: SendId,
        resolution: &Resolution,
        now: Timestamp,
    ) -> Result<Finished, StoreError> {
        let mut tx = self.engine.begin().await?;
        let Some(current) = lock_current(&mut tx, send).await? else { return Ok(Finished::Gone) };
        let status = current.status()?;
        if status != SendStatus::Unknown {
            return Ok(Finished::Already(status));
        }
        let done = match resolution {
            Resolution::Found { message_id } => {
                mark_sent(&mut tx, send, current.intent, Some(message_id), None, now).await?
            }
            Resolution::NotFound => {
                end_intent(&mut tx, current.intent, "held", None, now).await?;
                let decision = Decision::hold(vec![Reason::FateUnknown]);
                let facts = json!({ "send": send, "resolution": "not_found" });
                let intent = IntentId::from_uuid(current.intent);
                record(&mut tx, intent, &BrandId::new(current.brand), &decision, &facts, None, now).await?;
                true
            }
        };
        if !done {
            return already(&mut tx, send).await;
        }
        tx.commit().await?;
        Ok(Finished::Done)
    }
}
