//! What a visitor may enter: a brand, or what concerns the whole installation.

use std::sync::Arc;

use afterglow_domain::{BrandId, Timestamp};
use afterglow_store::{Brand, BrandStore, Role};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use super::Visitor;
use crate::Console;
use crate::problem::Problem;

/// A brand that the visitor may see. There is no other way to its pages.
pub(crate) struct InBrand {
    pub(crate) visitor: Visitor,
    pub(crate) brand: Brand,
    pub(crate) role: Role,
    pub(crate) now: Timestamp,
    pub(crate) console: Arc<Console>,
}

impl InBrand {
    pub(crate) fn id(&self) -> &BrandId {
        &self.brand.id
    }

    pub(crate) fn store(&self) -> BrandStore<'_> {
        self.console.store.brand(&self.brand.id)
    }

    pub(crate) fn who(&self) -> &str {
        &self.visitor.person.id
    }

    pub(crate) fn may(&self, role: Role) -> bool {
        self.role >= role
    }

    /// Refuses who may not.
    pub(crate) fn require(&self, role: Role) -> Result<(), Problem> {
        if self.may(role) { Ok(()) } else { Err(Problem::NotAllowed(role)) }
    }
}

impl FromRequestParts<Arc<Console>> for InBrand {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, console).await.map_err(|_| Problem::NotFound)?;
        let brand = params.iter().find(|(name, _)| *name == "brand").map(|(_, value)| BrandId::new(value));
        let brand = brand.ok_or(Problem::NotFound)?;
        let visitor = parts.extensions.get::<Visitor>().cloned().ok_or(Problem::NotFound)?;
        // As if it were not there: who may not enter learns nothing of it.
        let role = visitor.person.role(&brand).ok_or(Problem::NotFound)?;
        let brand = console.store.brand(&brand).brand().await?.ok_or(Problem::NotFound)?;
        // Who has a second factor has shown it: setting one up ended their other sessions.
        if !visitor.person.has_totp && console.store.brand(&brand.id).needs_second_factor().await? {
            return Err(Problem::SecondFactor);
        }
        Ok(Self { visitor, brand, role, now: (console.clock)(), console: Arc::clone(console) })
    }
}

/// What concerns the whole installation: for those who have a role everywhere.
pub(crate) struct Installation {
    pub(crate) visitor: Visitor,
    pub(crate) role: Role,
    pub(crate) now: Timestamp,
    pub(crate) console: Arc<Console>,
}

impl FromRequestParts<Arc<Console>> for Installation {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Problem> {
        let visitor = parts.extensions.get::<Visitor>().cloned().ok_or(Problem::NotFound)?;
        let role = visitor.person.everywhere().ok_or(Problem::NotFound)?;
        // These pages reach into every brand, and say who may enter: the strictest brand counts.
        if !visitor.person.has_totp && !console.store.second_factor_brands().await?.is_empty() {
            return Err(Problem::SecondFactor);
        }
        Ok(Self { visitor, role, now: (console.clock)(), console: Arc::clone(console) })
    }
}
