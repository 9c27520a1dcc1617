//! Drafts replies with a language model, and trusts none of them.
//!
//! A draft rests on facts that the brand wrote, is compared with them by [`guard()`], says that it is automated, and is
//! held for a person unless the brand wants otherwise. This crate sends nothing: a draft that a person accepts goes the
//! one way out like everything else.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `drafter` | from a message to a draft, or to the reason why there is none |
//! | `prompt` | what the model is told, and the disclosure |
//! | `guard` | refuses what the facts do not say; pure |
//! | `endpoint` | one call to an OpenAI-compatible chat endpoint, with limits |
//! | `budget` | what a brand lets its drafts cost in a day; pure |
//! | `breaker` | leaves an endpoint alone that does not answer; pure |
//! | `error` | why there is no draft |

mod breaker;
mod budget;
mod drafter;
mod endpoint;
mod error;
mod guard;
mod prompt;

pub use breaker::{Breaker, BreakerSettings, Open};
pub use budget::{Budget, BudgetExceeded, Prices, Spent};
pub use drafter::{Ask, Attempt, Disposition, Draft, DraftReason, Drafter, Review};
pub use endpoint::EndpointSettings;
pub use error::{DraftError, EndpointError, SettingsError};
pub use guard::{Refusal, TEXT_MAX_BYTES, guard};
pub use prompt::disclosure;
