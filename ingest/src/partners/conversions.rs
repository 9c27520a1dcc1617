//! `POST /v1/brands/{brand}/conversions`: a goal was reached outside Instagram.

use afterglow_domain::{
    AccountId, Body, BrandId, Conversion, DerivedId as _, Interaction, InteractionId, Source, ViewerId,
};
use serde::Deserialize;

use super::{Kept, Partners, Posted, moment, sized, unprocessable};

/// A goal was reached outside Instagram.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PostedConversion {
    external_id: String,
    goal: String,
    #[serde(default)]
    value_minor: Option<i64>,
    #[serde(default)]
    currency: Option<String>,
    #[serde(default)]
    occurred: Option<String>,
    /// The tracked link that led there.
    #[serde(default)]
    link: Option<String>,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    viewer: Option<String>,
}

impl Posted for PostedConversion {
    const WRONG: &str = "Not a conversion";

    async fn keep(self, partners: &Partners, brand: &BrandId) -> Kept {
        let interaction = partners.conversion(brand, self).await;
        let interaction = interaction.map_err(|detail| unprocessable("Not to be attributed", detail))?;
        let kept = partners.keep(&interaction).await?;
        metrics::counter!("afterglow_conversions_total", "brand" => brand.as_str().to_owned()).increment(1);
        Ok(kept)
    }
}

impl Partners {
    async fn conversion(&self, brand: &BrandId, posted: PostedConversion) -> Result<Interaction, String> {
        let now = (self.clock)();
        sized(&[("external_id", &posted.external_id, 200), ("goal", &posted.goal, 200)])?;
        let link = match &posted.link {
            Some(code) => {
                let found = self.links.find_or_look(code).await.filter(|link| link.brand == *brand);
                Some(found.ok_or_else(|| format!("no link {code:?} of this brand"))?)
            }
            None => None,
        };
        let account = posted.account.clone().or_else(|| link.as_ref().map(|link| link.account.to_string()));
        let account = account.ok_or("name the `link` that led there, or the `account` (and the `viewer`)")?;
        let channel = self.channel_of(brand, &account)?;
        let occurred = moment(posted.occurred.as_deref(), now)?;
        let viewer = posted.viewer.map(ViewerId::new).or_else(|| link.and_then(|link| link.viewer));
        Ok(Interaction {
            id: InteractionId::derive(&["conversion", brand.as_str(), &posted.external_id, &posted.goal]),
            brand: brand.clone(),
            account: AccountId::new(account),
            viewer,
            username: None,
            channel,
            source: Source::Partner,
            occurred,
            received: now,
            standby: false,
            body: Body::Conversion(Conversion {
                external_id: posted.external_id,
                goal: posted.goal,
                value_minor: posted.value_minor,
                currency: posted.currency,
                link: posted.link,
            }),
            raw: None,
        })
    }
}
