//! Opt-outs, hand-overs, and the fence.
//!
//! The fence is one row for each viewer. Whoever would stop sends raises its epoch; whoever would send compares it. Both
//! hold the row's lock, so one of them is first, and the other sees it.

use afterglow_domain::{
    AccountId, BrandId, Consent, ConsentChange, ConsentState, Control, ControlChange, DerivedId, FenceChange,
    Timestamp, ViewerId, ViewerKey,
};
use uuid::Uuid;

use crate::codec::consent as decode_consent;
use crate::engine::{Ids, Sql, Tx, locking, on_tx, row, storable};
use crate::{Store, StoreError, feed};

/// What became of a consent change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentRecorded {
    /// The fence's epoch afterwards.
    pub epoch: i64,
    /// What holds afterwards; never "nothing", for something was said.
    pub state: Option<ConsentState>,
    /// It had been recorded before, and changed nothing.
    pub duplicate: bool,
}

row! {
    struct Fence {
        clear_state: Option<String>,
        clear_ms: Option<i64>,
        ambiguous_ms: Option<i64>,
        epoch: i64,
        app_ms: Option<i64>,
        person_ms: Option<i64>,
        released_ms: Option<i64>,
    }
}

/// The columns of a [`Fence`].
macro_rules! fence {
    () => {
        "clear_state, clear_ms, ambiguous_ms, epoch, app_ms, person_ms, released_ms"
    };
}
pub(crate) use fence;

impl Fence {
    /// What the viewer said of being written to.
    pub(crate) fn consent(&self) -> Result<Consent, StoreError> {
        decode_consent(self.clear_state.as_deref(), self.clear_ms, self.ambiguous_ms)
    }

    /// Since when somebody leads the conversation.
    const fn moment(&mut self, control: Control) -> &mut Option<i64> {
        match control {
            Control::App => &mut self.app_ms,
            Control::Person => &mut self.person_ms,
            Control::Automation => &mut self.released_ms,
        }
    }

    /// Whether it stands as if the change were recorded: itself, or a later one.
    pub(crate) fn bears(&mut self, change: &FenceChange) -> Result<bool, StoreError> {
        Ok(match change {
            FenceChange::Consent(change) => {
                let before = self.consent()?;
                let mut after = before;
                after.apply(change.state, change.occurred);
                after == before
            }
            FenceChange::Control(change) => {
                self.moment(change.control).is_some_and(|known| known >= change.occurred.millis())
            }
        })
    }
}

/// Makes nothing for an account that is known to be another brand's.
macro_rules! make {
    ($and:literal) => {
        concat!(
            "INSERT INTO consent (account, viewer, brand, updated_ms)
            SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT 1 FROM account WHERE id = $1 AND brand <> $3)",
            $and,
            " ON CONFLICT DO NOTHING"
        )
    };
}

macro_rules! there {
    () => {
        concat!("SELECT ", fence!(), " FROM consent WHERE account = $1 AND viewer = $2 AND brand = $3")
    };
}

const MAKE: &str = make!("");

const LOCK: Sql = locking!(there!(), "FOR UPDATE");

/// Both in one round trip. It finds nothing if somebody else makes the fence at the same moment: its own moment is before that.
const LOCK_OR_MAKE_PG: &str = concat!(
    "WITH there AS (",
    there!(),
    " FOR UPDATE), made AS (",
    make!(" AND NOT EXISTS (SELECT 1 FROM there)"),
    " RETURNING ",
    fence!(),
    ") SELECT * FROM there UNION ALL SELECT * FROM made"
);

