//! How long a brand keeps what.

use serde::{Deserialize, Serialize};

/// How long a brand keeps what, in days; 0: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// What Meta sent, word for word, beside what was understood of it.
    pub fragments_days: u32,
    /// A viewer with everything that they did, counted from the last thing. What they said about being written to outlives
    /// them.
    pub viewers_days: u32,
    /// Figures of Stories.
    pub story_figures_days: u32,
    /// Decisions, and what they were about.
    pub decisions_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { fragments_days: 30, viewers_days: 730, story_figures_days: 1_825, decisions_days: 730 }
    }
}
