//! The kinds of interaction, each with the details that Meta gives.
//!
//! A [`Body`] is what happened; [`Kind`] is its name alone, as stored and shown. Texts are kept as sent.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What happened. Serialised with the kind beside the details, so that a reader can choose by kind before parsing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "detail", rename_all = "snake_case")]
pub enum Body {
    /// A direct message: text, attachments, sticker, inline reply.
    Message(Message),
    /// A direct message that answers a Story of ours.
    StoryReply(Message),
    /// The viewer mentioned the account in their own Story.
    StoryMention(Message),
    /// A tap on a quick reply.
    QuickReply(Message),
    /// A tap on a button, ice breaker or Get Started.
    Postback(Postback),
    /// A reaction to a message.
    Reaction(Reaction),
    /// A reaction taken back.
    ReactionRemoved(Reaction),
    /// The viewer saw our message.
    Seen(Seen),
    /// Our message reached the viewer's device (Messenger only).
    Delivered(Seen),
    /// The viewer edited a message.
    MessageEdit(MessageEdit),
    /// The viewer unsent a message.
    Unsend(Unsend),
    /// The viewer came through an ig.me / m.me link or an ad into an existing conversation.
    Referral(Referral),
    /// The viewer gave consent through an opt-in (notification messages, plugin).
    OptIn(OptIn),
    /// We, or a person with the phone, sent a message: Meta's echo.
    MessageSent(Message),
    /// A test message of the account to itself.
    SelfMessage(Message),
    /// Thread control moved, or was asked for.
    Handover(Handover),
    /// A public comment on a post, reel or ad.
    Comment(Comment),
    /// A comment during a live broadcast.
    LiveComment(Comment),
    /// The account was mentioned in a caption or comment.
    Mention(Mention),
    /// Final figures of a Story, as Meta pushes them.
    StoryInsights(StoryInsights),
    /// Activity on a Page's feed that is not a comment.
    Feed(FeedItem),
    /// Meta blocked or unblocked the account's messaging.
    PolicyEnforcement(PolicyEnforcement),
    /// The viewer linked or unlinked an account of the brand's own.
    AccountLinking {
        /// `linked` or `unlinked`.
        status: String,
    },
    /// A person of the brand saw this viewer in the Story's viewer list.
    ObservedView(Observation),
    /// A person of the brand saw this viewer's profile visit, or an insight told it.
    ProfileVisit(Observation),
    /// The viewer followed the account.
    Follow(Observation),
    /// The viewer tapped a sticker (poll, question, slider), as recorded by a person of the brand.
    StickerTap(Observation),
    /// The viewer opened a tracked link.
    LinkClick(Click),
    /// A sale or other goal, posted by the shop.
    Conversion(Conversion),
    /// What somebody noted of the viewer in another system.
    Note(Note),
}

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

/// A public comment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Comment {
    /// Meta's comment id: the same for the post and for its boosted copy.
    pub comment_id: String,
    /// The comment or post answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// The post, reel or broadcast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_id: Option<String>,
    /// The post behind an ad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_media_id: Option<String>,
    /// The ad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_id: Option<String>,
    /// `FEED`, `REELS`, `AD`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_product_type: Option<String>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// `add`, `edited`, `remove`, `hide`, `unhide`, … (Page feed; `add` elsewhere).
    pub verb: String,
    /// Written by the account itself: never answered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_account: bool,
}

/// A mention of the account. Meta gives no name here; it is looked up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mention {
    /// The media that mentions, or under which the comment stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_id: Option<String>,
    /// The comment that mentions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment_id: Option<String>,
    /// The post that mentions (Page).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_id: Option<String>,
    /// The text, where given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Figures of a Story. `None` is unknown ("fewer than 5"), never zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoryInsights {
    /// The Story.
    pub media_id: String,
    /// When the Story was posted, if Meta told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posted: Option<Timestamp>,
    /// Metric → value; a metric that Meta withheld is `null`.
    pub metrics: std::collections::BTreeMap<String, Option<i64>>,
}

/// Deprecated names of metrics, with the ones that replaced them (Meta, "Instagram Media Insights", 2025-04-21).
const RENAMED_METRICS: [(&str, &str); 3] = [
    ("taps_forward", "navigation_tap_forward"),
    ("taps_back", "navigation_tap_back"),
    ("exits", "navigation_tap_exit"),
];

impl StoryInsights {
    /// The name that a metric has now.
    pub fn current_name(name: &str) -> &str {
        RENAMED_METRICS.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new)
    }

    /// A metric by its present name, under whichever name it was told; `None` if it was not, `Some(None)` if it was withheld.
    pub fn metric(&self, name: &str) -> Option<Option<i64>> {
        let old = RENAMED_METRICS.iter().find(|(_, new)| *new == name).map(|(old, _)| *old);
        self.metrics.get(name).or_else(|| self.metrics.get(old?)).copied()
    }
}

