//! Scores and segments viewers, and wishes that something be said to them.
//!
//! The core is pure: [`ViewerState::apply`] folds one interaction in, [`standing`] reads off where the viewer stands, and
//! [`intents_for`] says which wishes an interaction makes. None of them has IO, a clock or randomness. [`Scorer`] is the
//! loop around them.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `state` | the fold, in which order does not matter |
//! | `decayed` | the fading sum behind the score |
//! | `standing` | segment, tags, what to do and until when; when time alone changes them |
//! | `plays` | which interaction makes which wishes |
//! | `explain` | why a viewer stands where they stand |
//! | `whatif` | other rules, tried on what happened |
//! | `fold` | a batch's viewers and wishes, from what is new |
//! | `service` | takes interactions from the bus, folds them into the store |
//! | `overheard` | stops and hand-overs that come by are recorded before anything follows from them |
//! | `rulebooks` | the rules in force, read again when a document was applied |
//! | `review` | looks at viewers whose standing time alone may have changed |
//! | `replay` | makes states anew from the log and compares |
//! | `orphans` | edits, reactions and unsends whose message never comes |
//! | `reader` | spam and abuse are flagged, and who needs a person gets one |
//! | `volumes` | how much each viewer wrote within the last hour |
//! | `relay` | publishes what a process that died left in the outbox |
//! | `retention` | removes what brands no longer want to keep |
//! | `statistics` | keeps a young database's figures of its tables fresh |

mod decayed;
mod explain;
mod fold;
mod orphans;
mod overheard;
mod plays;
mod reader;
mod relay;
mod replay;
mod retention;
mod review;
mod rulebooks;
mod service;
mod standing;
mod state;
mod statistics;
mod volumes;
mod whatif;

pub use decayed::DecayedSum;
pub use explain::{Contribution, Explanation, Prospect, explain};
pub use plays::{Before, Wishes, intents_for, wishes_for};
pub use replay::{Difference, Replay, Replayed};
pub use retention::RetentionKeeper;
pub use rulebooks::Rulebooks;
pub use service::{Scorer, ScorerError, take_in};
pub use standing::{Action, Standing, next_change, segment_at, standing};
pub use state::{Fading, ViewerState};
pub use whatif::{DayOutcome, WhatIf};
