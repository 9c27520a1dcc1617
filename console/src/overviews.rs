//! A brand's figures, counted again when they are older than a few seconds: counting a million viewers takes longer than a
//! page may. Whoever comes then is shown the last ones, while they are counted anew behind their back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use afterglow_domain::{BrandId, Timestamp};
use afterglow_runtime::error_chain;
use afterglow_store::{Overview, Store, StoreError};

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
