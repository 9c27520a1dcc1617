//! What happens in histories, as interactions, and the wishes that follow.

use afterglow_domain::{
    Body, CONFIRMATION, Channel, ConsentState, DerivedId as _, Intent, Interaction, InteractionId, Kind, Message,
    PlayId, ReplyTo, Source, Timestamp, ViewerId, opt_out,
};
use afterglow_scorer::{Rulebooks, take_in};
use afterglow_sim::account::Account;
use afterglow_sim::world::{Answer, Delivered, Fact, What};

use crate::ground::Ground;

/// What asks for a person.
pub(crate) const FOR_A_PERSON: &str = "Can I talk to a human please";

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

/// A viewer answers a Story: the `n`th answer of all, in these words. The wish that follows; nobody reads what was written.
pub(crate) async fn answers_a_story(
    ground: &Ground,
    rulebooks: &Rulebooks,
    viewer: u64,
    (n, text): (u64, &str),
) -> Intent {
    let (now, key, person) = (ground.now(), format!("m{n}"), ViewerId::new((viewer + 1).to_string()));
    let fact =
        |what| Fact { account: ground.account.id.clone(), person: person.clone(), key: key.clone(), at: now, what };
    let mut facts = vec![fact(What::StoryReply { text: text.into(), answer: Answer::Allowed })];
    facts.extend((text == FOR_A_PERSON).then(|| fact(What::AskedForPerson)));
    ground.wire.on_stage(|stage| {
        stage.world.tell(&facts, now);
        stage.world.acknowledge(&facts, now);
    });
    let interaction = Interaction {
        id: InteractionId::derive(&["answer", &key]),
        brand: ground.account.brand.clone(),
        account: ground.account.id.clone(),
        viewer: Some(person),
        username: None,
        channel: Channel::Instagram,
        source: Source::Webhook,
        occurred: now,
        received: now,
        standby: false,
        body: story_reply(&key, text),
        raw: None,
    };
    let applied = take_in(&ground.store, rulebooks, &[interaction], now).await.unwrap();
    let seqs: Vec<i64> = applied.outbox.iter().map(|row| row.seq).collect();
    ground.store.outbox_done(&seqs).await.unwrap();
    serde_json::from_slice(&applied.outbox[0].message.body).unwrap()
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
