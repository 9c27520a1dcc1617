//! Who signed a webhook.
//!
//! Meta signs the raw bytes of the body with HMAC-SHA256, keyed with the app secret, and sends
//! `X-Hub-Signature-256: sha256=<hex>` (Meta, "Webhooks: Getting started"). The bytes on the wire are already escaped,
//! so the signature is checked over them as they are, before any parse.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

type HmacSha256 = Hmac<Sha256>;

/// A value that came with a good signature. The only way to a webhook's content, so that an unverified payload cannot
/// be parsed by mistake.
#[derive(Debug, Clone)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// The value.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// For a body that was verified when it came and has been kept in our own quarantine since. Never for anything that
    /// arrives from outside.
    pub const fn replayed(kept: T) -> Self {
        Self(kept)
    }
}

/// Why a body is not trusted. The answer to the sender carries none of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No `X-Hub-Signature-256` header.
    #[error("no X-Hub-Signature-256 header")]
    Missing,
    /// The header is not `sha256=` and 64 hexadecimal digits.
    #[error("X-Hub-Signature-256 is not sha256= and 64 hexadecimal digits")]
    Malformed,
    /// No configured app secret gives this signature.
    #[error("the signature matches none of the app secrets")]
    Mismatch,
}

/// The app secrets that are valid now: several while one is being rotated, or where Instagram Login and Facebook Login
/// have each their own.
#[derive(Clone)]
pub struct AppSecrets(Vec<HmacSha256>);

impl std::fmt::Debug for AppSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AppSecrets({} secrets)", self.0.len())
    }
}

impl AppSecrets {
    /// Prepares the keys once; verification clones the keyed state.
    pub fn new(secrets: &[SecretString]) -> Self {
        Self(secrets.iter().filter_map(|s| HmacSha256::new_from_slice(s.expose_secret().as_bytes()).ok()).collect())
    }

    /// Whether there is none: then nothing can be verified.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks `header` against the raw `body`. Every secret is tried whatever the result of the others, so that time
    /// tells nothing of which one matched.
    pub fn verify(&self, header: Option<&str>, body: Bytes) -> Result<Verified<Bytes>, SignatureError> {
        let header = header.ok_or(SignatureError::Missing)?;
        let digits = header.trim().strip_prefix("sha256=").ok_or(SignatureError::Malformed)?;
        let mut given = [0u8; 32];
        hex::decode_to_slice(digits, &mut given).map_err(|_| SignatureError::Malformed)?;
        let mut matched = subtle::Choice::from(0);
        for key in &self.0 {
            let mut mac = key.clone();
            mac.update(&body);
            matched |= mac.finalize().into_bytes().as_slice().ct_eq(&given);
        }
        if bool::from(matched) { Ok(Verified(body)) } else { Err(SignatureError::Mismatch) }
    }
}

/// The header value that `secret` gives for `body`.
pub fn sign(secret: &SecretString, body: &[u8]) -> String {
    let Ok(mut mac) = HmacSha256::new_from_slice(secret.expose_secret().as_bytes()) else { return String::new() };
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// Compares the handshake's `hub.verify_token` in constant time for tokens of one length. An empty expected token
/// matches nothing.
pub fn verify_token_matches(expected: &SecretString, given: &str) -> bool {
    let expected = expected.expose_secret().as_bytes();
    !expected.is_empty() && bool::from(expected.ct_eq(given.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"object":"instagram","entry":[]}"#;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    #[test]
    fn a_known_answer() {
        // RFC 4231, test case 2
        let header = sign(&secret("Jefe"), b"what do ya want for nothing?");
        assert_eq!(header, "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn which_headers_are_good() {
        let secrets = AppSecrets::new(&[secret("new"), secret("old")]);
        let good = sign(&secret("new"), BODY);
        for (name, header, expected) in [
            ("first secret", Some(good.clone()), Ok(())),
            ("second secret", Some(sign(&secret("old"), BODY)), Ok(())),
            ("upper-case digits", Some(good.to_uppercase().replace("SHA256", "sha256")), Ok(())),
            ("space around", Some(format!(" {good} ")), Ok(())),
            ("another secret", Some(sign(&secret("other"), BODY)), Err(SignatureError::Mismatch)),
            ("another body", Some(sign(&secret("new"), b"{}")), Err(SignatureError::Mismatch)),
            ("none", None, Err(SignatureError::Missing)),
            ("empty", Some(String::new()), Err(SignatureError::Malformed)),
            ("legacy", Some(good.replace("sha256", "sha1")), Err(SignatureError::Malformed)),
            ("short", Some(good[..70].to_owned()), Err(SignatureError::Malformed)),
            ("long", Some(format!("{good}00")), Err(SignatureError::Malformed)),
            ("not hexadecimal", Some(format!("sha256={}", "zz".repeat(32))), Err(SignatureError::Malformed)),
        ] {
            let result = secrets.verify(header.as_deref(), Bytes::from_static(BODY)).map(|_| ());
            assert_eq!(result, expected, "{name}");
        }
    }

    #[test]
    fn without_secrets_nothing_is_good() {
        let header = sign(&secret(""), BODY);
        let none = AppSecrets::new(&[]);
        assert!(none.is_empty());
        assert_eq!(none.verify(Some(&header), Bytes::from_static(BODY)).map(|_| ()), Err(SignatureError::Mismatch));
    }

    #[test]
    fn the_handshake_token() {
        assert!(verify_token_matches(&secret("t0ken"), "t0ken"));
        assert!(!verify_token_matches(&secret("t0ken"), "t0keN"));
        assert!(!verify_token_matches(&secret("t0ken"), "t0ken "));
        assert!(!verify_token_matches(&secret(""), ""));
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", AppSecrets::new(&[secret("hush")])), "AppSecrets(1 secrets)");
    }
}
