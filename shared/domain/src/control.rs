//! Who leads a conversation: automation, another app, or a person.

use serde::{Deserialize, Serialize};

use crate::{AccountId, BrandId, InteractionId, Timestamp, ViewerId};

/// Who leads a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// We may answer.
    Automation,
    /// Another app has the thread (Meta, "Conversation routing").
    App,
    /// A person of the brand wrote by themself; a machine does not talk over them.
    Person,
}

impl Control {
    /// Whether automation has to be silent.
    pub const fn is_handed_over(self) -> bool {
        match self {
            Control::Automation => false,
            Control::App | Control::Person => true,
        }
    }

    /// The name as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Control::Automation => "automation",
            Control::App => "app",
            Control::Person => "person",
        }
    }
}

/// A conversation changes hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlChange {
    /// Whose account.
    pub brand: BrandId,
    /// Which account.
    pub account: AccountId,
    /// Whose conversation.
    pub viewer: ViewerId,
    /// Who leads from now on.
    pub control: Control,
    /// Why, for people: what in the message asked for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The interaction that says so.
    pub cause: InteractionId,
    /// When it happened. The latest one holds, in whatever order they come; of two in the same millisecond, silence.
    pub occurred: Timestamp,
    /// When ingest took it.
    pub received: Timestamp,
}
