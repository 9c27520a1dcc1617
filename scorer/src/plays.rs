//! Which interaction makes which wish.

use afterglow_domain::{Body, Intent, Interaction, Play, Timestamp, opt_out};

/// The intents that one new interaction leads to. The wish says nothing of whether it may be fulfilled: that is the
/// responder's to judge.
pub fn intents_for(interaction: &Interaction, now: Timestamp) -> Option<Intent> {
    let viewer = interaction.viewer.clone()?;
    let Body::StoryReply(message) = &interaction.body else { return None };
    // "Stop" as a Story reply asks for silence, not for an answer; the consent lane deals with it.
    let about_consent = message.text.as_deref().is_some_and(|text| opt_out::classify(text).is_some());
    if about_consent || !interaction.is_contact() {
        return None;
    }
    let play = Play::StoryReplyAutoresponder;
    Some(Intent {
        id: Intent::derive_id(play, interaction.id),
        brand: interaction.brand.clone(),
        account: interaction.account.clone(),
        viewer,
        play,
        cause: interaction.id,
        cause_kind: interaction.kind(),
        cause_occurred: interaction.occurred,
        created: now,
    })
}
