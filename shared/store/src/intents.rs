//! The responder's judgement of an intent, in one transaction.

use afterglow_domain::{
    AccountId, BrandId, Decision, DerivedId, Intent, IntentId, IntentStatus, OutboundMessage, Reason, SendId,
    Timestamp, Verdict, ViewerId,
};
use serde::Serialize;

use crate::codec::{from_name, to_json};
use crate::engine::{Tx, on_tx, row, storable};
use crate::{Case, SendStatus, Store, StoreError, consent, facts, sends};

/// The terms of a judgement.
#[derive(Debug, Clone, Copy)]
pub struct JudgeTerms<'a> {
    /// Which policy decides; stored with the decision.
    pub policy_version: &'a str,
    /// The moment of the judgement.
    pub now: Timestamp,
    /// How long a reserved send waits to be started before it is withdrawn, and a started one before its fate is looked for.
    pub lease_ms: i64,
    /// Whether the send is started with the verdict, in the same transaction: the caller has all that the call to Meta needs.
    pub start: bool,
}

/// What came of a judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// Nothing was decided: the intent has come to its end, or its send is under way in other hands.
    Already(IntentStatus),
    /// The verdict is Send, and the send is reserved for the caller: go on with [`Store::start_send`].
    Reserved(Reservation),
    /// The verdict is Send, and the send is started, as [`Store::start_send`] would have: call Meta, once and now.
    Started(Reservation),
    /// The verdict is another, and stored. It may differ from what the policy said where the store knows better: an
    /// interaction that has its answer, or a Send without a text.
    Decided(Decision),
}

/// The right to start one send, once, while nothing has changed and its lease lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The send; travels to Meta as metadata.
    pub send: SendId,
    /// Its intent.
    pub intent: IntentId,
    /// Whose account.
    pub brand: BrandId,
    /// Which account speaks.
    pub account: AccountId,
    /// To whom.
    pub viewer: ViewerId,
    /// What to send: exactly what is stored.
    pub message: OutboundMessage,
    /// Which attempt this is, from 1.
    pub attempt: i64,
}

const INSERT: &str = "INSERT INTO intent (id, brand, account, viewer, play, cause, cause_kind, cause_ms, body, status,
        due_ms, created_ms, updated_ms, step)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, $11, $10, $12) ON CONFLICT DO NOTHING";

const STANDING: &str = "SELECT i.status, s.status AS send_status, s.lease_until_ms
    FROM intent i LEFT JOIN send s ON s.intent = i.id WHERE i.id = $1";

macro_rules! decision {
    () => {
        "INSERT INTO decision (intent, brand, at_ms, verdict, reason, until_ms, reasons, facts, policy_version)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, COALESCE($9,
            (SELECT policy_version FROM decision WHERE intent = $1 ORDER BY seq DESC LIMIT 1), ''))"
    };
}

const DECISION: &str = decision!();

const MOVE: &str =
    "UPDATE intent SET status = $2, due_ms = $3, attempts = attempts + $4, updated_ms = $5 WHERE id = $1";

/// Both in one round trip.
const DECIDE_AND_MOVE_PG: &str = concat!(
    "WITH decided AS (",
    decision!(),
    ") UPDATE intent SET status = $10, due_ms = $11, attempts = attempts + $12, updated_ms = $3 WHERE id = $1"
);

row! {
    struct Standing { status: String, send_status: Option<String>, lease_until_ms: Option<i64> }
}

