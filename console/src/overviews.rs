//! A brand's figures, counted again when they are older than a few seconds: counting a million viewers takes longer than a
//! page may. Whoever comes then is shown the last ones, while they are counted anew behind their back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use afterglow_domain::{BrandId, DAY_MS, Timestamp};
use afterglow_runtime::error_chain;
use afterglow_store::{AccountHealth, Overview, Store, StoreError};

/// How old the figures of accounts may be, in ms: they look at a whole day, and their page asks every few seconds.
const HEALTH_MS: i64 = 60_000;

type Healths = Arc<Vec<AccountHealth>>;

/// How accounts do, counted once a minute.
#[derive(Clone, Default)]
pub(crate) struct Health(Arc<tokio::sync::Mutex<Option<(Timestamp, Healths)>>>);

impl Health {
    /// By what occurred in the last 24 hours. Who comes while it is counted waits for that count.
    pub(crate) async fn of(&self, store: &Store, now: Timestamp) -> Result<Healths, StoreError> {
        let mut known = self.0.lock().await;
        if let Some((at, healths)) = known.as_ref()
            && now.since(*at) < HEALTH_MS
        {
            return Ok(Arc::clone(healths));
        }
        let healths = Arc::new(store.account_health(now.minus(DAY_MS), now).await?);
        *known = Some((now, Arc::clone(&healths)));
        Ok(healths)
    }
}

/// How old figures may be before they are counted again, in ms.
const FRESH_MS: i64 = 3_000;

#[derive(Clone, Default)]
pub(crate) struct Overviews(Arc<Mutex<HashMap<BrandId, Counted>>>);

#[derive(Clone)]
struct Counted {
    at: Timestamp,
    overview: Arc<Overview>,
    /// Somebody counts anew.
    under_way: bool,
}

impl Overviews {
    pub(crate) async fn of(&self, store: &Store, brand: &BrandId, now: Timestamp) -> Result<Arc<Overview>, StoreError> {
        let known = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.get_mut(brand).map(|counted| {
                let stale = now.since(counted.at) >= FRESH_MS && !counted.under_way;
                counted.under_way |= stale;
                (Arc::clone(&counted.overview), stale)
            })
        };
        let Some((overview, stale)) = known else { return self.count(store, brand, now).await };
        if stale {
            let (own, store, brand) = (self.clone(), store.clone(), brand.clone());
            tokio::spawn(async move {
                if let Err(error) = own.count(&store, &brand, now).await {
                    tracing::warn!(%brand, error = %error_chain(&error), "figures are not counted anew");
                    let mut known = own.0.lock().unwrap_or_else(PoisonError::into_inner);
                    known.entry(brand).and_modify(|counted| counted.under_way = false);
                }
            });
        }
        Ok(overview)
    }

    async fn count(&self, store: &Store, brand: &BrandId, now: Timestamp) -> Result<Arc<Overview>, StoreError> {
        let overview = Arc::new(store.brand(brand).overview().await?);
        let counted = Counted { at: now, overview: Arc::clone(&overview), under_way: false };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(brand.clone(), counted);
        Ok(overview)
    }
}
