//! The call to Meta: whether it may begin, and what it came to.

use afterglow_domain::{BrandId, Decision, DerivedId as _, IntentId, Reason, SendId, Timestamp};
use serde_json::json;

use super::reservation::withdraw_intent;
use super::{Current, Finished, SendStatus, already, current, end_intent, locked, mark_sent};
use crate::engine::{Engine, Tx, on_tx, storable};
use crate::intents::record;
use crate::{Reservation, Store, StoreError, consent, kill_switches};

/// The answer to "may I call Meta now?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Yes, once, and now.
    Go,
    /// No: an opt-out, a hand-over or time has overtaken the decision. The intent waits to be judged again.
    Fenced,
    /// No: the send is in other hands, or has ended.
    Gone,
}

/// What the call to Meta came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// Meta took it.
    Sent {
        /// Meta's message id.
        message_id: String,
    },
    /// Meta refused for good; nothing went out. The intent is dropped.
    Failed {
        /// Meta's error code.
        code: Option<i64>,
        /// Meta's error subcode.
        subcode: Option<i64>,
        /// Meta's words, without secrets.
        text: String,
        /// The reason under which the intent is dropped.
        reason: Reason,
    },
    /// Meta refused for now; nothing went out. The intent is judged again at `due`.
    RetryAt {
        /// When.
        due: Timestamp,
        /// The reason under which it waits.
        reason: Reason,
    },
    /// It may have gone out. Waits for the echo or the reconciler.
    Unknown {
        /// What happened, without secrets.
        error: String,
    },
}

const START: &str = "UPDATE send SET status = 'sending', started_ms = $2, lease_until_ms = $3
    WHERE id = $1 AND status = 'reserved' AND attempt = $4";

/// That a send under way went out: fence, send and intent in one statement, which is a transaction of its own whose commit does not
/// wait for the disk (see [`crate::engine::Engine::begin_forgettable`]). It changes nothing of a send that stands elsewhere.
const SENT_AT_ONCE_PG: &str = "WITH fenced AS (
        SELECT s.id, set_config('synchronous_commit', 'off', TRUE) FROM send s
        JOIN consent c ON c.account = s.account AND c.viewer = s.viewer WHERE s.id = $1 FOR UPDATE OF c
    ), moved AS (
        UPDATE send SET status = 'sent', meta_message_id = $2, finished_ms = $3, error_code = NULL, error_subcode = NULL, error = NULL
        FROM fenced WHERE send.id = fenced.id AND send.status IN ('sending', 'unknown') RETURNING send.intent
    )
    UPDATE intent SET status = 'sent', due_ms = NULL, updated_ms = $3 FROM moved WHERE intent.id = moved.intent";

const FAILED: &str =
    "UPDATE send SET status = 'failed', error_code = $2, error_subcode = $3, error = $4, finished_ms = $5
    WHERE id = $1 AND status IN ('sending', 'unknown')";

const REFUSED: &str = "UPDATE send SET status = 'cancelled', finished_ms = $2
    WHERE id = $1 AND status IN ('sending', 'unknown')
        AND EXISTS (SELECT 1 FROM intent i WHERE i.id = send.intent AND i.status = 'sending')";

const UNKNOWN: &str = "UPDATE send SET status = 'unknown', error = $2 WHERE id = $1 AND status = 'sending'";

