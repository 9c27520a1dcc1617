//! Stops and hand-overs that somebody hears of beside the lane that is made for them.

use std::collections::HashMap;

use afterglow_domain::{AccountId, Control, FenceChange, Timestamp, ViewerId, ViewerKey};

use crate::codec::consent as decode_consent;
use crate::engine::{Sql, Texts, on_read, row};
use crate::{Store, StoreError};

row! {
    struct Known {
        account: String,
        viewer: String,
        clear_state: Option<String>,
        clear_ms: Option<i64>,
        ambiguous_ms: Option<i64>,
        app_ms: Option<i64>,
        person_ms: Option<i64>,
        released_ms: Option<i64>,
    }
}

const KNOWN: Sql = Sql {
    postgres: "SELECT account, viewer, clear_state, clear_ms, ambiguous_ms, app_ms, person_ms, released_ms
        FROM consent JOIN UNNEST($1::text[], $2::text[]) AS of (account, viewer) USING (account, viewer)",
    sqlite:
        "SELECT c.account, c.viewer, c.clear_state, c.clear_ms, c.ambiguous_ms, c.app_ms, c.person_ms, c.released_ms
        FROM json_each($1) a JOIN json_each($2) v ON v.key = a.key
        JOIN consent c ON c.account = a.value AND c.viewer = v.value",
};

impl Store {
    /// Of these changes, those that the viewers' fences do not bear yet. One question, for all of them.
    pub async fn unheard<'a>(&self, changes: &'a [FenceChange]) -> Result<Vec<&'a FenceChange>, StoreError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<ViewerKey> = changes.iter().map(FenceChange::viewer_key).collect();
        let accounts = Texts(keys.iter().map(|key| key.account.as_str().to_owned()).collect());
        let viewers = Texts(keys.iter().map(|key| key.viewer.as_str().to_owned()).collect());
        let sql = self.engine.sql(&KNOWN);
        let known: Vec<Known> =
            on_read!(&self.engine, |pool| { sqlx::query_as(sql).bind(accounts).bind(viewers).fetch_all(pool).await? });
        let key = |known: &Known| ViewerKey {
            account: AccountId::new(known.account.as_str()),
            viewer: ViewerId::new(known.viewer.as_str()),
        };
        let known: HashMap<ViewerKey, Known> = known.into_iter().map(|known| (key(&known), known)).collect();
        let mut unheard = Vec::new();
        for (change, key) in changes.iter().zip(&keys) {
            if !known.get(key).map_or(Ok(false), |known| bears(known, change))? {
                unheard.push(change);
            }
        }
        Ok(unheard)
    }

    /// Records a change of consent or of control. `false` if it had been recorded before, as far as that is known.
    pub async fn record(&self, change: &FenceChange, now: Timestamp) -> Result<bool, StoreError> {
        match change {
            FenceChange::Consent(change) => self.record_consent(change, now).await.map(|recorded| !recorded.duplicate),
            FenceChange::Control(change) => self.record_control(change, now).await.map(|_| true),
        }
    }
}

/// Whether a fence stands as if the change were recorded: itself, or a later one.
fn bears(known: &Known, change: &FenceChange) -> Result<bool, StoreError> {
    Ok(match change {
        FenceChange::Consent(change) => {
            let before = decode_consent(known.clear_state.as_deref(), known.clear_ms, known.ambiguous_ms)?;
            let mut after = before;
            after.apply(change.state, change.occurred);
            after == before
        }
        FenceChange::Control(change) => {
            let moment = match change.control {
                Control::App => known.app_ms,
                Control::Person => known.person_ms,
                Control::Automation => known.released_ms,
            };
            moment.is_some_and(|known| known >= change.occurred.millis())
        }
    })
}
