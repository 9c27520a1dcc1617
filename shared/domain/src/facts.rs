//! What the gate knows when it judges an intent: read under the viewer's fence lock, and kept with the decision so that
//! it can be judged again with the same result.

use serde::{Deserialize, Serialize};

use crate::{
    ConsentState, IntentStatus, Interaction, Kind, Language, OutboundMessage, Rollout, SendLimits, Timestamp,
    WhenClosed, Window, WindowRule,
};

/// Everything a decision depends on, besides the intent and the time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// What the viewer said about being written to.
    pub consent: Option<ConsentState>,
    /// A person, or another app, has the conversation.
    pub handed_over: bool,
    /// If a person has it: their last word. After a while without one it is given back by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person_spoke: Option<Timestamp>,
    /// The viewer's epoch: every stop and hand-over raises it.
    pub epoch: i64,
    /// The interaction to be answered, if the log has it.
    pub cause: Option<Cause>,
    /// When the viewer last did something that lets us answer, as the scorer last knew.
    pub last_contact: Option<Timestamp>,
    /// For a step of a sequence behind the first: how the sequence stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<SequenceFacts>,
    /// For the confirmation of a stop: how that stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopFacts>,
    /// Why the interaction to be answered needs a person, or something that the viewer wrote beside it, if either does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs_person: Option<String>,
    /// Spam or abuse that no person has cleared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moderated: Option<Moderated>,
    /// Another send answers the same interaction, or may have.
    pub answered: bool,
    /// The account, if it is known.
    pub account: Option<AccountFacts>,
    /// The play, as the brand has it now; `None` if it has none of this name.
    pub play: Option<PlayFacts>,
    /// How much may be said, and when not.
    pub limits: LimitFacts,
    /// When this viewer was written to in the last 7 days, or may have been, the latest first.
    pub written: Vec<Written>,
    /// A kill switch silences this: its scope.
    pub silenced: Option<String>,
    /// The account has no room for another message before then.
    pub room_at: Option<Timestamp>,
    /// The version of the brand document that says so.
    pub document_version: i64,
    /// How often this intent has been judged "send" before.
    pub attempts: i64,
}

/// What the gate needs of the interaction to be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Its kind.
    pub kind: Kind,
    /// When it happened.
    pub occurred: Timestamp,
    /// The viewer themself did it, through the platform, and another app does not own the thread.
    pub contact: bool,
    /// The right it opens.
    pub opens: WindowRule,
}

impl Cause {
    /// What the gate needs of `interaction`.
    pub fn of(interaction: &Interaction) -> Self {
        Self {
            kind: interaction.kind(),
            occurred: interaction.occurred,
            contact: interaction.is_contact(),
            opens: interaction.opens(),
        }
    }

    /// The window it opens.
    pub const fn window(&self) -> Window {
        Window { rule: self.opens, opened: self.occurred }
    }
}

/// What the gate needs of the brand's limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitFacts {
    /// The brand's.
    #[serde(flatten)]
    pub limits: SendLimits,
    /// The brand's time zone, by its IANA name.
    #[serde(default)]
    pub time_zone: String,
    /// How long automation is silent after a person's last word, in ms.
    #[serde(default)]
    pub idle_ms: i64,
}

/// A message to the viewer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// When its call began, or was reserved.
    pub at: Timestamp,
    /// Whether it says the same as the play would.
    pub same_text: bool,
}

/// What the gate needs of the play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayFacts {
    /// For whom it works.
    pub rollout: Rollout,
    /// What would be said; empty if there is nothing.
    pub text: String,
    /// What can be tapped below it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quick_replies: Vec<crate::QuickReplyButton>,
    /// The snippet that it is made from, and in which language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_from: Option<(String, Language)>,
    /// Why the template cannot be filled in, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What becomes of the step if no window is open.
    #[serde(default)]
    pub closed: WhenClosed,
    /// For a play whose answers a model drafts: how the draft stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<DraftFacts>,
}

/// How the draft of an answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftFacts {
    /// It is being written.
    Awaited,
    /// A person reads it first.
    ToRead,
    /// The brand lets it pass unread.
    Passes,
    /// There is none that could be sent.
    Failed,
}

impl PlayFacts {
    /// A play that says this.
    pub fn saying(rollout: Rollout, text: impl Into<String>) -> Self {
        Self {
            rollout,
            text: text.into(),
            quick_replies: Vec::new(),
            made_from: None,
            problem: None,
            closed: WhenClosed::default(),
            draft: None,
        }
    }

    /// The message as it would go out.
    pub fn message(&self) -> OutboundMessage {
        OutboundMessage {
            text: self.text.trim().to_owned(),
            quick_replies: self.quick_replies.clone(),
            made_from: self.made_from.clone(),
        }
    }
}

/// How a sequence stands when one of its later steps is judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SequenceFacts {
    /// The step before, if it is known yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousStep>,
    /// When the viewer last wrote or tapped an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<Timestamp>,
    /// When the viewer last did something that opens the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened: Option<Timestamp>,
    /// The viewer converted after the sequence began.
    pub converted: bool,
    /// The same sequence began again later.
    pub superseded: bool,
    /// So many interactions wait to be taken in: what the viewer did may be among them.
    pub waiting: u64,
}

/// The step before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousStep {
    /// What became of it.
    pub status: IntentStatus,
    /// When it was said, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Timestamp>,
}

/// How the confirmation of a stop stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StopFacts {
    /// A confirmation was sent, or may have been, since the viewer last wanted messages.
    pub confirmed: bool,
}

/// Whose spam or abuse it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moderated {
    /// The viewer's: grave enough that nothing is said to them.
    Viewer,
    /// The interaction that would be answered: a person looks first.
    Cause,
}

/// What the gate needs of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFacts {
    /// An access token is stored.
    pub has_token: bool,
    /// Why the account may not send now, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
}
