//! Tokens encrypted at rest, under keys that rotate.
//!
//! XChaCha20-Poly1305: its 24-byte nonce may be random without counting messages
//! (<https://datatracker.ietf.org/doc/html/draft-irtf-cfrg-xchacha-03>). A sealed text is bound to a context, such as the
//! account it is for: moved to another row it does not open.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

/// First byte of a sealed text: its layout. Then: length of the key's name, the name, the nonce, the ciphertext.
const LAYOUT: u8 = 1;
const NONCE: usize = 24;

/// Keys, or what they sealed, cannot be used. Holds neither.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A key is not `name:base64 of 32 bytes`.
    #[error("key number {number} is not `name:base64 of 32 bytes`: make one with `afterglow keys generate`")]
    BadKey {
        /// Which one, from 1.
        number: usize,
    },
    /// There is no key to seal with.
    #[error("no key is configured: make one with `afterglow keys generate` and set keys.ring")]
    Empty,
    /// The text was sealed with a key that is not in the ring.
    #[error("sealed with the key `{name}`, which is not in keys.ring: put it back, at the end")]
    UnknownKey {
        /// The key's name.
        name: String,
    },
    /// The text is damaged, or was sealed for another purpose.
    #[error("the sealed text is damaged or belongs elsewhere")]
    Damaged,
    /// The system gave no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

struct NamedKey {
    name: String,
    cipher: XChaCha20Poly1305,
}

/// Keys by name. The first seals; all open.
pub struct Keyring {
    keys: Vec<NamedKey>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.name)).finish()
    }
}

impl Keyring {
    /// Reads keys, each `name:base64 of 32 bytes`; names have 1 to 64 letters, digits, `-`, `_` or `.`.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a SecretString>) -> Result<Self, KeyringError> {
        let keys = keys
            .into_iter()
            .enumerate()
            .map(|(at, key)| read_key(key.expose_secret()).ok_or(KeyringError::BadKey { number: at + 1 }))
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(KeyringError::Empty) } else { Ok(Self { keys }) }
    }

    /// A fresh key, in the form that [`Keyring::new`] reads.
    pub fn generate(name: &str) -> Result<SecretString, KeyringError> {
        let mut key = Zeroizing::new([0u8; 32]);
        random(key.as_mut_slice())?;
        Ok(SecretString::from(format!("{name}:{}", BASE64.encode(key.as_slice()))))
    }

    /// Seals `plain` for `context` with the first key.
    pub fn seal(&self, plain: &SecretString, context: &str) -> Result<Vec<u8>, KeyringError> {
        let key = self.keys.first().ok_or(KeyringError::Empty)?;
        let mut nonce = [0u8; NONCE];
        random(&mut nonce)?;
        let payload = Payload { msg: plain.expose_secret().as_bytes(), aad: context.as_bytes() };
        let sealed = key.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| KeyringError::Damaged)?;
        let name = u8::try_from(key.name.len()).map_err(|_| KeyringError::Damaged)?;
        Ok([&[LAYOUT, name], key.name.as_bytes(), &nonce, &sealed].concat())
    }

    /// Opens what [`Keyring::seal`] sealed for `context`, with whichever key it was.
    pub fn open(&self, sealed: &[u8], context: &str) -> Result<SecretString, KeyringError> {
        let [LAYOUT, length, rest @ ..] = sealed else { return Err(KeyringError::Damaged) };
        let (name, rest) = rest.split_at_checked(usize::from(*length)).ok_or(KeyringError::Damaged)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(KeyringError::Damaged)?;
        let name = std::str::from_utf8(name).map_err(|_| KeyringError::Damaged)?;
        let unknown = || KeyringError::UnknownKey { name: name.to_owned() };
        let key = self.keys.iter().find(|key| key.name == name).ok_or_else(unknown)?;
        let payload = Payload { msg: sealed, aad: context.as_bytes() };
        let plain = key.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| KeyringError::Damaged)?;
        String::from_utf8(plain).map(SecretString::from).map_err(|_| KeyringError::Damaged)
    }
}

fn read_key(text: &str) -> Option<NamedKey> {
    let (name, key) = text.trim().split_once(':')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return None;
    }
    let bytes = Zeroizing::new(BASE64.decode(key).ok()?);
    let key: &[u8; 32] = bytes.as_slice().try_into().ok()?;
    Some(NamedKey { name: name.to_owned(), cipher: XChaCha20Poly1305::new(&Key::from(*key)) })
}

fn random(bytes: &mut [u8]) -> Result<(), KeyringError> {
    use rand::TryRng as _;
    rand::rngs::SysRng.try_fill_bytes(bytes).map_err(|_| KeyringError::Random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_purpose_alone() {
        let (old, new) = (Keyring::generate("2025").unwrap(), Keyring::generate("2026").unwrap());
        let before = Keyring::new([&old]).unwrap();
        let rotated = Keyring::new([&new, &old]).unwrap();
        let token = SecretString::from("IGQ…");
        let sealed = before.seal(&token, "account/1").unwrap();
        assert_ne!(sealed, before.seal(&token, "account/1").unwrap(), "a nonce of its own");
        assert_eq!(rotated.open(&sealed, "account/1").unwrap().expose_secret(), "IGQ…");
        assert!(matches!(rotated.open(&sealed, "account/2"), Err(KeyringError::Damaged)));
        let newer = rotated.seal(&token, "account/1").unwrap();
        assert!(matches!(before.open(&newer, "account/1"), Err(KeyringError::UnknownKey { name }) if name == "2026"));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(rotated.open(&damaged, "account/1").is_err(), "byte {at}");
            assert!(rotated.open(&sealed[..at], "account/1").is_err(), "cut at {at}");
        }
    }

    #[test]
    fn bad_keys_are_named_by_number_and_never_shown() {
        let good = Keyring::generate("a").unwrap();
        for bad in ["", "a", "a:short", ":AAAA", "sp ace:AAAA"] {
            let error = Keyring::new([&good, &SecretString::from(bad)]).unwrap_err();
            assert!(matches!(error, KeyringError::BadKey { number: 2 }), "{bad}");
        }
        assert!(matches!(Keyring::new([]), Err(KeyringError::Empty)));
        assert_eq!(format!("{:?}", Keyring::new([&good]).unwrap()), r#"["a"]"#);
    }
}
