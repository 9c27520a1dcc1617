//! Kill switches: what must not speak now. They are asked for when an intent is judged, and again when its send begins, so that
//! one that was set holds at once.

use afterglow_domain::{AccountId, BrandId, PlayId, Timestamp, ViewerKey};
use uuid::Uuid;

use crate::engine::{Tx, on_read, on_tx, row, storable};
use crate::{Store, StoreError, safety};

/// What a kill switch silences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KillSwitch {
    /// Everything.
    All,
    /// A brand.
    Brand(BrandId),
    /// An account.
    Account(AccountId),
    /// A play of a brand.
    Play(BrandId, PlayId),
    /// A viewer.
    Viewer(ViewerKey),
}

impl KillSwitch {
    /// The scope's name.
    pub const fn scope(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Brand(_) => "brand",
            Self::Account(_) => "account",
            Self::Play(..) => "play",
            Self::Viewer(_) => "viewer",
        }
    }

    /// What within the scope.
    pub fn id(&self) -> String {
        match self {
            Self::All => String::new(),
            Self::Brand(brand) => brand.to_string(),
            Self::Account(account) => account.to_string(),
            Self::Play(brand, play) => format!("{brand}/{play}"),
            Self::Viewer(viewer) => viewer.to_string(),
        }
    }
}

/// A kill switch that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetSwitch {
    /// `all`, `brand`, `account`, `play` or `viewer`.
    pub scope: String,
    /// What within it.
    pub id: String,
    /// Since when.
    pub since: Timestamp,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
}

row! {
    struct SwitchColumns { scope: String, id: String, since_ms: i64, set_by: String, reason: String }
}

/// The scope of a switch that silences the intent that a statement calls by this name, or NULL. A switch is named as by
/// [`KillSwitch::id`].
macro_rules! silencing {
    ($intent:literal) => {
        concat!(
            "(SELECT k.scope FROM kill_switch k WHERE k.scope = 'all' OR k.scope = 'brand' AND k.id = ",
            $intent,
            ".brand OR k.scope = 'account' AND k.id = ",
            $intent,
            ".account OR k.scope = 'play' AND k.id = ",
            $intent,
            ".brand || '/' || ",
            $intent,
            ".play OR k.scope = 'viewer' AND k.id = ",
            $intent,
            ".account || '/' || ",
            $intent,
            ".viewer ORDER BY k.scope LIMIT 1)"
        )
    };
}
pub(crate) use silencing;

const SILENCED: &str = concat!("SELECT ", silencing!("i"), " FROM intent i WHERE i.id = $1");

/// What the latest decision held because of a switch, within the scope.
const ANEW: &str = "UPDATE intent SET status = 'deferred', due_ms = $1, updated_ms = $1
    WHERE status = 'held' AND (SELECT d.reason FROM decision d WHERE d.intent = intent.id ORDER BY d.seq DESC LIMIT 1)
            = 'silenced'
        AND ($2 = 'all' OR $2 = 'brand' AND brand = $3 OR $2 = 'account' AND account = $3
            OR $2 = 'play' AND brand || '/' || play = $3 OR $2 = 'viewer' AND account || '/' || viewer = $3)";

impl Store {
    /// Sets a switch; one that is set stays as it was. Whether it was not set before.
    pub async fn set_kill_switch(
        &self,
        switch: &KillSwitch,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "INSERT INTO kill_switch (scope, id, since_ms, set_by, reason) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (scope, id) DO NOTHING";
        let mut tx = self.engine.begin().await?;
        let set = on_tx!(&mut tx, |connection| {
            sqlx::query(sql)
                .bind(switch.scope())
                .bind(switch.id())
                .bind(now.millis())
                .bind(storable(by))
                .bind(storable(reason))
                .execute(connection)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(set == 1)
    }

    /// Lifts a switch; `None` if it was not set. With `judge_anew`, what it held is judged again, by every gate; else it
    /// goes on waiting for a person. How many are judged again. What its plays and accounts did before is not counted
    /// against them any longer.
    pub async fn lift_kill_switch(
        &self,
        switch: &KillSwitch,
        judge_anew: bool,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let mut tx = self.engine.begin().await?;
        let lifted = on_tx!(&mut tx, |connection| {
            let query = sqlx::query("DELETE FROM kill_switch WHERE scope = $1 AND id = $2");
            query.bind(switch.scope()).bind(switch.id()).execute(connection).await?.rows_affected()
        });
        if lifted == 1 {
            safety::begin_anew(&mut tx, switch, now).await?;
        }
        let mut anew = 0;
        if lifted == 1 && judge_anew {
            // Whatever else silences them holds them again.
            anew = on_tx!(&mut tx, |connection| {
                let query = sqlx::query(ANEW).bind(now.millis()).bind(switch.scope()).bind(switch.id());
                query.execute(connection).await?.rows_affected()
            });
        }
        tx.commit().await?;
        Ok((lifted == 1).then_some(anew))
    }

    /// The switches that are set, the oldest first.
    pub async fn kill_switches(&self) -> Result<Vec<SetSwitch>, StoreError> {
        let sql = "SELECT scope, id, since_ms, set_by, reason FROM kill_switch ORDER BY since_ms, scope, id";
        let rows: Vec<SwitchColumns> = on_read!(&self.engine, |pool| sqlx::query_as(sql).fetch_all(pool).await?);
        let decode = |row: SwitchColumns| SetSwitch {
            scope: row.scope,
            id: row.id,
            since: Timestamp::from_millis(row.since_ms),
            by: row.set_by,
            reason: row.reason,
        };
        Ok(rows.into_iter().map(decode).collect())
    }
}

/// The scope of a switch that silences an intent, if one is set.
pub(crate) async fn silenced(tx: &mut Tx, intent: Uuid) -> Result<Option<String>, StoreError> {
    Ok(on_tx!(tx, |connection| sqlx::query_scalar(SILENCED).bind(intent).fetch_one(connection).await?))
}
