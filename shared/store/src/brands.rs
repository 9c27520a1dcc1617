//! Brands and their accounts.

use std::fmt;

use afterglow_domain::{AccountId, BrandId, BrandSettings, Channel, Login, Timestamp};

use crate::codec::{from_json, from_name, to_json};
use crate::engine::{on_read, on_tx, row, storable};
use crate::wall::on_brand;
use crate::{BrandStore, Store, StoreError};

/// A customer of the ops team.
#[derive(Debug, Clone, PartialEq)]
pub struct Brand {
    /// Its slug.
    pub id: BrandId,
    /// Its name for people.
    pub name: String,
    /// IANA name (`Europe/Amsterdam`).
    pub time_zone: String,
    /// What it sets for itself.
    pub settings: BrandSettings,
    /// The version of the document that says so; 0 if none was applied. Upserting does not change it.
    pub document_version: i64,
    /// When it was first made; later upserts do not change it.
    pub created: Timestamp,
}

/// An access token, sealed: the store never sees the open one. Not shown by `Debug` all the same.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedToken(pub Vec<u8>);

impl fmt::Debug for SealedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedToken({} bytes)", self.0.len())
    }
}

/// One professional account or Page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Meta's id.
    pub id: AccountId,
    /// Who owns it. Never changes.
    pub brand: BrandId,
    /// Instagram or Page.
    pub channel: Channel,
    /// How it was connected.
    pub login: Login,
    /// Its name, where known.
    pub username: Option<String>,
    /// Its access token. Upserting `None` keeps the token that is there.
    pub token_sealed: Option<SealedToken>,
    /// When the token dies; `None` where nobody knows, or never. Upserting does not change it: see
    /// [`Store::connect_account`].
    pub token_expires: Option<Timestamp>,
    /// Why nothing is sent from it, if so. Upserting does not change it: see [`Store::pause_account`].
    pub paused_reason: Option<String>,
    /// When it was first connected; later upserts do not change it.
    pub created: Timestamp,
}

row! {
    struct BrandColumns {
        id: String,
        name: String,
        time_zone: String,
        settings: String,
        document_version: i64,
        created_ms: i64,
    }
}

impl BrandColumns {
    fn decode(self) -> Result<Brand, StoreError> {
        Ok(Brand {
            id: BrandId::new(self.id),
            name: self.name,
            time_zone: self.time_zone,
            settings: from_json("brand.settings", &self.settings)?,
            document_version: self.document_version,
            created: Timestamp::from_millis(self.created_ms),
        })
    }
}

row! {
    struct AccountColumns {
        id: String,
        brand: String,
        channel: String,
        login: String,
        username: Option<String>,
        token_sealed: Option<Vec<u8>>,
        paused_reason: Option<String>,
        created_ms: i64,
        token_expires_ms: Option<i64>,
    }
}

impl AccountColumns {
    fn decode(self) -> Result<Account, StoreError> {
        Ok(Account {
            id: AccountId::new(self.id),
            brand: BrandId::new(self.brand),
            channel: from_name("account.channel", &self.channel)?,
            login: from_name("account.login", &self.login)?,
            username: self.username,
            token_sealed: self.token_sealed.map(SealedToken),
            token_expires: self.token_expires_ms.map(Timestamp::from_millis),
            paused_reason: self.paused_reason,
            created: Timestamp::from_millis(self.created_ms),
        })
    }
}

impl Store {
    /// Makes a brand, or changes its name, time zone and settings.
    pub async fn upsert_brand(&self, brand: &Brand) -> Result<(), StoreError> {
        let sql = "INSERT INTO brand (id, name, time_zone, settings, created_ms) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (id) DO UPDATE
            SET name = excluded.name, time_zone = excluded.time_zone, settings = excluded.settings";
        let settings = to_json("brand.settings", &brand.settings)?;
        let mut tx = self.engine.begin().await?;
        on_tx!(&mut tx, |connection| {
            sqlx::query(sql)
                .bind(brand.id.as_str())
                .bind(storable(&brand.name))
                .bind(&brand.time_zone)
                .bind(settings)
                .bind(brand.created.millis())
                .execute(connection)
                .await?;
        });
        tx.commit().await
    }

    /// Every brand, by id. For the operator of the whole installation.
    pub async fn brands(&self) -> Result<Vec<Brand>, StoreError> {
        let sql = "SELECT id, name, time_zone, settings, document_version, created_ms FROM brand ORDER BY id";
        let rows: Vec<BrandColumns> = on_read!(&self.engine, |pool| sqlx::query_as(sql).fetch_all(pool).await?);
        rows.into_iter().map(BrandColumns::decode).collect()
    }

