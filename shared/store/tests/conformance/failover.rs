//! PostgreSQL goes away in the midst of a transaction, comes back as a member that takes no writes yet, and is promoted.

use std::time::{Duration, Instant};

use afterglow_store::StoreError;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::given::{Given, LEASE_MS, NOW, counting, message, on_postgres, ready};

const PATIENCE: Duration = Duration::from_secs(20);
/// Whoever waits for a lock in this database.
const WAITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
/// Ends every other connection to this database, as a server that fails does.
const FALL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// Whether the server takes writes of those who connect from now on.
async fn read_only(given: &Given, yes: bool) {
    let mut connection = PgConnection::connect(&given.url).await.unwrap();
    sqlx::query("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE").execute(&mut connection).await.unwrap();
    let set = format!(
        "DO $$ BEGIN
            EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = {yes}', current_database());
        END $$"
    );
    sqlx::query(AssertSqlSafe(set)).execute(&mut connection).await.unwrap();
}

async fn case(given: Given) {
    ready(&given).await;
    let cause = message("v", 1);
    let batch = std::slice::from_ref(&cause);

    // Its interaction is written, its outbox has to wait: then the server is gone.
    let mut other = PgConnection::connect(&given.url).await.unwrap();
    let mut holding = other.begin().await.unwrap();
    sqlx::query("LOCK TABLE outbox IN EXCLUSIVE MODE").execute(&mut *holding).await.unwrap();
    let applying = {
        let (store, cause) = (given.store.clone(), cause.clone());
        tokio::spawn(async move { store.apply_interactions(&[cause], NOW, LEASE_MS, counting).await })
    };
    let begun = Instant::now();
    loop {
        let waiting: i64 = sqlx::query_scalar(WAITING).fetch_one(&mut *holding).await.unwrap();
        if waiting > 0 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "nobody waits for the outbox");
    }
    read_only(&given, true).await;
    sqlx::query(FALL).execute(&mut *holding).await.unwrap();
    holding.rollback().await.unwrap();
    let lost = applying.await.unwrap().unwrap_err();
    assert!(lost.is_retryable(), "{lost:?}");

    // Whoever connects meets a member that was not promoted yet. (Connections of the pool that fell may be met first.)
    let begun = Instant::now();
    loop {
        let refused = given.store.apply_interactions(batch, NOW, LEASE_MS, counting).await.unwrap_err();
        assert!(refused.is_retryable(), "{refused:?}");
        let code = |error: &StoreError| match error {
            StoreError::Unavailable(sqlx::Error::Database(why)) => why.code().map(String::from),
            _ => None,
        };
        if code(&refused).as_deref() == Some("25006") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{refused:?}");
    }

    read_only(&given, false).await;
    given.raw(FALL).await;
    let begun = Instant::now();
    let applied = loop {
        match given.store.apply_interactions(batch, NOW, LEASE_MS, counting).await {
            Ok(applied) => break applied,
            Err(error) => assert!(error.is_retryable() && begun.elapsed() < PATIENCE, "{error:?}"),
        }
    };
    assert_eq!((applied.accepted, applied.duplicates), (1, 0), "nothing of what was begun was kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_failover_interrupts_is_tried_again_and_counts_once() {
    on_postgres(case).await;
}
