//! Where state lives: PostgreSQL, or SQLite in one file, behind one door.
//!
//! What it guarantees, on both engines and under a conformance suite that runs on both:
//!
//! - **Twice is once.** [`Store::apply_interactions`] keeps an interaction once, however often and from however many
//!   processes it is given, and folds it in the same transaction.
//! - **Nothing written is forgotten to be said.** Messages to other rooms are rows of the outbox, written with the state
//!   they speak of; a process that dies before it publishes leaves them to the next one.
//! - **STOP wins.** A fence row for each viewer carries an epoch. An opt-out or a hand-over raises it under the row's
//!   lock; a send is reserved and started under the same lock, and starts only if the epoch has not moved.
//! - **At most once out.** A send is `reserved`, then `sending`, then `sent`, `failed` or `unknown`. Only one caller can
//!   move it to `sending`; one whose caller vanished becomes `unknown` and is never sent again. One interaction has at
//!   most one answer under way or given.
//! - **Brands are walls.** What a brand's people may read is reached through [`BrandStore`] alone.
//!
//! Locks are taken in one order, so that processes do not deadlock: interactions, viewers, fences, sends, intents,
//! counters; within each by key.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `engine` | the two engines, the transaction, and what their SQL differs in |
//! | `open` | addresses, pools and their settings |
//! | `migrate` | the schema and the refusal of a strange one |
//! | `codec` | columns to domain types and back |
//! | `brands` | brands and accounts |
//! | `account_health` | how each account does: when it was last heard, by what, and what it sends |
//! | `connections` | how accounts are connected, and their tokens' time |
//! | `documents` | brand documents, every version |
//! | `reviews` | viewers whose standing time may have changed; states made anew from the log |
//! | `interactions` | the scorer's one transaction |
//! | `viewers` | the scorer's state of each viewer |
//! | `echoes` | echoes of our own messages, which settle sends |
//! | `amendments` | edits, reactions and unsends, parked until their message comes |
//! | `outbox` | messages to be published |
//! | `consent`, `overheard` | opt-outs, hand-overs and the fence; those of which somebody hears beside their lane |
//! | `facts`, `said` | what a policy gate is told; what viewer and account said to each other lately |
//! | `drafts` | drafts of answers, and what they cost |
//! | `waiting` | intents that wait: how long, and those for which it is too late |
//! | `feed` | what other systems are told of viewers |
//! | `crm` | connections to CRMs: how far each has come, what was written, what was refused |
//! | `kpis` | the counts behind a brand's figures |
//! | `safety` | how many automated sends did harm |
//! | `moderation` | spam and abuse, and what is done about it |
//! | `intents` | the responder's judgement |
//! | `due` | intents that wait to be judged again, and are due |
//! | `sends` | starting, finishing and reconciling a send |
//! | `shared_work` | leases, limits shared by all processes |
//! | `forgotten`, `forget_receipts` | people who asked to be forgotten, and what is left of that |
//! | `fragments` | Meta's raw fragments, sealed with a key for each viewer |
//! | `retention` | what a brand no longer wants to keep goes |
//! | `kill_switches` | what must not speak now |
//! | `links` | tracked links |
//! | `quarantine` | what could not be understood |
//! | `people`, `sessions`, `second_factor`, `identities`, `audit` | who works in the console, how they come in, what they did |
//! | `api_tokens` | tokens by which programs read a brand |
//! | `attention` | who waits, who attends to whom, people's labels |
//! | `replies` | what people write themselves, and what waits for their word |
//! | `experiments` | who was taken in by which experiment, and what they did |
//! | `hypotheses` | what a brand believes and has not proved |
//! | `story_labels` | what Stories are for |
//! | `story_watch` | who answers within a Story's first minutes |
//! | `statistics` | what PostgreSQL knows of young tables' sizes |
//! | `totals` | figures for status line and doctor |
//! | `brand_transfer` | a brand as a whole: written out, taken in elsewhere, removed |
//! | `brand_scope`, `brand_log`, `decisions` | what a brand's console and API may read: viewers, the log, the ledger of decisions |
//! | `error` | what can go wrong, split by what the caller can do about it |
//! | `wall` | the second wall between brands: PostgreSQL's row-level security |

