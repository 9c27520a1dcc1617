//! Two engines behind one door.
//!
//! A statement is written once where both engines agree; where they do not, both texts stand side by side in a [`Sql`].
//! `on_tx!` and `on_read!` expand one expression for each engine, so that the driver's types stay concrete.

use afterglow_domain::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgPool, PgRow, PgTypeInfo};
use sqlx::sqlite::{SqliteArgumentsBuffer, SqlitePool, SqliteRow, SqliteTypeInfo};
use sqlx::{Encode, FromRow, Postgres, Sqlite, Transaction, Type};
use uuid::Uuid;

use crate::StoreError;

#[derive(Clone)]
pub(crate) enum Engine {
    Postgres(PgPool),
    /// SQLite has one writer at a time: one connection writes, and the others read.
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
    },
}

/// An open transaction that may write. Dropped without [`Tx::commit`], it rolls back.
pub(crate) enum Tx {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

impl Engine {
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Engine::Postgres(pool) => Tx::Postgres(pool.begin().await?),
            // IMMEDIATE takes the write lock at once: a deferred transaction that first reads cannot always upgrade.
            Engine::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
        })
    }

    /// A transaction whose commit does not wait for the disk: what it wrote is seen at once, and a database that crashes within
    /// the next second may have forgotten it. Only for what is found again by itself then. A commit that waits makes all before
    /// it lasting too, this one included (PostgreSQL, "Asynchronous Commit"). SQLite waits in any case.
    pub(crate) async fn begin_forgettable(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Engine::Postgres(pool) => Tx::Postgres(pool.begin_with("BEGIN; SET LOCAL synchronous_commit = off").await?),
            Engine::Sqlite { .. } => self.begin().await?,
        })
    }

    /// A transaction that only reads, and sees one moment.
    pub(crate) async fn begin_snapshot(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Engine::Postgres(pool) => {
                Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
            Engine::Sqlite { read, .. } => Tx::Sqlite(read.begin().await?),
        })
    }

    pub(crate) fn sql(&self, sql: &Sql) -> &'static str {
        match self {
            Engine::Postgres(_) => sql.postgres,
            Engine::Sqlite { .. } => sql.sqlite,
        }
    }
}

impl Tx {
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Tx::Postgres(tx) => tx.commit().await?,
            Tx::Sqlite(tx) => tx.commit().await?,
        }
        Ok(())
    }

    pub(crate) fn sql(&self, sql: &Sql) -> &'static str {
        match self {
            Tx::Postgres(_) => sql.postgres,
            Tx::Sqlite(_) => sql.sqlite,
        }
    }
}

/// One statement in both engines' words.
pub(crate) struct Sql {
    pub(crate) postgres: &'static str,
    pub(crate) sqlite: &'static str,
}

/// A statement that locks the rows it reads. SQLite needs no words for it: its transaction holds the only write lock.
macro_rules! locking {
    ($sql:expr, $lock:literal) => {
        $crate::engine::Sql { postgres: concat!($sql, " ", $lock), sqlite: $sql }
    };
}

/// Runs an expression on the connection of a transaction, whichever engine it is.
macro_rules! on_tx {
    ($tx:expr, |$connection:ident| $body:expr) => {
        match $tx {
            $crate::engine::Tx::Postgres(tx) => {
                let $connection = &mut **tx;
                $body
            }
            $crate::engine::Tx::Sqlite(tx) => {
                let $connection = &mut **tx;
                $body
            }
        }
    };
}

/// Rows that a statement leases to the caller: $1 is now, $2 how many at most, $3 until when.
pub(crate) async fn lease<R>(
    tx: &mut Tx,
    sql: &Sql,
    now: Timestamp,
    limit: u32,
    lease_ms: i64,
) -> Result<Vec<R>, StoreError>
where
    R: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
{
    let (sql, until) = (tx.sql(sql), now.plus(lease_ms));
    Ok(on_tx!(tx, |connection| {
        let query = sqlx::query_as(sql).bind(now.millis()).bind(i64::from(limit)).bind(until.millis());
        query.fetch_all(connection).await?
    }))
}

/// Runs an expression on the pool that reads, whichever engine it is.
macro_rules! on_read {
    ($engine:expr, |$pool:ident| $body:expr) => {
        match $engine {
            $crate::engine::Engine::Postgres($pool) => $body,
            $crate::engine::Engine::Sqlite { read: $pool, .. } => $body,
        }
    };
}

/// Declares a row with named columns that both engines can fill: what `derive(FromRow)` would write.
macro_rules! row {
    ($(#[$meta:meta])* struct $name:ident { $($column:ident: $type:ty),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub(crate) struct $name { $(pub(crate) $column: $type),+ }

        impl<'r, R> sqlx::FromRow<'r, R> for $name
        where
            R: sqlx::Row,
            &'static str: sqlx::ColumnIndex<R>,
            $($type: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,)+
        {
            fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
                Ok(Self { $($column: row.try_get(stringify!($column))?),+ })
            }
        }
    };
}

pub(crate) use {locking, on_read, on_tx, row};

/// A list of numbers as one parameter: an array in PostgreSQL, JSON text in SQLite.
pub(crate) struct Numbers(pub(crate) Vec<i64>);
/// A list of derived ids as one parameter: an array in PostgreSQL, JSON text of hex digits in SQLite.
pub(crate) struct Ids(pub(crate) Vec<Uuid>);
/// A list of texts as one parameter: an array in PostgreSQL, JSON text in SQLite.
pub(crate) struct Texts(pub(crate) Vec<String>);

macro_rules! list_parameter {
    ($list:ident, $item:ty, |$items:ident| $json:expr) => {
        impl Type<Postgres> for $list {
            fn type_info() -> PgTypeInfo {
                <Vec<$item> as Type<Postgres>>::type_info()
            }
        }
        impl<'q> Encode<'q, Postgres> for $list {
            fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
                <Vec<$item> as Encode<'q, Postgres>>::encode_by_ref(&self.0, buffer)
            }
        }
        impl Type<Sqlite> for $list {
            fn type_info() -> SqliteTypeInfo {
                <String as Type<Sqlite>>::type_info()
            }
        }
        impl<'q> Encode<'q, Sqlite> for $list {
            fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
                let $items = &self.0;
                <String as Encode<'q, Sqlite>>::encode(serde_json::to_string(&$json)?, buffer)
            }
        }
    };
}

list_parameter!(Numbers, i64, |numbers| numbers);
list_parameter!(Texts, String, |texts| texts);
list_parameter!(Ids, Uuid, |ids| ids.iter().map(hex_digits).collect::<Vec<_>>());

/// An id as SQLite's `unhex()` takes it.
pub(crate) fn hex_digits(id: &Uuid) -> String {
    id.as_simple().to_string()
}

/// PostgreSQL's TEXT cannot hold U+0000. Free text from outside is freed of it; ids never contain it.
pub(crate) fn storable(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}