impl Store {
    /// Asks to begin a reserved send. `Go` is given to one caller once; from then on, until it is finished or `lease_ms`
    /// has passed, the caller may be talking to Meta. The call to Meta must time out well before the lease does.
    pub async fn start_send(
        &self,
        reservation: &Reservation,
        now: Timestamp,
        lease_ms: i64,
    ) -> Result<Start, StoreError> {
        let Reservation { send, brand, account, viewer, attempt, .. } = reservation;
        let mut tx = self.engine.begin().await?;
        let fence = consent::lock_fence(&mut tx, brand, account, viewer, now).await?;
        let Some(current) = current(&mut tx, *send).await? else { return Ok(Start::Gone) };
        if current.attempt != *attempt {
            return Ok(Start::Gone);
        }
        match current.status()? {
            SendStatus::Cancelled => return Ok(Start::Fenced),
            SendStatus::Sending | SendStatus::Sent | SendStatus::Failed | SendStatus::Unknown => {
                return Ok(Start::Gone);
            }
            SendStatus::Reserved => {}
        }
        let silenced = kill_switches::silenced(&mut tx, current.intent).await?;
        if silenced.is_some() || current.epoch != fence.epoch || current.lease_until_ms <= now.millis() {
            withdraw_intent(&mut tx, current.intent, now).await?;
            consent::reopen(&mut tx, vec![current.intent], now).await?;
            tx.commit().await?;
            return Ok(Start::Fenced);
        }
        let started = on_tx!(&mut tx, |connection| {
            sqlx::query(START)
                .bind(send.uuid())
                .bind(now.millis())
                .bind(now.plus(lease_ms).millis())
                .bind(attempt)
                .execute(connection)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        // A sweep takes no fence: it may have withdrawn the reservation since it was read.
        Ok(if started == 1 { Start::Go } else { Start::Fenced })
    }

    /// Reports what a call to Meta came to.
    pub async fn finish_send(
        &self,
        send: SendId,
        outcome: &SendOutcome,
        now: Timestamp,
    ) -> Result<Finished, StoreError> {
        if let (Engine::Postgres(pool), SendOutcome::Sent { message_id }) = (&self.engine, outcome) {
            let query = sqlx::query(SENT_AT_ONCE_PG).bind(send.uuid()).bind(storable(message_id)).bind(now.millis());
            if query.execute(pool).await?.rows_affected() == 1 {
                return Ok(Finished::Done);
            }
        }
        // That it went out is told by its echo too, and looked for when nobody told: nothing is lost if it is forgotten.
        let mut tx = match outcome {
            SendOutcome::Sent { .. } => self.engine.begin_forgettable().await?,
            _ => self.engine.begin().await?,
        };
        // What may change while we wait for the lock is asked for by each statement below.
        let Some(current) = locked(&mut tx, send).await? else { return Ok(Finished::Gone) };
        let done = match outcome {
            SendOutcome::Sent { message_id } => {
                mark_sent(&mut tx, send, current.intent, Some(message_id), None, now).await?
            }
            SendOutcome::Failed { code, subcode, text, reason } => {
                failed(&mut tx, send, &current, (*code, *subcode, text), *reason, now).await?
            }
            SendOutcome::RetryAt { due, reason } => retry_at(&mut tx, send, &current, *due, *reason, now).await?,
            SendOutcome::Unknown { error } => {
                on_tx!(&mut tx, |connection| {
                    let query = sqlx::query(UNKNOWN).bind(send.uuid()).bind(storable(error));
                    query.execute(connection).await?.rows_affected() == 1
                })
            }
        };
        if !done {
            return already(&mut tx, send).await;
        }
        tx.commit().await?;
        Ok(Finished::Done)
    }
}

async fn failed(
    tx: &mut Tx,
    send: SendId,
    current: &Current,
    (code, subcode, text): (Option<i64>, Option<i64>, &str),
    reason: Reason,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = on_tx!(&mut *tx, |connection| {
        sqlx::query(FAILED)
            .bind(send.uuid())
            .bind(code)
            .bind(subcode)
            .bind(storable(text))
            .bind(now.millis())
            .execute(connection)
            .await?
            .rows_affected()
    });
    if changed == 0 {
        return Ok(false);
    }
    end_intent(tx, current.intent, "dropped", None, now).await?;
    let facts = json!({ "send": send, "attempt": current.attempt, "code": code, "subcode": subcode, "error": text });
    let (intent, brand) = (IntentId::from_uuid(current.intent), BrandId::new(current.brand.as_str()));
    record(tx, intent, &brand, &Decision::drop(vec![reason]), &facts, None, now).await?;
    Ok(true)
}

async fn retry_at(
    tx: &mut Tx,
    send: SendId,
    current: &Current,
    due: Timestamp,
    reason: Reason,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = on_tx!(&mut *tx, |connection| {
        sqlx::query(REFUSED).bind(send.uuid()).bind(now.millis()).execute(connection).await?.rows_affected()
    });
    if changed == 0 {
        return Ok(false);
    }
    end_intent(tx, current.intent, "deferred", Some(due), now).await?;
    let facts = json!({ "send": send, "attempt": current.attempt });
    let (intent, brand) = (IntentId::from_uuid(current.intent), BrandId::new(current.brand.as_str()));
    record(tx, intent, &brand, &Decision::defer(due, reason), &facts, None, now).await?;
    Ok(true)
}
