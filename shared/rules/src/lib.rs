//! The brand document: read, checked, compiled. Pure: no IO, no clock.
//!
//! A brand's rules are a YAML document that people write, review and apply as a whole. Its conditions are CEL
//! (<https://cel.dev>), checked for names and types before anything runs, so that a document that was applied cannot fail for
//! a reason that could have been seen.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `document` | YAML text ↔ document |
//! | `places` | where in the text stands what may be wrong |
//! | `validate` | what a document must fulfil beyond its form |
//! | `condition` | a CEL condition: parsed, checked, evaluated |
//! | `check` | names and types of a condition |
//! | `vocabulary` | what conditions can ask for |
//! | `watch` | when a condition may change without anything happening |
//! | `rulebook` | a document ready to be used |

mod check;
mod condition;
mod document;
mod places;
mod rulebook;
mod validate;
mod vocabulary;
mod watch;

pub use condition::{Condition, ConditionError, EvaluationError};
pub use document::{Document, DocumentError, Problem, json_schema};
pub use rulebook::{CompiledPlay, Fit, Rulebook, Tag};
pub use vocabulary::{Happening, Scope, Variables, vocabulary};
pub use watch::Watch;
