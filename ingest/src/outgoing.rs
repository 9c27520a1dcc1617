//! Which event goes on which lane, in which form.

use afterglow_bus::{Lane, Message};
use afterglow_domain::{BrandId, CloudEventError, fence_change};
use afterglow_meta::webhook::{Interpretation, Interpreted};

/// The messages of one webhook, by lane.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pub(crate) consent: Vec<Message>,
    pub(crate) interactions: Vec<Message>,
    /// Interactions beyond their brand's quota.
    pub(crate) overflow: Vec<Message>,
    pub(crate) quarantine: Vec<Message>,
}

/// An event that cannot be written as JSON: a defect of ours, so the webhook is refused and comes again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutgoingError {
    #[error("an interaction cannot be written")]
    Interaction(#[from] CloudEventError),
    #[error("a message cannot be written")]
    Json(#[from] serde_json::Error),
}

impl Outgoing {
    pub(crate) fn of(
        interpretation: &Interpretation,
        traceparent: Option<&str>,
        our_apps: &[String],
        admits: impl Fn(&BrandId) -> bool,
    ) -> Result<Self, OutgoingError> {
        let mut outgoing = Self::default();
        let message = |id: String, body: Vec<u8>| Message {
            id,
            traceparent: traceparent.map(ToOwned::to_owned),
            body: body.into(),
        };
        for event in &interpretation.events {
            match event {
                Interpreted::Interaction(interaction) => {
                    let id = interaction.id.to_string();
                    if let Some(change) = fence_change(interaction, our_apps) {
                        outgoing.consent.push(message(id.clone(), serde_json::to_vec(&change)?));
                    }
                    let lane = if admits(&interaction.brand) {
                        &mut outgoing.interactions
                    } else {
                        let brand = interaction.brand.as_str().to_owned();
                        metrics::counter!("afterglow_ingest_overflow_total", "brand" => brand).increment(1);
                        &mut outgoing.overflow
                    };
                    lane.push(message(id, interaction.to_cloudevent()?));
                }
                Interpreted::Quarantined(kept) => {
                    metrics::counter!("afterglow_ingest_quarantined_total", "reason" => kept.reason.as_str())
                        .increment(1);
                    outgoing.quarantine.push(message(kept.id.to_string(), serde_json::to_vec(kept)?));
                }
            }
        }
        Ok(outgoing)
    }

    /// The lanes in the order in which they are published: consent is safe before anything else is.
    pub(crate) fn lanes(self) -> [(Lane, Vec<Message>); 4] {
        [
            (Lane::Consent, self.consent),
            (Lane::Interactions, self.interactions),
            (Lane::Overflow, self.overflow),
            (Lane::Quarantine, self.quarantine),
        ]
    }
}
