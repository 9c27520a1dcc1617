//! Each brand's judge of messages, made anew when its document changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use afterglow_domain::{BrandId, BrandSettings};
use afterglow_moderation::Desk;

/// The desks that are in use.
#[derive(Default)]
pub(super) struct Desks {
    by_brand: Mutex<HashMap<BrandId, Version>>,
}

/// A document's version, and its desk; none if its lists cannot be used.
type Version = (i64, Option<Arc<Desk>>);

/// Compiles what every desk shares.
pub(super) fn warm() {
    let BrandSettings { moderation, handover, language, .. } = BrandSettings::default();
    let _ = Desk::new(&moderation, &handover, language);
}

impl Desks {
    /// The desk of a brand's document; `None` if its lists cannot be used, which validation keeps from happening.
    pub(super) fn of(&self, brand: &BrandId, version: i64, settings: &BrandSettings) -> Option<Arc<Desk>> {
        let known = self.by_brand.lock().unwrap_or_else(PoisonError::into_inner).get(brand).cloned();
        if let Some((_, desk)) = known.filter(|(known, _)| *known == version) {
            return desk;
        }
        let desk = match Desk::new(&settings.moderation, &settings.handover, settings.language) {
            Ok(desk) => Some(Arc::new(desk)),
            Err(error) => {
                metrics::counter!("afterglow_rule_failures_total").increment(1);
                tracing::error!(%brand, version, %error, "a brand's lists cannot be used: its messages go to people");
                None
            }
        };
        let mut by_brand = self.by_brand.lock().unwrap_or_else(PoisonError::into_inner);
        by_brand.insert(brand.clone(), (version, desk.clone()));
        desk
    }
}
