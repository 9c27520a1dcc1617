//! What truly happened, as the scenario says: the judge's evidence, never taken from the program that is judged.

use afterglow_domain::{AccountId, Timestamp, ViewerId, ViewerKey};

/// One true thing about one person and one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Whose account.
    pub account: AccountId,
    /// Who did it, or to whom it was done.
    pub person: ViewerId,
    /// Names the event (a `mid`, a comment id): a fact told twice counts once.
    pub key: String,
    /// When it happened, by Meta's clock.
    pub at: Timestamp,
    /// What it was.
    pub what: What,
}

impl Fact {
    pub(super) fn viewer(&self) -> ViewerKey {
        ViewerKey { account: self.account.clone(), viewer: self.person.clone() }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The person did something that opens the standard window of 24 hours: a message, reaction, tap, story mention,
    /// or a link into the conversation.
    Contact {
        /// What they wrote, for the conversation's read-back; `None` for a tap, reaction or link, which is no message.
        text: Option<String>,
    },
    /// Their message came through an ad that opens conversations: for 7 days they may be written to. Comes beside the
    /// [`What::Contact`] that carried the words.
    CameThroughAd,
    /// They answered a Story. Opens the window as well.
    StoryReply {
        /// What they wrote.
        text: String,
        /// Whether an automatic answer is due.
        answer: Answer,
    },
    /// They commented in public.
    Comment {
        /// During a live broadcast.
        live: bool,
        /// The post it stands under.
        media: String,
        /// What they wrote, for the post's read-back.
        text: String,
    },
    /// They spoke of being written to. Comes beside the [`What::Contact`] or [`What::StoryReply`] that carried the words.
    Said(Word),
    /// They wrote what a person of the brand has to answer. Comes beside the [`What::Contact`] that carried the words.
    AskedForPerson,
    /// Their message arrived while another app owned the thread. Opens the window for that app, not for us.
    Standby,
    /// Another app took the thread.
    Taken,
    /// The thread came back to us.
    Returned,
    /// A person of the brand wrote to them, from the phone or another tool.
    HumanWrote {
        /// What was written.
        text: String,
    },
}

/// Whether a Story reply is to be answered automatically.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Someone who gets no answer is lost.
    Due,
    /// An answer is no fault, and neither is silence (they had said stop, or perhaps; a person had taken over).
    Allowed,
    /// An answer would be a fault: the brand does not answer, or the reply itself says stop.
    Never,
}

/// What a person says about being written to, by the scenario's label rather than by its wording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// No more messages.
    Stop,
    /// Messages again.
    Start,
    /// Perhaps stop: a person of the brand has to look.
    Perhaps,
}