    /// Connects an account, or changes its login, name and token.
    ///
    /// # Errors
    /// `OtherBrand` if the account belongs to another brand; `Constraint` if the brand does not exist.
    pub async fn upsert_account(&self, account: &Account) -> Result<(), StoreError> {
        let sql = "INSERT INTO account (id, brand, channel, login, username, token_sealed, paused_reason, created_ms)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (id) DO UPDATE
            SET channel = excluded.channel, login = excluded.login,
                username = COALESCE(excluded.username, account.username),
                token_sealed = COALESCE(excluded.token_sealed, account.token_sealed)
            WHERE account.brand = excluded.brand";
        let mut tx = self.engine.begin().await?;
        let changed = on_tx!(&mut tx, |connection| {
            sqlx::query(sql)
                .bind(account.id.as_str())
                .bind(account.brand.as_str())
                .bind(account.channel.as_str())
                .bind(account.login.as_str())
                .bind(account.username.as_deref().map(storable))
                .bind(account.token_sealed.as_ref().map(|token| token.0.as_slice()))
                .bind(account.paused_reason.as_deref().map(storable))
                .bind(account.created.millis())
                .execute(connection)
                .await?
                .rows_affected()
        });
        if changed == 0 {
            return Err(StoreError::OtherBrand { account: account.id.to_string() });
        }
        tx.commit().await
    }

    /// One account, whichever brand owns it; for services that act on an account's events.
    pub async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        let sql = "SELECT id, brand, channel, login, username, token_sealed, paused_reason, created_ms,
            token_expires_ms FROM account WHERE id = $1";
        let row: Option<AccountColumns> =
            on_read!(&self.engine, |pool| sqlx::query_as(sql).bind(id.as_str()).fetch_optional(pool).await?);
        row.map(AccountColumns::decode).transpose()
    }

    /// Every account, by id. For services that route by account, and the operator of the whole installation.
    pub async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let sql = "SELECT id, brand, channel, login, username, token_sealed, paused_reason, created_ms,
            token_expires_ms FROM account ORDER BY id";
        let rows: Vec<AccountColumns> = on_read!(&self.engine, |pool| sqlx::query_as(sql).fetch_all(pool).await?);
        rows.into_iter().map(AccountColumns::decode).collect()
    }

    /// Stops sends from an account; the first reason stays. `false` if there is no such account.
    pub async fn pause_account(&self, id: &AccountId, reason: &str, now: Timestamp) -> Result<bool, StoreError> {
        tracing::warn!(account = %id, reason, at = %now, "account paused");
        self.set_paused(id, Some(reason)).await
    }

    /// Takes an account's token away and pauses it: it receives on, and sends nothing until it is connected again.
    /// `false` if there is no such account.
    pub async fn disconnect_account(&self, id: &AccountId, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE account SET token_sealed = NULL,
            paused_reason = COALESCE(paused_reason, 'disconnected: connect it again, then `afterglow account resume`')
            WHERE id = $1";
        let mut tx = self.engine.begin().await?;
        let changed = on_tx!(&mut tx, |connection| {
            sqlx::query(sql).bind(id.as_str()).execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        if changed == 1 {
            tracing::warn!(account = %id, at = %now, "account disconnected: its token is gone, it sends nothing");
        }
        Ok(changed == 1)
    }

    /// Puts another sealing of the same token in its place, if it has not changed meanwhile. `false` if it has.
    pub async fn reseal_token(
        &self,
        id: &AccountId,
        before: &SealedToken,
        after: &SealedToken,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE account SET token_sealed = $3 WHERE id = $1 AND token_sealed = $2";
        let mut tx = self.engine.begin().await?;
        let changed = on_tx!(&mut tx, |connection| {
            let query = sqlx::query(sql).bind(id.as_str()).bind(before.0.as_slice()).bind(after.0.as_slice());
            query.execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(changed == 1)
    }

    /// Lets an account send again. `false` if there is no such account.
    pub async fn resume_account(&self, id: &AccountId) -> Result<bool, StoreError> {
        self.set_paused(id, None).await
    }

    async fn set_paused(&self, id: &AccountId, reason: Option<&str>) -> Result<bool, StoreError> {
        let sql = "UPDATE account
            SET paused_reason = CASE WHEN $2 IS NULL THEN NULL ELSE COALESCE(paused_reason, $2) END WHERE id = $1";
        let mut tx = self.engine.begin().await?;
        let changed = on_tx!(&mut tx, |connection| {
            sqlx::query(sql).bind(id.as_str()).bind(reason.map(storable)).execute(connection).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(changed == 1)
    }
}

impl BrandStore<'_> {
    /// The brand itself; `None` if it does not exist.
    pub async fn brand(&self) -> Result<Option<Brand>, StoreError> {
        let sql = "SELECT id, name, time_zone, settings, document_version, created_ms FROM brand WHERE id = $1";
        let row: Option<BrandColumns> =
            on_brand!(self, |pool| { sqlx::query_as(sql).bind(self.brand.as_str()).fetch_optional(pool).await? });
        row.map(BrandColumns::decode).transpose()
    }

    /// The brand's accounts, by id.
    pub async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let sql = "SELECT id, brand, channel, login, username, token_sealed, paused_reason, created_ms,
            token_expires_ms FROM account WHERE brand = $1 ORDER BY id";
        let rows: Vec<AccountColumns> =
            on_brand!(self, |pool| { sqlx::query_as(sql).bind(self.brand.as_str()).fetch_all(pool).await? });
        rows.into_iter().map(AccountColumns::decode).collect()
    }
}
