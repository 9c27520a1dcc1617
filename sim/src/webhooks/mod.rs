//! What Meta posts: payloads in Meta's shapes, signed with the app's secret, retried until they are taken.

mod body;
mod payloads;
mod poster;
mod retry;
mod sign;

use bytes::Bytes;
use secrecy::SecretString;

pub use body::{Body, Part};
pub use payloads::{
    AdContext, Attachment, AttachmentPayload, Comment, From, Id, Insights, Item, Media, Mention, Message, MessageEdit,
    Payload, Postback, QuickReply, Reaction, Read, Referral, ReplyTo, Story, ThreadControl,
};
pub use poster::{Answered, Delivery, Poster, PosterOptions};
pub use retry::RetrySchedule;
pub use sign::signature;

use crate::account::Account;
use crate::world::{Delivered, Fact};

/// A webhook ready to be posted.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The bytes on the wire; the signature covers exactly these.
    pub body: Bytes,
    /// The app secret that signs it.
    pub secret: SecretString,
    /// Events inside.
    pub events: u32,
    /// What it tells.
    pub facts: Vec<Fact>,
    /// The body is no JSON: 400 is the right answer, and ends the delivery.
    pub unparseable: bool,
}

/// The echo of a message that the account sent through the API.
pub(crate) fn echo(account: &Account, sent: &Delivered) -> Outgoing {
    let message = Message {
        mid: sent.mid.clone(),
        text: sent.text.clone(),
        is_echo: true,
        app_id: account.app.id.parse().ok(),
        metadata: sent.metadata.clone(),
        ..Message::default()
    };
    let item =
        Item::from_account(account.id.as_str(), sent.person.as_str(), sent.at.millis(), Payload::Message(message));
    let mut body = Body::instagram();
    body.push(account.id.as_str(), sent.at.millis(), &Part::messaging(&item));
    Outgoing {
        body: body.into_bytes(),
        secret: account.app.secret.clone(),
        events: 1,
        facts: Vec::new(),
        unparseable: false,
    }
}

#[cfg(test)]
mod shapes;
