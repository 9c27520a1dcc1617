//! A brand as a whole: written out row by row, taken in elsewhere, removed.
//!
//! Rows travel as JSON, the same from both engines: ids and bytes as hexadecimal digits, times as numbers. What is asked of
//! each table stands in `tables`; a test holds it against the schema, so that no table of a later version is forgotten.
//! Secrets stay: access tokens, the hashes of API tokens and of sessions.

mod columns;
mod tables;

use afterglow_domain::{BrandId, Timestamp, ViewerKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use sqlx::AssertSqlSafe;

use crate::engine::{Engine, Tx, on_read, on_tx};
use crate::{SCHEMA_VERSION, Store, StoreError};

use columns::Column;
use tables::{Fate, TABLES, Table, known};

/// What an account says of itself where it was taken in: its token stayed behind.
const MOVED: &str = "moved from another installation: connect it again, `afterglow account connect --help`";
/// Numbers that each installation gives by itself; rows without another key are told apart by all their columns.
const NUMBERED: &str = "seq";

/// The first line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportHeader {
    /// Whose rows follow.
    pub brand: BrandId,
    /// Of which schema they are; only an installation of the same one takes them in.
    pub schema: i64,
    /// When it was begun.
    pub begun: Timestamp,
    /// Names the key under which people were forgotten there, and tells nothing of it; none: nobody can be forgotten there.
    pub forgetting: Option<String>,
}

/// A row, with its table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportRow {
    /// Which table.
    pub table: String,
    /// Its columns.
    pub row: Value,
}