impl Store {
    /// Judges an intent: locks the viewer's fence, reads its case, asks `decide` (pure: a decision, and for Send the
    /// message; it adds to the facts what the store does not know), and stores the decision with the facts. Send reserves the
    /// one send of this intent.
    ///
    /// An intent that is given twice, in turn or at once, is decided by one of the callers only; the others see
    /// [`Judged::Already`].
    pub async fn judge<F>(&self, intent: &Intent, terms: JudgeTerms<'_>, decide: F) -> Result<Judged, StoreError>
    where
        F: FnOnce(&mut Case) -> (Decision, Option<OutboundMessage>) + Send,
    {
        let mut tx = self.engine.begin().await?;
        consent::lock_fence(&mut tx, &intent.brand, &intent.account, &intent.viewer, terms.now).await?;
        let mut known_send = false;
        if !insert(&mut tx, intent, terms.now).await? {
            let standing = standing(&mut tx, intent).await?;
            if let Some(status) = standing.already(terms.now)? {
                return Ok(Judged::Already(status)); // nothing was written; the transaction rolls back
            }
            known_send = standing.send_status.is_some();
        }
        let mut case = facts::load(self, &mut tx, intent, terms.now).await?;
        if known_send {
            sends::withdraw(&mut tx, intent, terms.now).await?;
        }

        let (mut decision, message) = decide(&mut case);
        let mut reserved = None;
        if decision.verdict == Verdict::Send {
            let message =
                message.map(|message| OutboundMessage { text: storable(&message.text).into_owned(), ..message });
            match sends::reserve(&mut tx, intent, message, &case, known_send, terms).await? {
                Ok(reservation) => reserved = Some(reservation),
                Err(reason) => decision = Decision::drop(vec![reason]),
            }
        }
        let (status, due) = match decision.verdict {
            Verdict::Send => (IntentStatus::Sending, None),
            Verdict::Defer => (IntentStatus::Deferred, Some(decision.until.unwrap_or(terms.now))),
            Verdict::Hold => (IntentStatus::Held, None),
            Verdict::Drop => (IntentStatus::Dropped, None),
        };
        let moved = Moved { status, due, attempts: i64::from(reserved.is_some()) };
        record_and_move(&mut tx, intent, &decision, &case, moved, terms).await?;
        tx.commit().await?;
        Ok(match reserved {
            Some(reservation) if terms.start => Judged::Started(reservation),
            Some(reservation) => Judged::Reserved(reservation),
            None => Judged::Decided(decision),
        })
    }

    /// Makes an intent a row before it is judged: whoever has to wait is seen to wait, and is found by others from `due` on if
    /// the process that holds it dies.
    pub async fn expect_intent(&self, intent: &Intent, due: Timestamp) -> Result<(), StoreError> {
        self.expect_intents(std::slice::from_ref(intent), due).await
    }

    /// Makes intents rows that wait to be judged from `due` on; those that are rows already stay as they are.
    pub async fn expect_intents(&self, intents: &[Intent], due: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.engine.begin().await?;
        for intent in intents {
            insert(&mut tx, intent, due).await?;
        }
        tx.commit().await
    }
}

/// Makes an intent a row that waits to be judged from `due` on. `false` if it is one.
pub(crate) async fn insert(tx: &mut Tx, intent: &Intent, due: Timestamp) -> Result<bool, StoreError> {
    let body = to_json("intent.body", intent)?;
    Ok(on_tx!(tx, |connection| {
        sqlx::query(INSERT)
            .bind(intent.id.uuid())
            .bind(intent.brand.as_str())
            .bind(intent.account.as_str())
            .bind(intent.viewer.as_str())
            .bind(intent.play.as_str())
            .bind(intent.cause.uuid())
            .bind(intent.cause_kind.as_str())
            .bind(intent.cause_occurred.millis())
            .bind(body)
            .bind(due.millis())
            .bind(intent.created.millis())
            .bind(i64::from(intent.step))
            .execute(connection)
            .await?
            .rows_affected()
            == 1
    }))
}

async fn standing(tx: &mut Tx, intent: &Intent) -> Result<Standing, StoreError> {
    Ok(on_tx!(tx, |connection| sqlx::query_as(STANDING).bind(intent.id.uuid()).fetch_one(connection).await?))
}

impl Standing {
    /// The status of an intent that is not to be judged now.
    fn already(&self, now: Timestamp) -> Result<Option<IntentStatus>, StoreError> {
        let status: IntentStatus = from_name("intent.status", &self.status)?;
        let send = self.send_status.as_deref().map(|name| from_name("send.status", name)).transpose()?;
        let ended = match status {
            IntentStatus::Sent | IntentStatus::Held | IntentStatus::Dropped => true,
            IntentStatus::Pending | IntentStatus::Sending | IntentStatus::Deferred => false,
        };
        let under_way = match send {
            Some(SendStatus::Sending | SendStatus::Sent | SendStatus::Unknown | SendStatus::Failed) => true,
            Some(SendStatus::Reserved) => self.lease_until_ms.is_some_and(|until| until > now.millis()),
            Some(SendStatus::Cancelled) | None => false,
        };
        Ok((ended || under_way).then_some(status))
    }
}

/// A decision's columns, as [`DECISION`] takes them.
macro_rules! bind_decision {
    ($query:expr, ($intent:expr, $brand:expr, $decision:expr, $facts:expr, $version:expr, $now:expr)) => {
        $query
            .bind($intent)
            .bind($brand.as_str())
            .bind($now.millis())
            .bind($decision.verdict.as_str())
            .bind($decision.reasons.first().map_or("none_given", |reason: &Reason| reason.as_str()))
            .bind($decision.until.map(Timestamp::millis))
            .bind(to_json("decision.reasons", &$decision.reasons)?)
            .bind(to_json("decision.facts", $facts)?)
            .bind($version)
    };
}

/// Where an intent stands after it was judged.
struct Moved {
    status: IntentStatus,
    due: Option<Timestamp>,
    /// By how many.
    attempts: i64,
}

/// Stores a judgement, and moves its intent.
async fn record_and_move(
    tx: &mut Tx,
    intent: &Intent,
    decision: &Decision,
    case: &Case,
    moved: Moved,
    terms: JudgeTerms<'_>,
) -> Result<(), StoreError> {
    let (id, version) = (intent.id.uuid(), Some(terms.policy_version));
    let (status, due) = (moved.status.as_str(), moved.due.map(Timestamp::millis));
    match tx {
        Tx::Postgres(tx) => {
            let query = sqlx::query(DECIDE_AND_MOVE_PG);
            bind_decision!(query, (id, intent.brand, decision, &case.facts, version, terms.now))
                .bind(status)
                .bind(due)
                .bind(moved.attempts)
                .execute(&mut **tx)
                .await?;
        }
        Tx::Sqlite(_) => {
            record(tx, intent.id, &intent.brand, decision, &case.facts, version, terms.now).await?;
            on_tx!(tx, |connection| {
                let query = sqlx::query(MOVE).bind(id).bind(status).bind(due);
                query.bind(moved.attempts).bind(terms.now.millis()).execute(connection).await?;
            });
        }
    }
    Ok(())
}

/// Stores a decision. Without a policy version, that of the intent's last decision stays in force.
pub(crate) async fn record(
    tx: &mut Tx,
    intent: IntentId,
    brand: &BrandId,
    decision: &Decision,
    facts: &impl Serialize,
    policy_version: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    on_tx!(tx, |connection| {
        let query = sqlx::query(DECISION);
        bind_decision!(query, (intent.uuid(), brand, decision, facts, policy_version, now)).execute(connection).await?;
    });
    Ok(())
}
