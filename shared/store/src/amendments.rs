//! Edits, reactions and unsends, and the messages they are about.
//!
//! Meta delivers in no order: an edit may come before its message. Then it is parked, and applied when the message comes;
//! one whose message never comes goes to quarantine after a time, with its age, so that somebody can look.

use std::collections::BTreeSet;

use afterglow_domain::{DerivedId, Interaction, InteractionId, QuarantineReason, Quarantined, Timestamp};
use uuid::Uuid;

use crate::codec::{InteractionColumns, interaction_columns};
use crate::engine::{Ids, Sql, Texts, Tx, locking, on_read, on_tx};
use crate::{Store, StoreError};

/// What [`Store::expire_parked`] did, and what it left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parked {
    /// Applied late: message and amendment came at the same moment, in two transactions.
    pub applied: u64,
    /// Moved to quarantine.
    pub expired: u64,
}

const PARK: &str = "INSERT INTO amendment (interaction, account, mid, parked_ms)
    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

/// Both columns of the index: an id alone has the database read every amendment there is. That an account's id meets another's
/// message does no harm: it applies what has its message.
const APPLY: Sql = Sql {
    postgres: "UPDATE amendment SET applied_ms = $3
        WHERE account = ANY($1) AND mid = ANY($2) AND applied_ms IS NULL AND expired_ms IS NULL
        AND EXISTS (SELECT 1 FROM interaction m WHERE m.account = amendment.account AND m.mid = amendment.mid)",
    sqlite: "UPDATE amendment SET applied_ms = $3
        WHERE account IN (SELECT value FROM json_each($1)) AND mid IN (SELECT value FROM json_each($2))
        AND applied_ms IS NULL AND expired_ms IS NULL
        AND EXISTS (SELECT 1 FROM interaction m WHERE m.account = amendment.account AND m.mid = amendment.mid)",
};

const APPLY_LATE: &str = "UPDATE amendment SET applied_ms = $2
    WHERE parked_ms <= $1 AND applied_ms IS NULL AND expired_ms IS NULL
        AND EXISTS (SELECT 1 FROM interaction m WHERE m.account = amendment.account AND m.mid = amendment.mid)";

const OLD: Sql = locking!(
    concat!(
        "SELECT ",
        interaction_columns!("i"),
        " FROM amendment a JOIN interaction i ON i.id = a.interaction
        WHERE a.parked_ms <= $1 AND a.applied_ms IS NULL AND a.expired_ms IS NULL
        ORDER BY a.parked_ms, i.id LIMIT $2"
    ),
    "FOR UPDATE OF a SKIP LOCKED"
);

const EXPIRE: Sql = Sql {
    postgres: "UPDATE amendment SET expired_ms = $2 WHERE interaction = ANY($1)",
    sqlite: "UPDATE amendment SET expired_ms = $2 WHERE interaction IN (SELECT unhex(value) FROM json_each($1))",
};

const COUNT: &str = "SELECT COUNT(*) FROM amendment WHERE applied_ms IS NULL AND expired_ms IS NULL";

/// Parks what is new and amends, and applies what has its message, whichever of the two is new.
pub(crate) async fn settle(tx: &mut Tx, new: &[&Interaction], now: Timestamp) -> Result<(), StoreError> {
    let (mut accounts, mut mids) = (BTreeSet::new(), BTreeSet::new());
    for interaction in new {
        if let Some(mid) = interaction.body.amends() {
            mids.insert(mid.to_owned());
            on_tx!(&mut *tx, |connection| {
                sqlx::query(PARK)
                    .bind(interaction.id.uuid())
                    .bind(interaction.account.as_str())
                    .bind(mid)
                    .bind(now.millis())
                    .execute(connection)
                    .await?;
            });
        } else if let Some(mid) = interaction.body.mid() {
            mids.insert(mid.to_owned());
        }
        accounts.insert(interaction.account.to_string());
    }
    if mids.is_empty() {
        return Ok(());
    }
    let sql = tx.sql(&APPLY);
    let (accounts, mids) = (Texts(accounts.into_iter().collect()), Texts(mids.into_iter().collect()));
    on_tx!(tx, |connection| {
        sqlx::query(sql).bind(accounts).bind(mids).bind(now.millis()).execute(connection).await?;
    });
    Ok(())
}

impl Store {
    /// Moves amendments that have been parked for `max_age_ms` or longer into quarantine, at most `limit`. Run it
    /// regularly, from any number of processes.
    pub async fn expire_parked(&self, now: Timestamp, max_age_ms: i64, limit: u32) -> Result<Parked, StoreError> {
        let cutoff = now.minus(max_age_ms).millis();
        let mut tx = self.engine.begin().await?;
        let applied = on_tx!(&mut tx, |connection| {
            sqlx::query(APPLY_LATE).bind(cutoff).bind(now.millis()).execute(connection).await?.rows_affected()
        });
        let sql = tx.sql(&OLD);
        let old: Vec<InteractionColumns> = on_tx!(&mut tx, |connection| {
            sqlx::query_as(sql).bind(cutoff).bind(i64::from(limit)).fetch_all(connection).await?
        });
        let old: Vec<Interaction> = old.into_iter().map(InteractionColumns::decode).collect::<Result<_, _>>()?;
        let ids: Vec<Uuid> = old.iter().map(|interaction| interaction.id.uuid()).collect();
        let items: Vec<Quarantined> = old.iter().map(|interaction| orphan(interaction, now)).collect();
        let expired = items.len() as u64;
        if expired > 0 {
            crate::quarantine::put(&mut tx, &items).await?;
            let sql = tx.sql(&EXPIRE);
            on_tx!(&mut tx, |connection| {
                sqlx::query(sql).bind(Ids(ids)).bind(now.millis()).execute(connection).await?;
            });
        }
        tx.commit().await?;
        Ok(Parked { applied, expired })
    }

    /// How many amendments wait for their message.
    pub async fn parked(&self) -> Result<u64, StoreError> {
        let (n,): (i64,) = on_read!(&self.engine, |pool| sqlx::query_as(COUNT).fetch_one(pool).await?);
        Ok(n.unsigned_abs())
    }
}

/// An amendment whose message never came, as a webhook of its own.
fn orphan(interaction: &Interaction, now: Timestamp) -> Quarantined {
    let minutes = now.since(interaction.received).max(0) / 60_000;
    let array = if interaction.standby { "standby" } else { "messaging" };
    let raw = interaction.raw.as_ref().map_or("{}", |raw| raw.get());
    let payload = format!(
        r#"{{"object":"{}","entry":[{{"id":"{}","{array}":[{raw}]}}]}}"#,
        interaction.channel.as_str(),
        interaction.account
    );
    Quarantined {
        id: InteractionId::derive(&["orphan", &interaction.id.to_string()]),
        reason: QuarantineReason::Orphan,
        detail: format!(
            "{} of a message that never came, after {} h {} min",
            interaction.kind().as_str(),
            minutes / 60,
            minutes % 60
        ),
        object: Some(interaction.channel.as_str().to_owned()),
        account: Some(interaction.account.to_string()),
        received: interaction.received,
        payload: payload.into_bytes(),
    }
}
