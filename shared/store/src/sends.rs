//! A send's life: reserved, sending, then sent, failed or unknown.
//!
//! ```text
//! reserved ─▶ sending ─▶ unknown ─▶ failed ─▶ sent
//!     ╰──▶ cancelled (may be reserved again)
//! ```
//! A status moves to the right only: what is learnt later and better wins (an echo proves that a message went out,
//! whatever a time-out made us believe). Only a definite refusal with leave to retry goes from `sending` or `unknown`
//! back to `cancelled`: then nothing went out. Every status is changed by a statement that names the statuses it may be
//! changed from.

use std::collections::HashSet;

use afterglow_domain::{
    AccountId, BrandId, Decision, DerivedId, Facts, Intent, IntentId, OutboundMessage, PlayId, Reason, SendId,
    Timestamp, ViewerId, ViewerKey,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::codec::{from_name, moment, to_json};
use crate::engine::{Sql, Texts, Tx, on_read, on_tx, row, storable};
use crate::intents::record;
use crate::{JudgeTerms, Reservation, Store, StoreError, consent, kill_switches};

/// Where a send stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendStatus {
    /// Decided, not begun.
    Reserved,
    /// A caller may be talking to Meta.
    Sending,
    /// Meta took the message.
    Sent,
    /// Meta refused for good.
    Failed,
    /// Whether it went out is not known. Never sent again.
    Unknown,
    /// Withdrawn before it began, or refused for now.
    Cancelled,
}

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

/// What became of a report on a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// It is stored.
    Done,
    /// Something better was known already: the send stays as it is.
    Already(SendStatus),
    /// There is no such send.
    Gone,
}

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

/// How many rows one sweep touches at most.
const SWEEP: i64 = 1_000;

const WITHDRAW: &str =
    "UPDATE send SET status = 'cancelled', finished_ms = $2 WHERE intent = $1 AND status = 'reserved'";

const RESERVE_AGAIN: &str = "UPDATE send SET status = 'reserved', text = $2, epoch = $3, attempt = $4,
        lease_until_ms = $5, reserved_ms = $6, quick_replies = $7, snippet = $8, language = $9, started_ms = NULL,
        finished_ms = NULL, error_code = NULL, error_subcode = NULL, error = NULL
    WHERE id = $1 AND status = 'cancelled'";

const RESERVE: &str = "INSERT INTO send (id, text, epoch, attempt, lease_until_ms, reserved_ms, quick_replies, snippet,
        language, intent, brand, account, viewer, cause, play, by_person, step, status)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 'reserved')
    ON CONFLICT DO NOTHING";

/// An echo that names the send is in the log: it went out, whatever became of its row. (A database that was restored to an
/// earlier moment has lost the row; the log was filled again since.)
const ECHOED: Sql = Sql {
    postgres: "SELECT COUNT(*) FROM (SELECT 1 FROM interaction WHERE account = $1 AND viewer = $2
            AND kind = 'message_sent' AND occurred_ms >= $3 AND position($4 IN body) > 0 LIMIT 1) AS echo",
    sqlite: "SELECT COUNT(*) FROM (SELECT 1 FROM interaction WHERE account = $1 AND viewer = $2
            AND kind = 'message_sent' AND occurred_ms >= $3 AND instr(body, $4) > 0 LIMIT 1) AS echo",
};
/// How much earlier than its cause an answer may seem by Meta's clock.
const SKEW_MS: i64 = 600_000;

const CURRENT: &str = "SELECT intent, brand, account, viewer, play, status, epoch, attempt, lease_until_ms
    FROM send WHERE id = $1";

const START: &str = "UPDATE send SET status = 'sending', started_ms = $2, lease_until_ms = $3
    WHERE id = $1 AND status = 'reserved' AND attempt = $4";

/// A send that was given up may prove to have gone out; but not beside another answer to the same interaction, which
/// the schema forbids.
const SENT: &str = "UPDATE send SET status = 'sent', meta_message_id = COALESCE($2, meta_message_id), finished_ms = $3,
        confirmed_ms = COALESCE($4, confirmed_ms), error_code = NULL, error_subcode = NULL, error = NULL
    WHERE id = $1 AND (status IN ('reserved', 'sending', 'unknown') OR status IN ('failed', 'cancelled')
        AND (send.by_person IS NOT NULL
        OR NOT EXISTS (SELECT 1 FROM send o WHERE o.account = send.account AND o.cause = send.cause AND o.step = send.step
            AND o.by_person IS NULL AND o.id <> send.id AND o.status IN ('reserved', 'sending', 'sent', 'unknown'))))";

const CONFIRM: &str =
    "UPDATE send SET meta_message_id = COALESCE(meta_message_id, $2), confirmed_ms = COALESCE(confirmed_ms, $3)
    WHERE id = $1";

