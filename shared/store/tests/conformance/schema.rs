use std::path::Path;

use afterglow_store::{SCHEMA_VERSION, Start, Store, StoreError, StoreOptions};

use crate::given::{Given, LEASE_MS, NOW, counting, intent_for, lumen, message, on_both, ready, reserve};
use crate::sends::sent;

on_both!(
    an_older_or_closed_schema_is_refused,
    an_old_program_works_on_a_newer_schema,
    a_changed_migration_is_refused,
    two_may_migrate_at_once
);

async fn an_older_or_closed_schema_is_refused(given: Given) {
    let store = &given.store;
    assert_eq!(store.schema_version().await.unwrap(), 0);
    let refused = store.check_schema().await.unwrap_err();
    assert!(matches!(refused, StoreError::SchemaOlder { found: 0, needed: SCHEMA_VERSION }), "{refused:?}");
    assert!(refused.to_string().contains("run `afterglow migrate`"));

    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    store.check_schema().await.unwrap();
    assert_eq!(store.schema_version().await.unwrap(), SCHEMA_VERSION);

    given.raw(LATER).await;
    for open in [store.check_schema().await, store.migrate().await] {
        open.unwrap();
    }
    given.raw("UPDATE schema_floor SET version = 999").await;
    for refused in [store.check_schema().await.unwrap_err(), store.migrate().await.unwrap_err()] {
        assert!(matches!(refused, StoreError::SchemaNewer { found: 999, known: SCHEMA_VERSION }), "{refused:?}");
        assert!(!refused.is_retryable());
    }
}

/// What a program of a later version leaves of its migration.
const LATER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
    SELECT 999, 'later', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";

/// Every table has one more column, as a later version may add.
async fn an_old_program_works_on_a_newer_schema(given: Given) {
    ready(&given).await;
    for table in ["brand", "account", "interaction", "viewer", "outbox", "consent", "intent", "decision", "send"] {
        given.raw(&format!("ALTER TABLE {table} ADD COLUMN later TEXT NOT NULL DEFAULT 'x'")).await;
    }
    given.raw(LATER).await;
    let again = given.reopen().await;
    again.check_schema().await.unwrap();
    let cause = message("v", 1);
    assert_eq!(
        again.apply_interactions(std::slice::from_ref(&cause), NOW, LEASE_MS, counting).await.unwrap().accepted,
        1
    );
    let intent = intent_for(&cause);
    let reservation = reserve(&again, &intent, NOW).await;
    assert_eq!(again.start_send(&reservation, NOW, LEASE_MS).await.unwrap(), Start::Go);
    again.finish_send(reservation.send, &sent("m"), NOW).await.unwrap();
    assert_eq!(again.brand(&lumen()).recent_decisions(9).await.unwrap().len(), 1);
    again.close().await;
}

async fn a_changed_migration_is_refused(given: Given) {
    given.store.migrate().await.unwrap();
    let sum = if given.url.starts_with("sqlite") { "x'00'" } else { "'\\x00'" };
    given.raw(&format!("UPDATE _sqlx_migrations SET checksum = {sum} WHERE version = 1")).await;
    for refused in [given.store.check_schema().await.unwrap_err(), given.store.migrate().await.unwrap_err()] {
        assert!(matches!(refused, StoreError::SchemaDiffers { version: 1 }), "{refused:?}");
    }
}

async fn two_may_migrate_at_once(given: Given) {
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let store = given.store.clone();
            tokio::spawn(async move { store.migrate().await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    given.store.check_schema().await.unwrap();
}

#[tokio::test]
async fn a_wrong_address_is_a_matter_of_configuration_and_an_absent_server_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions::default();
    for url in ["mysql://localhost/x", "sqlite::memory:", "sqlite:x?mode=memory", "", "postgres://localhost:port/x"] {
        let error = Store::open(Some(url), directory.path(), options).await.unwrap_err();
        assert!(matches!(error, StoreError::Configuration { .. }), "{url}: {error:?}");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://someone:secret-word@{closed}/x");
    let error = Store::open(Some(&url), directory.path(), options).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("secret-word"));
}

#[tokio::test]
async fn without_an_address_the_store_is_a_file_in_the_data_directory() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("a/b");
    let store = Store::open(None, &inner, StoreOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    store.ping().await.unwrap();
    assert_eq!(store.engine_name(), "sqlite");
    store.close().await;
    assert!(Path::new(&inner.join("afterglow.db")).exists());
}
