//! Which interactions speak of consent.

use afterglow_domain::{Body, ConsentChange, ConsentState, Interaction, opt_out};

/// The consent change that an interaction brings, if any: a stop or start word in a direct message, a Story reply or a
/// quick reply's text, or a notification opt-in stopped or resumed. Standby messages count too: who says stop to the
/// other app says it to the account. A public comment is no message to the account and does not count.
pub fn consent_change(interaction: &Interaction) -> Option<ConsentChange> {
    let state = match &interaction.body {
        Body::Message(m) | Body::StoryReply(m) | Body::QuickReply(m) => opt_out::classify(m.text.as_deref()?)?,
        Body::OptIn(o) => match o.token_status.as_deref()? {
            status if status.eq_ignore_ascii_case("STOP_NOTIFICATIONS") => ConsentState::OptedOut,
            status if status.eq_ignore_ascii_case("RESUME_NOTIFICATIONS") => ConsentState::OptedIn,
            _ => return None,
        },
        _ => return None,
    };
    Some(ConsentChange {
        brand: interaction.brand.clone(),
        account: interaction.account.clone(),
        viewer: interaction.viewer.clone()?,
        state,
        cause: interaction.id,
        occurred: interaction.occurred,
        received: interaction.received,
    })
}
