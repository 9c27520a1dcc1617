//! How SQLite goes about each statement that the cases run: one about a viewer must not walk through everybody.
//!
//! It has no figures of its own about the tables (a migration gives it some), and without them an index by brand and time seems as good as
//! one by viewer: the gate, asked about one person, was seen to read a day of everybody's messages, 40 ms an answer where 60 events a
//! second had come for ten minutes.

use std::collections::BTreeSet;
use std::sync::{Mutex, Once, PoisonError};

use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry};

use crate::given::open;

/// Tables that grow with viewers and events.
const LARGE: [&str; 16] = [
    "amendment",
    "audit",
    "consent",
    "consent_log",
    "decision",
    "draft",
    "experiment_exposure",
    "feed_change",
    "feed_delivery",
    "intent",
    "interaction",
    "kpi_viewer",
    "moderation",
    "send",
    "viewer",
    "viewer_key",
];

/// What an index may be searched for by so much that it narrows hardly anything.
const WIDE: [&str; 5] = ["account=?", "brand=?", "status=?", "segment=?", "verdict=?"];

/// What goes through a whole brand, or through everything, because that is what it is asked for: by a part of its text, which ends
/// with `\0`.
const MAY_WALK: [&str; 10] = [
    // A brand is moved, counted, or removed.
    "CAST(json_object(",
    "WHERE rowid IN (SELECT rowid FROM",
    "WHERE brand = $1\0",
    // A case does it itself, behind the store's back.
    "CREATE TABLE backup",
    // An operator asks for totals.
    "WHERE TRUE GROUP BY",
    "FROM viewer WHERE state IS NOT NULL GROUP BY segment",
    // Few rows: those that are parked are an index of their own.
    "SELECT COUNT(*) FROM amendment WHERE applied_ms IS NULL",
    // A person lifts a switch, or somebody is forgotten, which is seldom.
    "UPDATE intent SET status = 'deferred'",
    "DELETE FROM moderation WHERE brand = $1",
    "DELETE FROM feed_delivery WHERE brand = $1",
];

static STATEMENTS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes the statements that the driver tells of.
struct Notes;

#[derive(Default)]
struct Told {
    summary: String,
    statement: String,
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.trim().clone_into(&mut self.statement),
            _ => {}
        }
    }
}

impl<S: Subscriber> Layer<S> for Notes {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "sqlx::query" {
            return;
        }
        let mut told = Told::default();
        event.record(&mut told);
        let statement = if told.statement.is_empty() { told.summary } else { told.statement };
        STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner).insert(statement);
    }
}

/// Notes statements from now on.
pub(crate) fn note() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Registry::default().with(Notes)).unwrap());
}

/// Looks at the plan of each statement so far.
pub(crate) async fn check(url: &str) {
    let statements = STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut connection = SqliteConnection::connect(url).await.unwrap();
    let (mut wide, mut explained) = (Vec::new(), 0);
    let may_walk = |statement: &str| MAY_WALK.iter().any(|part| statement.contains(part));
    for statement in statements.iter().filter(|statement| !may_walk(&format!("{statement}\0"))) {
        let plan = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let Ok(rows) = sqlx::query(plan).fetch_all(&mut connection).await else { continue }; // it was no query
        explained += 1;
        let steps = rows.iter().map(|row| row.get::<String, _>("detail"));
        wide.extend(steps.filter(|step| walks(step, statement)).map(|step| format!("{step}\n    in {statement}")));
    }
    assert!(explained > 0, "the driver tells of no statement");
    assert!(wide.is_empty(), "these walk through everybody:\n{}", wide.join("\n"));
}

/// Whether a step of a plan goes through a large table from end to end, or for one viewer through what a whole brand has there.
fn walks(step: &str, statement: &str) -> bool {
    let mut words = step.split_whitespace();
    let (how, named) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if step.contains("VIRTUAL TABLE") || !LARGE.contains(&table(named, statement)) {
        return false;
    }
    let about_one = ["viewer = $", "id = $1", "intent = $1"].iter().any(|one| statement.contains(one));
    let narrowed_by = step.rsplit_once('(').map(|(_, by)| by.trim_end_matches(')'));
    let is_wide = |by: &str| by.split(" AND ").all(|one| WIDE.contains(&one) || one.contains(['<', '>']));
    match how {
        "SCAN" => true,
        "SEARCH" => about_one && narrowed_by.is_some_and(is_wide),
        _ => false,
    }
}

/// The table that a plan's step calls by its name or by its alias.
fn table<'a>(named: &'a str, statement: &'a str) -> &'a str {
    let words = statement.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    let words: Vec<&str> = words.filter(|word| !word.is_empty() && *word != "AS").collect();
    let alias = |pair: &[&'a str]| (pair[1] == named && LARGE.contains(&pair[0])).then_some(pair[0]);
    words.windows(2).find_map(alias).unwrap_or(named)
}

#[test]
fn what_walks_is_told_from_what_does_not() {
    let one = "SELECT text FROM send s WHERE s.account = $1 AND viewer = $2";
    let all = "SELECT text FROM send WHERE status = 'reserved'";
    for (step, statement, expected) in [
        ("SEARCH s USING INDEX send_started (brand=? AND started_ms>?)", one, true),
        ("SEARCH s USING INDEX send_viewer (account=? AND viewer=?)", one, false),
        ("SEARCH send USING INDEX send_brand (brand=? AND status=?)", all, false),
        ("SCAN send USING INDEX sqlite_autoindex_send_1", all, true),
        ("SCAN a VIRTUAL TABLE INDEX 1:", "SELECT 1 FROM json_each($1) a JOIN amendment a", false),
        ("SCAN brand", "SELECT id FROM brand", false),
    ] {
        assert_eq!(walks(step, statement), expected, "{step}");
    }
}

/// Of an index that the figures leave out SQLite thinks the best.
#[tokio::test]
async fn sqlite_is_told_of_every_index_of_its_large_tables() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("store.db").display());
    open(&url).await.migrate().await.unwrap();
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    for table in LARGE {
        let indexes: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_index_list($1) ORDER BY name")
            .bind(table)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let told: Vec<String> = sqlx::query_scalar("SELECT idx FROM sqlite_stat1 WHERE tbl = $1 ORDER BY idx")
            .bind(table)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        assert!(!told.is_empty(), "{table}");
        assert_eq!(indexes, told, "{table}: a migration tells of it, as `0030_statistics` does");
    }
}
