//! The second wall between brands: PostgreSQL itself shows a brand's queries that brand's rows and no others.
//!
//! The first wall is that every query names its brand. Here every transaction of a [`crate::BrandStore`] works in a role of its own
//! (`DATABASE_brand`, made by [`crate::Store::migrate`]) which row-level security binds, with `afterglow.brand` set until the
//! transaction ends: a query that forgot its brand finds nothing of another's, and what it writes to another's rows is
//! refused. Services that work for all brands keep the login's own role, and its rights.
//!
//! Where the login may not make roles, brands have the first wall alone: `afterglow doctor` says so. SQLite has no roles:
//! whoever has the file has everything.

use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use crate::engine::{Engine, Tx};
use crate::{BrandStore, Store, StoreError};

/// The role's name, in SQL. Names have 63 bytes at most (PostgreSQL, `NAMEDATALEN`).
macro_rules! role {
    () => {
        "left(current_database()::text, 57) || '_brand'"
    };
}

/// Makes what is missing, and changes nothing that is there: tables are locked only when they get their policy.
///
/// The restrictive policy binds the role of brands; the permissive one lets everybody else see what their grants allow, so
/// that a service whose login does not own the tables is not suddenly blind.
const BUILD: &str = concat!(
    "DO $wall$
DECLARE
    wall CONSTANT text := ",
    role!(),
    ";
    mine CONSTANT text := 'current_setting(''afterglow.brand'', true)';
    may CONSTANT text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
    one record;
BEGIN
    PERFORM pg_advisory_xact_lock(5104837261);
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wall) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', wall);
    END IF;
    IF NOT pg_has_role(current_user, wall, may) THEN
        EXECUTE format('GRANT %I TO %I', wall, current_user);
    END IF;
    IF NOT has_schema_privilege(wall, current_schema(), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), wall);
    END IF;
    FOR one IN
        SELECT t.oid::regclass AS name, t.relrowsecurity AS bound,
            CASE WHEN t.relname = 'brand' THEN 'id = ' || mine
                WHEN t.relname IN ('viewer_key', 'amendment', 'quarantine')
                    THEN 'account IN (SELECT a.id FROM account a WHERE a.brand = ' || mine || ')'
                WHEN EXISTS (SELECT FROM pg_attribute c WHERE c.attrelid = t.oid AND c.attname = 'brand')
                    THEN 'brand = ' || mine
            END AS rows,
            EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = t.oid AND p.polname = 'brand_wall') AS walled
        FROM pg_class t
        WHERE t.relkind IN ('r', 'p') AND t.relnamespace = current_schema()::regnamespace
            AND t.relname NOT IN ('_sqlx_migrations', 'session', 'sign_in_link', 'sign_in_attempt', 'second_step',
                'recovery_code', 'identity', 'identity_attempt', 'forgotten', 'schema_floor')
    LOOP
        IF NOT has_table_privilege(wall, one.name, 'SELECT, INSERT, UPDATE, DELETE') THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', one.name, wall);
        END IF;
        CONTINUE WHEN one.rows IS NULL OR (one.walled AND one.bound);
        IF NOT one.walled THEN
            EXECUTE format('CREATE POLICY all_rows ON %s USING (true)', one.name);
            EXECUTE format('CREATE POLICY brand_wall ON %s AS RESTRICTIVE TO %I USING (%s)', one.name, wall, one.rows);
        END IF;
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', one.name);
    END LOOP;
    FOR one IN SELECT s.oid::regclass AS name FROM pg_class s
        WHERE s.relkind = 'S' AND s.relnamespace = current_schema()::regnamespace
            AND CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(wall, s.oid, 'USAGE') END
    LOOP
        EXECUTE format('GRANT USAGE ON %s TO %I', one.name, wall);
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'no role for brands: %', SQLERRM;
END
$wall$"
);

/// The role, if it is there, is bound, may be taken on, and the wall is built.
const FIND: &str = concat!(
    "SELECT r.rolname::text FROM pg_roles r
    WHERE r.rolname = ",
    role!(),
    " AND NOT r.rolsuper AND NOT r.rolbypassrls
        AND pg_has_role(current_user, r.oid,
            CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
        AND EXISTS (SELECT FROM pg_policies p
            WHERE p.schemaname = current_schema() AND p.tablename = 'interaction' AND p.policyname = 'brand_wall')"
);

/// Builds the wall where the login may.
pub(crate) async fn build(pool: &PgPool) -> Result<(), StoreError> {
    sqlx::raw_sql(BUILD).execute(pool).await?;
    Ok(())
}

/// A transaction behind the wall. One way to the server: with `BEGIN` goes who it is for.
pub(crate) async fn behind(
    scope: &BrandStore<'_>,
    pool: &PgPool,
    begin: &str,
) -> Result<Transaction<'static, Postgres>, StoreError> {
    let Some(role) = scope.store.brand_role().await? else {
        return Ok(pool.begin_with(AssertSqlSafe(begin.to_owned())).await?);
    };
    // Hex digits, so that no id, whatever it holds, is read as SQL.
    let (role, brand) = (role.replace('"', "\"\""), hex::encode(scope.brand.as_str()));
    let sql = format!(
        "{begin}; SET LOCAL ROLE \"{role}\";
        SELECT set_config('afterglow.brand', convert_from(decode('{brand}', 'hex'), 'UTF8'), true)"
    );
    Ok(pool.begin_with(AssertSqlSafe(sql)).await?)
}

impl Store {
    /// The role in which a brand's queries run behind PostgreSQL's own wall; `None` on SQLite, and where the wall could not
    /// be built. It is asked once: whoever builds the wall starts the console anew.
    pub async fn brand_role(&self) -> Result<Option<&str>, StoreError> {
        let Engine::Postgres(pool) = &self.engine else { return Ok(None) };
        let find = async || Ok::<_, StoreError>(sqlx::query_scalar::<_, String>(FIND).fetch_optional(pool).await?);
        Ok(self.brand_role.get_or_try_init(find).await?.as_deref())
    }
}

impl BrandStore<'_> {
    /// A transaction of this brand that may write.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        match &self.store.engine {
            Engine::Postgres(pool) => Ok(Tx::Postgres(behind(self, pool, "BEGIN").await?)),
            Engine::Sqlite { .. } => self.store.engine.begin().await,
        }
    }

    /// One that only reads, and sees one moment.
    pub(crate) async fn begin_snapshot(&self) -> Result<Tx, StoreError> {
        match &self.store.engine {
            Engine::Postgres(pool) => {
                Ok(Tx::Postgres(behind(self, pool, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?))
            }
            Engine::Sqlite { .. } => self.store.engine.begin_snapshot().await,
        }
    }
}

/// Runs an expression for a brand on what reads, whichever engine it is: in PostgreSQL behind the wall.
macro_rules! on_brand {
    ($scope:expr, |$connection:ident| $body:expr) => {
        match &$scope.store.engine {
            $crate::engine::Engine::Sqlite { read: $connection, .. } => $body,
            $crate::engine::Engine::Postgres(pool) => {
                let mut tx = $crate::wall::behind(&$scope, pool, "BEGIN READ ONLY").await?;
                let $connection = &mut *tx;
                let found = $body;
                tx.commit().await?;
                found
            }
        }
    };
}

pub(crate) use on_brand;
