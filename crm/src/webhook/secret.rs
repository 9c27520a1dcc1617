//! What signs: a secret per endpoint, and a second one while it is replaced.

use std::fmt;

use afterglow_domain::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::TryRng as _;
use secrecy::{ExposeSecret, SecretSlice};

const PREFIX: &str = "whsec_";
/// Standard Webhooks 1.0, "Signature scheme": 192 to 512 bits.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Text that is no signing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It does not begin as secrets begin.
    #[error("a signing secret begins with whsec_")]
    Prefix,
    /// What follows is not base64.
    #[error("after whsec_ comes base64")]
    Base64,
    /// Too short to be safe, or too long to be understood.
    #[error("a signing secret has 24 to 64 bytes, not {0}")]
    Length(usize),
}

/// A signing secret. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct SigningSecret(SecretSlice<u8>);

impl SigningSecret {
    /// Reads `whsec_` and base64.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        Self::from_bytes(STANDARD.decode(encoded).map_err(|_| SecretError::Base64)?)
    }

    /// A new one of 32 random bytes; `None` if the system gives no randomness.
    pub fn generate() -> Option<Self> {
        let mut bytes = vec![0; 32];
        rand::rngs::SysRng.try_fill_bytes(&mut bytes).ok()?;
        Self::from_bytes(bytes).ok()
    }

    /// Takes 24 to 64 random bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, SecretError> {
        let length = bytes.len();
        let secret = Self(bytes.into());
        if BYTES.contains(&length) { Ok(secret) } else { Err(SecretError::Length(length)) }
    }

    /// Writes what [`SigningSecret::parse`] reads, to be shown once to who sets up the receiving end.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.bytes()))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

/// The secrets of one endpoint. During a rotation both sign, so that the receiver may change over whenever it likes.
#[derive(Debug, Clone)]
pub struct Secrets {
    current: SigningSecret,
    former: Option<(SigningSecret, Timestamp)>,
}

impl Secrets {
    /// One secret.
    pub const fn new(current: SigningSecret) -> Self {
        Self { current, former: None }
    }

    /// With a former one that signs as well, before `until`.
    #[must_use]
    pub fn with_former(self, former: SigningSecret, until: Timestamp) -> Self {
        Self { former: Some((former, until)), ..self }
    }

    /// A new secret takes over; the one before it goes on signing until `until`. One that was former already is gone.
    #[must_use]
    pub fn rotate(self, new: SigningSecret, until: Timestamp) -> Self {
        Self { current: new, former: Some((self.current, until)) }
    }

    /// Those that sign at `now`, the current one first.
    pub fn valid_at(&self, now: Timestamp) -> impl Iterator<Item = &SigningSecret> {
        let former = self.former.as_ref().filter(|(_, until)| now < *until).map(|(secret, _)| secret);
        std::iter::once(&self.current).chain(former)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_secret() {
        for (text, expected) in [
            ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", None),
            ("C2FVsBQIhrscChlQIMV+b5sSYspob7oD", Some(SecretError::Prefix)),
            ("whsec_C2FVsBQIhrscChlQIMV-b5sSYspob7oD", Some(SecretError::Base64)),
            ("whsec_", Some(SecretError::Length(0))),
            ("whsec_c2hvcnQ=", Some(SecretError::Length(5))),
        ] {
            assert_eq!(SigningSecret::parse(text).err(), expected, "{text}");
        }
        for (length, good) in [(23, false), (24, true), (64, true), (65, false)] {
            assert_eq!(SigningSecret::from_bytes(vec![7; length]).is_ok(), good, "{length}");
        }
    }

    #[test]
    fn there_and_back_and_never_shown() {
        let text = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        let secret = SigningSecret::parse(text).unwrap();
        assert_eq!(secret.reveal(), text);
        assert_eq!(format!("{:?}", Secrets::new(secret)), "Secrets { current: SigningSecret(…), former: None }");
    }

    #[test]
    fn both_sign_until_the_former_one_ends() {
        let secret = |byte| SigningSecret::from_bytes(vec![byte; 24]).unwrap();
        let rotated = Secrets::new(secret(1)).rotate(secret(2), Timestamp::from_millis(100));
        let signing = |at| rotated.valid_at(Timestamp::from_millis(at)).map(|s| s.bytes()[0]).collect::<Vec<_>>();
        assert_eq!(signing(99), [2, 1]);
        assert_eq!(signing(100), [2]);
        let again = rotated.rotate(secret(3), Timestamp::from_millis(200));
        assert_eq!(again.valid_at(Timestamp::from_millis(99)).map(|s| s.bytes()[0]).collect::<Vec<_>>(), [3, 2]);
    }
}
