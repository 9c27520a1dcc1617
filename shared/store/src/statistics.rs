//! What PostgreSQL knows of its tables' sizes, while they are young.
//!
//! A table that was never analysed is taken to be nearly empty, and any index, or none, seems as good as any other: in an
//! installation a minute old a look for one row by its key was seen to read a brand's whole log. Autovacuum comes by once a
//! minute, which is too late for a Story that draws a crowd to a new installation.

use sqlx::AssertSqlSafe;

use crate::engine::Engine;
use crate::{Store, StoreError};

/// Tables that hold twice as many rows as when they were last analysed, and that this role may analyse. Each is found once for
/// every time it doubles, so that a large one is left to autovacuum, which comes when a tenth has changed.
const GROWN: &str = "SELECT format('%I.%I', s.schemaname, s.relname)
    FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
    WHERE s.n_live_tup >= 2 * GREATEST(c.reltuples, 100) AND c.relkind = 'r' AND pg_has_role(c.relowner, 'USAGE')
    ORDER BY s.n_live_tup DESC LIMIT 1";

/// One process at a time; an arbitrary number, of this program's alone.
const LOCK: &str = "SELECT pg_try_advisory_xact_lock(5104837262)";

/// Tables that one call looks after at most.
const TABLES_MAX: usize = 64;

impl Store {
    /// Has PostgreSQL analyse tables that have doubled since it last did, and says which. Run it regularly, from any number of
    /// processes. SQLite was told once what its tables look like (migration 30).
    pub async fn analyse_grown_tables(&self) -> Result<Vec<String>, StoreError> {
        let mut analysed = Vec::new();
        let Engine::Postgres(pool) = &self.engine else { return Ok(analysed) };
        while analysed.len() < TABLES_MAX {
            // Each by itself: its lock keeps no other table's migration waiting.
            let mut tx = pool.begin().await?;
            let ours: bool = sqlx::query_scalar(LOCK).fetch_one(&mut *tx).await?;
            if !ours {
                break;
            }
            let grown: Option<String> = sqlx::query_scalar(GROWN).fetch_optional(&mut *tx).await?;
            // The same again: the server has not noticed yet what it did.
            let Some(table) = grown.filter(|table| !analysed.contains(table)) else { break };
            // A name that the server itself has quoted.
            sqlx::query(AssertSqlSafe(format!("ANALYZE {table}"))).execute(&mut *tx).await?;
            tx.commit().await?;
            analysed.push(table);
        }
        Ok(analysed)
    }
}
