//! Who owns which account.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use afterglow_domain::{AccountId, BrandId, Channel};
use afterglow_meta::webhook::Directory;
use afterglow_runtime::error_chain;
use afterglow_store::{Store, StoreError};
use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Webhooks of unknown accounts must not become a way to keep the database busy.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// A directory that can be asked to look again.
#[async_trait]
pub trait Accounts: Directory + Send + Sync {
    /// Reads the list again, if it has not just been read. `true` if it was.
    async fn look_again(&self) -> bool;
}

/// A fixed answer has nothing to look up.
#[async_trait]
impl<F: Fn(Channel, &str) -> Option<BrandId> + Send + Sync> Accounts for F {
    async fn look_again(&self) -> bool {
        false
    }
}

/// The store's accounts, held in memory so that webhooks are taken while the database is away.
pub struct StoredAccounts {
    store: Store,
    known: RwLock<Arc<HashMap<AccountId, (Channel, BrandId)>>>,
    read: Mutex<Instant>,
}

impl StoredAccounts {
    /// Reads the list. The database has to be there once, at the start.
    pub async fn load(store: Store) -> Result<Self, StoreError> {
        let known = RwLock::new(Arc::new(list(&store).await?));
        Ok(Self { store, known, read: Mutex::new(Instant::now()) })
    }

    /// Reads the list again every `every`, until `stop`.
    pub async fn keep_fresh(&self, every: Duration, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            let mut read = self.read.lock().await;
            self.renew(&mut read).await;
        }
    }

    async fn renew(&self, read: &mut Instant) -> bool {
        *read = Instant::now();
        match list(&self.store).await {
            Ok(list) => {
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
                true
            }
            Err(error) => {
                tracing::warn!(error = %error_chain(&error), "the accounts cannot be read; those known stay in use");
                false
            }
        }
    }
}

impl Directory for StoredAccounts {
    fn brand_of(&self, channel: Channel, account: &str) -> Option<BrandId> {
        let known = Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner));
        known.get(&AccountId::new(account)).filter(|(of, _)| *of == channel).map(|(_, brand)| brand.clone())
    }
}

#[async_trait]
impl Accounts for StoredAccounts {
    async fn look_again(&self) -> bool {
        let mut read = self.read.lock().await;
        // Whoever waited for the lock while another looked finds the answer there.
        if read.elapsed() < AT_MOST_EVERY { false } else { self.renew(&mut read).await }
    }
}

async fn list(store: &Store) -> Result<HashMap<AccountId, (Channel, BrandId)>, StoreError> {
    let accounts = store.accounts().await?;
    Ok(accounts.into_iter().map(|account| (account.id, (account.channel, account.brand))).collect())
}
