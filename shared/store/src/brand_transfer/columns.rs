//! A table's columns, as the engine tells of them, and their values as JSON has them.

use crate::engine::{Engine, on_read};
use crate::{Store, StoreError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Whole,
    Real,
    Truth,
    Id,
    Bytes,
}

pub(super) struct Column {
    pub(super) name: String,
    kind: Kind,
}

impl Column {
    /// The column's value as JSON has it.
    pub(super) fn written(&self, engine: &Engine) -> String {
        let name = &self.name;
        match (engine, self.kind) {
            (Engine::Postgres(_), Kind::Id) => format!("replace(CAST({name} AS text), '-', '')"),
            (Engine::Postgres(_), Kind::Bytes) => format!("encode({name}, 'hex')"),
            (Engine::Sqlite { .. }, Kind::Id | Kind::Bytes) => format!("lower(hex({name}))"),
            _ => name.clone(),
        }
    }

    /// The column's value from a text that JSON had.
    pub(super) fn read(&self, engine: &Engine, text: &str) -> String {
        match (engine, self.kind) {
            (Engine::Postgres(_), Kind::Id) => format!("CAST({text} AS uuid)"),
            (Engine::Postgres(_), Kind::Bytes) => format!("decode({text}, 'hex')"),
            (Engine::Postgres(_), Kind::Truth) => format!("({text} IN ('true', '1'))"),
            (Engine::Postgres(_), Kind::Whole) => format!("CAST({text} AS bigint)"),
            (Engine::Postgres(_), Kind::Real) => format!("CAST({text} AS double precision)"),
            (Engine::Sqlite { .. }, Kind::Id | Kind::Bytes) => format!("unhex({text})"),
            (Engine::Sqlite { .. }, Kind::Whole | Kind::Truth) => format!("CAST({text} AS INTEGER)"),
            (Engine::Sqlite { .. }, Kind::Real) => format!("CAST({text} AS REAL)"),
            (_, Kind::Text) => text.to_owned(),
        }
    }
}

impl Store {
    /// The columns of a table, in order.
    pub(super) async fn columns(&self, table: &str) -> Result<Vec<Column>, StoreError> {
        let sql = match self.engine {
            Engine::Postgres(_) => {
                "SELECT CAST(column_name AS text), CAST(data_type AS text) FROM information_schema.columns
                    WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"
            }
            Engine::Sqlite { .. } => "SELECT name, type FROM pragma_table_info($1) ORDER BY cid",
        };
        let rows: Vec<(String, String)> =
            on_read!(&self.engine, |pool| sqlx::query_as(sql).bind(table).fetch_all(pool).await?);
        let column = |(name, kind): (String, String)| {
            let kind = match kind.to_ascii_lowercase().as_str() {
                "uuid" => Kind::Id,
                "bytea" | "blob" => Kind::Bytes,
                "boolean" => Kind::Truth,
                "bigint" | "integer" => Kind::Whole,
                "double precision" | "real" => Kind::Real,
                _ => Kind::Text,
            };
            Column { name, kind }
        };
        Ok(rows.into_iter().map(column).collect())
    }
}
