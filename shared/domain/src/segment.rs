//! Hot, Warm, Cool.

use serde::{Deserialize, Serialize};

/// How soon a viewer deserves attention. Ordered: `Hot` first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// Why a viewer is in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentReason {
    /// Replied, messaged, commented, reacted or tapped within the hot period.
    SpokeRecently,
    /// Two observed views within 24 hours.
    TwoViewsIn24h,
    /// A profile visit or follow within the warm period.
    VisitedProfile,
    /// Spoke, though not recently.
    SpokeEarlier,
    /// Nothing but a silent view, or nothing lately.
    Quiet,
}

impl SegmentReason {
    /// A sentence for people.
    pub const fn explain(self) -> &'static str {
        match self {
            SegmentReason::SpokeRecently => "replied, messaged, commented, reacted or tapped in the last 24 hours",
            SegmentReason::TwoViewsIn24h => "two views within 24 hours, the last of them in the last 24 hours",
            SegmentReason::VisitedProfile => "visited the profile or followed in the last 24 hours",
            SegmentReason::SpokeEarlier => "spoke in the last 7 days",
            SegmentReason::Quiet => "nothing but a silent view lately",
        }
    }
}
