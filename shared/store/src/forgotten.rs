//! Forgotten is forgotten.
//!
//! A person who asks to be forgotten is removed from every table. What is left is a keyed hash that names nobody without
//! the key: by it, what happened until then is not taken in again, whether it comes from a queue, a replayed quarantine or
//! a restored backup's replay, and who had said stop stays unwritten-to. Without the key nothing can be forgotten, and
//! nobody who was forgotten can be recognised: it is a setting, not a row.

use std::collections::BTreeMap;

use afterglow_domain::{AccountId, BrandId, Interaction, Timestamp, ViewerId, ViewerKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::engine::{Sql, Tx, on_read, on_tx};
use crate::forget_receipts::leave;
use crate::{ForgetReceipt, Store, StoreError, consent, feed};

/// The key under which the forgotten are remembered.
#[derive(Clone)]
pub struct ForgetKey(SecretString);

impl std::fmt::Debug for ForgetKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ForgetKey")
    }
}

impl ForgetKey {
    /// Takes a secret of at least 16 bytes; `None` for a shorter one, which could be guessed.
    pub fn new(secret: SecretString) -> Option<Self> {
        (secret.expose_secret().len() >= 16).then_some(Self(secret))
    }

    pub(crate) const fn secret(&self) -> &SecretString {
        &self.0
    }

    fn hash(&self, brand: &BrandId, key: &ViewerKey) -> Option<Vec<u8>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes()).ok()?; // any length is good
        for part in [brand.as_str(), key.account.as_str(), key.viewer.as_str()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Some(mac.finalize().into_bytes().to_vec())
    }
}

/// Removes what speaks of a viewer. Order: children before parents.
const REMOVALS: [&str; 21] = [
    // What they added to the sums stays there, and says nothing of them.
    "DELETE FROM kpi_viewer WHERE brand = $1 AND account = $2 AND viewer = $3",
    "DELETE FROM experiment_exposure WHERE brand = $1 AND account = $2 AND viewer = $3",
    "DELETE FROM feed_mark WHERE brand = $1 AND account = $2 AND viewer = $3",
    "DELETE FROM feed_delivery WHERE brand = $1 AND account = $2 AND viewer = $3",
    "DELETE FROM feed_change WHERE brand = $1 AND account = $2 AND viewer = $3",
    // `crm_record` goes when the CRM was told: by it one knows that there is somebody to tell.
    "DELETE FROM crm_refusal WHERE brand = $1 AND account = $2 AND viewer = $3",
    "DELETE FROM claim WHERE brand = $1 AND account = $2 AND viewer = $3",
    "DELETE FROM viewer_label WHERE brand = $1 AND account = $2 AND viewer = $3",
    // That somebody did something stays; to whom, and in which words, does not.
    "UPDATE audit SET account = NULL, viewer = NULL, detail = '' WHERE brand = $1 AND account = $2 AND viewer = $3",
    "DELETE FROM amendment WHERE interaction IN
        (SELECT id FROM interaction WHERE brand = $1 AND account = $2 AND viewer = $3)",
    "DELETE FROM moderation WHERE brand = $1 AND account = $2 AND viewer = $3",
    "DELETE FROM draft WHERE brand = $1 AND account = $2 AND viewer = $3",
    "DELETE FROM decision WHERE intent IN
        (SELECT id FROM intent WHERE brand = $1 AND account = $2 AND viewer = $3)",
    "DELETE FROM send WHERE brand = $1 AND account = $2 AND viewer = $3",
    "DELETE FROM intent WHERE brand = $1 AND account = $2 AND viewer = $3",
    "DELETE FROM consent_log WHERE brand = $1 AND account = $2 AND viewer = $3",
    "DELETE FROM interaction WHERE brand = $1 AND account = $2 AND viewer = $3",
    "DELETE FROM viewer WHERE brand = $1 AND account = $2 AND viewer = $3",
    "DELETE FROM consent WHERE brand = $1 AND account = $2 AND viewer = $3",
    // With the key goes what a backup holds of their fragments.
    "DELETE FROM viewer_key WHERE $1 <> '' AND account = $2 AND viewer = $3",
    // Messages on their way to other rooms carry the viewer in their key, `account/viewer`.
    "DELETE FROM outbox WHERE $1 <> '' AND key = $2 || '/' || $3",
];

