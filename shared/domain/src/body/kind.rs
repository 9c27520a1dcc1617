//! The names of what can happen.

use serde::{Deserialize, Serialize};

use super::Body;

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
