//! Meta's raw fragments, sealed with a key for each viewer.
//!
//! XChaCha20-Poly1305. The nonce is the interaction's id, of which there is one for each fragment, so that no key sees a
//! nonce twice. Whoever forgets a viewer deletes the key: what a backup still holds of the fragments cannot be read.

use std::collections::{BTreeSet, HashMap};

use afterglow_domain::{AccountId, DerivedId, Interaction, InteractionId, ViewerId, ViewerKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use rand::TryRng as _;
use serde_json::value::RawValue;

use crate::StoreError;
use crate::engine::Tx;

/// What a sealed fragment begins with; JSON never does.
const SEALED: &str = "sealed:";

const FIND_PG: &str = "SELECT k.account, k.viewer, k.key FROM viewer_key k
    JOIN UNNEST($1::text[], $2::text[]) AS wanted (account, viewer)
        ON k.account = wanted.account AND k.viewer = wanted.viewer";
const FIND_LITE: &str = "SELECT k.account, k.viewer, k.key FROM viewer_key k
    JOIN (SELECT value ->> 0 AS account, value ->> 1 AS viewer FROM json_each($1)) AS wanted
        ON k.account = wanted.account AND k.viewer = wanted.viewer";
const MAKE_PG: &str = "INSERT INTO viewer_key (account, viewer, key)
    SELECT * FROM UNNEST($1::text[], $2::text[], $3::bytea[]) ON CONFLICT DO NOTHING
    RETURNING account, viewer, key";
const MAKE_LITE: &str = "INSERT INTO viewer_key (account, viewer, key)
    SELECT value ->> 0, value ->> 1, unhex(value ->> 2) FROM json_each($1) WHERE TRUE ON CONFLICT DO NOTHING
    RETURNING account, viewer, key";

type KeyRow = (String, String, Vec<u8>);

/// The fragments of interactions as they are to be stored: sealed if they are somebody's.
pub(crate) async fn sealed(tx: &mut Tx, interactions: &[&Interaction]) -> Result<Vec<Option<String>>, StoreError> {
    let with_fragment = interactions.iter().filter(|interaction| interaction.raw.is_some());
    let wanted: BTreeSet<ViewerKey> = with_fragment.filter_map(|interaction| interaction.viewer_key()).collect();
    let mut keys = if wanted.is_empty() { HashMap::new() } else { find(tx, &wanted).await? };
    let missing: BTreeSet<ViewerKey> = wanted.into_iter().filter(|viewer| !keys.contains_key(viewer)).collect();
    if !missing.is_empty() {
        let made = make(tx, &missing).await?;
        let all = made.len() == missing.len();
        keys.extend(made);
        if !all {
            keys.extend(find(tx, &missing).await?); // another process was first: its key counts
        }
    }
    let seal = |interaction: &&Interaction| {
        let Some(raw) = &interaction.raw else { return Ok(None) };
        let Some(viewer) = interaction.viewer_key() else { return Ok(Some(raw.get().to_owned())) };
        let key = keys.get(&viewer).ok_or_else(|| StoreError::codec("viewer_key.key", "no key was kept"))?;
        seal(key, interaction.id, raw.get()).map(Some)
    };
    interactions.iter().map(seal).collect()
}

fn cipher(key: &[u8]) -> Result<XChaCha20Poly1305, StoreError> {
    let key = Key::try_from(key).map_err(|_| StoreError::codec("viewer_key.key", "not 32 bytes"))?;
    Ok(XChaCha20Poly1305::new(&key))
}

fn nonce(id: InteractionId) -> XNonce {
    let mut nonce = [0; 24];
    nonce[..16].copy_from_slice(id.uuid().as_bytes());
    XNonce::from(nonce)
}

fn seal(key: &[u8], id: InteractionId, text: &str) -> Result<String, StoreError> {
    let sealed = cipher(key)?.encrypt(&nonce(id), text.as_bytes());
    let sealed = sealed.map_err(|_| StoreError::codec("interaction.raw", "cannot be sealed"))?;
    Ok(format!("{SEALED}{}", BASE64.encode(sealed)))
}

/// A stored fragment; `None` if its key is gone, as it is meant to be for the forgotten.
pub(crate) fn opened(
    stored: String,
    key: Option<&[u8]>,
    id: InteractionId,
) -> Result<Option<Box<RawValue>>, StoreError> {
    let strange = |error: &str| StoreError::codec("interaction.raw", error.to_owned());
    let text = match stored.strip_prefix(SEALED) {
        None => stored,
        Some(sealed) => {
            let Some(key) = key else { return Ok(None) };
            let sealed = BASE64.decode(sealed).map_err(|_| strange("not base64"))?;
            // Sealed under a key that was forgotten before another was made: as good as gone.
            let Ok(text) = cipher(key)?.decrypt(&nonce(id), sealed.as_slice()) else { return Ok(None) };
            String::from_utf8(text).map_err(|_| strange("not UTF-8"))?
        }
    };
    RawValue::from_string(text).map(Some).map_err(|error| StoreError::codec("interaction.raw", error))
}

async fn find(tx: &mut Tx, wanted: &BTreeSet<ViewerKey>) -> Result<HashMap<ViewerKey, Vec<u8>>, StoreError> {
    let accounts: Vec<&str> = wanted.iter().map(|viewer| viewer.account.as_str()).collect();
    let viewers: Vec<&str> = wanted.iter().map(|viewer| viewer.viewer.as_str()).collect();
    let rows: Vec<KeyRow> = match tx {
        Tx::Postgres(tx) => sqlx::query_as(FIND_PG).bind(accounts).bind(viewers).fetch_all(&mut **tx).await?,
        Tx::Sqlite(tx) => {
            let pairs: Vec<(&str, &str)> = accounts.into_iter().zip(viewers).collect();
            let pairs = crate::codec::to_json("viewers", &pairs)?;
            sqlx::query_as(FIND_LITE).bind(pairs).fetch_all(&mut **tx).await?
        }
    };
    Ok(by_viewer(rows))
}

fn by_viewer(rows: Vec<KeyRow>) -> HashMap<ViewerKey, Vec<u8>> {
    let named = |(account, viewer, key): KeyRow| {
        (ViewerKey { account: AccountId::new(account), viewer: ViewerId::new(viewer) }, key)
    };
    rows.into_iter().map(named).collect()
}

/// Those of the keys that nobody else made meanwhile. In key order: two processes that make the same keys do so in one order.
async fn make(tx: &mut Tx, missing: &BTreeSet<ViewerKey>) -> Result<HashMap<ViewerKey, Vec<u8>>, StoreError> {
    let mut keys = Vec::with_capacity(missing.len());
    for _ in missing {
        let mut key = vec![0; 32];
        let random = rand::rngs::SysRng.try_fill_bytes(&mut key);
        random.map_err(|_| StoreError::configuration("the system gives no random numbers"))?;
        keys.push(key);
    }
    let made: Vec<KeyRow> = match tx {
        Tx::Postgres(tx) => {
            let accounts: Vec<&str> = missing.iter().map(|viewer| viewer.account.as_str()).collect();
            let viewers: Vec<&str> = missing.iter().map(|viewer| viewer.viewer.as_str()).collect();
            sqlx::query_as(MAKE_PG).bind(accounts).bind(viewers).bind(keys).fetch_all(&mut **tx).await?
        }
        Tx::Sqlite(tx) => {
            let rows: Vec<(&str, &str, String)> = missing
                .iter()
                .zip(&keys)
                .map(|(viewer, key)| (viewer.account.as_str(), viewer.viewer.as_str(), hex(key)))
                .collect();
            let rows = crate::codec::to_json("viewer keys", &rows)?;
            sqlx::query_as(MAKE_LITE).bind(rows).fetch_all(&mut **tx).await?
        }
    };
    Ok(by_viewer(made))
}

/// As SQLite's `unhex()` takes it.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(digits, "{byte:02x}"); // writing to a String does not fail
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_opens_with_its_key_for_its_own_interaction_alone() {
        let id = |n: &str| InteractionId::derive(&[n]);
        let sealed = seal(&[7; 32], id("a"), r#"{"a":1}"#).unwrap();
        assert!(!sealed.contains('{'));
        let open =
            |key: Option<&[u8]>, n: &str| opened(sealed.clone(), key, id(n)).unwrap().map(|raw| raw.get().to_owned());
        assert_eq!(open(Some(&[7; 32]), "a").as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(open(Some(&[7; 32]), "b"), None);
        assert_eq!(open(Some(&[8; 32]), "a"), None);
        assert_eq!(open(None, "a"), None);
        let plain = opened(r#"{"a":1}"#.into(), None, id("a")).unwrap();
        assert_eq!(plain.map(|raw| raw.get().to_owned()).as_deref(), Some(r#"{"a":1}"#), "from before keys");
    }
}
