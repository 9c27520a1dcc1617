//! What people do, as Meta tells of it.

use afterglow_domain::ViewerId;
use afterglow_sim::Pace;
use afterglow_sim::account::Account;
use afterglow_sim::traffic::{Expect, PlannedWebhook};
use afterglow_sim::webhooks::{Body, Comment, From, Item, Media, Message, Outgoing, Part, Payload, ReplyTo, Story};
use afterglow_sim::world::{Answer, Fact, What, Word};
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, now};

/// A webhook with one event of now.
fn webhook(account: &Account, part: &Part, facts: Vec<Fact>) -> PlannedWebhook {
    let mut body = Body::instagram();
    body.push(account.id.as_str(), now().millis(), part);
    PlannedWebhook {
        at_ms: 0,
        outgoing: Outgoing {
            body: body.into_bytes(),
            secret: account.app.secret.clone(),
            events: 1,
            facts,
            unparseable: false,
        },
        expect: Expect { interactions: 1, ..Expect::default() },
    }
}

/// A person answers a Story.
pub(crate) fn story_reply(account: &Account, person: &str, text: &str) -> PlannedWebhook {
    let at = now();
    let key = format!("mid.{person}.{}", text.len());
    let story = Story { id: "1".into(), url: "https://story.example/1".into() };
    let message = Message {
        mid: key.clone(),
        text: Some(text.into()),
        reply_to: Some(ReplyTo::Story(story)),
        ..Message::default()
    };
    let item = Item::from_person(account.id.as_str(), person, at.millis(), Payload::Message(message));
    let what = What::StoryReply { text: text.into(), answer: Answer::Allowed };
    let fact = Fact { account: account.id.clone(), person: ViewerId::new(person), key, at, what };
    webhook(account, &Part::messaging(&item), vec![fact])
}

/// A person comments under a post.
pub(crate) fn comment(account: &Account, person: &str, id: &str, text: &str) -> PlannedWebhook {
    let value = Comment {
        id: Some(id.into()),
        from: From { id: person.into(), username: format!("user.{person}"), self_ig_scoped_id: None },
        text: text.into(),
        media: Media { id: "17900000000000001".into(), media_product_type: "FEED", ..Media::default() },
        ..Comment::default()
    };
    let what = What::Comment { live: false, media: "17900000000000001".into(), text: text.into() };
    let fact = Fact { account: account.id.clone(), person: ViewerId::new(person), key: id.into(), at: now(), what };
    webhook(account, &Part::change("comments", &value), vec![fact])
}

pub(crate) async fn post_all(installation: &Installation, webhooks: Vec<PlannedWebhook>) {
    let sim = installation.sim.clone();
    sim.run_traffic(&installation.webhook_url(), webhooks, Pace::Fast, &CancellationToken::new()).await;
}

/// A person says stop.
pub(crate) fn stop(account: &Account, person: &str) -> PlannedWebhook {
    let (at, key) = (now(), format!("mid.{person}.stop"));
    let message = Message { mid: key.clone(), text: Some("stop".into()), ..Message::default() };
    let item = Item::from_person(account.id.as_str(), person, at.millis(), Payload::Message(message));
    let facts = [What::Contact { text: Some("stop".into()) }, What::Said(Word::Stop)].map(|what| Fact {
        account: account.id.clone(),
        person: ViewerId::new(person),
        key: key.clone(),
        at,
        what,
    });
    webhook(account, &Part::messaging(&item), facts.to_vec())
}
