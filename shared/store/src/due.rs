//! Which intents wait to be judged again, and are due.

use afterglow_domain::{AccountId, Intent, Timestamp};

use crate::codec::from_json;
use crate::engine::{Sql, lease, on_read, on_tx};
use crate::{Store, StoreError, sends};

const DUE: Sql = Sql {
    postgres: "UPDATE intent SET due_ms = $3 WHERE id IN
            (SELECT id FROM intent WHERE status IN ('deferred', 'pending') AND due_ms <= $1
             ORDER BY due_ms, id LIMIT $2 FOR UPDATE SKIP LOCKED)
        RETURNING body",
    sqlite: "UPDATE intent SET due_ms = $3 WHERE id IN
            (SELECT id FROM intent WHERE status IN ('deferred', 'pending') AND due_ms <= $1
             ORDER BY due_ms, id LIMIT $2)
        RETURNING body",
};

/// Accounts with something due, after one of them. PostgreSQL would read every entry of an account with a long backlog on its
/// way to the next: it is led from account to account instead ("loose index scan", PostgreSQL wiki).
const ACCOUNTS_DUE: Sql = Sql {
    postgres: "WITH RECURSIVE next AS (
            (SELECT account FROM intent WHERE status IN ('deferred', 'pending') AND account > $2 ORDER BY account LIMIT 1)
            UNION ALL
            SELECT (SELECT i.account FROM intent i WHERE i.status IN ('deferred', 'pending') AND i.account > next.account
                ORDER BY i.account LIMIT 1)
            FROM next WHERE next.account IS NOT NULL)
        SELECT account FROM next WHERE account IS NOT NULL AND EXISTS (SELECT 1 FROM intent i
            WHERE i.account = next.account AND i.status IN ('deferred', 'pending') AND i.due_ms <= $1)
        LIMIT $3",
    sqlite: "SELECT DISTINCT account FROM intent
        WHERE status IN ('deferred', 'pending') AND account > $2 AND due_ms <= $1 ORDER BY account LIMIT $3",
};

const DUE_OF: Sql = Sql {
    postgres: "UPDATE intent SET due_ms = $3 WHERE id IN
            (SELECT id FROM intent WHERE account = $4 AND status IN ('deferred', 'pending') AND due_ms <= $1
             ORDER BY due_ms, id LIMIT $2 FOR UPDATE SKIP LOCKED)
        RETURNING body",
    sqlite: "UPDATE intent SET due_ms = $3 WHERE id IN
            (SELECT id FROM intent WHERE account = $4 AND status IN ('deferred', 'pending') AND due_ms <= $1
             ORDER BY due_ms, id LIMIT $2)
        RETURNING body",
};

impl Store {
    /// Like [`Store::due_intents`], but picks from the accounts that come after `after` in their order, and at most
    /// `of_each` of each: while much is due, every account has its turn. Gives the last account it picked from; `None` when
    /// there is none after it, and the round begins anew.
    pub async fn due_intents_in_turn(
        &self,
        now: Timestamp,
        (limit, of_each): (u32, u32),
        after: Option<&AccountId>,
        lease_ms: i64,
    ) -> Result<(Vec<Intent>, Option<AccountId>), StoreError> {
        let accounts = self.engine.sql(&ACCOUNTS_DUE);
        let after = after.map_or("", AccountId::as_str);
        let accounts: Vec<String> = on_read!(&self.engine, |pool| {
            sqlx::query_scalar(accounts).bind(now.millis()).bind(after).bind(i64::from(limit)).fetch_all(pool).await?
        });
        let mut tx = self.engine.begin().await?;
        let sql = tx.sql(&DUE_OF);
        let (mut bodies, mut last): (Vec<String>, _) = (Vec::new(), None);
        for account in accounts {
            let room = limit.saturating_sub(u32::try_from(bodies.len()).unwrap_or(u32::MAX)).min(of_each);
            if room == 0 {
                break;
            }
            let picked: Vec<String> = on_tx!(&mut tx, |connection| {
                sqlx::query_scalar(sql)
                    .bind(now.millis())
                    .bind(i64::from(room))
                    .bind(now.plus(lease_ms).millis())
                    .bind(account.as_str())
                    .fetch_all(connection)
                    .await?
            });
            bodies.extend(picked);
            last = Some(AccountId::new(account));
        }
        tx.commit().await?;
        let intents = bodies.iter().map(|body| from_json("intent.body", body)).collect::<Result<_, _>>()?;
        Ok((intents, last))
    }

    /// Takes at most `limit` intents that wait to be judged again: deferred ones that are due, and those whose
    /// reservation was withdrawn or ran out. Each is the caller's for `lease_ms`; then it is due again.
    pub async fn due_intents(&self, now: Timestamp, limit: u32, lease_ms: i64) -> Result<Vec<Intent>, StoreError> {
        let mut tx = self.engine.begin().await?;
        sends::release(&mut tx, now).await?;
        let bodies: Vec<(String,)> = lease(&mut tx, &DUE, now, limit, lease_ms).await?;
        tx.commit().await?;
        bodies.iter().map(|(body,)| from_json("intent.body", body)).collect()
    }
}
