//! `POST /v1/brands/{brand}/notes`: what somebody noted of a viewer elsewhere.

use std::sync::Arc;

use afterglow_domain::{AccountId, Body, BrandId, DerivedId as _, Interaction, InteractionId, Note, Source, ViewerId};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use bytes::Bytes;
use serde::Deserialize;

use super::{Kept, Partners, moment, read, sized, unprocessable};

/// Bytes of a note at most.
const NOTE_MAX: usize = 10_000;

/// What somebody noted of a viewer elsewhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PostedNote {
    /// The other system's own id of it: the same one counts once.
    external_id: String,
    account: String,
    viewer: String,
    text: String,
    #[serde(default)]
    author: Option<String>,
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
    let posted: PostedNote = read(&partners, &brand, (&headers, body), "Not a note")?;
    let note = partners.note(&brand, posted).map_err(|detail| unprocessable("Not recorded", detail))?;
    partners.keep(&note).await
}

impl Partners {
    fn note(&self, brand: &BrandId, posted: PostedNote) -> Result<Interaction, String> {
        let now = (self.clock)();
        sized(&[
            ("external_id", &posted.external_id, 200),
            ("viewer", &posted.viewer, 200),
            ("text", &posted.text, NOTE_MAX),
        ])?;
        let channel = self.channel_of(brand, &posted.account)?;
        let occurred = moment(posted.occurred.as_deref(), now)?;
        Ok(Interaction {
            id: InteractionId::derive(&["note", brand.as_str(), &posted.external_id]),
            brand: brand.clone(),
            account: AccountId::new(posted.account),
            viewer: Some(ViewerId::new(posted.viewer)),
            username: None,
            channel,
            source: Source::Partner,
            occurred,
            received: now,
            standby: false,
            body: Body::Note(Note { external_id: posted.external_id, text: posted.text, author: posted.author }),
            raw: None,
        })
    }
}
