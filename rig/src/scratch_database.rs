//! A database of one's own on a server that is there.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Makes a database beside the one that `server` names, gives its address and its name to `work`, and drops it again, with the role that
/// reads one brand of it, however the work ended.
///
/// # Errors
/// If the server cannot be reached, or makes or drops no database; and the work's own.
pub async fn with_scratch_database<T>(
    server: &str,
    prefix: &str,
    work: impl AsyncFnOnce(&str, &str) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{prefix}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut admin = PgConnection::connect(server).await.context("cannot reach PostgreSQL")?;
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await?;
    let done = work(&beside(server, &name), &name).await;
    sqlx::query(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).execute(&mut admin).await?;
    sqlx::query(AssertSqlSafe(format!("DROP ROLE IF EXISTS {name}_brand"))).execute(&mut admin).await?;
    done
}

/// The address of another database on the same server.
fn beside(server: &str, name: &str) -> String {
    let (address, query) = server.split_once('?').map_or((server, None), |(address, query)| (address, Some(query)));
    let (scheme, rest) = address.split_once("://").unwrap_or(("postgres", address));
    let authority = rest.split('/').next().unwrap_or_default();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{authority}/{name}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_on_the_same_server() {
        for (server, other) in [
            ("postgres://u:p@h:5/postgres", "postgres://u:p@h:5/other"),
            ("postgresql://h", "postgresql://h/other"),
            ("postgres://h/a?sslmode=disable", "postgres://h/other?sslmode=disable"),
        ] {
            assert_eq!(beside(server, "other"), other, "{server}");
        }
    }
}
