//! Hot, Warm, Cool.

use serde::{Deserialize, Serialize};

/// How soon a viewer deserves attention. Ordered: `Hot` first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Segment {
    /// Priority A: replied, messaged or tapped a sticker. Answer at once.
    Hot,
    /// Priority B: repeat viewer or profile visit. Within 6–24 hours.
    Warm,
    /// Priority C: one silent view. Nurture.
    Cool,
}

impl Segment {
    /// All three, hottest first.
    pub const ALL: [Segment; 3] = [Segment::Hot, Segment::Warm, Segment::Cool];

    /// The name as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Segment::Hot => "hot",
            Segment::Warm => "warm",
            Segment::Cool => "cool",
        }
    }
}
