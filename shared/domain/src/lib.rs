//! The words of Afterglow as types, without IO, clock or randomness.
//!
//! Everything that happens becomes an [`Interaction`] with an id derived from its content ("one way in"),
//! and everything that is said begins as an [`Intent`] on which a [`Decision`] is made ("one way out").
//!
//! | file | what it holds |
//! | --- | --- |
//! | `id` | brands, accounts, viewers, and ids derived from content |
//! | `time` | epoch milliseconds |
//! | `interaction` | what a viewer did, or what was done to them |
//! | `body` | the kinds of interaction, each with its details |
//! | `cloudevent` | the interaction's form on the wire: CloudEvents 1.0 JSON |
//! | `brand` | what a brand sets for itself |
//! | `window` | which interaction opens which right to answer |
//! | `language` | the languages that are known, and a guess at a text's |
//! | `opt_out` | the words by which a person says stop, or start again |
//! | `consent` | what a viewer said about being written to |
//! | `control` | who leads a conversation |
//! | `fence` | what may forbid a send, and which interactions bring it: the fast lane's message |
//! | `segment` | Hot, Warm, Cool |
//! | `intent` | the wish that something be said |
//! | `phrase` | words and phrases, looked for whole |
//! | `outbound` | a message as it goes out |
//! | `decision` | the verdict on an intent, with its reasons |
//! | `facts` | what a decision depends on |
//! | `harm` | what goes wrong with sends, as it is counted |
//! | `login` | through which of Meta's logins an account came |
//! | `quarantine` | what could not be understood, kept with its bytes |

mod body;
mod brand;
mod cloudevent;
mod consent;
mod control;
mod decision;
mod facts;
mod fence;
mod harm;
mod id;
mod intent;
mod interaction;
mod language;
mod login;
pub mod opt_out;
mod outbound;
pub mod phrase;
mod quarantine;
mod segment;
mod time;
mod window;

pub use body::{
    Attachment, Body, Click, Comment, Conversion, FeedItem, Handover, Kind, Mention, Message, MessageEdit, Note,
    Observation, OptIn, PolicyEnforcement, Postback, Reaction, Referral, ReplyTo, Seen, StoryInsights, Unsend,
};
pub use brand::{
    BrandSettings, CrmConnection, CrmKind, CrmTarget, DraftRule, DraftRules, EXPERIMENT_MS, Experiment, ExperimentArm,
    ExperimentMetric, Exposure, FACTS, HOLDOUT, HandoverRules, IceBreaker, MappingError, MappingTable,
    ModerationAction, ModerationRules, NeedsPerson, OptOutRules, PlayRule, QuickReply, QuietHours, Retention, Rollout,
    SafetyRules, Scoring, SegmentRule, SegmentRules, SendLimits, Signal, Sla, Snippet, Step, TagRule, Trigger,
    WhenClosed, arm_of,
};
pub use cloudevent::{CloudEventError, SPEC_VERSION};
pub use consent::{Consent, ConsentChange, ConsentState};
pub use control::{Control, ControlChange};
pub use decision::{Decision, Reason, Verdict};
pub use facts::{
    AccountFacts, Cause, DraftFacts, Facts, LimitFacts, Moderated, PlayFacts, PreviousStep, SequenceFacts, StopFacts,
    Written,
};
pub use fence::{FenceChange, fence_change};
pub use harm::Harms;
pub use id::{AccountId, BrandId, DerivedId, IntentId, InteractionId, PlayId, SendId, ViewerId, ViewerKey};
pub use intent::{CONFIRMATION, HUMAN_AGENT_MS, HumanAgent, Intent, IntentStatus, PersonsMessage};
pub use interaction::{Channel, Interaction, Source};
pub use language::Language;
pub use login::Login;
pub use outbound::{OutboundMessage, QuickReplyButton};
pub use quarantine::{QuarantineReason, Quarantined};
pub use segment::Segment;
pub use time::{Clock, DAY_MS, HOUR_MS, MINUTE_MS, Span, Timestamp};
pub use window::{Window, WindowRule};
