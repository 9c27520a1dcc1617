//! Scores and segments viewers, and wishes that something be said to them.
//!
//! The core is pure: [`ViewerState::apply`] folds one interaction in, [`segment_at`] reads the segment off, and
//! [`intents_for`] says which wish an interaction makes. None of them has IO, a clock or randomness. [`Scorer`] is the
//! loop around them.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `state` | the fold, in which order does not matter |
//! | `decayed` | the fading sum behind the score |
//! | `weights` | what each kind of interaction is worth |
//! | `segment` | Hot, Warm, Cool |
//! | `plays` | which interaction makes which wish |
//! | `fold` | a batch's viewers and wishes, from what is new |
//! | `service` | takes interactions from the bus, folds them into the store |
//! | `orphans` | edits, reactions and unsends whose message never comes |
//! | `relay` | publishes what a process that died left in the outbox |

mod decayed;
mod fold;
mod orphans;
mod plays;
mod relay;
mod retention;
mod segment;
mod service;
mod state;
mod weights;

pub use decayed::DecayedSum;
pub use plays::intents_for;
pub use retention::RetentionKeeper;
pub use segment::segment_at;
pub use service::{Scorer, ScorerError};
pub use state::ViewerState;
pub use weights::Weights;
