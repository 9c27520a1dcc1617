//! What the gate knows when it judges an intent: read under the viewer's fence lock, and kept with the decision so that
//! it can be judged again with the same result.

use serde::{Deserialize, Serialize};

use crate::{
    BrandSettings, ConsentState, Interaction, Kind, PlayId, Rollout, SendLimits, Timestamp, Window, WindowRule,
};

/// Everything a decision depends on, besides the intent and the time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// What the viewer said about being written to.
    pub consent: Option<ConsentState>,
    /// A person, or another app, has the conversation.
    pub handed_over: bool,
    /// The viewer's epoch: every stop and hand-over raises it.
    pub epoch: i64,
    /// The interaction to be answered, if the log has it.
    pub cause: Option<Cause>,
    /// When the viewer last did something that opens the standard window.
    pub last_contact: Option<Timestamp>,
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
    /// What would be said; empty if the snippet is missing.
    pub text: String,
}

impl PlayFacts {
    /// What the gate needs of the play `name`.
    pub fn of(settings: &BrandSettings, name: &PlayId) -> Option<Self> {
        let play = settings.play(name.as_str())?;
        let text = settings.snippets.get(&play.say).map(|snippet| snippet.text.trim().to_owned()).unwrap_or_default();
        let text = match &settings.limits.disclosure {
            Some(disclosure) if !text.is_empty() => format!("{text}\n{}", disclosure.trim()),
            _ => text,
        };
        Some(Self { rollout: play.rollout, text })
    }
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
