//! The verdict on an intent, always with its reasons.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Yes, later, ask a person, or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Speak now.
    Send,
    /// Judge again at a given moment.
    Defer,
    /// A person decides.
    Hold,
    /// Never.
    Drop,
}

impl Verdict {
    /// The name as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Send => "send",
            Verdict::Defer => "defer",
            Verdict::Hold => "hold",
            Verdict::Drop => "drop",
        }
    }
}

/// Why. Each gate of the responder has its own; a decision lists all that spoke, the deciding ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Every gate is open.
    AllGatesOpen,
    /// The viewer never initiated contact.
    NoContact,
    /// No window is open for this answer.
    WindowClosed,
    /// The viewer said stop.
    OptedOut,
    /// The viewer may have said stop; a person decides.
    PerhapsOptedOut,
    /// This interaction has its answer already.
    AlreadyAnswered,
    /// Another app or a person controls the thread.
    HandedOver,
    /// The account has no usable access token.
    NoToken,
    /// The account is paused (Meta restricted it, or an operator did).
    AccountPaused,
    /// The brand has switched this play off, or has none of this name.
    PlayOff,
    /// The play only shows what it would do.
    Shadow,
    /// The play is tried on other viewers.
    NotInPilot,
    /// A kill switch is set.
    Silenced,
    /// The viewer has been written to as often as the brand allows.
    ViewerCap,
    /// The brand is quiet at this hour.
    QuietHours,
    /// The same was said to the viewer a short while ago.
    SameText,
    /// The text cannot be sent as it is.
    BadText,
    /// Limits leave no room just now.
    RateLimited,
    /// Meta refused for good.
    RefusedByMeta,
    /// Meta asked to come back later.
    MetaBusy,
    /// Whether the message went out is not known.
    FateUnknown,
    /// A person answered in its place.
    PersonAnswered,
    /// A person said no.
    PersonRefused,
    /// Its time has not come.
    NotYetDue,
    /// What became of the step before is not known yet.
    PreviousStep,
    /// The step before was not said, so this one is not either.
    SequenceEnded,
    /// The viewer answered the step before.
    ViewerAnswered,
    /// The viewer bought, or did what the sequence was to lead to.
    Converted,
    /// The same sequence was started again later, and only that one goes on.
    Superseded,
    /// Interactions wait to be taken in, or the database answers late: what the viewer said meanwhile may not be known yet.
    Backlog,
    /// The message needs a person, or another that the viewer wrote: what it asks is not a machine's to answer.
    NeedsPerson,
    /// The viewer wrote spam or abuse, and no person has cleared it.
    Moderated,
    /// There is no stop in force that could be confirmed.
    NotOptedOut,
    /// This stop has its confirmation.
    AlreadyConfirmed,
    /// The template cannot be filled in.
    NoTemplate,
    /// A model drafts the answer.
    DraftAwaited,
    /// A person reads the draft first.
    DraftToRead,
    /// There is no draft that could be sent.
    DraftFailed,
    /// It waited for a person until nobody may write any longer.
    Expired,
}

impl Reason {
    /// The name as stored, and as metrics label it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::AllGatesOpen => "all_gates_open",
            Reason::NoContact => "no_contact",
            Reason::WindowClosed => "window_closed",
            Reason::OptedOut => "opted_out",
            Reason::PerhapsOptedOut => "perhaps_opted_out",
            Reason::AlreadyAnswered => "already_answered",
            Reason::HandedOver => "handed_over",
            Reason::NoToken => "no_token",
            Reason::AccountPaused => "account_paused",
            Reason::PlayOff => "play_off",
            Reason::Shadow => "shadow",
            Reason::NotInPilot => "not_in_pilot",
            Reason::Silenced => "silenced",
            Reason::ViewerCap => "viewer_cap",
            Reason::QuietHours => "quiet_hours",
            Reason::SameText => "same_text",
            Reason::BadText => "bad_text",
            Reason::RateLimited => "rate_limited",
            Reason::RefusedByMeta => "refused_by_meta",
            Reason::MetaBusy => "meta_busy",
            Reason::FateUnknown => "fate_unknown",
            Reason::PersonAnswered => "person_answered",
            Reason::PersonRefused => "person_refused",
            Reason::NotYetDue => "not_yet_due",
            Reason::PreviousStep => "previous_step",
            Reason::SequenceEnded => "sequence_ended",
            Reason::ViewerAnswered => "viewer_answered",
            Reason::Converted => "converted",
            Reason::Superseded => "superseded",
            Reason::Backlog => "backlog",
            Reason::NeedsPerson => "needs_person",
            Reason::Moderated => "moderated",
            Reason::NotOptedOut => "not_opted_out",
            Reason::AlreadyConfirmed => "already_confirmed",
            Reason::NoTemplate => "no_template",
            Reason::DraftAwaited => "draft_awaited",
            Reason::DraftToRead => "draft_to_read",
            Reason::DraftFailed => "draft_failed",
            Reason::Expired => "expired",
        }
    }
}

/// What the responder decided on one intent at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// When to judge again; set for `Defer` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why, never empty.
    pub reasons: Vec<Reason>,
}

impl Decision {
    /// Speak now.
    pub fn send() -> Self {
        Self { verdict: Verdict::Send, until: None, reasons: vec![Reason::AllGatesOpen] }
    }
    /// Judge again at `until`.
    pub fn defer(until: Timestamp, reason: Reason) -> Self {
        Self { verdict: Verdict::Defer, until: Some(until), reasons: vec![reason] }
    }
    /// A person decides.
    pub fn hold(reasons: Vec<Reason>) -> Self {
        Self { verdict: Verdict::Hold, until: None, reasons }
    }
    /// Never.
    pub fn drop(reasons: Vec<Reason>) -> Self {
        Self { verdict: Verdict::Drop, until: None, reasons }
    }
}