mod account_health;
mod amendments;
mod api_tokens;
mod attention;
mod audit;
mod brand_log;
mod brand_scope;
mod brand_transfer;
mod brands;
mod codec;
mod connections;
mod consent;
mod crm;
mod decisions;
mod documents;
mod drafts;
mod due;
mod echoes;
mod engine;
mod error;
mod experiments;
mod facts;
mod feed;
mod forget_receipts;
mod forgotten;
mod fragments;
mod hypotheses;
mod identities;
mod intents;
mod interactions;
mod kill_switches;
mod kpis;
mod links;
mod migrate;
mod moderation;
mod open;
mod outbox;
mod overheard;
mod people;
mod quarantine;
mod replies;
mod retention;
mod reviews;
mod safety;
mod said;
mod second_factor;
mod sends;
mod sessions;
mod shared_work;
mod statistics;
mod story_labels;
mod story_watch;
mod totals;
mod viewers;
mod waiting;
mod wall;

pub use account_health::AccountHealth;
pub use amendments::Parked;
pub use api_tokens::ApiToken;
pub use attention::Claim;
pub use audit::{AuditRow, Deed};
pub use brand_scope::{BrandStore, ViewerDetail};
pub use brand_transfer::{ExportHeader, ExportRow};
pub use brands::{Account, Brand, SealedToken};
pub use connections::Connecting;
pub use consent::ConsentRecorded;
pub use crm::{CrmRefusal, CrmSettlement, CrmState};
pub use decisions::DecisionRecord;
pub use documents::{BrandDocument, DocumentApplied, NewDocument};
pub use drafts::{Draft, DraftCost, DraftOutcome};
pub use error::StoreError;
pub use experiments::{Exposed, Outcomes};
pub use facts::Case;
pub use feed::{
    BrokerPlace, FeedAttempt, FeedDeadLetter, FeedDelivery, FeedEndpoint, FeedEndpointState, FeedOutcome, FeedPage,
    FeedSettlement, FeedSubject, FeedTail, NumberedChange, RenderChange, RenderWeek, SealedSecret,
};
pub use forget_receipts::ForgetReceipt;
pub use forgotten::ForgetKey;
pub use hypotheses::{Hypothesis, HypothesisStatus, NewHypothesis};
pub use identities::IdentityAttempt;
pub use intents::{JudgeTerms, Judged, Reservation};
pub use interactions::{Applied, FoldInput, FoldOutput, ViewerFold};
pub use kill_switches::{KillSwitch, SetSwitch};
pub use kpis::{KpiChange, KpiCount, KpiStretch, WrittenSend};
pub use links::Link;
pub use migrate::SCHEMA_VERSION;
pub use moderation::{Flag, FlagAction, FlagTask, FlagVerdict, NewFlag};
pub use open::StoreOptions;
pub use outbox::{OutboxMessage, OutboxRow};
pub use people::{Credentials, Person, Role};
pub use quarantine::QuarantineRow;
pub use replies::Held;
pub use retention::Kept;
pub use reviews::{Review, Reviewer, ViewerLog};
pub use safety::{RefusedBy, Watched};
pub use second_factor::SecondStep;
pub use sends::{Expired, Finished, Resolution, SendOutcome, SendStatus, Start, UnknownSend};
pub use sessions::Session;
pub use totals::{Overview, Tally, Totals};
pub use viewers::ViewerRow;
pub use waiting::OldestWaiting;

/// The store. Cloning shares its connections.
#[derive(Clone)]
pub struct Store {
    engine: engine::Engine,
    brand_role: std::sync::Arc<tokio::sync::OnceCell<Option<String>>>,
    forget_key: Option<ForgetKey>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("engine", &self.engine_name()).finish_non_exhaustive()
    }
}
