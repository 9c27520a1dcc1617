//! Codes of the second factor: time-based (RFC 6238: SHA-1, six digits, 30 s, one step of tolerance either way, which is what
//! the usual apps know), and recovery codes.

use std::fmt::Write as _;

use afterglow_domain::Timestamp;
use afterglow_runtime::{Keyring, KeyringError};
use qrcode::{Color, QrCode};
use rand::TryRng as _;
use rand::rngs::SysRng;
use secrecy::{ExposeSecret as _, SecretString};
use totp_rs::{Builder, Totp};

use super::Token;

/// How many recovery codes are given.
const CODES: usize = 10;
/// Bytes of randomness in each: nobody guesses 80 bits, so a plain hash of them is kept.
const CODE_BYTES: usize = 10;
/// The quiet zone around a QR code, in modules (ISO/IEC 18004, section 6.3.8).
const QUIET: usize = 4;

/// A secret that a person shares with their app.
pub(super) struct Shared(Totp);

impl Shared {
    /// A new one; `None` if the system gives no randomness, or the person's name cannot stand in an app.
    pub(super) fn new(person: &str) -> Option<Self> {
        let mut secret = [0; 20];
        SysRng.try_fill_bytes(&mut secret).ok()?;
        Self::of(&secret, person)
    }

    fn of(secret: &[u8], person: &str) -> Option<Self> {
        let builder = Builder::new().with_secret(secret.to_vec()).with_account_name(person);
        builder.with_issuer(Some("Afterglow")).build().ok().map(Self)
    }

    /// The step of the code, if it is good at `now`.
    pub(super) fn step(&self, code: &str, now: Timestamp) -> Option<i64> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let step = self.0.check(&code, u64::try_from(now.millis() / 1000).ok()?)?;
        i64::try_from(step).ok()
    }

    /// The secret as it is typed where no picture can be taken (base32, in groups of four).
    pub(super) fn typed(&self) -> String {
        let letters: Vec<char> = self.0.secret().to_base32().chars().collect();
        letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
    }

    /// What an app takes in, as a picture: an SVG of one path.
    pub(super) fn picture(&self) -> Option<String> {
        let code = QrCode::new(self.0.to_url().ok()?).ok()?;
        let width = code.width();
        let side = width + 2 * QUIET;
        let mut path = String::new();
        for (at, color) in code.to_colors().into_iter().enumerate() {
            if color == Color::Dark {
                // Writing to a String cannot fail.
                let _ = write!(path, "M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET);
            }
        }
        Some(format!(
            "<svg class=\"qr\" viewBox=\"0 0 {side} {side}\" width=\"240\" height=\"240\" role=\"img\" \
             aria-label=\"QR code for your app\" shape-rendering=\"crispEdges\">\
             <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>"
        ))
    }

    /// Sealed, for one purpose and one person.
    pub(super) fn seal(&self, keys: &Keyring, purpose: Purpose, person: &str) -> Result<Vec<u8>, KeyringError> {
        let secret = hex::encode(self.0.secret().as_bytes());
        keys.seal(&SecretString::from(secret), &purpose.context(person))
    }

    /// What [`Shared::seal`] sealed.
    pub(super) fn open(sealed: &[u8], keys: &Keyring, purpose: Purpose, person: &str) -> Result<Self, KeyringError> {
        let secret = keys.open(sealed, &purpose.context(person))?;
        let bytes = hex::decode(secret.expose_secret()).map_err(|_| KeyringError::Damaged)?;
        Self::of(&bytes, person).ok_or(KeyringError::Damaged)
    }
}

/// What a sealed secret is for: one that was only offered does not let anybody in.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// Shown to a person who has not shown a code of it yet.
    Offered,
    /// In force.
    Kept,
}

impl Purpose {
    fn context(self, person: &str) -> String {
        match self {
            Self::Offered => format!("second factor on offer/{person}"),
            Self::Kept => second_factor_context(person),
        }
    }
}

/// What a person's second factor is sealed for: with another key it is sealed for the same.
pub fn second_factor_context(person: &str) -> String {
    format!("second factor/{person}")
}

/// New recovery codes, as they are shown once.
pub(super) fn recovery_codes() -> Option<Vec<String>> {
    let mut codes = Vec::with_capacity(CODES);
    for _ in 0..CODES {
        let mut bytes = [0; CODE_BYTES];
        SysRng.try_fill_bytes(&mut bytes).ok()?;
        let code = hex::encode(bytes);
        codes.push([&code[..5], &code[5..10], &code[10..15], &code[15..]].join("-"));
    }
    Some(codes)
}

/// What is kept of a recovery code, however it was typed.
pub(super) fn recovery_hash(code: &str) -> Vec<u8> {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    Token::hash_of(&plain.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";
    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// RFC 6238, appendix B, the last six of its eight digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let shared = Shared::of(SECRET, "ada@example.org").unwrap();
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(shared.step(code, at(seconds)), Some(seconds / 30), "{code}");
            assert_eq!(shared.step(code, at(seconds + 30)), Some(seconds / 30), "one step late");
            assert_eq!(shared.step(code, at(seconds + 90)), None, "too late");
        }
        for code in ["", "287083", "28708", "2870820", "28708a", "２８７０８２"] {
            assert_eq!(shared.step(code, at(59)), None, "{code}");
        }
        assert_eq!(shared.step(" 287 082 ", at(59)), Some(1));
    }

    #[test]
    fn a_sealed_secret_is_one_persons_and_for_one_purpose() {
        let key = Keyring::generate("a").unwrap();
        let keys = Keyring::new([&key]).unwrap();
        let sealed = Shared::of(SECRET, "ada@example.org").unwrap().seal(&keys, Purpose::Offered, "ada@example.org");
        let sealed = sealed.unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains(&hex::encode(SECRET)));
        let opened = Shared::open(&sealed, &keys, Purpose::Offered, "ada@example.org").unwrap();
        assert_eq!(opened.step("287082", at(59)), Some(1));
        assert!(Shared::open(&sealed, &keys, Purpose::Kept, "ada@example.org").is_err());
        assert!(Shared::open(&sealed, &keys, Purpose::Offered, "bob@example.org").is_err());
    }

    #[test]
    fn the_picture_and_the_text_say_the_same_secret() {
        let shared = Shared::of(SECRET, "ada@example.org").unwrap();
        assert_eq!(shared.typed(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        let picture = shared.picture().unwrap();
        assert!(picture.starts_with("<svg") && picture.matches("h1v1h-1z").count() > 200);
        let other = Shared::new("ada@example.org").unwrap();
        assert_ne!(other.picture().unwrap(), picture);
    }

    #[test]
    fn recovery_codes_differ_and_may_be_typed_in_any_way() {
        let codes = recovery_codes().unwrap();
        let hashes: std::collections::BTreeSet<_> = codes.iter().map(|code| recovery_hash(code)).collect();
        assert_eq!(hashes.len(), CODES);
        let sloppy = format!(" {} ", codes[0].replace('-', " ").to_uppercase());
        assert_eq!(recovery_hash(&sloppy), recovery_hash(&codes[0]));
    }
}
