//! What must never be asked of Meta, whether Meta refuses it or not.

use afterglow_domain::{AccountId, Timestamp, ViewerId};
use serde::Serialize;

/// A broken promise, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "violation", rename_all = "snake_case")]
pub enum Violation {
    /// A message to a person who never got in touch with the account.
    NeverContacted,
    /// A message outside the window of the person's last action.
    OutsideWindow {
        /// The last action that opens a window, if there was one.
        last_contact: Option<Timestamp>,
        /// How long ago it was, in ms.
        ago_ms: Option<i64>,
    },
    /// A message after the person's stop had been acknowledged, and the grace had passed.
    AfterOptOut {
        /// When they said it.
        said: Timestamp,
        /// When the webhook that carried it was answered 200.
        acknowledged: Timestamp,
        /// How long after the acknowledgement the request began, in ms.
        late_ms: i64,
    },
    /// A second message with the metadata of one that was delivered.
    MetadataRepeated {
        /// The metadata.
        metadata: String,
        /// The number of the delivered request in the ledger.
        first: u64,
    },
    /// A second answer to one interaction.
    AnsweredTwice {
        /// The interaction, as the request named it.
        cause: String,
    },
    /// More messages than things to answer: nothing that asks for an answer is left without one.
    NoCause,
    /// A message to somebody whom a person of the brand, or another app, had taken over.
    HandedOver {
        /// Who took over: `app` or `person`; or the viewer `asked` for one.
        by: &'static str,
        /// When.
        since: Timestamp,
    },
    /// A message to a thread that reached us on standby alone.
    StandbyThread,
    /// The token of another account.
    WrongToken {
        /// Whose token it is.
        token_of: AccountId,
    },
    /// More calls than the platform allows.
    OverRate {
        /// Which limit.
        limit: &'static str,
        /// How many calls had been made.
        calls: u32,
    },
    /// A request that Meta could not read.
    Malformed {
        /// Why.
        why: &'static str,
    },
    /// A private reply to a comment that Meta does not know, or that is the account's own.
    UnknownComment {
        /// The comment.
        comment: String,
    },
    /// A private reply after the time for it was over.
    CommentTooOld {
        /// The comment.
        comment: String,
        /// Its age in ms.
        age_ms: i64,
    },
    /// The Human Agent tag without Meta's grant.
    HumanAgentNotGranted,
    /// A stop was confirmed that nobody said, or that was taken back.
    ConfirmationUnfounded,
    /// A stop was confirmed a second time.
    ConfirmedTwice,
    /// A confirmation that asks, links or goes on and on: it is for nothing but to say that the stop was heard.
    ConfirmationAdvertises {
        /// What it says.
        text: String,
    },
}

impl Violation {
    /// The name, as totals count it.
    pub const fn name(&self) -> &'static str {
        match self {
            Violation::NeverContacted => "never_contacted",
            Violation::OutsideWindow { .. } => "outside_window",
            Violation::AfterOptOut { .. } => "after_opt_out",
            Violation::MetadataRepeated { .. } => "metadata_repeated",
            Violation::AnsweredTwice { .. } => "answered_twice",
            Violation::NoCause => "no_cause",
            Violation::HandedOver { .. } => "handed_over",
            Violation::StandbyThread => "standby_thread",
            Violation::WrongToken { .. } => "wrong_token",
            Violation::OverRate { .. } => "over_rate",
            Violation::Malformed { .. } => "malformed",
            Violation::UnknownComment { .. } => "unknown_comment",
            Violation::CommentTooOld { .. } => "comment_too_old",
            Violation::HumanAgentNotGranted => "human_agent_not_granted",
            Violation::ConfirmationUnfounded => "confirmation_unfounded",
            Violation::ConfirmedTwice => "confirmed_twice",
            Violation::ConfirmationAdvertises { .. } => "confirmation_advertises",
        }
    }
}

/// A violation and the request that committed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ViolationRecord {
    /// The request's number in the ledger; `None` for a call that is no send.
    pub request: Option<u64>,
    /// When the request began.
    pub at: Timestamp,
    /// The account that the path named.
    pub account: String,
    /// The person, if the request led to one.
    pub person: Option<ViewerId>,
    /// What was broken.
    #[serde(flatten)]
    pub violation: Violation,
}
