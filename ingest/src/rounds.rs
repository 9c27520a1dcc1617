//! Rounds through all accounts, which one process of all makes.

use std::future::Future;
use std::time::Duration;

use afterglow_domain::Clock;
use afterglow_runtime::{error_chain, regularly};
use afterglow_store::{Account, Store, StoreError};
use tokio_util::sync::CancellationToken;

/// How long a round is this process's, in ms: longer than one account takes, for it is renewed with each.
const LEASE_MS: i64 = 120_000;

/// Who makes rounds, and how often.
pub struct Rounds {
    /// Which accounts there are, and whose the round is.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// How often; never if it is zero.
    pub every: Duration,
    /// Who this process is, to others who would make the same round.
    pub holder: String,
}

impl Rounds {
    /// Makes a round at once and then regularly, until `stop`. `name` is the round's, among all.
    pub(crate) async fn make<W>(&self, name: &'static str, stop: &CancellationToken, round: impl Fn() -> W)
    where
        W: Future<Output = Result<(), StoreError>>,
    {
        let work = || async {
            if let Err(error) = round().await {
                tracing::warn!(round = name, error = %error_chain(&error), "a round through the accounts waits");
            }
        };
        regularly(self.every, stop, work).await;
        self.end(name).await;
    }

    /// Lets another process make the round.
    pub(crate) async fn end(&self, name: &'static str) {
        let _ = self.store.release_lease(name, &self.holder).await; // else it runs out
    }

    /// Whether the round is this process's to make, or to go on with.
    pub(crate) async fn is_ours(&self, name: &'static str) -> Result<bool, StoreError> {
        self.store.lease(name, &self.holder, (self.clock)(), LEASE_MS).await
    }

    /// The accounts that can be asked about, those with a token.
    pub(crate) async fn accounts(&self) -> Result<impl Iterator<Item = Account> + use<>, StoreError> {
        Ok(self.store.accounts().await?.into_iter().filter(|account| account.token_sealed.is_some()))
    }
}