/// Quarantined bytes that name the person. `payload` is searched as bytes: it need not be text.
const QUARANTINED: Sql = Sql {
    postgres: "DELETE FROM quarantine WHERE account = $1 AND position(convert_to($2, 'UTF8') IN payload) > 0",
    sqlite: "DELETE FROM quarantine WHERE account = $1 AND instr(payload, CAST($2 AS BLOB)) > 0",
};

/// Whether anybody reads the brand's feed.
const TOLD: &str =
    "SELECT (SELECT COUNT(*) FROM feed_endpoint WHERE brand = $1) + (SELECT COUNT(*) FROM api_token WHERE brand = $1)
        + (SELECT COUNT(*) FROM crm_connection WHERE brand = $1)
        + (SELECT COUNT(*) FROM feed_broker WHERE brand = $1)";

const REMEMBER: &str = "INSERT INTO forgotten (hash, at_ms, opted_out) VALUES ($1, $2, $3)
    ON CONFLICT (hash) DO UPDATE SET at_ms = excluded.at_ms, opted_out = excluded.opted_out OR forgotten.opted_out";

const FIND: &str = "SELECT at_ms, opted_out FROM forgotten WHERE hash = $1";

impl Store {
    /// Whether anybody was ever forgotten here: then the key is needed.
    pub async fn has_forgotten(&self) -> Result<bool, StoreError> {
        let sql = "SELECT COUNT(*) FROM forgotten";
        let (n,): (i64,) = on_read!(&self.engine, |pool| sqlx::query_as(sql).fetch_one(pool).await?);
        Ok(n > 0)
    }

    /// Removes a viewer everywhere, in one transaction, and leaves a receipt under `code`. A stop (or a perhaps) of
    /// theirs outlives them. A message already handed to Meta cannot be recalled.
    ///
    /// # Errors
    /// `Configuration` without a key.
    pub async fn forget(
        &self,
        brand: &BrandId,
        viewer: &ViewerKey,
        code: &str,
        now: Timestamp,
    ) -> Result<ForgetReceipt, StoreError> {
        let mut tx = self.engine.begin().await?;
        let rows = self.remove(&mut tx, brand, viewer, now).await?;
        leave(&mut tx, code, brand.as_str(), rows, now).await?;
        tx.commit().await?;
        Ok(ForgetReceipt { code: code.to_owned(), brand: brand.clone(), done: now, rows })
    }

    /// Removes a viewer whom the brand no longer wants to keep, as if they had asked, without a receipt.
    ///
    /// # Errors
    /// `Configuration` without a key.
    pub async fn remove_idle(&self, brand: &BrandId, viewer: &ViewerKey, now: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.engine.begin().await?;
        let rows = self.remove(&mut tx, brand, viewer, now).await?;
        tx.commit().await?;
        Ok(rows)
    }

    /// Removes a viewer from every table, and remembers the hash. Returns how many rows went.
    async fn remove(
        &self,
        tx: &mut Tx,
        brand: &BrandId,
        viewer: &ViewerKey,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let silent = consent::forbids(tx, brand, viewer, now).await?;
        let mut rows = 0;
        for sql in REMOVALS {
            rows += on_tx!(&mut *tx, |connection| {
                sqlx::query(sql)
                    .bind(brand.as_str())
                    .bind(viewer.account.as_str())
                    .bind(viewer.viewer.as_str())
                    .execute(connection)
                    .await?
                    .rows_affected()
            });
        }
        let told: i64 = on_tx!(&mut *tx, |connection| {
            sqlx::query_scalar(TOLD).bind(brand.as_str()).fetch_one(connection).await?
        });
        if told > 0 {
            // Whoever was told of them is told to forget them; that goes with the feed's own age.
            feed::mark_forgotten(tx, brand, viewer, now).await?;
        }
        let sql = tx.sql(&QUARANTINED);
        rows += on_tx!(&mut *tx, |connection| {
            sqlx::query(sql)
                .bind(viewer.account.as_str())
                .bind(viewer.viewer.as_str())
                .execute(connection)
                .await?
                .rows_affected()
        });
        self.remember(tx, brand, viewer, silent, now).await?;
        Ok(rows)
    }

