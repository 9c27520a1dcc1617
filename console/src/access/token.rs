//! Tokens that open something: 256 bits of randomness, of which the database sees the hash alone.

use rand::TryRng as _;
use rand::rngs::SysRng;
use sha2::{Digest as _, Sha256};

/// How long a link works by which one signs in once, in ms.
pub const LINK_MS: i64 = 3_600_000;

/// A secret that opens a session, or signs in once.
pub struct Token(String);

impl Token {
    /// A new one; `None` if the system gives no randomness.
    pub fn new() -> Option<Self> {
        let mut bytes = [0; 32];
        SysRng.try_fill_bytes(&mut bytes).ok()?;
        Some(Self(hex::encode(bytes)))
    }

    /// What is shown to its owner.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// What is stored.
    pub fn hash(&self) -> Vec<u8> {
        Self::hash_of(&self.0)
    }

    /// What would be stored of `secret`. Not slow on purpose: nobody guesses 256 bits.
    pub fn hash_of(secret: &str) -> Vec<u8> {
        Sha256::digest(secret.as_bytes()).to_vec()
    }
}
