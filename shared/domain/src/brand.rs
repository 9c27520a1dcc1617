//! What a brand sets for itself.

use serde::{Deserialize, Serialize};

/// A brand's settings, stored as one JSON document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrandSettings {
    /// The answer to Story replies.
    pub story_reply_autoresponder: StoryReplyAutoresponder,
    /// How long what is kept.
    pub retention: Retention,
}

/// How long a brand keeps what, in days; 0: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// What Meta sent, word for word, beside what was understood of it.
    pub fragments_days: u32,
    /// A viewer with everything that they did, counted from the last thing. What they said about being written to outlives
    /// them.
    pub viewers_days: u32,
    /// Figures of Stories.
    pub story_figures_days: u32,
    /// Decisions, and what they were about.
    pub decisions_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { fragments_days: 30, viewers_days: 730, story_figures_days: 1_825, decisions_days: 730 }
    }
}

/// One answer to a Story reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoryReplyAutoresponder {
    /// Off by default: nobody is written to because a setting was forgotten.
    pub enabled: bool,
    /// The text: UTF-8, 1 to 1000 **bytes** (Meta, "Send messages", Instagram).
    pub text: String,
}

impl Default for StoryReplyAutoresponder {
    fn default() -> Self {
        Self { enabled: false, text: "Thank you for your reply! A person from our team reads along.".into() }
    }
}