    /// Remembers somebody by a hash that names nobody.
    pub(crate) async fn remember(
        &self,
        tx: &mut Tx,
        brand: &BrandId,
        viewer: &ViewerKey,
        silent: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let hash = self.forgotten_by(brand, viewer);
        let hash = hash.ok_or_else(|| StoreError::configuration("keys.forgetting: 16 bytes or more are needed"))?;
        on_tx!(&mut *tx, |connection| {
            sqlx::query(REMEMBER).bind(hash).bind(now.millis()).bind(silent).execute(connection).await?;
        });
        Ok(())
    }

    /// Forgets a person at every account that knows them under this id, and leaves one receipt under `code`, also when
    /// nobody did.
    ///
    /// # Errors
    /// `Configuration` without a key.
    pub async fn forget_everywhere(&self, viewer: &ViewerId, code: &str, now: Timestamp) -> Result<(), StoreError> {
        let sql = "SELECT brand, account FROM viewer WHERE viewer = $1";
        let known: Vec<(String, String)> =
            on_read!(&self.engine, |pool| sqlx::query_as(sql).bind(viewer.as_str()).fetch_all(pool).await?);
        let mut rows = 0;
        for (n, (brand, account)) in known.into_iter().enumerate() {
            let key = ViewerKey { account: AccountId::new(account), viewer: viewer.clone() };
            rows += self.forget(&BrandId::new(brand), &key, &format!("{code}-{n}"), now).await?.rows;
        }
        let mut tx = self.engine.begin().await?;
        leave(&mut tx, code, "", rows, now).await?;
        tx.commit().await
    }

    /// Leaves out what people did before they were forgotten.
    pub(crate) async fn without_forgotten<'a>(
        &self,
        tx: &mut Tx,
        interactions: Vec<&'a Interaction>,
    ) -> Result<Vec<&'a Interaction>, StoreError> {
        let Some(key) = &self.forget_key else { return Ok(interactions) };
        // Mostly nobody was ever forgotten: one look at an empty table is all it costs.
        let (any,): (i64,) = on_tx!(&mut *tx, |connection| {
            sqlx::query_as("SELECT COUNT(*) FROM (SELECT 1 FROM forgotten LIMIT 1) AS f").fetch_one(connection).await?
        });
        if any == 0 {
            return Ok(interactions);
        }
        let mut until: BTreeMap<ViewerKey, Option<Timestamp>> = BTreeMap::new();
        for interaction in &interactions {
            if let Some(viewer) = interaction.viewer_key()
                && !until.contains_key(&viewer)
            {
                let found = find(tx, key, &interaction.brand, &viewer).await?.map(|(at, _)| at);
                until.insert(viewer, found);
            }
        }
        let stays = |interaction: &&Interaction| {
            let gone = interaction.viewer_key().and_then(|viewer| until.get(&viewer).copied().flatten());
            gone.is_none_or(|gone| interaction.occurred > gone)
        };
        Ok(interactions.into_iter().filter(stays).collect())
    }

    /// What somebody would be remembered by; nothing without the key.
    pub(crate) fn forgotten_by(&self, brand: &BrandId, viewer: &ViewerKey) -> Option<Vec<u8>> {
        self.forget_key.as_ref().and_then(|key| key.hash(brand, viewer))
    }
}

async fn find(
    tx: &mut Tx,
    key: &ForgetKey,
    brand: &BrandId,
    viewer: &ViewerKey,
) -> Result<Option<(Timestamp, bool)>, StoreError> {
    let Some(hash) = key.hash(brand, viewer) else { return Ok(None) };
    let row: Option<(i64, bool)> =
        on_tx!(tx, |connection| sqlx::query_as(FIND).bind(hash).fetch_optional(connection).await?);
    Ok(row.map(|(at, opted_out)| (Timestamp::from_millis(at), opted_out)))
}
