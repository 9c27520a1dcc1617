//! The schema: its migrations, and the refusal to work with one that this program does not fit.
//!
//! A migration that has landed never changes: the engines hold the checksum of each, and a test holds the list.
//!
//! Migrations expand: they add, and a program of the version before works on. So a program that is older than the schema
//! starts all the same: in the midst of an upgrade a pod of the old version that dies must be able to come back. One
//! that takes something away contracts; it lands when no program that needs it is left, and is listed in [`CONTRACTING`]:
//! then the database itself tells programs that are too old (table `schema_floor`).

use std::borrow::Cow;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::engine::{Engine, Sql, on_read, on_tx};
use crate::{Store, StoreError, wall};

/// A migration's version, its file's name, and its text for each engine.
macro_rules! migration {
    ($version:literal, $name:literal) => {
        (
            $version,
            $name,
            Sql {
                postgres: include_str!(concat!("../migrations/postgres/", $name, ".sql")),
                sqlite: include_str!(concat!("../migrations/sqlite/", $name, ".sql")),
            },
        )
    };
}

/// In order. Append only.
const MIGRATIONS: &[(i64, &str, Sql)] = &[
    migration!(1, "0001_start"),
    migration!(2, "0002_control"),
    migration!(3, "0003_amendments"),
    migration!(4, "0004_shared_work"),
    migration!(5, "0005_forgotten"),
    migration!(6, "0006_links"),
    migration!(7, "0007_connect"),
    migration!(8, "0008_retention"),
    migration!(9, "0009_rules"),
    migration!(10, "0010_kill_switches"),
    migration!(11, "0011_console"),
    migration!(12, "0012_api_token"),
    migration!(13, "0013_plays"),
    migration!(14, "0014_intent_turn"),
    migration!(15, "0015_schema_floor"),
    migration!(16, "0016_safety"),
    migration!(17, "0017_feed"),
    migration!(18, "0018_kpis"),
    migration!(19, "0019_access"),
    migration!(20, "0020_story_watch"),
    migration!(21, "0021_crm"),
    migration!(22, "0022_feed_broker"),
    migration!(23, "0023_experiments"),
    migration!(24, "0024_hypotheses"),
    migration!(25, "0025_story_label"),
    migration!(26, "0026_weekly_report"),
    migration!(27, "0027_kpi_month"),
    migration!(28, "0028_feed_due"),
    migration!(29, "0029_moderation_verdict"),
    migration!(30, "0030_statistics"),
];

/// Migrations after which older programs cannot work: each took something away that they use. Append only.
const CONTRACTING: &[i64] = &[];

/// The schema version that this program writes and reads.
pub const SCHEMA_VERSION: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

const HAS_HISTORY: Sql = Sql {
    postgres: "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('_sqlx_migrations')",
    sqlite: "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'",
};

const FLOOR: &str = "SELECT version FROM schema_floor";
const RAISE_FLOOR: &str = "UPDATE schema_floor SET version = $1 WHERE version < $1";

fn migrations(engine: &Engine) -> Vec<Migration> {
    MIGRATIONS
        .iter()
        .map(|(version, name, sql)| {
            let text = engine.sql(sql).into_sql_str();
            Migration::new(*version, Cow::Borrowed(name), MigrationType::Simple, text, false)
        })
        .collect()
}

impl Store {
    /// Brings the schema to [`SCHEMA_VERSION`]. Safe to run from several processes at once (PostgreSQL: advisory lock;
    /// SQLite: run it from one). In PostgreSQL it also builds the second wall between brands, where the login may.
    ///
    /// # Errors
    /// `SchemaNewer` if the schema is newer and closed to this program; a newer one that is open to it is left as it is.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        if self.schema_version().await? > SCHEMA_VERSION {
            return self.check_schema().await;
        }
        let migrator = Migrator::with_migrations(migrations(&self.engine));
        let result = match &self.engine {
            Engine::Postgres(pool) => migrator.run(pool).await,
            Engine::Sqlite { write, .. } => migrator.run(write).await,
        };
        result.map_err(|error| StoreError::from_migration(error, SCHEMA_VERSION))?;
        if let Engine::Postgres(pool) = &self.engine {
            wall::build(pool).await?;
        }
        let mut tx = self.engine.begin().await?;
        let floor = CONTRACTING.last().copied().unwrap_or(0);
        on_tx!(&mut tx, |connection| sqlx::query(RAISE_FLOOR).bind(floor).execute(connection).await?.rows_affected());
        tx.commit().await
    }

    /// The newest migration in the database; 0 for an empty one.
    pub async fn schema_version(&self) -> Result<i64, StoreError> {
        Ok(self.history().await?.last().map_or(0, |(version, _, _)| *version))
    }

    /// The oldest version whose program still works on this schema; newer programs alone raise it.
    pub async fn schema_floor(&self) -> Result<i64, StoreError> {
        let (floor,): (i64,) = on_read!(&self.engine, |pool| sqlx::query_as(FLOOR).fetch_one(pool).await?);
        Ok(floor)
    }

    /// Refuses a schema that is older than this program, that is newer and closed to it, or that came from other migrations.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let history = self.history().await?;
        let found = history.last().map_or(0, |(version, _, _)| *version);
        for (ours, (version, checksum, success)) in migrations(&self.engine).iter().zip(&history) {
            if ours.version != *version || ours.checksum.as_ref() != checksum || !success {
                return Err(StoreError::SchemaDiffers { version: ours.version });
            }
        }
        if found < SCHEMA_VERSION {
            return Err(StoreError::SchemaOlder { found, needed: SCHEMA_VERSION });
        }
        if found > SCHEMA_VERSION && self.schema_floor().await? > SCHEMA_VERSION {
            return Err(StoreError::SchemaNewer { found, known: SCHEMA_VERSION });
        }
        Ok(())
    }

    async fn history(&self) -> Result<Vec<(i64, Vec<u8>, bool)>, StoreError> {
        let has_history = self.engine.sql(&HAS_HISTORY);
        let (tables,): (i64,) = on_read!(&self.engine, |pool| sqlx::query_as(has_history).fetch_one(pool).await?);
        if tables == 0 {
            return Ok(Vec::new());
        }
        let sql = "SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version";
        Ok(on_read!(&self.engine, |pool| sqlx::query_as(sql).fetch_all(pool).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-384 of each migration that has landed. A line here is never changed, only added.
    const LANDED: &str = include_str!("../migrations/CHECKSUMS");

    #[test]
    fn landed_migrations_do_not_change() {
        let mut lines = Vec::new();
        for (version, name, sql) in MIGRATIONS {
            for (engine, text) in [("postgres", sql.postgres), ("sqlite", sql.sqlite)] {
                let sum =
                    Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, text.into_sql_str(), false);
                lines.push(format!("{}  {engine}/{name}.sql", hex::encode(&sum.checksum)));
            }
        }
        let landed: Vec<&str> = LANDED.lines().collect();
        assert_eq!(landed, lines, "write a new migration instead of changing one that has landed");
    }
}
