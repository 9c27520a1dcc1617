//! What can go wrong, split by what the caller can do about it.

use sqlx::error::ErrorKind;
use sqlx::migrate::MigrateError;

/// Why the store did not do what it was asked. Nothing of the failed call was kept, except after a commit whose fate
/// is not known (`Unavailable`): every call can be repeated without doing its work twice.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database is away, busy, or chose this transaction as a deadlock's victim. Try again later.
    #[error("the database is not available just now")]
    Unavailable(#[source] sqlx::Error),
    /// A constraint refuses the data. The same call will fail again.
    #[error("the data break constraint {constraint:?}")]
    Constraint {
        /// Name of the constraint, or `unnamed` where the engine does not tell.
        constraint: String,
        /// What the engine said.
        #[source]
        source: sqlx::Error,
    },
    /// A stored or given value cannot be read or written. The same call will fail again.
    #[error("cannot read or write {what}")]
    Codec {
        /// Which value, by column.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The account belongs to another brand, and accounts do not move between brands.
    #[error("account {account} belongs to another brand")]
    OtherBrand {
        /// The account.
        account: String,
    },
    /// The fold returned a viewer that it was not given, or left one out: a fault in the caller.
    #[error("the fold was given {given} viewers and returned {returned} of them")]
    FoldMismatch {
        /// Viewers locked for the fold.
        given: usize,
        /// Viewers among them that came back.
        returned: u64,
    },
    /// The schema is older than this program.
    #[error("the schema is at version {found}, this program needs {needed}: run `afterglow migrate`")]
    SchemaOlder {
        /// Version in the database; 0 for an empty one.
        found: i64,
        /// Version of this program.
        needed: i64,
    },
    /// The schema is newer than this program, and something that this program needs was taken away.
    #[error(
        "the schema is at version {found} and closed to programs as old as this one, which knows {known}: use a newer program"
    )]
    SchemaNewer {
        /// Version in the database.
        found: i64,
        /// Version of this program.
        known: i64,
    },
    /// A migration that has landed differs from this program's text of it, or stopped half-way.
    #[error("migration {version} is not the one that was applied, or was not applied to its end")]
    SchemaDiffers {
        /// Which migration.
        version: i64,
    },
    /// The address, the credentials or the directory is wrong. A person must mend the configuration.
    #[error("the store is configured wrongly: {what}")]
    Configuration {
        /// Which setting, without secrets.
        what: &'static str,
        /// Why, if the cause is known.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The engine refused a statement: a fault in this crate or a damaged database.
    #[error("the database refused a statement")]
    Statement(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        match self {
            StoreError::Unavailable(_) => true,
            StoreError::Constraint { .. }
            | StoreError::Codec { .. }
            | StoreError::OtherBrand { .. }
            | StoreError::FoldMismatch { .. }
            | StoreError::SchemaOlder { .. }
            | StoreError::SchemaNewer { .. }
            | StoreError::SchemaDiffers { .. }
            | StoreError::Configuration { .. }
            | StoreError::Statement(_) => false,
        }
    }

    pub(crate) fn codec(what: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        StoreError::Codec { what, source: source.into() }
    }

    pub(crate) fn configuration(what: &'static str) -> Self {
        StoreError::Configuration { what, source: None }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => StoreError::Unavailable(error),
            sqlx::Error::Configuration(source) => {
                StoreError::Configuration { what: "database address", source: Some(source) }
            }
            sqlx::Error::ColumnDecode { source, .. } => StoreError::codec("a column", source),
            sqlx::Error::Decode(source) | sqlx::Error::Encode(source) => StoreError::codec("a value", source),
            sqlx::Error::Database(ref database) => {
                let constraint = match database.kind() {
                    ErrorKind::Other => None,
                    // The enum is non-exhaustive; each of its other members is a broken constraint.
                    _ => Some(database.constraint().unwrap_or("unnamed").to_owned()),
                };
                let standing = Standing::of(database.code().as_deref().unwrap_or_default());
                match (constraint, standing) {
                    (Some(constraint), _) => StoreError::Constraint { constraint, source: error },
                    (None, Standing::Passing) => StoreError::Unavailable(error),
                    (None, Standing::Access) => {
                        StoreError::Configuration { what: "database credentials or name", source: Some(error.into()) }
                    }
                    (None, Standing::Lasting) => StoreError::Statement(error),
                }
            }
            // The enum is non-exhaustive; what is left are faults of this crate's own statements.
            _ => StoreError::Statement(error),
        }
    }
}

impl StoreError {
    /// A migrator's error, told by a program whose newest migration is `known`.
    pub(crate) fn from_migration(error: MigrateError, known: i64) -> Self {
        match error {
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => source.into(),
            MigrateError::VersionMissing(found) => StoreError::SchemaNewer { found, known },
            MigrateError::VersionMismatch(version) | MigrateError::Dirty(version) => {
                StoreError::SchemaDiffers { version }
            }
            // Non-exhaustive, and the rest concerns reversible migrations, which this crate has none of.
            other => StoreError::Statement(sqlx::Error::from(other)),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Passing,
    Access,
    Lasting,
}

impl Standing {
    /// Reads an SQLSTATE (five characters; PostgreSQL, Appendix A "Error Codes") or an SQLite result code in decimal
    /// (<https://sqlite.org/rescode.html>; the low byte is the primary code).
    fn of(code: &str) -> Self {
        if code.len() == 5 {
            return Self::of_sqlstate(code); // SQLite's codes have at most four digits
        }
        match code.parse::<u32>().map(|code| code & 0xff) {
            // BUSY, LOCKED, INTERRUPT, IOERR, FULL, PROTOCOL
            Ok(5 | 6 | 9 | 10 | 13 | 15) => Standing::Passing,
            // PERM, READONLY, CANTOPEN, AUTH
            Ok(3 | 8 | 14 | 23) => Standing::Access,
            Ok(_) | Err(_) => Standing::Lasting,
        }
    }

    fn of_sqlstate(code: &str) -> Self {
        match (code.get(..2).unwrap_or_default(), code) {
            // connection, transaction rollback (serialisation, deadlock), resources, operator intervention
            // (shutdown, statement time-out), system error; lock not available; read-only during a fail-over
            ("08" | "40" | "53" | "57" | "58", _) | (_, "55P03" | "25006") => Standing::Passing,
            // authorisation, unknown database, unknown schema
            ("28" | "3D" | "3F", _) | (_, "42501") => Standing::Access,
            _ => Standing::Lasting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_passing_trouble_from_lasting() {
        for (code, standing) in [
            ("40001", Standing::Passing),
            ("40P01", Standing::Passing),
            ("57014", Standing::Passing),
            ("57P01", Standing::Passing),
            ("08006", Standing::Passing),
            ("53300", Standing::Passing),
            ("55P03", Standing::Passing),
            ("28P01", Standing::Access),
            ("3D000", Standing::Access),
            ("42601", Standing::Lasting),
            ("22P05", Standing::Lasting),
            ("5", Standing::Passing),
            ("517", Standing::Passing), // SQLITE_BUSY_SNAPSHOT
            ("13", Standing::Passing),
            ("14", Standing::Access),
            ("11", Standing::Lasting), // CORRUPT
            ("", Standing::Lasting),
        ] {
            assert_eq!(Standing::of(code), standing, "{code}");
        }
    }
}
