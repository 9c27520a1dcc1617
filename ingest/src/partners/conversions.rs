//! `POST /v1/brands/{brand}/conversions`: a goal was reached outside Instagram.

use std::sync::Arc;

use afterglow_domain::{
    AccountId, Body, BrandId, Conversion, DerivedId as _, Interaction, InteractionId, Source, ViewerId,
};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use bytes::Bytes;
use serde::Deserialize;

use super::{Kept, Partners, moment, read, sized, unprocessable};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
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

pub(super) async fn take(
    State(partners): State<Arc<Partners>>,
    Path(brand): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Kept {
    let brand = BrandId::new(brand);
    let posted: Posted = read(&partners, &brand, (&headers, body), "Not a conversion")?;
    let interaction = partners.interaction(&brand, posted).await;
    let interaction = interaction.map_err(|detail| unprocessable("Not to be attributed", detail))?;
    let kept = partners.keep(&interaction).await?;
    metrics::counter!("afterglow_conversions_total", "brand" => brand.as_str().to_owned()).increment(1);
    Ok(kept)
}

impl Partners {
    async fn interaction(&self, brand: &BrandId, posted: Posted) -> Result<Interaction, String> {
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
