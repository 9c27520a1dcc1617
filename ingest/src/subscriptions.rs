//! Keeps accounts subscribed: a webhook that is never sent cannot be missed by anybody but the people who wrote.

use afterglow_meta::graph::{GraphAccount, GraphClient, ReadError, wanted_fields};
use afterglow_runtime::error_chain;
use afterglow_store::{Account, StoreError};
use afterglow_tokens::{TokenError, Tokens};
use tokio_util::sync::CancellationToken;

use crate::Rounds;

const ROUND: &str = "subscriptions";

/// Checks subscriptions, and repairs them.
pub struct SubscriptionKeeper {
    /// Through the accounts.
    pub rounds: Rounds,
    /// How Meta is asked.
    pub graph: GraphClient,
    /// In whose name.
    pub tokens: Tokens,
}

#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error("no access token")]
    Token(#[from] TokenError),
    #[error("Meta refuses or does not answer")]
    Read(#[from] ReadError),
}

impl SubscriptionKeeper {
    /// Checks at once and then regularly, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        self.rounds.make(ROUND, &stop, || self.all()).await;
    }

    async fn all(&self) -> Result<(), StoreError> {
        for account in self.rounds.accounts().await? {
            if !self.rounds.is_ours(ROUND).await? {
                return Ok(()); // another process checks
            }
            if let Err(error) = self.account(&account).await {
                metrics::counter!("afterglow_subscription_failures_total").increment(1);
                tracing::error!(
                    account = %account.id,
                    error = %error_chain(&error),
                    "the account's subscription cannot be checked or repaired: is it connected, with all permissions?"
                );
            }
        }
        Ok(())
    }

    async fn account(&self, account: &Account) -> Result<(), CheckError> {
        let token = self.tokens.of(&account.id).await?;
        let asking = GraphAccount { id: &account.id, login: token.login, token: &token.secret };
        let present = self.graph.subscribed_fields(&asking).await?;
        let missing: Vec<&str> = wanted_fields(token.login)
            .iter()
            .copied()
            .filter(|field| !present.iter().any(|have| have == field))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        tracing::warn!(account = %account.id, missing = missing.join(", "), "the account lost subscriptions; repairing");
        // What is given replaces what was there: others' choices stay.
        let all: Vec<&str> = present.iter().map(String::as_str).chain(missing).collect();
        self.graph.subscribe(&asking, &all).await?;
        metrics::counter!("afterglow_subscription_repairs_total").increment(1);
        Ok(())
    }
}
