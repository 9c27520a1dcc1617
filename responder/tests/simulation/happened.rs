//! What happens in histories, as interactions, and the wishes that follow.

use afterglow_domain::{
    Body, CONFIRMATION, Channel, ConsentState, DerivedId as _, Intent, Interaction, InteractionId, Kind, Message,
    PlayId, ReplyTo, Source, Timestamp, opt_out,
};
use afterglow_sim::account::Account;
use afterglow_sim::world::Delivered;

pub(crate) fn story_reply(mid: &str, text: &str) -> Body {
    let reply_to = Some(ReplyTo::Story { id: "17900000000000001".into(), url: None });
    Body::StoryReply(Message { mid: mid.into(), text: Some(text.into()), reply_to, ..Message::default() })
}

pub(crate) fn plain(mid: &str) -> Body {
    Body::Message(Message { mid: mid.into(), text: Some("Hi".into()), ..Message::default() })
}

pub(crate) fn intent_for(cause: &Interaction, now: Timestamp) -> Intent {
    // What the scorer wishes: a stop is confirmed, everything else answered.
    let stop = cause.body.text().and_then(opt_out::classify) == Some(ConsentState::OptedOut);
    let play = PlayId::new(if stop { CONFIRMATION } else { "story-reply" });
    Intent {
        id: Intent::derive_id(&play, cause.id, 0),
        brand: cause.brand.clone(),
        account: cause.account.clone(),
        viewer: cause.viewer.clone().unwrap(),
        play,
        cause: cause.id,
        cause_kind: Kind::StoryReply,
        cause_occurred: cause.occurred,
        comment_id: None,
        step: 0,
        say: None,
        due: None,
        language: None,
        person: None,
        created: now,
    }
}

pub(crate) fn echo_of(message: &Delivered, account: &Account, received: Timestamp) -> Interaction {
    Interaction {
        id: InteractionId::derive(&["sim", &message.mid]),
        brand: account.brand.clone(),
        account: message.account.clone(),
        viewer: Some(message.person.clone()),
        username: None,
        channel: Channel::Instagram,
        source: Source::Webhook,
        occurred: message.at,
        received,
        standby: false,
        body: Body::MessageSent(Message {
            mid: message.mid.clone(),
            text: message.text.clone(),
            metadata: message.metadata.clone(),
            ..Message::default()
        }),
        raw: None,
    }
}
