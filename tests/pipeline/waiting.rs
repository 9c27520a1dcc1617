//! What a process waits for at its start it says, and goes on when it has come.

use std::time::Instant;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::installation::{Installation, PATIENCE, get, in_production_form};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_is_to_come_is_waited_for_and_a_closed_one_is_not() {
    in_production_form(case).await;
}

async fn sql(installation: &Installation, text: &str) {
    let url = &installation.environment.iter().find(|(name, _)| name == "DATABASE_URL").unwrap().1;
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query(AssertSqlSafe(text.to_owned())).execute(&mut connection).await.unwrap();
}

async fn case(mut installation: Installation) {
    assert!(installation.take("scorer").terminate().await.success());
    // As before the very first migration.
    sql(&installation, "ALTER TABLE _sqlx_migrations RENAME TO kept").await;
    installation.spawn("scorer");
    let ready = installation.ops_url("scorer", "/readyz");
    let begun = Instant::now();
    loop {
        match get(&ready).await {
            Some((503, why)) if why.contains("run `afterglow migrate`") => break,
            other => assert!(begun.elapsed() < PATIENCE, "{other:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(get(&installation.ops_url("scorer", "/healthz")).await.unwrap().0, 200, "it lives, and waits");
    sql(&installation, "ALTER TABLE kept RENAME TO _sqlx_migrations").await;
    installation.ready().await;

    assert!(installation.take("scorer").terminate().await.success());
    sql(&installation, "UPDATE schema_floor SET version = 9999").await;
    sql(
        &installation,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
            SELECT 9999, 'later', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
    )
    .await;
    installation.spawn("scorer");
    let mut process = installation.take("scorer");
    let begun = Instant::now();
    while process.is_running() {
        assert!(begun.elapsed() < PATIENCE, "{}", process.log_text());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(process.log_text().contains("use a newer program"), "{}", process.log_text());
}
