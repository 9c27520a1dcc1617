//! What may forbid a send, and which interactions bring it: they speak of consent, or of who leads the conversation.

use serde::{Deserialize, Serialize};

use crate::{
    Body, ConsentChange, ConsentState, Control, ControlChange, Handover, Interaction, Message, SendId, Timestamp,
    ViewerKey, opt_out,
};

/// What the fast lane carries: all that may forbid a send, ahead of everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum FenceChange {
    /// A viewer said stop, perhaps stop, or start.
    Consent(ConsentChange),
    /// A conversation changes hands.
    Control(ControlChange),
}

impl FenceChange {
    /// Whose fence it concerns.
    pub fn viewer_key(&self) -> ViewerKey {
        let (account, viewer) = match self {
            FenceChange::Consent(change) => (&change.account, &change.viewer),
            FenceChange::Control(change) => (&change.account, &change.viewer),
        };
        ViewerKey { account: account.clone(), viewer: viewer.clone() }
    }

    /// When ingest took it.
    pub const fn received(&self) -> Timestamp {
        match self {
            FenceChange::Consent(change) => change.received,
            FenceChange::Control(change) => change.received,
        }
    }
}

/// The change of consent or of control that an interaction brings, if any. `our_apps` are the ids of the apps through
/// which Afterglow speaks; without them every hand-over counts as one to somebody else.
pub fn fence_change(interaction: &Interaction, our_apps: &[String]) -> Option<FenceChange> {
    let consent = consent_change(interaction).map(FenceChange::Consent);
    consent.or_else(|| control_change(interaction, our_apps).map(FenceChange::Control))
}

/// A stop or start word in a direct message, a Story reply or a quick reply's text, or a notification opt-in stopped or
/// resumed. Standby messages count too: who says stop to the other app says it to the account. A public comment is no
/// message to the account and does not count.
fn consent_change(interaction: &Interaction) -> Option<ConsentChange> {
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

/// A hand-over, or a message of the account's that is not ours: a person wrote from the phone, or another app spoke.
fn control_change(interaction: &Interaction, our_apps: &[String]) -> Option<ControlChange> {
    let ours = |app: &Option<String>| app.as_ref().is_some_and(|app| our_apps.contains(app));
    let control = match &interaction.body {
        Body::Handover(Handover { action, .. }) if action == "request" => return None, // a wish, not a change
        Body::Handover(handover) if ours(&handover.new_owner_app_id) => Control::Automation,
        // Metadata is ours if it names a send; anyone else's message of the account is another's voice.
        Body::MessageSent(Message { metadata: Some(id), .. }) if SendId::of_metadata(id).is_some() => return None,
        Body::Handover(_) | Body::MessageSent(Message { app_id: Some(_), .. }) => Control::App,
        Body::MessageSent(_) => Control::Person,
        // Whoever's message comes on standby is in conversation with another app, told of or not.
        _ if interaction.standby => Control::App,
        _ => return None,
    };
    Some(ControlChange {
        brand: interaction.brand.clone(),
        account: interaction.account.clone(),
        viewer: interaction.viewer.clone()?,
        control,
        reason: None,
        cause: interaction.id,
        occurred: interaction.occurred,
        received: interaction.received,
    })
}

#[cfg(test)]
mod tests {
    use crate::{AccountId, BrandId, Channel, DerivedId, InteractionId, Source, ViewerId};

    use super::*;

    fn control(body: Body, our_apps: &[&str]) -> Option<Control> {
        let interaction = Interaction {
            id: InteractionId::derive(&["x"]),
            brand: BrandId::new("lumen"),
            account: AccountId::new("1"),
            viewer: Some(ViewerId::new("2")),
            username: None,
            channel: Channel::Instagram,
            source: Source::Webhook,
            occurred: Timestamp::from_millis(1),
            received: Timestamp::from_millis(2),
            standby: false,
            body,
            raw: None,
        };
        let our_apps: Vec<String> = our_apps.iter().map(|app| (*app).to_owned()).collect();
        match fence_change(&interaction, &our_apps) {
            Some(FenceChange::Control(change)) => Some(change.control),
            Some(FenceChange::Consent(_)) | None => None,
        }
    }

    fn sent(app_id: Option<&str>, metadata: Option<String>) -> Body {
        Body::MessageSent(Message { app_id: app_id.map(Into::into), metadata, ..Message::default() })
    }

    fn moved(action: &str, to: Option<&str>) -> Body {
        Body::Handover(Handover {
            action: action.into(),
            previous_owner_app_id: None,
            new_owner_app_id: to.map(Into::into),
            metadata: None,
        })
    }

    #[test]
    fn who_leads_the_conversation() {
        let send = SendId::derive(&["send"]).to_string();
        for (body, expected) in [
            (sent(Some("ours"), Some(send)), None),
            (sent(Some("ours"), Some("somebody's note".into())), Some(Control::App)),
            (sent(None, None), Some(Control::Person)),
            (sent(Some("other"), None), Some(Control::App)),
            (moved("take", Some("other")), Some(Control::App)),
            (moved("pass", Some("ours")), Some(Control::Automation)),
            (moved("pass", None), Some(Control::App)),
            (moved("request", Some("other")), None),
        ] {
            assert_eq!(control(body.clone(), &["ours"]), expected, "{body:?}");
        }
        assert_eq!(control(moved("pass", Some("ours")), &[]), Some(Control::App), "silent while nobody knows better");
    }
}
