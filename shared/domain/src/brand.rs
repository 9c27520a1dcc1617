//! What a brand sets for itself.

use serde::{Deserialize, Serialize};

/// A brand's settings, stored as one JSON document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrandSettings {
    /// The answer to Story replies.
    pub story_reply_autoresponder: StoryReplyAutoresponder,
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
