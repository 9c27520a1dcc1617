//! A brand's figures, counted again when they are older than a few seconds: counting a million viewers takes longer than a
//! page may.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use afterglow_domain::{BrandId, Timestamp};
use afterglow_store::{Overview, Store, StoreError};

/// How old figures may be, in ms.
const FRESH_MS: i64 = 3_000;

#[derive(Default)]
pub(crate) struct Overviews(Mutex<HashMap<BrandId, (Timestamp, Arc<Overview>)>>);

impl Overviews {
    pub(crate) async fn of(&self, store: &Store, brand: &BrandId, now: Timestamp) -> Result<Arc<Overview>, StoreError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(brand).cloned();
        if let Some((at, overview)) = known.filter(|(at, _)| now.since(*at) < FRESH_MS) {
            let _ = at;
            return Ok(overview);
        }
        let overview = Arc::new(store.brand(brand).overview().await?);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(brand.clone(), (now, Arc::clone(&overview)));
        Ok(overview)
    }
}
