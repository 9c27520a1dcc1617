//! The kinds of interaction, each with the details that Meta gives.
//!
//! A [`Body`] is what happened; [`Kind`] is its name alone, as stored and shown. Texts are kept as sent.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `conversation` | what is said and done in a conversation |
//! | `posts` | what happens at posts and Stories, and what Meta says of the account |
//! | `told` | what others than Meta tell |
//! | `kind` | the names |

mod conversation;
mod kind;
mod posts;
mod told;

use serde::{Deserialize, Serialize};

pub use conversation::{
    Attachment, Handover, Message, MessageEdit, OptIn, Postback, Reaction, Referral, ReplyTo, Seen, Unsend,
};
pub use kind::Kind;
pub use posts::{Comment, FeedItem, Mention, PolicyEnforcement, StoryInsights};
pub use told::{Click, Conversion, Note, Observation};

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

impl Body {
    /// The words of the viewer, if any.
    pub fn text(&self) -> Option<&str> {
        match self {
            Body::Message(m) | Body::StoryReply(m) | Body::StoryMention(m) | Body::QuickReply(m) => m.text.as_deref(),
            Body::Comment(c) | Body::LiveComment(c) => c.text.as_deref(),
            _ => None,
        }
    }

    /// What the viewer wrote to the account in words of their own: a message, an answer to a Story, a comment that stands.
    pub fn written(&self) -> Option<&str> {
        let by_viewer = match self {
            Body::Message(_) | Body::StoryReply(_) => true,
            Body::Comment(comment) | Body::LiveComment(comment) => !comment.by_account && comment.verb == "add",
            _ => false,
        };
        self.text().filter(|text| by_viewer && !text.trim().is_empty())
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
