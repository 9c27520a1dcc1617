//! The people who work in the console: who they are, what they may do, and how they come in.

use afterglow_domain::{BrandId, Timestamp};

use crate::codec::{from_name, moment};
use crate::engine::{on_read, on_tx, row, storable};
use crate::{Store, StoreError};

/// What a person may do for a brand; each may what the ones before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look.
    Analyst,
    /// Attend to viewers: claim, label, answer, hand over.
    Agent,
    /// Change rules, set and lift kill switches.
    Manager,
    /// Say who may do what.
    Owner,
}

impl Role {
    /// All, the one that may least first.
    pub const ALL: [Self; 4] = [Self::Analyst, Self::Agent, Self::Manager, Self::Owner];

    /// The name as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Analyst => "analyst",
            Self::Agent => "agent",
            Self::Manager => "manager",
            Self::Owner => "owner",
        }
    }
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// An e-mail address, in lower case.
    pub id: String,
    /// For people.
    pub name: String,
    /// May not come in any more, since then.
    pub disabled: Option<Timestamp>,
    /// A second factor is asked for.
    pub has_totp: bool,
    /// A password is set.
    pub has_password: bool,
    /// What they may do, by brand; `None` stands for every brand.
    pub roles: Vec<(Option<BrandId>, Role)>,
}

impl Person {
    /// What they may do for `brand`; `None`: nothing, not even see that it is there.
    pub fn role(&self, brand: &BrandId) -> Option<Role> {
        self.roles.iter().filter(|(of, _)| of.as_ref().is_none_or(|of| of == brand)).map(|(_, role)| *role).max()
    }

    /// What they may do for the installation as a whole.
    pub fn everywhere(&self) -> Option<Role> {
        self.roles.iter().filter(|(of, _)| of.is_none()).map(|(_, role)| *role).max()
    }
}

/// What is compared when somebody signs in.
#[derive(Clone)]
pub struct Credentials {
    /// Argon2id, in PHC form.
    pub password: Option<String>,
    /// The sealed secret of the second factor.
    pub totp_sealed: Option<Vec<u8>>,
    /// The last time step whose code was taken: a code works once (RFC 6238, section 5.2).
    pub totp_last_step: i64,
}

row! {
    struct PersonColumns {
        id: String,
        name: String,
        disabled_ms: Option<i64>,
        has_totp: bool,
        has_password: bool,
    }
}

row! {
    struct RoleColumns { person: String, brand: String, role: String }
}

row! {
    struct CredentialColumns { password: Option<String>, totp_sealed: Option<Vec<u8>>, totp_last_step: i64 }
}

const PEOPLE: &str = "SELECT id, name, disabled_ms, totp_sealed IS NOT NULL AS has_totp,
        password IS NOT NULL AS has_password FROM person ORDER BY id";

