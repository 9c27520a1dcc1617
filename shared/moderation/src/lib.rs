//! Judges what viewers write: whether it is spam or abuse, and whether it needs a person.
//!
//! Pure: no IO, no clock. The same message and the same lists give the same verdict, and every verdict names its
//! reasons. Rules judge words, not meaning: they miss what is said in other words, and the tests' held-out messages tell
//! how often.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `message` | what is judged |
//! | `moderator`, `verdict` | spam and abuse: the judge, and what it says |
//! | `links` | links that hide or pretend |
//! | `handover` | whether a message needs a person |
//! | `list` | lists of patterns: reading, checking, looking up |
//! | `desk` | all of it for one brand, as its settings want it |
//! | `fold` | what a text reads as once the tricks that hide a word are undone |
//! | `../lists` | the built-in lists, a file per purpose and language |

mod desk;
mod fold;
mod handover;
mod links;
mod list;
mod message;
mod moderator;
mod verdict;

pub use afterglow_domain::Language;
pub use desk::Desk;
pub use fold::{READ_MAX_BYTES, same_text_key};
pub use handover::{Assessment, Confidence, Handover, Need, Reason, Topic};
pub(crate) use list::{Layer, Lexicon};
pub use list::{Level, List, ListError, ListErrors, Problem};
pub use message::{Message, Volume};
pub use moderator::{Classifier, ClassifierError, Moderator, Thresholds};
pub use verdict::{Category, Disposition, Finding, Kind, Verdict};
