//! A message as it goes out.

use serde::{Deserialize, Serialize};

use crate::Language;

/// What Meta is asked to deliver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundMessage {
    /// UTF-8, 1 to 1000 bytes.
    pub text: String,
    /// What can be tapped below it, at most 13.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quick_replies: Vec<QuickReplyButton>,
    /// The snippet that it was made from, and in which language; nothing for what somebody wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_from: Option<(String, Language)>,
}

/// A button of the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuickReplyButton {
    /// At most 20 characters.
    pub title: String,
    /// Comes back when it is tapped.
    pub payload: String,
}

impl OutboundMessage {
    /// A text alone.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}
