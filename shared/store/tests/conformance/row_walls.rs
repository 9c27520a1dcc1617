//! The second wall: what PostgreSQL itself lets a brand's role see and change.

use std::future::Future;

use afterglow_domain::BrandId;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::given::{Given, lumen, on_postgres};
use crate::walls::two_brands;

/// Tables without a column for the brand whose rows are a brand's all the same.
const BY_ACCOUNT: [&str; 3] = ["viewer_key", "amendment", "quarantine"];

/// What a transaction in the brands' role says; `None`: without a brand.
async fn behind<T, F>(given: &Given, brand: Option<&str>, ask: impl FnOnce(PgConnection) -> F) -> T
where
    F: Future<Output = T>,
{
    let mut connection = PgConnection::connect(&given.url).await.unwrap();
    let role = given.store.brand_role().await.unwrap().expect("the wall is built").to_owned();
    sqlx::query(AssertSqlSafe(format!("SET ROLE \"{role}\""))).execute(&mut connection).await.unwrap();
    if let Some(brand) = brand {
        sqlx::query("SELECT set_config('afterglow.brand', $1, false)")
            .bind(brand)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    ask(connection).await
}

async fn count(given: &Given, brand: Option<&str>, table: &str) -> i64 {
    behind(given, brand, async |mut connection| {
        let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_table_of_brands_has_its_policy() {
    on_postgres(|given| async move {
        given.store.migrate().await.unwrap();
        let mut connection = PgConnection::connect(&given.url).await.unwrap();
        let sql = "SELECT t.relname::text, t.relrowsecurity AND
                (SELECT COUNT(*) FROM pg_policy p WHERE p.polrelid = t.oid AND p.polname IN ('brand_wall', 'all_rows')
                    AND p.polpermissive = (p.polname = 'all_rows')) = 2
            FROM pg_class t
            WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace AND (t.relname = 'brand' OR EXISTS
                (SELECT FROM pg_attribute c WHERE c.attrelid = t.oid AND c.attname = 'brand' AND NOT c.attisdropped))";
        let tables: Vec<(String, bool)> = sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
        assert!(tables.len() > 30, "{tables:?}");
        let bare: Vec<_> = tables.iter().filter(|(_, walled)| !walled).map(|(name, _)| name).collect();
        assert!(bare.is_empty(), "no policy: {bare:?}");
        let walled = "SELECT COUNT(*) FROM pg_policy p WHERE p.polname = 'brand_wall' AND p.polrelid = $1::regclass";
        for name in BY_ACCOUNT {
            let sql = sqlx::query_scalar::<_, i64>(walled).bind(name);
            assert_eq!(sql.fetch_one(&mut connection).await.unwrap(), 1, "{name}");
        }
        // Sessions and what people sign in with are out of the role's sight altogether.
        for table in ["session", "sign_in_link", "identity", "recovery_code", "forgotten", "_sqlx_migrations"] {
            let refused = behind(&given, Some("lumen"), async |mut connection| {
                let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
                sqlx::query(sql).fetch_one(&mut connection).await.unwrap_err().to_string()
            });
            assert!(refused.await.contains("permission denied"), "{table}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_query_that_forgot_its_brand_finds_nothing_of_anothers() {
    on_postgres(|given| async move {
        two_brands(&given).await;
        for (table, mine) in [("brand", 1), ("account", 1), ("interaction", 1), ("viewer", 1), ("decision", 1), ("intent", 1)] {
            assert_eq!(count(&given, None, table).await, 0, "{table}, without a brand");
            assert_eq!(count(&given, Some(""), table).await, 0, "{table}, with an empty brand");
            assert_eq!(count(&given, Some("lumen"), table).await, mine, "{table}");
            assert_eq!(count(&given, Some("umbra"), table).await, mine, "{table}");
            assert_eq!(count(&given, Some("umbra' OR true --"), table).await, 0, "{table}");
        }
        // Keys of fragments go by account.
        given.raw("INSERT INTO viewer_key (account, viewer, key) VALUES ('17841400000000001', 'k', ''), ('2', 'k', '')").await;
        let mut admin = PgConnection::connect(&given.url).await.unwrap();
        let all: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM viewer_key").fetch_one(&mut admin).await.unwrap();
        let mine = count(&given, Some("lumen"), "viewer_key").await;
        assert!(mine > 0 && all > mine, "{mine} of {all}");
        let changed = behind(&given, Some("lumen"), async |mut connection| {
            let sql = "UPDATE viewer SET username = 'x'";
            sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected()
        });
        assert_eq!(changed.await, 1, "an update without a condition reaches the own rows");
        let written = behind(&given, Some("lumen"), async |mut connection| {
            let sql = "INSERT INTO viewer_label (account, viewer, brand, label, person, at_ms) VALUES ('2', '1', 'umbra', 'x', 'x', 1)";
            sqlx::query(sql).execute(&mut connection).await.unwrap_err().to_string()
        });
        assert!(written.await.contains("row-level security"), "what is written must be the brand's own");
        let others = sqlx::query("SELECT username FROM viewer WHERE brand = 'umbra'").fetch_one(&mut admin).await.unwrap();
        assert_ne!(others.get::<Option<String>, _>(0).as_deref(), Some("x"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_brands_queries_go_through_the_wall_and_the_services_do_not() {
    on_postgres(|given| async move {
        two_brands(&given).await;
        let scope = lumen();
        let scope = given.store.brand(&scope);
        assert_eq!(scope.triage(10).await.unwrap().len(), 1);
        for table in ["viewer", "decision", "account"] {
            given.raw(&format!("ALTER POLICY brand_wall ON {table} USING (false)")).await;
        }
        assert!(scope.triage(10).await.unwrap().is_empty(), "the wall is in its way");
        assert!(scope.recent_decisions(10).await.unwrap().is_empty() && scope.accounts().await.unwrap().is_empty());
        assert_eq!(given.store.totals().await.unwrap().all.viewers[0].1, 2, "who works for all brands sees all");
        assert_eq!(given.store.accounts().await.unwrap().len(), 2);
        for odd in ["' OR 1=1 --", "\"; RESET ROLE; --", "\\", "ü", ""] {
            let odd = BrandId::new(odd);
            assert!(given.store.brand(&odd).triage(10).await.unwrap().is_empty());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_login_that_may_make_no_roles_works_with_the_first_wall_alone() {
    on_postgres(|mut given| async move {
        let name = given.url.rsplit_once('/').unwrap().1.split('?').next().unwrap().to_owned();
        let owner = format!("{name}_owner");
        given.raw(&format!("CREATE ROLE {owner} LOGIN PASSWORD 'plain'")).await;
        given.raw(&format!("ALTER DATABASE {name} OWNER TO {owner}")).await;
        given.raw(&format!("ALTER SCHEMA public OWNER TO {owner}")).await;
        let (scheme, rest) = given.url.split_once("://").unwrap();
        let theirs = format!("{scheme}://{owner}:plain@{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host));
        let root = std::mem::replace(&mut given.url, theirs);
        given.store = given.reopen().await;
        two_brands(&given).await;
        assert_eq!(given.store.brand_role().await.unwrap(), None);
        let scope = lumen();
        assert_eq!(given.store.brand(&scope).triage(10).await.unwrap().len(), 1);

        // Somebody who may makes the role; then the same command builds the wall.
        let mut admin = PgConnection::connect(&root).await.unwrap();
        for sql in [format!("CREATE ROLE {name}_brand NOLOGIN"), format!("GRANT {name}_brand TO {owner}")] {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
        }
        let again = given.reopen().await;
        again.migrate().await.unwrap();
        given.store = again.clone();
        assert_eq!(again.brand_role().await.unwrap(), Some(format!("{name}_brand").as_str()));
        assert_eq!(again.brand(&scope).triage(10).await.unwrap().len(), 1);
        assert_eq!(count(&given, None, "viewer").await, 0);
        again.close().await;
        for sql in [format!("DROP OWNED BY {name}_brand"), format!("REASSIGN OWNED BY {owner} TO CURRENT_USER")] {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
        }
        let sql = AssertSqlSafe(format!("DROP OWNED BY {owner}; DROP ROLE {owner}"));
        sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    })
    .await;
}