impl Store {
    /// Adds a person, or changes their name. They may nothing until [`Store::grant`].
    pub async fn put_person(&self, id: &str, name: &str, now: Timestamp) -> Result<(), StoreError> {
        let sql = "INSERT INTO person (id, name, created_ms) VALUES ($1, $2, $3)
            ON CONFLICT (id) DO UPDATE SET name = excluded.name";
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            sqlx::query(sql)
                .bind(storable(&id.to_lowercase()))
                .bind(storable(name))
                .bind(now.millis())
                .execute(connection)
                .await?;
        });
        tx.commit().await
    }

    /// Everybody.
    pub async fn people(&self) -> Result<Vec<Person>, StoreError> {
        let rows: Vec<PersonColumns> = on_read!(&self.engine, |pool| sqlx::query_as(PEOPLE).fetch_all(pool).await?);
        let sql = "SELECT person, brand, role FROM person_role ORDER BY person, brand";
        let roles: Vec<RoleColumns> = on_read!(&self.engine, |pool| sqlx::query_as(sql).fetch_all(pool).await?);
        rows.into_iter().map(|row| decode(row, &roles)).collect()
    }

    /// One person.
    pub async fn person(&self, id: &str) -> Result<Option<Person>, StoreError> {
        let sql = "SELECT id, name, disabled_ms, totp_sealed IS NOT NULL AS has_totp,
            password IS NOT NULL AS has_password FROM person WHERE id = $1";
        let id = id.to_lowercase();
        let row: Option<PersonColumns> =
            on_read!(&self.engine, |pool| sqlx::query_as(sql).bind(&id).fetch_optional(pool).await?);
        let sql = "SELECT person, brand, role FROM person_role WHERE person = $1 ORDER BY brand";
        let roles: Vec<RoleColumns> =
            on_read!(&self.engine, |pool| sqlx::query_as(sql).bind(&id).fetch_all(pool).await?);
        row.map(|row| decode(row, &roles)).transpose()
    }

    /// Lets a person do something for a brand, or for all; no role: nothing any more. `false` if there is no such person.
    pub async fn grant(&self, person: &str, brand: Option<&BrandId>, role: Option<Role>) -> Result<bool, StoreError> {
        let put = "INSERT INTO person_role (person, brand, role) SELECT id, $2, $3 FROM person WHERE id = $1
            ON CONFLICT (person, brand) DO UPDATE SET role = excluded.role";
        let remove = "DELETE FROM person_role WHERE person = $1 AND brand = $2";
        let (person, brand) = (person.to_lowercase(), brand.map_or("", BrandId::as_str));
        let mut tx = self.engine.begin().await?;
        let rows = on_tx!(&mut tx, |connection| {
            let query = sqlx::query(if role.is_some() { put } else { remove }).bind(&person).bind(brand);
            let query = if let Some(role) = role { query.bind(role.as_str()) } else { query };
            query.execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(rows == 1)
    }

    /// What is compared when they sign in; `None` for who is not there, or may not come in.
    pub async fn credentials(&self, person: &str) -> Result<Option<Credentials>, StoreError> {
        let sql = "SELECT password, totp_sealed, totp_last_step FROM person WHERE id = $1 AND disabled_ms IS NULL";
        let person = person.to_lowercase();
        let row: Option<CredentialColumns> =
            on_read!(&self.engine, |pool| sqlx::query_as(sql).bind(&person).fetch_optional(pool).await?);
        Ok(row.map(|row| Credentials {
            password: row.password,
            totp_sealed: row.totp_sealed,
            totp_last_step: row.totp_last_step,
        }))
    }

    /// Sets a person's password (argon2id, in PHC form), and ends their sessions: whoever knew the old one is out.
    pub async fn set_password(&self, person: &str, hash: &str) -> Result<(), StoreError> {
        let person = person.to_lowercase();
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            let set = sqlx::query("UPDATE person SET password = $2 WHERE id = $1").bind(&person).bind(hash);
            set.execute(&mut *connection).await?;
            sqlx::query("DELETE FROM session WHERE person = $1").bind(&person).execute(connection).await?;
        });
        tx.commit().await
    }

    /// Lets a person in no more, at once, or again.
    pub async fn disable_person(&self, person: &str, since: Option<Timestamp>) -> Result<bool, StoreError> {
        let person = person.to_lowercase();
        let mut tx = self.engine.begin().await?;
        let rows = on_tx!(&mut tx, |connection| {
            let set = sqlx::query("UPDATE person SET disabled_ms = $2 WHERE id = $1");
            let set = set.bind(&person).bind(since.map(Timestamp::millis));
            let rows = set.execute(&mut *connection).await?.rows_affected();
            if since.is_some() {
                sqlx::query("DELETE FROM session WHERE person = $1").bind(&person).execute(connection).await?;
            }
            rows
        });
        tx.commit().await?;
        Ok(rows == 1)
    }
}

fn decode(row: PersonColumns, roles: &[RoleColumns]) -> Result<Person, StoreError> {
    let mut own = Vec::new();
    for role in roles.iter().filter(|role| role.person == row.id) {
        let brand = (!role.brand.is_empty()).then(|| BrandId::new(role.brand.as_str()));
        own.push((brand, from_name("person_role.role", &role.role)?));
    }
    Ok(Person {
        id: row.id,
        name: row.name,
        disabled: moment(row.disabled_ms),
        has_totp: row.has_totp,
        has_password: row.has_password,
        roles: own,
    })
}
