//! `POST /v1/brands/{brand}/consents`: somebody said stop to the brand elsewhere.

use afterglow_bus::Lane;
use afterglow_domain::{
    AccountId, BrandId, ConsentChange, ConsentState, DerivedId as _, FenceChange, InteractionId, ViewerId,
};
use serde::Deserialize;

use super::{Kept, Partners, Posted, moment, not_written, sized, unprocessable};

/// Somebody said stop to the brand elsewhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PostedConsent {
    /// The other system's own id of it: the same one counts once.
    external_id: String,
    account: String,
    viewer: String,
    state: String,
    #[serde(default)]
    occurred: Option<String>,
}

impl Posted for PostedConsent {
    const WRONG: &str = "Not a consent";

    async fn keep(self, partners: &Partners, brand: &BrandId) -> Kept {
        let change = partners.consent(brand, self).map_err(|detail| unprocessable("Not recorded", detail))?;
        let id = change.cause.to_string();
        let body = serde_json::to_vec(&FenceChange::Consent(change)).map_err(|_| not_written())?;
        partners.publish(Lane::Consent, id, body).await
    }
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
