//! One suite, two engines: each case runs on SQLite, and on PostgreSQL in a database of its own when
//! `AFTERGLOW_TEST_DATABASE_URL` names a server. Without one it is skipped, except where servers are required
//! (`CI=true` or `AFTERGLOW_TEST_REQUIRE_SERVERS=1`): there it fails.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod amendments;
mod brand_transfer;
mod brands;
mod console;
mod documents;
mod echoes;
mod experiments;
mod failover;
mod feed;
mod fence;
mod forgotten;
mod given;
mod interactions;
mod kpis;
mod outbox;
mod overheard;
mod plans;
mod plays;
mod quarantine;
mod retention;
mod row_walls;
mod safety;
mod schedules;
mod schema;
mod sealed;
mod sends;
mod shared_work;
mod statistics;
mod walls;
