//! What a webhook says: one interaction, or one quarantined fragment, for each event in it.

mod changes;
mod envelope;
mod fields;
mod ids;
mod lenient;
mod messaging;

use afterglow_domain::{
    Body, BrandId, Channel, Interaction, InteractionId, QuarantineReason, Quarantined, Timestamp, ViewerId,
};
use bytes::Bytes;

pub use fields::{FIELDS, Field};

use crate::Verified;

/// Who owns an account.
pub trait Directory {
    /// The brand of `account` on `channel`; `None` if nobody here owns it.
    fn brand_of(&self, channel: Channel, account: &str) -> Option<BrandId>;
}

impl<F: Fn(Channel, &str) -> Option<BrandId>> Directory for F {
    fn brand_of(&self, channel: Channel, account: &str) -> Option<BrandId> {
        self(channel, account)
    }
}

/// What one event became.
#[derive(Debug, Clone)]
pub enum Interpreted {
    /// Understood.
    Interaction(Box<Interaction>),
    /// Not understood, kept.
    Quarantined(Box<Quarantined>),
}

/// What a whole body became.
#[derive(Debug, Clone)]
pub struct Interpretation {
    /// One for each item of `messaging`, `standby` and `changes`, for each flat entry, for each entry without events,
    /// or one for the body as a whole if it is no envelope. Never empty.
    pub events: Vec<Interpreted>,
    /// The body is not JSON: the sender is told so, though the bytes are kept.
    pub not_json: bool,
}

/// Reads a verified body.
pub fn interpret(body: &Verified<Bytes>, received: Timestamp, directory: &dyn Directory) -> Interpretation {
    envelope::interpret(body.get(), received, directory)
}

/// What an item says, before it is put together with its envelope.
struct Parsed {
    id: InteractionId,
    viewer: Option<String>,
    username: Option<String>,
    occurred: Option<Timestamp>,
    body: Body,
}

impl Parsed {
    fn into_interaction(self, frame: &Frame<'_>, brand: BrandId, standby: bool, raw: &str) -> Interaction {
        Interaction {
            id: self.id,
            brand,
            account: afterglow_domain::AccountId::new(frame.account),
            viewer: self.viewer.map(ViewerId::new),
            username: self.username,
            channel: frame.channel,
            source: afterglow_domain::Source::Webhook,
            occurred: self.occurred.or(frame.notified).unwrap_or(frame.received),
            received: frame.received,
            standby,
            body: self.body,
            raw: serde_json::value::RawValue::from_string(raw.to_owned()).ok(),
        }
    }
}

/// What the items of one entry share.
struct Frame<'a> {
    channel: Channel,
    account: &'a str,
    /// When Meta sent the notification: not when the thing happened, but near it.
    notified: Option<Timestamp>,
    received: Timestamp,
}

/// Why an item is not understood, in words without personal data.
struct NotUnderstood(QuarantineReason, String);

impl NotUnderstood {
    fn shape(detail: impl Into<String>) -> Self {
        Self(QuarantineReason::UnknownShape, detail.into())
    }
    fn field(detail: impl Into<String>) -> Self {
        Self(QuarantineReason::UnknownField, detail.into())
    }
}
