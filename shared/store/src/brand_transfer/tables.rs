//! What becomes of each table's rows when a brand moves or goes.

use crate::StoreError;

/// What becomes of a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// They are written out, and removed with the brand.
    Carried,
    /// They are removed with the brand, and stay otherwise: secrets, and what is in somebody's hands now.
    Removed,
    /// They are nobody's, or every brand's.
    Shared,
}

/// A table, with which of its rows are a brand's (`$1`).
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) fate: Fate,
    pub(super) rows: &'static str,
    pub(super) key: &'static [&'static str],
}

const OF_ACCOUNTS: &str = "account IN (SELECT a.id FROM account a WHERE a.brand = $1)";

const fn table(name: &'static str, fate: Fate, rows: &'static str, key: &'static [&'static str]) -> Table {
    Table { name, fate, rows, key }
}

/// Parents before children.
pub(super) const TABLES: &[Table] = &[
    table("brand", Fate::Carried, "id = $1", &["id"]),
    table("account", Fate::Carried, "brand = $1", &["id"]),
    table("brand_document", Fate::Carried, "brand = $1", &["version"]),
    table("second_factor_brand", Fate::Carried, "brand = $1", &["brand"]),
    table("story_watch", Fate::Carried, "brand = $1", &["brand", "story"]),
    table("retention", Fate::Carried, "brand = $1", &["kind"]),
    table("link", Fate::Carried, "brand = $1", &["code"]),
    table(
        "kill_switch",
        Fate::Carried,
        "(scope = 'brand' AND id = $1 OR scope = 'play' AND id LIKE $1 || '/%'
            OR scope = 'account' AND id IN (SELECT a.id FROM account a WHERE a.brand = $1)
            OR scope = 'viewer' AND EXISTS (SELECT 1 FROM account a WHERE a.brand = $1 AND kill_switch.id LIKE a.id || '/%'))",
        &["scope", "id"],
    ),
    table("consent", Fate::Carried, "brand = $1", &["account", "viewer"]),
    table("consent_log", Fate::Carried, "brand = $1", &["interaction"]),
    table("viewer_key", Fate::Carried, OF_ACCOUNTS, &["account", "viewer"]),
    table("interaction", Fate::Carried, "brand = $1", &["id"]),
    table("amendment", Fate::Carried, OF_ACCOUNTS, &["interaction"]),
    table("viewer", Fate::Carried, "brand = $1", &["account", "viewer"]),
    table("viewer_label", Fate::Carried, "brand = $1", &["account", "viewer", "label"]),
    table("intent", Fate::Carried, "brand = $1", &["id"]),
    table("decision", Fate::Carried, "brand = $1", &["seq"]),
    table("send", Fate::Carried, "brand = $1", &["id"]),
    table("moderation", Fate::Carried, "brand = $1", &["interaction"]),
    table("draft", Fate::Carried, "brand = $1", &["intent"]),
    table("draft_spent", Fate::Carried, "brand = $1", &["day"]),
    table("safety_tally", Fate::Carried, "brand = $1", &["account", "play", "snippet", "day_ms"]),
    table("experiment_exposure", Fate::Carried, "brand = $1", &["experiment", "account", "viewer"]),
    table("hypothesis", Fate::Carried, "brand = $1", &["brand", "id"]),
    table("story_label", Fate::Carried, "brand = $1", &["brand", "story"]),
    table("safety_watch", Fate::Carried, "brand = $1", &["scope", "id"]),
    table("feed_mark", Fate::Removed, "brand = $1", &["id"]),
    table("feed_head", Fate::Removed, "brand = $1", &["brand"]),
    table("feed_broker", Fate::Removed, "brand = $1", &["brand"]),
    table("feed_change", Fate::Removed, "brand = $1", &["sequence"]),
    table("weekly_report", Fate::Removed, "brand = $1", &["brand", "until"]),
    table("feed_endpoint", Fate::Removed, "brand = $1", &["id"]),
    table("feed_delivery", Fate::Removed, "brand = $1", &["endpoint", "sequence"]),
    table("feed_attempt", Fate::Removed, "brand = $1", &["seq"]),
    table("crm_connection", Fate::Removed, "brand = $1", &["name"]),
    table("crm_record", Fate::Removed, "brand = $1", &["connection", "account", "viewer"]),
    table("crm_refusal", Fate::Removed, "brand = $1", &["connection", "account", "viewer"]),
    table("kpi_viewer", Fate::Removed, "brand = $1", &["account", "viewer"]),
    table("kpi_day", Fate::Removed, "brand = $1", &["day"]),
    table("kpi_month", Fate::Removed, "brand = $1", &["month"]),
    table("kpi_head", Fate::Removed, "brand = $1", &["brand"]),
    table("audit", Fate::Carried, "brand = $1", &["seq"]),
    table("quarantine", Fate::Carried, OF_ACCOUNTS, &["id"]),
    table("api_token", Fate::Removed, "brand = $1", &["hash"]),
    table("person_role", Fate::Removed, "brand = $1", &["person"]),
    table("oauth_state", Fate::Removed, "brand = $1", &["hash"]),
    table("claim", Fate::Removed, "brand = $1", &["account", "viewer"]),
    table(
        "outbox",
        Fate::Removed,
        "EXISTS (SELECT 1 FROM account a WHERE a.brand = $1 AND outbox.key LIKE a.id || '/%')",
        &["seq"],
    ),
    table("forgotten", Fate::Shared, "TRUE", &["hash"]),
    table("forget_receipt", Fate::Shared, "TRUE", &["code"]),
    table("person", Fate::Shared, "TRUE", &["id"]),
    table("session", Fate::Shared, "TRUE", &["token_hash"]),
    table("sign_in_link", Fate::Shared, "TRUE", &["token_hash"]),
    table("sign_in_attempt", Fate::Shared, "TRUE", &["subject"]),
    table("second_step", Fate::Shared, "TRUE", &["token_hash"]),
    table("recovery_code", Fate::Shared, "TRUE", &["person", "hash"]),
    table("identity_attempt", Fate::Shared, "TRUE", &["state_hash"]),
    table("identity", Fate::Shared, "TRUE", &["issuer", "subject"]),
    table("counter", Fate::Shared, "TRUE", &["name"]),
    table("lease", Fate::Shared, "TRUE", &["name"]),
    table("rate_slot", Fate::Shared, "TRUE", &["name"]),
    table("schema_floor", Fate::Shared, "TRUE", &["one"]),
];

/// A table whose rows travel.
pub(super) fn known(name: &str) -> Result<&'static Table, StoreError> {
    let found = TABLES.iter().find(|table| table.name == name && table.fate == Fate::Carried);
    found.ok_or_else(|| StoreError::codec("export.table", format!("no rows of {name:?} are taken in")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::{Store, StoreOptions};

    #[tokio::test]
    async fn every_table_has_its_fate() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(None, folder.path(), StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
            AND name <> '_sqlx_migrations' ORDER BY name";
        let Engine::Sqlite { read, .. } = &store.engine else { panic!("it is SQLite") };
        let names: Vec<String> = sqlx::query_scalar(sql).fetch_all(read).await.unwrap();
        let mut fates: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        fates.sort_unstable();
        assert_eq!(names, fates, "say in TABLES what becomes of a new table when a brand moves or goes");
        for table in TABLES {
            let columns = store.columns(table.name).await.unwrap();
            let has = |name: &str| columns.iter().any(|column| column.name == name);
            assert!(table.key.iter().all(|key| has(key)), "{}", table.name);
            assert!(table.fate != Fate::Shared || !has("brand") || table.name == "forget_receipt", "{}", table.name);
        }
    }
}
