//! Addresses, pools and their settings.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use afterglow_domain::Timestamp;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::engine::{Engine, on_read};
use crate::{ForgetKey, Store, StoreError};

/// A statement that runs longer is stopped by PostgreSQL and reported as unavailable.
const STATEMENT_TIMEOUT: &str = "30s";
/// A transaction left idle so long (its process is stuck) gives its locks back.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "60s";
/// How long a caller waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that was used so lately is taken to be there. Asked first, each transaction would be a round trip longer; one that is
/// gone for all that fails what it is used for, as it would a moment later, and is tried again on another.
const TRUSTED: Duration = Duration::from_secs(1);
/// How long SQLite waits for another process that writes. It asks every 100 ms, and one that writes much leaves few moments in between:
/// a command beside a busy service must not give up soon.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections that read an SQLite file, at most. Each is a thread, two handles, a page cache, and memory that allocators keep for the
/// thread as much as it ever needed; what is read is in the system's memory, so more of them than a few answer nothing sooner.
const SQLITE_READERS: u32 = 4;
/// What a reading connection keeps of the file, as `SQLite` takes it: negative KiB (sqlite.org, "PRAGMA `cache_size`"; 2 MB by default). What
/// is not in it is in the system's memory, which all of them share.
const SQLITE_READER_CACHE: &str = "-512";
/// One writes; the next ones are made ready meanwhile.
const SQLITE_AT_ONCE: usize = 4;
/// The file's name inside the data directory.
const FILE_NAME: &str = "afterglow.db";

/// How to open the store.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// Connections at most (PostgreSQL), or reading connections at most (SQLite, which has one writer besides and no more than
    /// four that read). ≥ 1.
    pub max_connections: u32,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { max_connections: 10 }
    }
}

impl Store {
    /// Opens `postgres://…`, `postgresql://…` or `sqlite:PATH`; without an address, `afterglow.db` in `data_dir`, which
    /// is made if need be. Does not touch the schema: see [`Store::migrate`] and [`Store::check_schema`].
    ///
    /// # Errors
    /// `Configuration` if the address is of neither engine or the directory cannot be made; `Unavailable` if the
    /// database does not answer.
    pub async fn open(url: Option<&str>, data_dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let engine = match url {
            None => {
                tokio::fs::create_dir_all(data_dir).await.map_err(|error| StoreError::Configuration {
                    what: "data directory",
                    source: Some(error.into()),
                })?;
                open_sqlite(SqliteConnectOptions::new().filename(data_dir.join(FILE_NAME)), options).await?
            }
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                open_postgres(PgConnectOptions::from_str(url)?, options).await?
            }
            Some(url) if url.starts_with("sqlite:") => {
                if url.contains(":memory:") || url.contains("mode=memory") {
                    return Err(StoreError::configuration(
                        "database address: SQLite must be a file, or nothing is kept",
                    ));
                }
                open_sqlite(SqliteConnectOptions::from_str(url)?, options).await?
            }
            Some(_) => return Err(StoreError::configuration("database address: neither postgres:// nor sqlite:")),
        };
        Ok(Self { engine, brand_role: std::sync::Arc::default(), forget_key: None })
    }

    /// The store with the key under which the forgotten are remembered.
    #[must_use]
    pub fn with_forget_key(mut self, key: ForgetKey) -> Self {
        self.forget_key = Some(key);
        self
    }

    /// Whether the key is there under which the forgotten are remembered.
    pub fn can_forget(&self) -> bool {
        self.forget_key.is_some()
    }

    /// `postgres` or `sqlite`.
    pub fn engine_name(&self) -> &'static str {
        match self.engine {
            Engine::Postgres(_) => "postgres",
            Engine::Sqlite { .. } => "sqlite",
        }
    }

    /// Asks the database whether it is there; for readiness.
    pub async fn ping(&self) -> Result<(), StoreError> {
        on_read!(&self.engine, |pool| sqlx::query("SELECT 1").execute(pool).await.map(drop))?;
        Ok(())
    }

    /// The database's own time; for comparing clocks.
    pub async fn now(&self) -> Result<Timestamp, StoreError> {
        let sql = match self.engine {
            Engine::Postgres(_) => "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
            Engine::Sqlite { .. } => "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        };
        let (ms,): (i64,) = on_read!(&self.engine, |pool| sqlx::query_as(sql).fetch_one(pool).await?);
        Ok(Timestamp::from_millis(ms))
    }

    /// How many transactions of one process are worth beginning at once: more only wait for each other.
    pub fn transactions_at_once(&self) -> usize {
        match &self.engine {
            Engine::Postgres(pool) => usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX),
            Engine::Sqlite { .. } => SQLITE_AT_ONCE,
        }
    }

    /// Waits for what runs, then closes every connection.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Postgres(pool) => pool.close().await,
            Engine::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
        }
    }
}

async fn open_postgres(options: PgConnectOptions, limits: StoreOptions) -> Result<Engine, StoreError> {
    let options = options.application_name("afterglow").options([
        ("statement_timeout", STATEMENT_TIMEOUT),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
    ]);
    let pool = PgPoolOptions::new()
        .max_connections(limits.max_connections.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(options)
        .await?;
    Ok(Engine::Postgres(pool))
}

async fn open_sqlite(options: SqliteConnectOptions, limits: StoreOptions) -> Result<Engine, StoreError> {
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full) // NORMAL may lose the last commits when the power fails
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    // A file does not go away, so nothing is tested before it is used.
    let write = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.clone())
        .await?;
    let read = SqlitePoolOptions::new()
        .max_connections(limits.max_connections.clamp(1, SQLITE_READERS))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_with(options.pragma("query_only", "on").pragma("cache_size", SQLITE_READER_CACHE))
        .await?;
    Ok(Engine::Sqlite { write, read })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn few_connections_read_a_file() {
        let folder = tempfile::tempdir().unwrap();
        for (asked, most) in [(0, 1), (2, 2), (10, SQLITE_READERS)] {
            let store = Store::open(None, folder.path(), StoreOptions { max_connections: asked }).await.unwrap();
            let Engine::Sqlite { read, write } = &store.engine else { panic!("no SQLite") };
            assert_eq!((read.options().get_max_connections(), write.options().get_max_connections()), (most, 1));
            store.close().await;
        }
    }
}
