//! Stops and hand-overs that somebody hears of beside the lane that is made for them.

use std::collections::HashMap;

use afterglow_domain::{AccountId, FenceChange, Timestamp, ViewerId, ViewerKey};
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use crate::consent::{Fence, fence};
use crate::engine::{Sql, Texts, on_read};
use crate::{Store, StoreError};

/// A fence, and whose it is.
struct Known {
    key: ViewerKey,
    fence: Fence,
}

impl<'r, R> FromRow<'r, R> for Known
where
    R: Row,
    &'static str: ColumnIndex<R>,
    Fence: FromRow<'r, R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let (account, viewer): (String, String) = (row.try_get("account")?, row.try_get("viewer")?);
        let key = ViewerKey { account: AccountId::new(account), viewer: ViewerId::new(viewer) };
        Ok(Self { key, fence: Fence::from_row(row)? })
    }
}

const KNOWN: Sql = Sql {
    postgres: concat!(
        "SELECT account, viewer, ",
        fence!(),
        " FROM consent JOIN UNNEST($1::text[], $2::text[]) AS of (account, viewer) USING (account, viewer)"
    ),
    sqlite: concat!(
        "SELECT account, viewer, ",
        fence!(),
        " FROM json_each($1) a JOIN json_each($2) v ON v.key = a.key
        JOIN consent ON account = a.value AND viewer = v.value"
    ),
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
        let mut known: HashMap<ViewerKey, Fence> = known.into_iter().map(|known| (known.key, known.fence)).collect();
        let mut unheard = Vec::new();
        for (change, key) in changes.iter().zip(&keys) {
            if !known.get_mut(key).map_or(Ok(false), |fence| fence.bears(change))? {
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
