//! The wish that something be said to a viewer.

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, BrandId, DerivedId, IntentId, InteractionId, Kind, PlayId, SendId, Timestamp, ViewerId, ViewerKey,
};

/// The scorer's wish, written in the same transaction as the state that led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Derived from play and cause, so that a replayed event wishes the same thing, not another.
    pub id: IntentId,
    /// Whose account.
    pub brand: BrandId,
    /// Which account would speak.
    pub account: AccountId,
    /// To whom.
    pub viewer: ViewerId,
    /// What would be said.
    pub play: PlayId,
    /// The interaction that is answered.
    pub cause: InteractionId,
    /// Its kind.
    pub cause_kind: Kind,
    /// When it happened.
    pub cause_occurred: Timestamp,
    /// Meta's id of the comment, if one is answered: then the answer is a private reply to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment_id: Option<String>,
    /// When the scorer wished it.
    pub created: Timestamp,
}

impl Intent {
    /// The id of the wish that `play` answer `cause`.
    pub fn derive_id(play: &PlayId, cause: InteractionId) -> IntentId {
        IntentId::derive(&["intent", play.as_str(), &cause.to_string()])
    }

    /// The id of the one send that this intent may lead to.
    pub fn send_id(&self) -> SendId {
        SendId::derive(&["send", &self.id.to_string()])
    }

    /// The viewer's key.
    pub fn viewer_key(&self) -> ViewerKey {
        ViewerKey { account: self.account.clone(), viewer: self.viewer.clone() }
    }
}

/// Where an intent stands. Each intent ends in exactly one of `Sent`, `Held`, `Dropped`, or waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentStatus {
    /// Taken from the queue, not yet judged.
    Pending,
    /// Judged "send"; its send is under way.
    Sending,
    /// Meta took the message.
    Sent,
    /// Judged "later".
    Deferred,
    /// Waits for a person (held by policy, or the fate of its send is unknown).
    Held,
    /// Judged "no", or refused by Meta for good.
    Dropped,
}

impl IntentStatus {
    /// The name as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            IntentStatus::Pending => "pending",
            IntentStatus::Sending => "sending",
            IntentStatus::Sent => "sent",
            IntentStatus::Deferred => "deferred",
            IntentStatus::Held => "held",
            IntentStatus::Dropped => "dropped",
        }
    }
}