impl Store {
    /// The tables whose rows an export has, in the order in which they have to be taken in.
    pub fn carried_tables() -> impl Iterator<Item = &'static str> {
        TABLES.iter().filter(|table| table.fate == Fate::Carried).map(|table| table.name)
    }

    /// Begins an export; `None` if there is no such brand.
    pub async fn export_header(&self, brand: &BrandId, now: Timestamp) -> Result<Option<ExportHeader>, StoreError> {
        let there = self.brand(brand).brand().await?.is_some();
        let header = || ExportHeader {
            brand: brand.clone(),
            schema: SCHEMA_VERSION,
            begun: now,
            forgetting: self.forgetting_fingerprint(),
        };
        Ok(there.then(header))
    }

    /// How many rows a brand has in the tables that are carried.
    pub async fn count_rows_of(&self, brand: &BrandId) -> Result<u64, StoreError> {
        let mut sum = 0;
        for table in TABLES.iter().filter(|table| table.fate == Fate::Carried) {
            let sql = format!("SELECT COUNT(*) FROM {} WHERE {}", table.name, table.rows);
            let (n,): (i64,) = on_read!(&self.engine, |pool| {
                sqlx::query_as(AssertSqlSafe(sql)).bind(brand.as_str()).fetch_one(pool).await?
            });
            sum += n.unsigned_abs();
        }
        Ok(sum)
    }

    /// The next rows of a table, by key, after a row that was the last one before; at most `limit`.
    pub async fn export_rows(
        &self,
        brand: &BrandId,
        name: &str,
        after: Option<&Value>,
        limit: u32,
    ) -> Result<Vec<Value>, StoreError> {
        let table = known(name)?;
        let columns = self.columns(name).await?;
        let written = columns.iter().map(|column| {
            // The token stays; an account without one is paused until it is connected again.
            match (name, column.name.as_str()) {
                ("account", "token_sealed" | "token_obtained_ms" | "token_expires_ms") => {
                    format!("'{}', NULL", column.name)
                }
                ("account", "paused_reason") => format!("'{}', COALESCE(paused_reason, '{MOVED}')", column.name),
                _ => format!("'{}', {}", column.name, column.written(&self.engine)),
            }
        });
        let object = match self.engine {
            Engine::Postgres(_) => "json_build_object",
            Engine::Sqlite { .. } => "json_object",
        };
        let object = format!("CAST({object}({}) AS TEXT)", written.collect::<Vec<_>>().join(", "));
        let key = table.key.join(", ");
        let mut sql = format!("SELECT {object} FROM {name} WHERE {}", table.rows);
        let mut place = Vec::new();
        if let Some(after) = after {
            let mut read = Vec::new();
            for (n, column) in table.key.iter().enumerate() {
                let kind = columns.iter().find(|known| known.name == *column);
                let kind = kind.ok_or_else(|| StoreError::codec("export.key", format!("{name} has no {column}")))?;
                read.push(kind.read(&self.engine, &format!("${}", n + 2)));
                place.push(text_of(&after[*column]));
            }
            sql = format!("{sql} AND ({key}) > ({})", read.join(", "));
        }
        sql = format!("{sql} ORDER BY {key} LIMIT {limit}");
        let rows: Vec<String> = on_read!(&self.engine, |pool| {
            let mut query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(brand.as_str());
            for text in &place {
                query = query.bind(text.as_str());
            }
            query.fetch_all(pool).await?
        });
        rows.iter()
            .map(|row| serde_json::from_str(row).map_err(|error| StoreError::codec("export.row", error)))
            .collect()
    }

    /// Takes rows of one table in; those that are there already stay as they are. How many were new.
    ///
    /// # Errors
    /// `OtherBrand` if an account is another brand's here; `Codec` for a table or a column that is not known.
    pub async fn import_rows(&self, brand: &BrandId, name: &str, rows: &[Value]) -> Result<u64, StoreError> {
        let table = known(name)?;
        let columns = self.columns(name).await?;
        for row in rows {
            check(brand, table, &columns, row)?;
        }
        let numbered = columns.iter().any(|column| column.name == NUMBERED);
        let columns: Vec<Column> = columns.into_iter().filter(|column| column.name != NUMBERED).collect();
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let read: Vec<String> =
            columns.iter().map(|column| column.read(&self.engine, &format!("r.{}", column.name))).collect();
        let source = match &self.engine {
            Engine::Postgres(_) => {
                let typed: Vec<String> = names.iter().map(|name| format!("{name} text")).collect();
                format!("json_to_recordset(CAST($1 AS json)) AS r ({})", typed.join(", "))
            }
            Engine::Sqlite { .. } => {
                let taken: Vec<String> = names.iter().map(|name| format!("value ->> '$.{name}' AS {name}")).collect();
                format!("(SELECT {} FROM json_each($1)) AS r", taken.join(", "))
            }
        };
        let mut sql =
            format!("INSERT INTO {name} ({}) SELECT {} FROM {source} WHERE TRUE", names.join(", "), read.join(", "));
        if numbered {
            // Nothing but its content tells one from another.
            let same: Vec<String> =
                names.iter().zip(&read).map(|(name, read)| format!("t.{name} IS NOT DISTINCT FROM {read}")).collect();
            sql = format!("{sql} AND NOT EXISTS (SELECT 1 FROM {name} t WHERE {})", same.join(" AND "));
        }
        sql += " ON CONFLICT DO NOTHING";
        let ids: Vec<String> = rows.iter().map(|row| text_of(&row["id"])).collect();
        let rows = serde_json::to_string(rows).map_err(|error| StoreError::codec("export.rows", error))?;
        let mut tx = self.engine.begin().await?;
        let new = on_tx!(&mut tx, |connection| {
            sqlx::query(AssertSqlSafe(sql)).bind(rows).execute(connection).await?.rows_affected()
        });
        if name == "account" {
            refuse_strangers(&mut tx, brand, &ids).await?;
        }
        tx.commit().await?;
        Ok(new)
    }

    /// Hashes of the forgotten, after one of them: they name nobody, and are no brand's.
    pub async fn export_forgotten(&self, after: &str, limit: u32) -> Result<Vec<Value>, StoreError> {
        let (hash, from) = match self.engine {
            Engine::Postgres(_) => ("encode(hash, 'hex')", "decode($1, 'hex')"),
            Engine::Sqlite { .. } => ("lower(hex(hash))", "unhex($1)"),
        };
        let sql =
            format!("SELECT {hash}, at_ms, opted_out FROM forgotten WHERE hash > {from} ORDER BY hash LIMIT {limit}");
        let rows: Vec<(String, i64, bool)> =
            on_read!(&self.engine, |pool| sqlx::query_as(AssertSqlSafe(sql)).bind(after).fetch_all(pool).await?);
        let row =
            |(hash, at, out): (String, i64, bool)| serde_json::json!({ "hash": hash, "at_ms": at, "opted_out": out });
        Ok(rows.into_iter().map(row).collect())
    }

    /// Takes hashes of the forgotten in. They mean something under the same key alone.
    pub async fn import_forgotten(&self, rows: &[Value]) -> Result<(), StoreError> {
        let hash = match self.engine {
            Engine::Postgres(_) => "decode($1, 'hex')",
            Engine::Sqlite { .. } => "unhex($1)",
        };
        let sql = format!(
            "INSERT INTO forgotten (hash, at_ms, opted_out) VALUES ({hash}, $2, $3)
            ON CONFLICT (hash) DO UPDATE SET opted_out = excluded.opted_out OR forgotten.opted_out"
        );
        let mut tx = self.engine.begin().await?;
        for row in rows {
            let (at, out) = (row["at_ms"].as_i64().unwrap_or_default(), row["opted_out"].as_bool().unwrap_or(true));
            let sql = AssertSqlSafe(sql.clone());
            on_tx!(&mut tx, |connection| {
                sqlx::query(sql).bind(text_of(&row["hash"])).bind(at).bind(out).execute(connection).await?;
            });
        }
        tx.commit().await
    }

    /// Names the key under which people are forgotten here, and tells nothing of it.
    pub fn forgetting_fingerprint(&self) -> Option<String> {
        let key = self.forget_key.as_ref()?.secret();
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).ok()?; // any length is good
        mac.update(b"afterglow: which key is it");
        Some(hex::encode(&mac.finalize().into_bytes()[..8]))
    }

    /// Remembers who of a brand said stop (or perhaps), by hashes that name nobody, at most `limit` after a viewer. The last
    /// one; `None` when all are remembered.
    ///
    /// # Errors
    /// `Configuration` without a key.
    pub async fn remember_stops(
        &self,
        brand: &BrandId,
        after: Option<&ViewerKey>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Option<ViewerKey>, StoreError> {
        let sql = "SELECT account, viewer FROM consent WHERE brand = $1 AND (account, viewer) > ($2, $3)
            AND (clear_state = 'opted_out' OR ambiguous_ms IS NOT NULL) ORDER BY account, viewer LIMIT $4";
        let (account, viewer) = after.map_or(("", ""), |key| (key.account.as_str(), key.viewer.as_str()));
        let said: Vec<(String, String)> = on_read!(&self.engine, |pool| {
            sqlx::query_as(sql)
                .bind(brand.as_str())
                .bind(account)
                .bind(viewer)
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        });
        let keys = said.into_iter().map(|(account, viewer)| ViewerKey {
            account: afterglow_domain::AccountId::new(account),
            viewer: afterglow_domain::ViewerId::new(viewer),
        });
        let keys: Vec<ViewerKey> = keys.collect();
        let mut tx = self.engine.begin().await?;
        for key in &keys {
            self.remember(&mut tx, brand, key, true, now).await?;
        }
        tx.commit().await?;
        Ok(keys.into_iter().next_back())
    }

    /// Removes some rows of a brand, children before parents, the brand itself last. How many; 0 when nothing is left. Call
    /// [`Store::remember_stops`] before.
    pub async fn remove_rows_of(&self, brand: &BrandId, limit: u32) -> Result<u64, StoreError> {
        let place = match self.engine {
            Engine::Postgres(_) => "ctid",
            Engine::Sqlite { .. } => "rowid",
        };
        for table in TABLES.iter().rev().filter(|table| table.fate != Fate::Shared) {
            let Table { name, rows, .. } = table;
            let sql =
                format!("DELETE FROM {name} WHERE {place} IN (SELECT {place} FROM {name} WHERE {rows} LIMIT {limit})");
            let mut tx = self.engine.begin().await?;
            let removed = on_tx!(&mut tx, |connection| {
                sqlx::query(AssertSqlSafe(sql)).bind(brand.as_str()).execute(connection).await?.rows_affected()
            });
            tx.commit().await?;
            if removed > 0 {
                return Ok(removed);
            }
        }
        Ok(0)
    }
}

