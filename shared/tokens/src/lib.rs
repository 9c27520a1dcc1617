//! An account's right to speak and to read: its access token, opened and held for a short time; and room for the next call,
//! shared by all processes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afterglow_domain::{AccountId, Clock, Login, Timestamp};
use afterglow_runtime::{Keyring, KeyringError};
use afterglow_store::{SealedToken, Store, StoreError};
use secrecy::SecretString;

/// How long an opened token is used before the store is asked again: a revoked one must not live on here.
const HELD_MS: i64 = 30_000;

/// An account's right to speak.
#[derive(Clone)]
pub struct Token {
    /// How the account was connected: decides the Graph host.
    pub login: Login,
    /// The token itself.
    pub secret: SecretString,
    /// As it is stored: says which token it was when Meta refuses it.
    pub sealed: SealedToken,
}

/// There is no token to speak with.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There is none: the account was never connected, or was disconnected.
    #[error("the account has no access token: connect it again")]
    None,
    /// It was sealed with a key that is missing, or is damaged.
    #[error("the access token cannot be opened")]
    Sealed(#[from] KeyringError),
    /// The store failed.
    #[error("the access token cannot be read")]
    Store(#[from] StoreError),
}

impl TokenError {
    /// Whether somebody has to mend something.
    pub fn is_lasting(&self) -> bool {
        match self {
            TokenError::None | TokenError::Sealed(_) => true,
            TokenError::Store(error) => !error.is_retryable(),
        }
    }
}

/// Opens access tokens.
pub struct Tokens {
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
    /// Over a store, with the keys that open its tokens.
    pub fn new(store: Store, keyring: Arc<Keyring>, clock: Clock) -> Self {
        Self { store, keyring, clock, held: Mutex::default() }
    }

    /// The token of `account`.
    pub async fn of(&self, account: &AccountId) -> Result<Token, TokenError> {
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
        let token = Token { login: stored.login, secret, sealed };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(account.clone(), (now, token.clone()));
        Ok(token)
    }

    /// Asks the store anew next time.
    pub fn forget(&self, account: &AccountId) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(account);
    }
}

/// Meta allows two reads of conversations a second and account (Meta, "Messenger Platform rate limits", 2026-03-23). One
/// every so many ms, and no second holds three.
const READ_EVERY_MS: i64 = 650;

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Conversations and their messages.
    Conversations,
    /// Posts and their comments. Meta counts these by the hour alone; they are read no faster all the same.
    Comments,
}

/// How late a read may be for its room, in ms: later ones would come in a rush, and take new room.
const LATE_MS: i64 = 100;

/// Takes room for one read of `account`'s, among all processes that read the same, and waits for it by `sleep`. A process that was
/// held up takes new room, for what it missed is over.
pub async fn read_room<S: Future<Output = ()>>(
    store: &Store,
    reads: Reads,
    account: &AccountId,
    clock: &Clock,
    sleep: impl Fn(Duration) -> S,
) -> Result<(), StoreError> {
    let what = match reads {
        Reads::Conversations => "conversations",
        Reads::Comments => "comments",
    };
    let name = format!("{what}/{account}");
    loop {
        let now = clock();
        let slot = store.take_slot(&name, READ_EVERY_MS, now).await?;
        sleep(Duration::from_millis(u64::try_from(slot.since(now)).unwrap_or(0))).await;
        if clock().since(slot) <= LATE_MS {
            return Ok(());
        }
    }
}
