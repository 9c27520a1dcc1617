//! `POST /v1/brands/{brand}/notes`: what somebody noted of a viewer elsewhere.

use afterglow_domain::{AccountId, Body, BrandId, DerivedId as _, Interaction, InteractionId, Note, Source, ViewerId};
use serde::Deserialize;

use super::{Kept, Partners, Posted, moment, sized, unprocessable};

/// Bytes of a note at most.
const NOTE_MAX: usize = 10_000;

/// What somebody noted of a viewer elsewhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PostedNote {
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

impl Posted for PostedNote {
    const WRONG: &str = "Not a note";

    async fn keep(self, partners: &Partners, brand: &BrandId) -> Kept {
        let note = partners.note(brand, self).map_err(|detail| unprocessable("Not recorded", detail))?;
        partners.keep(&note).await
    }
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
