//! Meta's payloads, field for field (Meta, "Instagram webhooks, examples", updated 2025-11-24:
//! <https://developers.facebook.com/docs/instagram-platform/webhooks/examples>).

use serde::Serialize;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn not(flag: &bool) -> bool {
    !*flag
}

/// `{"id":…}`.
#[derive(Debug, Clone, Serialize)]
pub struct Id {
    /// The id.
    pub id: String,
}

/// An item of `messaging` or `standby`.
#[derive(Debug, Clone, Serialize)]
pub struct Item {
    sender: Id,
    recipient: Id,
    timestamp: i64,
    #[serde(skip_serializing_if = "not")]
    is_self: bool,
    #[serde(flatten)]
    payload: Payload,
}

impl Item {
    /// Something that a person did, at `ms` since the epoch.
    pub fn from_person(account: &str, person: &str, ms: i64, payload: Payload) -> Self {
        let (sender, recipient) = (Id { id: person.into() }, Id { id: account.into() });
        Self { sender, recipient, timestamp: ms, is_self: false, payload }
    }

    /// Something that the account did.
    pub fn from_account(account: &str, person: &str, ms: i64, payload: Payload) -> Self {
        let (sender, recipient) = (Id { id: account.into() }, Id { id: person.into() });
        Self { sender, recipient, timestamp: ms, is_self: false, payload }
    }

    /// Marks a test of the account with itself (postbacks carry the mark here, messages inside).
    #[must_use]
    pub fn to_self(mut self) -> Self {
        self.is_self = true;
        self
    }
}

/// What an item is about: one key beside sender, recipient and timestamp.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// A message, echo, quick reply or unsending.
    Message(Message),
    /// A reaction.
    Reaction(Reaction),
    /// A tap on a button or ice breaker.
    Postback(Postback),
    /// An ig.me link into an existing conversation.
    Referral(Referral),
    /// The person saw a message.
    Read(Read),
    /// A message was edited.
    MessageEdit(MessageEdit),
    /// The thread was passed.
    PassThreadControl(ThreadControl),
    /// The thread was taken.
    TakeThreadControl(ThreadControl),
    /// A `message` that is a plain string, as the dashboard's test sends it: no receiver can make sense of it.
    #[serde(rename = "message")]
    Nonsense(String),
}

/// A message.
#[derive(Debug, Clone, Default, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "so are Meta's messages")]
pub struct Message {
    /// Meta's message id.
    pub mid: String,
    /// Its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// It was unsent.
    #[serde(skip_serializing_if = "not")]
    pub is_deleted: bool,
    /// The account sent it.
    #[serde(skip_serializing_if = "not")]
    pub is_echo: bool,
    /// The account sent it to itself.
    #[serde(skip_serializing_if = "not")]
    pub is_self: bool,
    /// The API cannot show it.
    #[serde(skip_serializing_if = "not")]
    pub is_unsupported: bool,
    /// The app that sent it (echoes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<u64>,
    /// What the sender gave along (echoes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// The tapped quick reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quick_reply: Option<QuickReply>,
    /// What it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<ReplyTo>,
    /// The ad it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referral: Option<Referral>,
    /// What is attached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// A quick reply's payload.
#[derive(Debug, Clone, Serialize)]
pub struct QuickReply {
    /// The developer's payload.
    pub payload: String,
}

/// What a message answers.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyTo {
    /// Another message.
    Mid(String),
    /// A Story.
    Story(Story),
}

/// A Story.
#[derive(Debug, Clone, Serialize)]
pub struct Story {
    /// Its address, while it lives.
    pub url: String,
    /// Its media id.
    pub id: String,
}

/// An attachment.
#[derive(Debug, Clone, Serialize)]
pub struct Attachment {
    /// `image`, `audio`, `story_mention`, …
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where it is.
    pub payload: AttachmentPayload,
}

/// Where an attachment is.
#[derive(Debug, Clone, Serialize)]
pub struct AttachmentPayload {
    /// The shared post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ig_post_media_id: Option<String>,
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The CDN's address.
    pub url: String,
}

/// A reaction.
#[derive(Debug, Clone, Serialize)]
pub struct Reaction {
    /// The message reacted to.
    pub mid: String,
    /// `react` or `unreact`.
    pub action: &'static str,
    /// Meta's word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reaction: Option<&'static str>,
    /// The emoji.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emoji: Option<&'static str>,
}

/// A postback.
#[derive(Debug, Clone, Serialize)]
pub struct Postback {
    /// Message id.
    pub mid: String,
    /// What the button says.
    pub title: String,
    /// The developer's payload; absent on standby.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
}

/// How somebody came.
#[derive(Debug, Clone, Serialize)]
pub struct Referral {
    /// The link's parameter.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The ad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_id: Option<String>,
    /// `ADS`, or the link.
    pub source: String,
    /// `OPEN_THREAD`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The ad's content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ads_context_data: Option<AdContext>,
}

/// An ad's content.
#[derive(Debug, Clone, Serialize)]
pub struct AdContext {
    /// Title.
    pub ad_title: String,
    /// Picture.
    pub photo_url: String,
    /// Film.
    pub video_url: String,
}

/// A read receipt.
#[derive(Debug, Clone, Serialize)]
pub struct Read {
    /// The message seen.
    pub mid: String,
}

/// An edit.
#[derive(Debug, Clone, Serialize)]
pub struct MessageEdit {
    /// The message.
    pub mid: String,
    /// Its new text.
    pub text: String,
    /// Counted from 1.
    pub num_edit: u32,
}

/// A move of the thread.
#[derive(Debug, Clone, Serialize)]
pub struct ThreadControl {
    /// Who had it; null when nobody did.
    pub previous_owner_app_id: Option<String>,
    /// Who has it now.
    pub new_owner_app_id: String,
    /// Free text.
    pub metadata: String,
}

/// The value of `comments` and `live_comments`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Comment {
    /// The comment's id, as Instagram Login and real life name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its author.
    pub from: From,
    /// The comment's id, as Facebook Login's documentation names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment_id: Option<String>,
    /// The comment answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// Its text.
    pub text: String,
    /// Where it stands.
    pub media: Media,
}

/// A comment's author.
#[derive(Debug, Clone, Default, Serialize)]
pub struct From {
    /// IGSID, or the account's id.
    pub id: String,
    /// Name.
    pub username: String,
    /// The account's own IGSID: it commented itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_ig_scoped_id: Option<String>,
}

/// A post, reel, ad or broadcast.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Media {
    /// Media id.
    pub id: String,
    /// The ad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_id: Option<String>,
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_title: Option<String>,
    /// The post that the ad boosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_media_id: Option<String>,
    /// `FEED`, `REELS`, `AD`, …
    pub media_product_type: &'static str,
}

/// The value of `mentions`.
#[derive(Debug, Clone, Serialize)]
pub struct Mention {
    /// The comment that mentions the account; absent for a caption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment_id: Option<String>,
    /// The media.
    pub media_id: String,
}

/// The value of `story_insights`; -1 stands for fewer than five.
#[derive(Debug, Clone, Serialize)]
pub struct Insights {
    /// The Story.
    pub media_id: String,
    /// Figures.
    pub impressions: i64,
    /// Figures.
    pub reach: i64,
    /// Figures.
    pub taps_forward: i64,
    /// Figures.
    pub taps_back: i64,
    /// Figures.
    pub exits: i64,
    /// Figures.
    pub replies: i64,
}