/// None of the accounts may be another brand's here.
async fn refuse_strangers(tx: &mut Tx, brand: &BrandId, accounts: &[String]) -> Result<(), StoreError> {
    for account in accounts {
        let (strange,): (i64,) = on_tx!(&mut *tx, |connection| {
            let sql = "SELECT COUNT(*) FROM account WHERE id = $1 AND brand <> $2";
            sqlx::query_as(sql).bind(account).bind(brand.as_str()).fetch_one(connection).await?
        });
        if strange > 0 {
            return Err(StoreError::OtherBrand { account: account.clone() });
        }
    }
    Ok(())
}

/// A row must be the brand's, and have no column that is not known here.
fn check(brand: &BrandId, table: &Table, columns: &[Column], row: &Value) -> Result<(), StoreError> {
    let wrong = |what: String| StoreError::codec("export.row", format!("{}: {what}", table.name));
    let object = row.as_object().ok_or_else(|| wrong("a row is no object".into()))?;
    if let Some(strange) = object.keys().find(|key| columns.iter().all(|column| column.name != **key)) {
        return Err(wrong(format!("there is no column {strange:?}")));
    }
    let whose = if table.name == "brand" { object.get("id") } else { object.get("brand") };
    match whose {
        Some(Value::String(id)) if id != brand.as_str() => Err(wrong(format!("a row of {id:?}, not of {brand}"))),
        _ => Ok(()),
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
