//! The one send of an intent: reserved under the fence, and withdrawn before it began.

use afterglow_domain::{DerivedId as _, Intent, OutboundMessage, Reason, Timestamp};
use uuid::Uuid;

use super::SWEEP;
use crate::codec::to_json;
use crate::engine::{Sql, Tx, on_tx};
use crate::{Case, JudgeTerms, Reservation, StoreError, consent};

const WITHDRAW: &str =
    "UPDATE send SET status = 'cancelled', finished_ms = $2 WHERE intent = $1 AND status = 'reserved'";

const RESERVE_AGAIN: &str = "UPDATE send SET status = $10, text = $2, epoch = $3, attempt = $4,
        lease_until_ms = $5, reserved_ms = $6, quick_replies = $7, snippet = $8, language = $9, started_ms = $11,
        finished_ms = NULL, error_code = NULL, error_subcode = NULL, error = NULL
    WHERE id = $1 AND status = 'cancelled'";

const RESERVE: &str = "INSERT INTO send (id, text, epoch, attempt, lease_until_ms, reserved_ms, quick_replies, snippet,
        language, status, started_ms, intent, brand, account, viewer, cause, play, by_person, step)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
    ON CONFLICT DO NOTHING";

// SQLite looks through an index of some rows only if their condition stands in the statement word for word.
const RELEASE: Sql = Sql {
    postgres: "UPDATE send SET status = 'cancelled', finished_ms = $1 WHERE id IN
            (SELECT id FROM send WHERE status = 'reserved' AND lease_until_ms <= $1
             ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
        RETURNING intent",
    sqlite: "UPDATE send SET status = 'cancelled', finished_ms = $1 WHERE id IN
            (SELECT id FROM send WHERE status IN ('reserved', 'sending', 'unknown') AND status = 'reserved'
                AND lease_until_ms <= $1 ORDER BY id LIMIT $2)
        RETURNING intent",
};

/// Withdraws what is left of an intent's reservation before it is judged anew.
pub(crate) async fn withdraw(tx: &mut Tx, intent: &Intent, now: Timestamp) -> Result<(), StoreError> {
    withdraw_intent(tx, intent.id.uuid(), now).await
}

pub(super) async fn withdraw_intent(tx: &mut Tx, intent: Uuid, now: Timestamp) -> Result<(), StoreError> {
    on_tx!(tx, |connection| {
        sqlx::query(WITHDRAW).bind(intent).bind(now.millis()).execute(connection).await?;
    });
    Ok(())
}

/// Reserves the one send of an intent, or says why it cannot be. `known`: there may be a row of it, that was withdrawn. If the
/// terms say so, the send is started at once.
pub(crate) async fn reserve(
    tx: &mut Tx,
    intent: &Intent,
    message: Option<OutboundMessage>,
    case: &Case,
    known: bool,
    terms: JudgeTerms<'_>,
) -> Result<Result<Reservation, Reason>, StoreError> {
    let Some(message) = message else { return Ok(Err(Reason::BadText)) };
    let buttons = (!message.quick_replies.is_empty()).then(|| to_json("send.quick_replies", &message.quick_replies));
    let buttons = buttons.transpose()?;
    let snippet = message.made_from.as_ref().map(|(snippet, _)| snippet.as_str());
    let language = message.made_from.as_ref().map(|(_, language)| language.code());
    // A comment has one private reply, whoever writes it; in a conversation a person may write more than once.
    if case.facts.answered && (intent.person.is_none() || intent.comment_id.is_some()) {
        return Ok(Err(Reason::AlreadyAnswered));
    }
    if case.echoed {
        return Ok(Err(Reason::AlreadyAnswered));
    }
    let send = intent.send_id();
    let attempt = case.facts.attempts + 1;
    let until = terms.now.plus(terms.lease_ms).millis();
    let (status, started) = if terms.start { ("sending", Some(terms.now.millis())) } else { ("reserved", None) };
    // Under the fence nobody else reserves for this viewer; the unique index stands behind that.
    let reserved = on_tx!(tx, |connection| {
        macro_rules! reserving {
            ($sql:expr) => {
                sqlx::query($sql)
                    .bind(send.uuid())
                    .bind(&message.text)
                    .bind(case.facts.epoch)
                    .bind(attempt)
                    .bind(until)
                    .bind(terms.now.millis())
                    .bind(&buttons)
                    .bind(snippet)
                    .bind(language)
                    .bind(status)
                    .bind(started)
            };
        }
        if known && reserving!(RESERVE_AGAIN).execute(&mut *connection).await?.rows_affected() == 1 {
            1
        } else {
            reserving!(RESERVE)
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
