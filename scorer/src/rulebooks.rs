//! The rules in force, by brand; read again when a document was applied.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use afterglow_domain::{BrandId, BrandSettings, Clock, Timestamp};
use afterglow_rules::Rulebook;
use afterglow_runtime::error_chain;
use afterglow_store::{Brand, Store, StoreError};
use tokio_util::sync::CancellationToken;

/// Longer than any batch is under way, in ms.
const SETTLE_MS: i64 = 30_000;

/// The rules in force.
#[derive(Clone)]
pub struct Rulebooks {
    by_brand: Arc<RwLock<HashMap<BrandId, Arc<Rulebook>>>>,
    default: Arc<Rulebook>,
}

impl Default for Rulebooks {
    fn default() -> Self {
        // Settings that do not compile are found by a test, and then hold nobody in any segment but Cool.
        let default = Rulebook::compile(&BrandSettings::default(), 0);
        let default = default.unwrap_or_else(|_| unreachable!("the default rules compile: a test says so"));
        Self { by_brand: Arc::default(), default: Arc::new(default) }
    }
}

impl Rulebooks {
    /// The rules of every brand.
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let rulebooks = Self::default();
        rulebooks.refresh(store).await?;
        Ok(rulebooks)
    }

    /// The rules of a brand; the default ones if it has none.
    pub fn of(&self, brand: &BrandId) -> Arc<Rulebook> {
        let rulebooks = self.by_brand.read().unwrap_or_else(PoisonError::into_inner);
        rulebooks.get(brand).map_or_else(|| Arc::clone(&self.default), Arc::clone)
    }

    /// The rules of a brand as it stands in the store; compiled once for each version.
    pub fn at(&self, brand: &Brand) -> Arc<Rulebook> {
        let known = self.of(&brand.id);
        if known.version == brand.document_version && known.version != 0 {
            return known;
        }
        match Rulebook::compile(&brand.settings, brand.document_version) {
            Ok(rulebook) => {
                let rulebook = Arc::new(rulebook);
                let mut rulebooks = self.by_brand.write().unwrap_or_else(PoisonError::into_inner);
                rulebooks.insert(brand.id.clone(), Arc::clone(&rulebook));
                rulebook
            }
            Err(error) => {
                tracing::error!(brand = %brand.id, error = %error_chain(&error), "rules cannot be used");
                known
            }
        }
    }

    /// Reads the rules of brands that are not known yet: nobody who writes to a new brand is met with no rules.
    pub async fn know<'a>(&self, store: &Store, brands: impl Iterator<Item = &'a BrandId>) -> Result<(), StoreError> {
        let unknown = {
            let known = self.by_brand.read().unwrap_or_else(PoisonError::into_inner);
            brands.into_iter().any(|brand| !known.contains_key(brand))
        };
        if unknown {
            self.refresh(store).await?;
        }
        Ok(())
    }

    /// Reads what was applied since. A document that does not compile here (it was applied by a newer program) leaves the rules
    /// as they were, and is told of each time.
    pub async fn refresh(&self, store: &Store) -> Result<Vec<(BrandId, i64)>, StoreError> {
        let mut changed = Vec::new();
        for (id, version) in store.document_versions().await? {
            let known =
                self.by_brand.read().unwrap_or_else(PoisonError::into_inner).get(&id).map(|known| known.version);
            if known == Some(version) {
                continue;
            }
            let Some(brand) = store.brand(&id).brand().await? else { continue };
            match Rulebook::compile(&brand.settings, brand.document_version) {
                Ok(rulebook) => {
                    tracing::info!(brand = %id, version = brand.document_version, "rules in force");
                    let labels = [("brand", id.as_str().to_owned())];
                    #[expect(clippy::cast_precision_loss, reason = "a version, to be looked at")]
                    metrics::gauge!("afterglow_rules_version", &labels).set(brand.document_version as f64);
                    let mut rulebooks = self.by_brand.write().unwrap_or_else(PoisonError::into_inner);
                    if rulebooks.insert(id.clone(), Arc::new(rulebook)).is_some() {
                        changed.push((id, brand.document_version));
                    }
                }
                Err(error) => {
                    metrics::counter!("afterglow_rule_failures_total").increment(1);
                    tracing::error!(brand = %id, version, error = %error_chain(&error), "rules cannot be used");
                }
            }
        }
        Ok(changed)
    }

    /// Reads again and again, until `stop`. Batches that were folded by the old rules while a document was applied are looked at
    /// once more, when none can be under way any longer.
    pub async fn keep_fresh(&self, store: &Store, clock: &Clock, every: Duration, stop: &CancellationToken) {
        let mut settling: Vec<(Timestamp, BrandId, i64)> = Vec::new();
        while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            let now = clock();
            match self.refresh(store).await {
                Ok(changed) => {
                    settling.extend(changed.into_iter().map(|(brand, version)| (now.plus(SETTLE_MS), brand, version)));
                }
                Err(error) => {
                    tracing::warn!(error = %error_chain(&error), "rules cannot be read again; the known ones stay in force");
                }
            }
            let (due, later) = settling.into_iter().partition(|(at, ..)| *at <= now);
            settling = later;
            for (_, brand, version) in due {
                if let Err(error) = store.mark_outdated(&brand, version, now).await {
                    tracing::warn!(%brand, error = %error_chain(&error), "viewers are to be looked at anew, and are not yet");
                    settling.push((now.plus(SETTLE_MS), brand, version));
                }
            }
        }
    }
}
