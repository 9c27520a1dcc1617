//! How each account does: when it was last heard, by what, and what it sends.

use afterglow_domain::{AccountId, Timestamp};

use crate::codec::moment;
use crate::engine::{on_read, row};
use crate::{Store, StoreError};

/// How one account does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountHealth {
    /// Which.
    pub account: AccountId,
    /// When a webhook last brought something of it, among what occurred since the moment asked for.
    pub heard: Option<Timestamp>,
    /// What webhooks brought since then.
    pub by_webhook: u64,
    /// What webhooks missed and the sweep of conversations found since then: the gap.
    pub by_sweep: u64,
    /// Sends that were begun within the last hour.
    pub sends: u64,
}

row! {
    struct HealthColumns { id: String, heard: Option<i64>, webhooks: i64, swept: i64, sends: i64 }
}

// By what occurred, for which there is an index.
const HEALTH: &str = "SELECT a.id, h.heard, COALESCE(h.webhooks, 0) AS webhooks, COALESCE(h.swept, 0) AS swept,
        (SELECT COUNT(*) FROM send s WHERE s.account = a.id AND s.reserved_ms >= $2
            AND s.status IN ('reserved', 'sending', 'sent', 'unknown')) AS sends
    FROM account a LEFT JOIN (
        SELECT i.account, i.brand, MAX(CASE WHEN i.source = 'webhook' THEN i.received_ms END) AS heard,
            SUM(CASE WHEN i.source = 'webhook' THEN 1 ELSE 0 END) AS webhooks,
            SUM(CASE WHEN i.source = 'reconcile' THEN 1 ELSE 0 END) AS swept
        FROM interaction i JOIN brand b ON b.id = i.brand WHERE i.occurred_ms >= $1 GROUP BY i.brand, i.account
    ) h ON h.account = a.id AND h.brand = a.brand ORDER BY a.id";

const HOUR_MS: i64 = 3_600_000;

impl Store {
    /// How every account does, by what occurred since `since`. For operators: it looks across brands.
    pub async fn account_health(&self, since: Timestamp, now: Timestamp) -> Result<Vec<AccountHealth>, StoreError> {
        let rows: Vec<HealthColumns> = on_read!(&self.engine, |pool| {
            sqlx::query_as(HEALTH).bind(since.millis()).bind(now.minus(HOUR_MS).millis()).fetch_all(pool).await?
        });
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        let health = |row: HealthColumns| AccountHealth {
            account: AccountId::new(row.id),
            heard: moment(row.heard),
            by_webhook: count(row.webhooks),
            by_sweep: count(row.swept),
            sends: count(row.sends),
        };
        Ok(rows.into_iter().map(health).collect())
    }
}
