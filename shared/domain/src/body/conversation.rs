//! What is said and done in a conversation, with the details that Meta gives.

use serde::{Deserialize, Serialize};

/// A message's content, whichever way it travelled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// Meta's message id.
    pub mid: String,
    /// UTF-8 text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Attachments, one entry per thing shared (`share` and `ig_post` of one post count once).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// What it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<ReplyTo>,
    /// Payload of a tapped quick reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quick_reply_payload: Option<String>,
    /// How the viewer came (ad or link), if this message began the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referral: Option<Referral>,
    /// The app that sent it (echo only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// Metadata given with the send (echo only); ours is the send's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// Meta could not show the content through the API.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_unsupported: bool,
}

/// Something attached to a message. URLs from Meta's CDN expire; they are kept as given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// Meta's word: `image`, `video`, `audio`, `file`, `share`, `ig_post`, `ig_reel`, `reel`, `story_mention`,
    /// `template`, `sticker`, `fallback`, `unsupported_type`, or one we have not met.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it can be fetched, while it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Title, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Meta's id of the shared media or sticker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_id: Option<String>,
}

/// What a message answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyTo {
    /// Another message, by its `mid`.
    Message(String),
    /// A Story.
    Story {
        /// The Story's media id.
        id: String,
        /// Its CDN address, while it lives.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
}

/// A tap on a button or ice breaker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Postback {
    /// Meta's message id, where given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
    /// What the button said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The developer's payload (absent on standby).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// How the viewer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referral: Option<Referral>,
}

/// A reaction to a message, set or taken back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reaction {
    /// The message reacted to.
    pub mid: String,
    /// Meta's word (`love`, `sad`, …); absent when taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reaction: Option<String>,
    /// The emoji itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emoji: Option<String>,
}

/// A read or delivery receipt: Instagram names the message, Messenger a watermark.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// Messages named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mids: Vec<String>,
    /// Everything before this moment, epoch ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark_ms: Option<i64>,
}

/// A new text for an earlier message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageEdit {
    /// The message edited.
    pub mid: String,
    /// Its new text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How many times it has been edited: the higher wins, whatever order they arrive in.
    pub num_edit: u32,
}

/// A message taken back by its writer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Unsend {
    /// The message.
    pub mid: String,
}

/// How a viewer came into the conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Referral {
    /// The `ref` parameter of the link.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// `ADS`, `SHORTLINK`, an address, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `OPEN_THREAD`, …
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The ad, for click-to-message ads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_id: Option<String>,
}

impl Referral {
    /// Whether a click-to-message ad brought the viewer.
    pub fn is_ad(&self) -> bool {
        self.source.as_deref().is_some_and(|source| source.eq_ignore_ascii_case("ADS"))
    }
}

/// An opt-in through a plugin or a notification-messages request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OptIn {
    /// `notification_messages`, or absent for a plugin.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The developer's reference.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// A person not yet known by PSID (checkbox plugin).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_ref: Option<String>,
    /// The developer's payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// `STOP_NOTIFICATIONS` / `RESUME_NOTIFICATIONS`, where given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_status: Option<String>,
}

/// A move of thread control (Meta's Conversation Routing; formerly the Handover Protocol).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Handover {
    /// `pass`, `take`, `request` or `app_roles`.
    pub action: String,
    /// Who had it; absent in idle mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_owner_app_id: Option<String>,
    /// Who has it now, or asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_owner_app_id: Option<String>,
    /// Free text of the app that acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}
