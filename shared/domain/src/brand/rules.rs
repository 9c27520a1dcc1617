//! Segments, tags and how long an answer may take.

use serde::{Deserialize, Serialize};

use crate::{HOUR_MS, MINUTE_MS, Segment};

/// Who is Hot and who is Warm; the others are Cool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SegmentRules {
    /// Looked at first.
    pub hot: SegmentRule,
    /// Looked at if nobody is Hot.
    pub warm: SegmentRule,
}

/// A condition for a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SegmentRule {
    /// CEL over the viewer's state; see docs/rules.md for the names.
    pub when: String,
    /// Hours for which the segment is kept after the condition ended, 0 to 720: who hovers at a threshold does not flap.
    #[serde(default)]
    pub hold_hours: f64,
}

impl Default for SegmentRules {
    fn default() -> Self {
        Self {
            hot: SegmentRule { when: "hours_since_spoke < 24.0".into(), hold_hours: 0.0 },
            warm: SegmentRule {
                when: "hours_since_repeat_view < 24.0 || hours_since_profile_visit < 24.0 || hours_since_spoke < 168.0"
                    .into(),
                hold_hours: 0.0,
            },
        }
    }
}

/// A tag that viewers carry while a condition holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TagRule {
    /// What people read, 1 to 40 characters.
    pub name: String,
    /// CEL over the viewer's state.
    pub when: String,
}

pub(super) fn default_tags() -> Vec<TagRule> {
    let tag = |name: &str, when: &str| TagRule { name: name.into(), when: when.into() };
    vec![
        tag("hot lead", "segment == 'hot' && score >= 15.0"),
        tag("repeat viewer", "hours_since_repeat_view < 168.0"),
        tag("needs reply", "needs_reply"),
        tag("overdue", "hours_overdue > 0.0"),
    ]
}

/// How long an answer may take, from the moment when a person asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Sla {
    /// Minutes, for Hot viewers.
    pub hot_minutes: u32,
    /// Hours, for Warm viewers.
    pub warm_hours: u32,
    /// Hours, for Cool viewers who ask all the same.
    pub cool_hours: u32,
}

impl Default for Sla {
    fn default() -> Self {
        Self { hot_minutes: 20, warm_hours: 24, cool_hours: 48 }
    }
}

impl Sla {
    /// How long an answer to a viewer of this segment may take, in ms.
    pub const fn target_ms(&self, segment: Segment) -> i64 {
        match segment {
            Segment::Hot => self.hot_minutes as i64 * MINUTE_MS,
            Segment::Warm => self.warm_hours as i64 * HOUR_MS,
            Segment::Cool => self.cool_hours as i64 * HOUR_MS,
        }
    }
}
