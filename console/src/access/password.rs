//! Passwords, as argon2id hashes in PHC form (RFC 9106; the parameters are the library's defaults, those of OWASP's
//! "Password Storage Cheat Sheet": 19 MiB, 2 passes).

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use rand::TryRng as _;
use rand::rngs::SysRng;

/// The shortest password taken, in characters (NIST SP 800-63B-4, section 3.1.1.2: 15 where it is the only factor).
const SHORTEST: usize = 15;
const LONGEST: usize = 256;

/// Why a password is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short, or absurdly long.
    #[error("a password has {SHORTEST} to {LONGEST} characters; a few words do well")]
    Length,
    /// No randomness, or a parameter that does not fit: a defect.
    #[error("the password cannot be hashed")]
    Hash,
}

/// The hash to be stored. Takes tens of milliseconds on purpose: call it where nothing else waits.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    if !(SHORTEST..=LONGEST).contains(&password.chars().count()) {
        return Err(PasswordError::Length);
    }
    let mut salt = [0; 16];
    SysRng.try_fill_bytes(&mut salt).map_err(|_| PasswordError::Hash)?;
    let salt = SaltString::encode_b64(&salt).map_err(|_| PasswordError::Hash)?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt).map_err(|_| PasswordError::Hash)?;
    Ok(hash.to_string())
}

/// Whether `password` is the one of `hash`. Without a hash as much work is done: how long it takes tells nobody who is here.
pub(super) async fn matches(password: String, hash: Option<String>) -> bool {
    const NOBODYS: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let compare = move || {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODYS.to_owned());
        let Ok(hash) = PasswordHash::new(&hash) else { return false };
        Argon2::default().verify_password(password.as_bytes(), &hash).is_ok() && known
    };
    tokio::task::spawn_blocking(compare).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_its_own() {
        assert!(matches!(hash_password("short"), Err(PasswordError::Length)));
        let hash = hash_password("correct horse battery").unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert_ne!(hash, hash_password("correct horse battery").unwrap(), "salted");
        assert!(matches("correct horse battery".into(), Some(hash.clone())).await);
        assert!(!matches("correct horse batterx".into(), Some(hash)).await);
        assert!(!matches(String::new(), None).await);
    }
}