const LOG: &str = "INSERT INTO consent_log
        (interaction, account, viewer, brand, state, occurred_ms, received_ms, recorded_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";

const WRITE: &str = "UPDATE consent SET clear_state = $3, clear_ms = $4, ambiguous_ms = $5, epoch = $6, updated_ms = $7
    WHERE account = $1 AND viewer = $2";

const HAND_OVER: &str =
    "UPDATE consent SET handed_over = $3, epoch = $4, updated_ms = $5, control_ms = $6, app_ms = $7,
        person_ms = $8, released_ms = $9, control_reason = CASE WHEN $10 = 'person' THEN $11 ELSE control_reason END
    WHERE account = $1 AND viewer = $2";

const CANCEL: &str = "UPDATE send SET status = 'cancelled', finished_ms = $3
    WHERE account = $1 AND viewer = $2 AND status = 'reserved' RETURNING intent";

const REOPEN: Sql = Sql {
    postgres: "UPDATE intent SET status = 'pending', due_ms = $2, updated_ms = $2
        WHERE id = ANY($1) AND status = 'sending'",
    sqlite: "UPDATE intent SET status = 'pending', due_ms = $2, updated_ms = $2
        WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND status = 'sending'",
};

/// Makes the viewer's fence if need be, and locks it until the transaction ends. `OtherBrand` if it is not this brand's.
pub(crate) async fn lock_fence(
    tx: &mut Tx,
    brand: &BrandId,
    account: &AccountId,
    viewer: &ViewerId,
    now: Timestamp,
) -> Result<Fence, StoreError> {
    let fence: Option<Fence> = match tx {
        Tx::Postgres(tx) => {
            let query = sqlx::query_as(LOCK_OR_MAKE_PG).bind(account.as_str()).bind(viewer.as_str());
            query.bind(brand.as_str()).bind(now.millis()).fetch_optional(&mut **tx).await?
        }
        Tx::Sqlite(_) => lock_made(tx, brand, account, viewer).await?,
    };
    if let Some(fence) = fence {
        return Ok(fence);
    }
    on_tx!(&mut *tx, |connection| {
        sqlx::query(MAKE)
            .bind(account.as_str())
            .bind(viewer.as_str())
            .bind(brand.as_str())
            .bind(now.millis())
            .execute(connection)
            .await?;
    });
    let made = lock_made(tx, brand, account, viewer).await?;
    made.ok_or_else(|| StoreError::OtherBrand { account: account.to_string() })
}

/// Locks a fence that is there.
async fn lock_made(
    tx: &mut Tx,
    brand: &BrandId,
    account: &AccountId,
    viewer: &ViewerId,
) -> Result<Option<Fence>, StoreError> {
    let lock = tx.sql(&LOCK);
    Ok(on_tx!(tx, |connection| {
        sqlx::query_as(lock)
            .bind(account.as_str())
            .bind(viewer.as_str())
            .bind(brand.as_str())
            .fetch_optional(connection)
            .await?
    }))
}

/// Locks the viewer's fence and says whether what they said forbids automated messages.
pub(crate) async fn forbids(tx: &mut Tx, brand: &BrandId, key: &ViewerKey, now: Timestamp) -> Result<bool, StoreError> {
    let fence = lock_fence(tx, brand, &key.account, &key.viewer, now).await?;
    let state = fence.consent()?.state();
    Ok(matches!(state, Some(ConsentState::OptedOut | ConsentState::Ambiguous)))
}

/// Gives intents whose send was withdrawn back to be judged again at once.
pub(crate) async fn reopen(tx: &mut Tx, intents: Vec<Uuid>, now: Timestamp) -> Result<(), StoreError> {
    if intents.is_empty() {
        return Ok(());
    }
    let sql = tx.sql(&REOPEN);
    on_tx!(tx, |connection| {
        sqlx::query(sql).bind(Ids(intents)).bind(now.millis()).execute(connection).await?;
    });
    Ok(())
}

impl Store {
    /// Records what a viewer said about being written to. When this returns and the state forbids, no send to the viewer
    /// that had not started will start: the epoch has moved, and reserved sends are withdrawn.
    pub async fn record_consent(&self, change: &ConsentChange, now: Timestamp) -> Result<ConsentRecorded, StoreError> {
        let mut tx = self.engine.begin().await?;
        let fence = lock_fence(&mut tx, &change.brand, &change.account, &change.viewer, now).await?;
        let mut consent = fence.consent()?;
        if !log(&mut tx, change, now).await? {
            return Ok(ConsentRecorded { epoch: fence.epoch, state: consent.state(), duplicate: true });
        }
        consent.apply(change.state, change.occurred);
        let state = consent.state();
        let forbids = matches!(state, Some(ConsentState::OptedOut | ConsentState::Ambiguous));
        // A second stop raises the epoch too: that costs nothing, and asks for no proof that it need not.
        let epoch = fence.epoch + i64::from(forbids);
        on_tx!(&mut tx, |connection| {
            sqlx::query(WRITE)
                .bind(change.account.as_str())
                .bind(change.viewer.as_str())
                .bind(consent.clear.map(|(state, _)| state.as_str()))
                .bind(consent.clear.map(|(_, at)| at.millis()))
                .bind(consent.ambiguous.map(Timestamp::millis))
                .bind(epoch)
                .bind(now.millis())
                .execute(connection)
                .await?;
        });
        if forbids {
            cancel_reserved(&mut tx, &change.account, &change.viewer, now).await?;
        }
        let viewer = ViewerKey { account: change.account.clone(), viewer: change.viewer.clone() };
        feed::mark(&mut tx, &change.brand, &viewer, now).await?;
        tx.commit().await?;
        Ok(ConsentRecorded { epoch, state, duplicate: false })
    }

    /// Notes who leads a conversation. The latest change by its own time holds; of two in the same millisecond, the one
    /// that silences. Handing over withdraws reserved sends like an opt-out. Returns the fence's epoch.
    pub async fn record_control(&self, change: &ControlChange, now: Timestamp) -> Result<i64, StoreError> {
        let mut tx = self.engine.begin().await?;
        let epoch = take_control(&mut tx, change, now).await?;
        tx.commit().await?;
        Ok(epoch)
    }
}

/// Who leads, of three moments: app, person, release. Of two at the same moment, silence.
pub(crate) fn leads(app: Option<i64>, person: Option<i64>, released: Option<i64>) -> Control {
    let after_release = |at: Option<i64>| at.is_some_and(|at| released.is_none_or(|released| at >= released));
    match (after_release(app), after_release(person)) {
        (true, _) => Control::App,
        (false, true) => Control::Person,
        (false, false) => Control::Automation,
    }
}

/// Notes who leads a conversation, within a transaction.
pub(crate) async fn take_control(tx: &mut Tx, change: &ControlChange, now: Timestamp) -> Result<i64, StoreError> {
    let mut fence = lock_fence(tx, &change.brand, &change.account, &change.viewer, now).await?;
    let moment = fence.moment(change.control);
    let occurred = change.occurred.millis();
    if moment.is_some_and(|known| known >= occurred) {
        return Ok(fence.epoch);
    }
    *moment = Some(occurred);
    let silences = change.control.is_handed_over();
    let leader = leads(fence.app_ms, fence.person_ms, fence.released_ms);
    // What a person had may have been given back by time alone, so each of their words counts.
    let epoch = fence.epoch + i64::from(silences && leader.is_handed_over());
    let latest = fence.app_ms.max(fence.person_ms).max(fence.released_ms);
    on_tx!(&mut *tx, |connection| {
        sqlx::query(HAND_OVER)
            .bind(change.account.as_str())
            .bind(change.viewer.as_str())
            .bind(leader.is_handed_over())
            .bind(epoch)
            .bind(now.millis())
            .bind(latest)
            .bind(fence.app_ms)
            .bind(fence.person_ms)
            .bind(fence.released_ms)
            .bind(change.control.as_str())
            .bind(change.reason.as_deref().map(storable))
            .execute(connection)
            .await?;
    });
    if epoch != fence.epoch {
        cancel_reserved(tx, &change.account, &change.viewer, now).await?;
    }
    Ok(epoch)
}

/// `false` if the change had been logged before.
async fn log(tx: &mut Tx, change: &ConsentChange, now: Timestamp) -> Result<bool, StoreError> {
    let inserted = on_tx!(tx, |connection| {
        sqlx::query(LOG)
            .bind(change.cause.uuid())
            .bind(change.account.as_str())
            .bind(change.viewer.as_str())
            .bind(change.brand.as_str())
            .bind(change.state.as_str())
            .bind(change.occurred.millis())
            .bind(change.received.millis())
            .bind(now.millis())
            .execute(connection)
            .await?
            .rows_affected()
    });
    Ok(inserted == 1)
}

async fn cancel_reserved(
    tx: &mut Tx,
    account: &AccountId,
    viewer: &ViewerId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let intents: Vec<Uuid> = on_tx!(&mut *tx, |connection| {
        sqlx::query_scalar(CANCEL)
            .bind(account.as_str())
            .bind(viewer.as_str())
            .bind(now.millis())
            .fetch_all(connection)
            .await?
    });
    reopen(tx, intents, now).await
}
