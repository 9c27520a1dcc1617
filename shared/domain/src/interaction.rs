//! The interaction: an immutable record of one thing that happened.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{AccountId, Body, BrandId, InteractionId, Kind, Referral, Timestamp, ViewerId, ViewerKey, WindowRule};

/// Where the account lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// An Instagram professional account (webhook object `instagram`).
    Instagram,
    /// A Facebook Page (webhook object `page`).
    Page,
}

impl Channel {
    /// Meta's word for the webhook object.
    pub const fn as_str(self) -> &'static str {
        match self {
            Channel::Instagram => "instagram",
            Channel::Page => "page",
        }
    }
}

/// By which way an interaction came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A signed webhook of Meta.
    Webhook,
    /// A sweep that found what the webhooks missed.
    Reconcile,
    /// A person of the brand recorded it.
    Operator,
    /// A collector asked the Graph API.
    Poll,
    /// A tracked link was opened.
    Link,
    /// A shop or CRM posted it.
    Partner,
}

impl Source {
    /// The name as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Webhook => "webhook",
            Source::Reconcile => "reconcile",
            Source::Operator => "operator",
            Source::Poll => "poll",
            Source::Link => "link",
            Source::Partner => "partner",
        }
    }
}

/// One thing that a viewer did, or that was done to them.
///
/// Two deliveries of the same thing are equal in [`Interaction::id`], whatever else differs (the time of notification,
/// for instance), and only the first is kept.
#[derive(Debug, Clone)]
pub struct Interaction {
    /// Derived from Meta's own ids.
    pub id: InteractionId,
    /// The brand that owns the account.
    pub brand: BrandId,
    /// The account it happened to.
    pub account: AccountId,
    /// Who did it; `None` where it concerns the account alone (insights, enforcement) or Meta names nobody.
    pub viewer: Option<ViewerId>,
    /// The viewer's name at that time, where given.
    pub username: Option<String>,
    /// Instagram or Page.
    pub channel: Channel,
    /// Which way it came in.
    pub source: Source,
    /// When it happened, by Meta's clock where given, else when Meta notified.
    pub occurred: Timestamp,
    /// When ingest took it.
    pub received: Timestamp,
    /// Another app controls the thread: kept and counted, never answered.
    pub standby: bool,
    /// What happened.
    pub body: Body,
    /// Meta's own fragment, byte for byte.
    pub raw: Option<Box<RawValue>>,
}

impl Interaction {
    /// The kind of interaction.
    pub const fn kind(&self) -> Kind {
        self.body.kind()
    }

    /// The viewer's key; `None` if the interaction has no viewer.
    pub fn viewer_key(&self) -> Option<ViewerKey> {
        Some(ViewerKey { account: self.account.clone(), viewer: self.viewer.clone()? })
    }

    /// Whether the viewer themself acted towards the account through the platform, which is what lets us answer.
    /// What an operator saw, what a shop posted and what a link counted is not contact.
    pub fn is_contact(&self) -> bool {
        matches!(self.source, Source::Webhook | Source::Reconcile)
            && !self.standby
            && self.opens() != WindowRule::Nothing
    }

    /// The right to answer that this opens.
    pub fn opens(&self) -> WindowRule {
        match &self.body {
            // The account's own comment, and a comment hidden or removed, is nobody's question.
            Body::Comment(c) | Body::LiveComment(c) if c.by_account || c.verb != "add" => WindowRule::Nothing,
            Body::Message(m) if m.referral.as_ref().is_some_and(Referral::is_ad) => WindowRule::Ad,
            _ => self.kind().opens(),
        }
    }
}
