//! A send's life: reserved, sending, then sent, failed or unknown.
//!
//! ```text
//! reserved ─▶ sending ─▶ unknown ─▶ failed ─▶ sent
//!     ╰──▶ cancelled (may be reserved again)
//! ```
//! A send that starts with its verdict begins as `sending`. A status moves to the right only: what is learnt later and better
//! wins (an echo proves that a message went out,
//! whatever a time-out made us believe). Only a definite refusal with leave to retry goes from `sending` or `unknown`
//! back to `cancelled`: then nothing went out. Every status is changed by a statement that names the statuses it may be
//! changed from.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `reservation` | the one send of an intent: reserved, withdrawn |
//! | `call` | the call to Meta: may it begin, and what it came to |
//! | `fate` | leases that ran out, and sends of which nobody knows whether they went out |

mod call;
mod fate;
mod reservation;

use afterglow_domain::{DerivedId as _, SendId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use call::{SendOutcome, Start};
pub use fate::{Expired, Resolution, UnknownSend};
pub(crate) use reservation::{release, reserve, withdraw};

use crate::StoreError;
use crate::codec::from_name;
use crate::engine::{Ids, Sql, Tx, locking, on_tx, row, storable};

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

/// How many rows one sweep touches at most.
const SWEEP: i64 = 1_000;

const CURRENT: &str = "SELECT intent, brand, status, epoch, attempt, lease_until_ms FROM send WHERE id = $1";

const LOCKED: Sql = locking!(
    "SELECT s.intent, s.brand, s.status, s.epoch, s.attempt, s.lease_until_ms
        FROM send s JOIN consent c ON c.account = s.account AND c.viewer = s.viewer WHERE s.id = $1",
    "FOR UPDATE OF c"
);

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

/// Moves an intent from `sending`, or from `held` (which then was for its unknown fate).
const END_INTENT: &str = "UPDATE intent SET status = $2, due_ms = $3, updated_ms = $4
    WHERE id = $1 AND status IN ('sending', 'held')";

/// Only of sends that are `sent` and stay so: no lock is needed.
const CONFIRM_ALL: Sql = Sql {
    postgres: "UPDATE send SET confirmed_ms = $2 WHERE id = ANY($1) AND confirmed_ms IS NULL",
    sqlite: "UPDATE send SET confirmed_ms = $2
        WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND confirmed_ms IS NULL",
};

/// What went out went out, whatever the intent was thought to be.
const INTENT_SENT: &str = "UPDATE intent SET status = 'sent', due_ms = NULL, updated_ms = $2 WHERE id = $1";

row! {
    struct Current {
        intent: Uuid,
        brand: String,
        status: String,
        epoch: i64,
        attempt: i64,
        lease_until_ms: i64,
    }
}

impl Current {
    fn status(&self) -> Result<SendStatus, StoreError> {
        from_name("send.status", &self.status)
    }
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

/// Notes that sends whose message id is known were echoed.
pub(crate) async fn confirm(tx: &mut Tx, mut sent: Vec<Uuid>, now: Timestamp) -> Result<(), StoreError> {
    if sent.is_empty() {
        return Ok(());
    }
    sent.sort_unstable();
    let sql = tx.sql(&CONFIRM_ALL);
    on_tx!(tx, |connection| {
        sqlx::query(sql).bind(Ids(sent)).bind(now.millis()).execute(connection).await?;
    });
    Ok(())
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

/// Locks the fence of a send's viewer, and reads the send. What may change of it is as it was before the wait for the lock.
async fn locked(tx: &mut Tx, send: SendId) -> Result<Option<Current>, StoreError> {
    let sql = tx.sql(&LOCKED);
    Ok(on_tx!(tx, |connection| sqlx::query_as(sql).bind(send.uuid()).fetch_optional(connection).await?))
}

/// Locks the fence of a send's viewer, and reads the send under it.
async fn lock_current(tx: &mut Tx, send: SendId) -> Result<Option<Current>, StoreError> {
    match locked(tx, send).await? {
        Some(_) => current(tx, send).await,
        None => Ok(None),
    }
}

async fn already(tx: &mut Tx, send: SendId) -> Result<Finished, StoreError> {
    Ok(match current(tx, send).await? {
        Some(current) => Finished::Already(current.status()?),
        None => Finished::Gone,
    })
}
