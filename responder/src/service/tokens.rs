//! Access tokens, opened and held for a short time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use afterglow_domain::{AccountId, Clock, Login, Timestamp};
use afterglow_runtime::{Keyring, KeyringError};
use afterglow_store::{Store, StoreError};
use secrecy::SecretString;

/// How long an opened token is used before the store is asked again: a revoked one must not live on here.
const HELD_MS: i64 = 30_000;

/// An account's right to speak.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) login: Login,
    pub(super) secret: SecretString,
}

/// There is no token to speak with.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("the account has no access token: connect it again")]
    None,
    #[error("the access token cannot be opened")]
    Sealed(#[from] KeyringError),
    #[error("the access token cannot be read")]
    Store(#[from] StoreError),
}

impl TokenError {
    /// Whether somebody has to mend something.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            TokenError::None | TokenError::Sealed(_) => true,
            TokenError::Store(error) => !error.is_retryable(),
        }
    }
}

pub(super) struct Tokens {
    store: Store,
    keyring: Arc<Keyring>,
    clock: Clock,
    held: Mutex<HashMap<AccountId, (Timestamp, Token)>>,
}

/// What a token is sealed for: it opens for its own account alone.
pub fn token_context(account: &AccountId) -> String {
    format!("account/{account}/token")
}

impl Tokens {
    pub(super) fn new(store: Store, keyring: Arc<Keyring>, clock: Clock) -> Self {
        Self { store, keyring, clock, held: Mutex::default() }
    }

    /// The token of `account`.
    pub(super) async fn of(&self, account: &AccountId) -> Result<Token, TokenError> {
        let now = (self.clock)();
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(account).cloned();
        if let Some((opened, token)) = held
            && now.since(opened) < HELD_MS
        {
            return Ok(token);
        }
        let stored = self.store.account(account).await?.ok_or(TokenError::None)?;
        let sealed = stored.token_sealed.ok_or(TokenError::None)?;
        let secret = self.keyring.open(&sealed.0, &token_context(account))?;
        let token = Token { login: stored.login, secret };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(account.clone(), (now, token.clone()));
        Ok(token)
    }

    /// Asks the store anew next time.
    pub(super) fn forget(&self, account: &AccountId) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(account);
    }
}
