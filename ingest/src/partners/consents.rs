//! `POST /v1/brands/{brand}/consents`: somebody said stop to the brand elsewhere.

use std::sync::Arc;

use afterglow_bus::Lane;
use afterglow_domain::{
    AccountId, BrandId, ConsentChange, ConsentState, DerivedId as _, FenceChange, InteractionId, ViewerId,
};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use bytes::Bytes;
use serde::Deserialize;

use super::{Kept, Partners, moment, not_written, read, sized, unprocessable};

/// Somebody said stop to the brand elsewhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PostedConsent {
    /// The other system's own id of it: the same one counts once.
    external_id: String,
    account: String,
    viewer: String,
    state: String,
    #[serde(default)]
    occurred: Option<String>,
}

pub(super) async fn take(
    State(partners): State<Arc<Partners>>,
    Path(brand): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Kept {
    let brand = BrandId::new(brand);
    let posted: PostedConsent = read(&partners, &brand, (&headers, body), "Not a consent")?;
    let change = partners.consent(&brand, posted).map_err(|detail| unprocessable("Not recorded", detail))?;
    let id = change.cause.to_string();
    let body = serde_json::to_vec(&FenceChange::Consent(change)).map_err(|_| not_written())?;
    partners.publish(Lane::Consent, id, body).await
}

impl Partners {
    fn consent(&self, brand: &BrandId, posted: PostedConsent) -> Result<ConsentChange, String> {
        let now = (self.clock)();
        if posted.state != "opted_out" {
            return Err(format!(
                "state {:?}: only \"opted_out\" is taken; that somebody wants to be written to is theirs to say, by START",
                posted.state
            ));
        }
        sized(&[("external_id", &posted.external_id, 200), ("viewer", &posted.viewer, 200)])?;
        self.channel_of(brand, &posted.account)?;
        let occurred = moment(posted.occurred.as_deref(), now)?;
        Ok(ConsentChange {
            cause: InteractionId::derive(&["consent", brand.as_str(), &posted.external_id]),
            brand: brand.clone(),
            account: AccountId::new(posted.account),
            viewer: ViewerId::new(posted.viewer),
            state: ConsentState::OptedOut,
            occurred,
            received: now,
        })
    }
}