/// Something on a Page's feed that is not a comment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeedItem {
    /// `post`, `like`, `reaction`, `video`, `photo`, `share`, …
    pub item: String,
    /// `add`, `edit`, `remove`, …
    pub verb: String,
    /// The post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_id: Option<String>,
    /// The comment reacted to, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment_id: Option<String>,
    /// `like`, `love`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reaction_type: Option<String>,
    /// Text, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Meta's enforcement of its policies against the account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyEnforcement {
    /// `block`, `unblock`, `warning`.
    pub action: String,
    /// Meta's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Something a person of the brand saw and recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observation {
    /// The Story, where it concerns one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub story_id: Option<String>,
    /// Quick tags of the operator.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Who recorded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

/// A click on a tracked link.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Click {
    /// The link's code.
    pub link: String,
}

/// A goal reached outside Instagram.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conversion {
    /// The shop's own id of it.
    pub external_id: String,
    /// `purchase`, `lead`, …
    pub goal: String,
    /// Value in minor units of `currency`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_minor: Option<i64>,
    /// ISO 4217.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The tracked link that led there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// What somebody noted of a viewer in another system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Note {
    /// The other system's own id of it.
    pub external_id: String,
    /// The note; not the viewer's words.
    pub text: String,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

macro_rules! kinds {
    ($($variant:ident => $name:literal),+ $(,)?) => {
        /// The name of what happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`")] $variant),+
        }

        impl Kind {
            /// Every kind, in the order of the table in `docs/`.
            pub const ALL: &[Kind] = &[$(Kind::$variant),+];

            /// The name as stored and shown.
            pub const fn as_str(self) -> &'static str {
                match self { $(Kind::$variant => $name),+ }
            }
        }

        impl std::str::FromStr for Kind {
            type Err = UnknownKind;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text { $($name => Ok(Kind::$variant),)+ _ => Err(UnknownKind(text.to_owned())) }
            }
        }

        impl Body {
            /// The kind of this body.
            pub const fn kind(&self) -> Kind {
                match self { $(Body::$variant { .. } => Kind::$variant),+ }
            }
        }
    };
}

/// A kind that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of interaction {0:?}")]
pub struct UnknownKind(String);

kinds! {
    Message => "message", StoryReply => "story_reply", StoryMention => "story_mention", QuickReply => "quick_reply",
    Postback => "postback", Reaction => "reaction", ReactionRemoved => "reaction_removed", Seen => "seen",
    Delivered => "delivered", MessageEdit => "message_edit", Unsend => "unsend", Referral => "referral",
    OptIn => "opt_in", MessageSent => "message_sent", SelfMessage => "self_message", Handover => "handover",
    Comment => "comment", LiveComment => "live_comment", Mention => "mention", StoryInsights => "story_insights",
    Feed => "feed", PolicyEnforcement => "policy_enforcement", AccountLinking => "account_linking",
    ObservedView => "observed_view", ProfileVisit => "profile_visit", Follow => "follow", StickerTap => "sticker_tap",
    LinkClick => "link_click", Conversion => "conversion", Note => "note",
}

impl Body {
    /// The words of the viewer, if any.
    pub fn text(&self) -> Option<&str> {
        match self {
            Body::Message(m) | Body::StoryReply(m) | Body::StoryMention(m) | Body::QuickReply(m) => m.text.as_deref(),
            Body::Comment(c) | Body::LiveComment(c) => c.text.as_deref(),
            _ => None,
        }
    }

    /// What a tapped quick reply, ice breaker or button brings.
    pub fn payload(&self) -> Option<&str> {
        match self {
            Body::QuickReply(m) => m.quick_reply_payload.as_deref(),
            Body::Postback(p) => p.payload.as_deref(),
            _ => None,
        }
    }

    /// Meta's id of the message that this is, if it is one.
    pub fn mid(&self) -> Option<&str> {
        let mid = match self {
            Body::Message(m)
            | Body::StoryReply(m)
            | Body::StoryMention(m)
            | Body::QuickReply(m)
            | Body::MessageSent(m)
            | Body::SelfMessage(m) => &m.mid,
            _ => return None,
        };
        (!mid.is_empty()).then_some(mid)
    }

    /// Meta's id of the message that this edits, takes back or reacts to.
    pub fn amends(&self) -> Option<&str> {
        let mid = match self {
            Body::MessageEdit(edit) => &edit.mid,
            Body::Unsend(unsend) => &unsend.mid,
            Body::Reaction(reaction) | Body::ReactionRemoved(reaction) => &reaction.mid,
            _ => return None,
        };
        (!mid.is_empty()).then_some(mid)
    }

    /// The Story this is about, if any.
    pub fn story_id(&self) -> Option<&str> {
        match self {
            Body::StoryReply(m) => match &m.reply_to {
                Some(ReplyTo::Story { id, .. }) => Some(id),
                _ => None,
            },
            Body::StoryInsights(s) => Some(&s.media_id),
            Body::ObservedView(o) | Body::ProfileVisit(o) | Body::Follow(o) | Body::StickerTap(o) => {
                o.story_id.as_deref()
            }
            _ => None,
        }
    }
}
