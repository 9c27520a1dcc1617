//! Tokens live 60 days, and die sooner when their owner takes them back. Each is asked about regularly and refreshed long
//! before its end; an account whose token is dead is paused, with the mend in the reason.

use std::collections::BTreeMap;
use std::sync::Arc;

use afterglow_domain::{BrandId, DAY_MS, Login, Timestamp};
use afterglow_meta::graph::{ErrorClass, GraphAccount, GraphClient, OAuthError, ReadError};
use afterglow_runtime::{Keyring, KeyringError, error_chain};
use afterglow_store::{Account, SealedToken, StoreError};
use afterglow_tokens::{Token, TokenError, Tokens, token_context};
use tokio_util::sync::CancellationToken;

use crate::Rounds;

const ROUND: &str = "tokens";
/// A token is refreshed when it has this long to live, in ms: half of Meta's 60 days, so that there is a month to mend what
/// hinders.
const REFRESH_MS: i64 = 30 * DAY_MS;
/// From when on a token that could not be refreshed is a reason to wake somebody, in ms.
const ALARM_MS: i64 = 7 * DAY_MS;

/// Checks tokens, and refreshes them.
pub struct TokenKeeper {
    /// Through the accounts.
    pub rounds: Rounds,
    /// How Meta is asked.
    pub graph: GraphClient,
    /// Opened tokens.
    pub tokens: Tokens,
    /// What seals fresh ones.
    pub keyring: Arc<Keyring>,
}

#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("no access token")]
    Token(#[from] TokenError),
    #[error("Meta does not tell")]
    Read(#[from] ReadError),
    #[error("Meta gives no fresh token")]
    Refresh(#[from] OAuthError),
    #[error("the fresh token cannot be sealed")]
    Seal(#[from] KeyringError),
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl TokenKeeper {
    /// Checks at once and then regularly, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        self.rounds.make(ROUND, &stop, || self.all()).await;
    }

    async fn all(&self) -> Result<(), StoreError> {
        let mut expiring: BTreeMap<BrandId, u32> = BTreeMap::new();
        for account in self.rounds.accounts().await? {
            if !self.rounds.is_ours(ROUND).await? {
                return Ok(()); // another process checks
            }
            if let Err(error) = self.account(&account).await {
                metrics::counter!("afterglow_token_failures_total").increment(1);
                tracing::warn!(account = %account.id, error = %error_chain(&error), "a token could not be checked");
            }
            let soon = expiring.entry(account.brand.clone()).or_default();
            *soon += u32::from(self.is_expiring(&account).await?);
        }
        for (brand, accounts) in expiring {
            let labels = [("brand", brand.as_str().to_owned())];
            metrics::gauge!("afterglow_tokens_expiring", &labels).set(f64::from(accounts));
        }
        Ok(())
    }

    /// As it stands after the check: a token that was refreshed a moment ago is not expiring.
    async fn is_expiring(&self, account: &Account) -> Result<bool, StoreError> {
        let now = (self.rounds.clock)();
        let stored = self.rounds.store.account(&account.id).await?;
        let left = stored.and_then(|account| account.token_expires).map(|expires| expires.since(now));
        Ok(left.is_some_and(|left| left < ALARM_MS))
    }

    async fn account(&self, account: &Account) -> Result<(), KeepError> {
        let token = self.tokens.of(&account.id).await?;
        let asking = GraphAccount { id: &account.id, login: token.login, token: &token.secret };
        match self.graph.check_token(&asking).await {
            Err(ReadError::Refused(error)) if error.class == ErrorClass::TokenInvalid => {
                self.tokens.forget(&account.id);
                let subcode = error.subcode.map(|subcode| format!("/{subcode}")).unwrap_or_default();
                let reason = format!(
                    "the access token is refused (code {}{subcode}): connect the account again with \
                     `afterglow account connect --brand {} --login {}`",
                    error.code.unwrap_or_default(),
                    account.brand,
                    account.login.as_str(),
                );
                metrics::counter!("afterglow_tokens_dead_total").increment(1);
                tracing::warn!(account = %account.id, reason, "a token is dead");
                self.rounds.store.pause_for_token(&account.id, &token.sealed, &reason).await?;
                return Ok(());
            }
            checked => checked?,
        }
        let now = (self.rounds.clock)();
        let due = account.token_expires.is_some_and(|expires| expires.since(now) < REFRESH_MS);
        if account.login == Login::Instagram && due {
            self.refresh(account, &token, now).await?;
        }
        Ok(())
    }

    async fn refresh(&self, account: &Account, token: &Token, now: Timestamp) -> Result<(), KeepError> {
        let fresh = self.graph.refresh(&token.secret).await?;
        let after = SealedToken(self.keyring.seal(&fresh.token, &token_context(&account.id))?);
        let expires = fresh.expires_in.map(|seconds| now.plus(seconds.saturating_mul(1000)));
        if self.rounds.store.replace_token(&account.id, &token.sealed, &after, now, expires).await? {
            self.tokens.forget(&account.id);
            metrics::counter!("afterglow_tokens_refreshed_total").increment(1);
            tracing::info!(account = %account.id, "token refreshed");
        }
        Ok(())
    }
}
