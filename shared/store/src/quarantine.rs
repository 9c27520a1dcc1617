//! What could not be understood, kept with its bytes until somebody does.

use afterglow_domain::{DerivedId, InteractionId, Quarantined, Timestamp};
use uuid::Uuid;

use crate::codec::{from_name, moment};
use crate::engine::{Tx, on_read, on_tx, row, storable};
use crate::{Store, StoreError};

/// Something in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRow {
    /// The thing itself.
    pub item: Quarantined,
    /// When it was last posted again, if it was.
    pub replayed: Option<Timestamp>,
}

row! {
    struct QuarantineColumns {
        id: Uuid,
        reason: String,
        detail: String,
        object: Option<String>,
        account: Option<String>,
        received_ms: i64,
        payload: Vec<u8>,
        replayed_ms: Option<i64>,
    }
}

impl QuarantineColumns {
    fn decode(self) -> Result<QuarantineRow, StoreError> {
        Ok(QuarantineRow {
            item: Quarantined {
                id: InteractionId::from_uuid(self.id),
                reason: from_name("quarantine.reason", &self.reason)?,
                detail: self.detail,
                object: self.object,
                account: self.account,
                received: Timestamp::from_millis(self.received_ms),
                payload: self.payload,
            },
            replayed: moment(self.replayed_ms),
        })
    }
}

const PUT: &str = "INSERT INTO quarantine (id, reason, detail, object, account, received_ms, payload)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";

const WAITING: &str = "SELECT id, reason, detail, object, account, received_ms, payload, replayed_ms
    FROM quarantine WHERE replayed_ms IS NULL ORDER BY received_ms, id LIMIT $1";

const SHOW: &str = "SELECT id, reason, detail, object, account, received_ms, payload, replayed_ms
    FROM quarantine WHERE id = $1";

/// Keeps things, each once. Returns how many were new.
pub(crate) async fn put(tx: &mut Tx, items: &[Quarantined]) -> Result<u64, StoreError> {
    let mut in_order: Vec<&Quarantined> = items.iter().collect();
    in_order.sort_by_key(|item| item.id); // one order for all processes
    let mut inserted = 0;
    for item in in_order {
        inserted += on_tx!(&mut *tx, |connection| {
            sqlx::query(PUT)
                .bind(item.id.uuid())
                .bind(item.reason.as_str())
                .bind(storable(&item.detail))
                .bind(item.object.as_deref().map(storable))
                .bind(item.account.as_deref().map(storable))
                .bind(item.received.millis())
                .bind(&item.payload)
                .execute(connection)
                .await?
                .rows_affected()
        });
    }
    Ok(inserted)
}

impl Store {
    /// Keeps things, each once. Returns how many were new.
    pub async fn quarantine_put(&self, items: &[Quarantined]) -> Result<u64, StoreError> {
        if items.is_empty() {
            return Ok(0);
        }
        let mut tx = self.engine.begin().await?;
        let inserted = put(&mut tx, items).await?;
        tx.commit().await?;
        Ok(inserted)
    }

    /// What waits, oldest first; without what has been replayed.
    pub async fn quarantine_list(&self, limit: u32) -> Result<Vec<QuarantineRow>, StoreError> {
        let rows: Vec<QuarantineColumns> =
            on_read!(&self.engine, |pool| { sqlx::query_as(WAITING).bind(i64::from(limit)).fetch_all(pool).await? });
        rows.into_iter().map(QuarantineColumns::decode).collect()
    }

    /// One thing, replayed or not.
    pub async fn quarantine_show(&self, id: InteractionId) -> Result<Option<QuarantineRow>, StoreError> {
        let row: Option<QuarantineColumns> =
            on_read!(&self.engine, |pool| sqlx::query_as(SHOW).bind(id.uuid()).fetch_optional(pool).await?);
        row.map(QuarantineColumns::decode).transpose()
    }

    /// Notes that something was posted again. `false` if there is no such thing.
    pub async fn quarantine_mark_replayed(&self, id: InteractionId, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.engine.begin().await?;
        let changed = on_tx!(&mut tx, |connection| {
            sqlx::query("UPDATE quarantine SET replayed_ms = $2 WHERE id = $1")
                .bind(id.uuid())
                .bind(now.millis())
                .execute(connection)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(changed == 1)
    }
}
