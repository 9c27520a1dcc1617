//! The wish that something be said to a viewer.

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, BrandId, DAY_MS, DerivedId, IntentId, InteractionId, Kind, Language, PlayId, SendId, Timestamp,
    ViewerId, ViewerKey, Window, WindowRule,
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
    /// Which step of the play this is, from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub step: u8,
    /// The snippet that an experiment chose instead of the step's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub say: Option<String>,
    /// Not before this moment; `None`: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The language in which the viewer wrote, if it could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// What a person of the brand wrote themself; `None` for what a play says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonsMessage>,
    /// When the scorer wished it.
    pub created: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_first(step: &u8) -> bool {
    *step == 0
}

/// A message that a person of the brand wrote, or approved, for this one viewer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonsMessage {
    /// Who.
    pub by: String,
    /// UTF-8, at most 1000 bytes.
    pub text: String,
}

/// The right to Meta's tag `HUMAN_AGENT`, under which a person may answer until 7 days after the viewer's last action
/// (Meta, "Human Agent", read 2026). Only a person's own message has it: there is no other way to make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HumanAgent(());

/// How long a person may answer under the tag, in ms after the viewer's action.
pub const HUMAN_AGENT_MS: i64 = 7 * DAY_MS;

/// The play that tells a viewer that their stop was heard. No brand's own play can have this name.
pub const CONFIRMATION: &str = "Opt-out confirmation";

impl Intent {
    /// The id of the wish that a step of `play` answer `cause`.
    pub fn derive_id(play: &PlayId, cause: InteractionId, step: u8) -> IntentId {
        let cause = cause.to_string();
        match step {
            0 => IntentId::derive(&["intent", play.as_str(), &cause]),
            later => IntentId::derive(&["intent", play.as_str(), &cause, &later.to_string()]),
        }
    }

    /// Whether this tells a viewer that their stop was heard: the one automatic message that may follow a stop.
    pub fn is_confirmation(&self) -> bool {
        self.person.is_none() && self.play.as_str() == CONFIRMATION
    }

    /// The id of the one send that this intent may lead to.
    pub fn send_id(&self) -> SendId {
        SendId::derive(&["send", &self.id.to_string()])
    }

    /// The id of a person's message, by the number its form was given: posted twice it is one.
    pub fn derive_persons_id(by: &str, form: &str) -> IntentId {
        IntentId::derive(&["person", by, form])
    }

    /// The tag under which this has to go out at `now`: none while the standard window is open, and none for a play.
    pub fn human_agent(&self, now: Timestamp) -> Option<HumanAgent> {
        self.person.as_ref()?;
        let standard = Window { rule: WindowRule::Standard, opened: self.cause_occurred };
        let late = self.cause_kind.opens().is_conversation() && !standard.is_open(now, 0);
        late.then_some(HumanAgent(()))
    }

    /// What travels with its send and comes back in the echo: which send it is, and whether a person wrote it.
    pub fn metadata(&self) -> String {
        let ending = match &self.person {
            Some(_) => PERSONS,
            None if self.is_confirmation() => CONFIRMS,
            None => "",
        };
        format!("{}{ending}", self.send_id())
    }

    /// The viewer's key.
    pub fn viewer_key(&self) -> ViewerKey {
        ViewerKey { account: self.account.clone(), viewer: self.viewer.clone() }
    }
}

/// Ends the metadata of what a person wrote.
const PERSONS: &str = ".person";
/// Ends the metadata of the confirmation of a stop.
const CONFIRMS: &str = ".stop";

impl SendId {
    /// The send that an echo's metadata names; `None` if it is not of our making.
    pub fn of_metadata(text: &str) -> Option<Self> {
        let ours = text.strip_suffix(PERSONS).or_else(|| text.strip_suffix(CONFIRMS));
        ours.unwrap_or(text).parse().ok()
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