const FAILED: &str =
    "UPDATE send SET status = 'failed', error_code = $2, error_subcode = $3, error = $4, finished_ms = $5
    WHERE id = $1 AND status IN ('sending', 'unknown')";

const REFUSED: &str = "UPDATE send SET status = 'cancelled', finished_ms = $2
    WHERE id = $1 AND status IN ('sending', 'unknown')
        AND EXISTS (SELECT 1 FROM intent i WHERE i.id = send.intent AND i.status = 'sending')";

const UNKNOWN: &str = "UPDATE send SET status = 'unknown', error = $2 WHERE id = $1 AND status = 'sending'";

/// Moves an intent from `sending`, or from `held` (which then was for its unknown fate).
const END_INTENT: &str = "UPDATE intent SET status = $2, due_ms = $3, updated_ms = $4
    WHERE id = $1 AND status IN ('sending', 'held')";

/// What went out went out, whatever the intent was thought to be.
const INTENT_SENT: &str = "UPDATE intent SET status = 'sent', due_ms = NULL, updated_ms = $2 WHERE id = $1";

const RELEASE: Sql = Sql {
    postgres: "UPDATE send SET status = 'cancelled', finished_ms = $1 WHERE id IN
            (SELECT id FROM send WHERE status = 'reserved' AND lease_until_ms <= $1
             ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
        RETURNING intent",
    sqlite: "UPDATE send SET status = 'cancelled', finished_ms = $1 WHERE id IN
            (SELECT id FROM send WHERE status = 'reserved' AND lease_until_ms <= $1 ORDER BY id LIMIT $2)
        RETURNING intent",
};

const EXPIRE: Sql = Sql {
    postgres: "UPDATE send SET status = 'unknown', error = 'the lease ran out' WHERE id IN
            (SELECT id FROM send WHERE status = 'sending' AND lease_until_ms <= $1
             ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)",
    sqlite: "UPDATE send SET status = 'unknown', error = 'the lease ran out' WHERE id IN
            (SELECT id FROM send WHERE status = 'sending' AND lease_until_ms <= $1 ORDER BY id LIMIT $2)",
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
    struct Current {
        intent: Uuid,
        brand: String,
        account: String,
        viewer: String,
        play: String,
        status: String,
        epoch: i64,
        attempt: i64,
        lease_until_ms: i64,
    }
}

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

impl Current {
    fn status(&self) -> Result<SendStatus, StoreError> {
        from_name("send.status", &self.status)
    }
}

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
        let viewer_key = ViewerKey { account: account.clone(), viewer: viewer.clone() };
        let silenced =
            kill_switches::silenced(&mut tx, brand, &viewer_key, &PlayId::new(current.play.as_str())).await?;
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
        let mut tx = self.engine.begin().await?;
        let Some(current) = lock_current(&mut tx, send, now).await? else { return Ok(Finished::Gone) };
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
        let Some(current) = lock_current(&mut tx, send, now).await? else { return Ok(Finished::Gone) };
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

/// Withdraws what is left of an intent's reservation before it is judged anew.
pub(crate) async fn withdraw(tx: &mut Tx, intent: &Intent, now: Timestamp) -> Result<(), StoreError> {
    withdraw_intent(tx, intent.id.uuid(), now).await
}

async fn withdraw_intent(tx: &mut Tx, intent: Uuid, now: Timestamp) -> Result<(), StoreError> {
    on_tx!(tx, |connection| {
        sqlx::query(WITHDRAW).bind(intent).bind(now.millis()).execute(connection).await?;
    });
    Ok(())
}

/// Reserves the one send of an intent, or says why it cannot be.
pub(crate) async fn reserve(
    tx: &mut Tx,
    intent: &Intent,
    message: Option<OutboundMessage>,
    facts: &Facts,
    terms: JudgeTerms<'_>,
) -> Result<Result<Reservation, Reason>, StoreError> {
    let Some(message) = message else { return Ok(Err(Reason::BadText)) };
    let buttons = (!message.quick_replies.is_empty()).then(|| to_json("send.quick_replies", &message.quick_replies));
    let buttons = buttons.transpose()?;
    let snippet = message.made_from.as_ref().map(|(snippet, _)| snippet.as_str());
    let language = message.made_from.as_ref().map(|(_, language)| language.code());
    // A comment has one private reply, whoever writes it; in a conversation a person may write more than once.
    if facts.answered && (intent.person.is_none() || intent.comment_id.is_some()) {
        return Ok(Err(Reason::AlreadyAnswered));
    }
    let send = intent.send_id();
    if is_echoed(tx, intent).await? {
        return Ok(Err(Reason::AlreadyAnswered));
    }
    let attempt = facts.attempts + 1;
    let until = terms.now.plus(terms.lease_ms).millis();
    // Under the fence nobody else reserves for this viewer; the unique index stands behind that.
    let reserved = on_tx!(tx, |connection| {
        let again = sqlx::query(RESERVE_AGAIN)
            .bind(send.uuid())
            .bind(&message.text)
            .bind(facts.epoch)
            .bind(attempt)
            .bind(until)
            .bind(terms.now.millis())
            .bind(&buttons)
            .bind(snippet)
            .bind(language)
            .execute(&mut *connection)
            .await?
            .rows_affected();
        if again == 1 {
            1
        } else {
            sqlx::query(RESERVE)
                .bind(send.uuid())
                .bind(&message.text)
                .bind(facts.epoch)
                .bind(attempt)
                .bind(until)
                .bind(terms.now.millis())
                .bind(&buttons)
                .bind(snippet)
                .bind(language)
                .bind(intent.id.uuid())
                .bind(intent.brand.as_str())
                .bind(intent.account.as_str())
                .bind(intent.viewer.as_str())
                .bind(intent.cause.uuid())
                .bind(intent.play.as_str())
                .bind(intent.person.as_ref().map(|message| message.by.as_str()))
                .bind(i64::from(intent.step))
                .execute(connection)
                .await?
                .rows_affected()
        }
    });
    if reserved == 0 {
        return Ok(Err(Reason::AlreadyAnswered));
    }
    Ok(Ok(Reservation {
        send,
        intent: intent.id,
        brand: intent.brand.clone(),
        account: intent.account.clone(),
        viewer: intent.viewer.clone(),
        message,
        attempt,
    }))
}

async fn is_echoed(tx: &mut Tx, intent: &Intent) -> Result<bool, StoreError> {
    let sql = tx.sql(&ECHOED);
    let (echoes,): (i64,) = on_tx!(tx, |connection| {
        sqlx::query_as(sql)
            .bind(intent.account.as_str())
            .bind(intent.viewer.as_str())
            .bind(intent.cause_occurred.millis().saturating_sub(SKEW_MS))
            .bind(intent.send_id().to_string())
            .fetch_one(connection)
            .await?
    });
    Ok(echoes > 0)
}

/// Withdraws reservations whose lease ran out; their intents wait to be judged again.
pub(crate) async fn release(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    let sql = tx.sql(&RELEASE);
    let intents: Vec<Uuid> = on_tx!(&mut *tx, |connection| {
        sqlx::query_scalar(sql).bind(now.millis()).bind(SWEEP).fetch_all(connection).await?
    });
    let released = intents.len() as u64;
    consent::reopen(tx, intents, now).await?;
    Ok(released)
}

/// Moves a send to `sent`, and its intent with it. `false` if it was sent already, or may not be.
pub(crate) async fn mark_sent(
    tx: &mut Tx,
    send: SendId,
    intent: Uuid,
    message_id: Option<&str>,
    confirmed: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let message_id = message_id.map(storable);
    Ok(on_tx!(tx, |connection| {
        let moved = sqlx::query(SENT)
            .bind(send.uuid())
            .bind(message_id.as_deref())
            .bind(now.millis())
            .bind(confirmed.map(Timestamp::millis))
            .execute(&mut *connection)
            .await?
            .rows_affected();
        if moved == 1 {
            sqlx::query(INTENT_SENT).bind(intent).bind(now.millis()).execute(connection).await?;
        } else {
            sqlx::query(CONFIRM)
                .bind(send.uuid())
                .bind(message_id.as_deref())
                .bind(confirmed.map(Timestamp::millis))
                .execute(connection)
                .await?;
        }
        moved == 1
    }))
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

async fn end_intent(
    tx: &mut Tx,
    intent: Uuid,
    status: &str,
    due: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), StoreError> {
    on_tx!(tx, |connection| {
        sqlx::query(END_INTENT)
            .bind(intent)
            .bind(status)
            .bind(due.map(Timestamp::millis))
            .bind(now.millis())
            .execute(connection)
            .await?;
    });
    Ok(())
}

async fn current(tx: &mut Tx, send: SendId) -> Result<Option<Current>, StoreError> {
    Ok(on_tx!(tx, |connection| sqlx::query_as(CURRENT).bind(send.uuid()).fetch_optional(connection).await?))
}

/// Locks the fence of a send's viewer, and reads the send under it.
async fn lock_current(tx: &mut Tx, send: SendId, now: Timestamp) -> Result<Option<Current>, StoreError> {
    let Some(seen) = current(tx, send).await? else { return Ok(None) };
    let (brand, account) = (BrandId::new(seen.brand), AccountId::new(seen.account));
    consent::lock_fence(tx, &brand, &account, &ViewerId::new(seen.viewer), now).await?;
    current(tx, send).await
}

async fn already(tx: &mut Tx, send: SendId) -> Result<Finished, StoreError> {
    Ok(match current(tx, send).await? {
        Some(current) => Finished::Already(current.status()?),
        None => Finished::Gone,
    })
}
