//! What interactions are worth.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Kind;

/// The default time in which a contribution halves, in hours.
const HALF_LIFE_HOURS: f64 = 48.0;

/// What interactions are worth, and how fast that fades.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Scoring {
    /// Time in which a contribution halves, in hours: 0.1 to 8760.
    pub half_life_hours: f64,
    /// Kinds of interactions that differ from the defaults.
    pub signals: BTreeMap<Kind, Signal>,
}

impl Default for Scoring {
    fn default() -> Self {
        Self { half_life_hours: HALF_LIFE_HOURS, signals: BTreeMap::new() }
    }
}

/// What one kind of interaction is worth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Signal {
    /// Points, 0 to 1000, kept to a thousandth; none: the default of the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<f64>,
    /// Time in which its contribution halves, in hours; none: that of the whole document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_life_hours: Option<f64>,
}

impl Scoring {
    /// Points of one interaction of this kind, in thousandths. Nothing for what says nothing of the viewer's interest, whatever
    /// the document says.
    pub fn milli(&self, kind: Kind) -> u32 {
        let own = self.signals.get(&kind).and_then(|signal| signal.points);
        let default = default_milli(kind);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1,000,000 after the clamp")]
        own.filter(|_| default > 0).map_or(default, |points| (points.clamp(0.0, 1000.0) * 1000.0).round() as u32)
    }

    /// Time in which a contribution of this kind halves, in milliseconds.
    pub fn half_life_ms(&self, kind: Kind) -> i64 {
        let own = self.signals.get(&kind).and_then(|signal| signal.half_life_hours);
        hours_ms(own.unwrap_or(self.half_life_hours))
    }

    /// That of kinds without one of their own, in milliseconds.
    pub fn main_half_life_ms(&self) -> i64 {
        hours_ms(self.half_life_hours)
    }
}

/// Validation keeps documents within bounds; the clamp keeps everything else, such as NaN, out.
fn hours_ms(hours: f64) -> i64 {
    let hours = if hours.is_finite() { hours.clamp(0.1, 8760.0) } else { HALF_LIFE_HOURS };
    #[expect(clippy::cast_possible_truncation, reason = "between 6 minutes and a year")]
    let ms = (hours * 3_600_000.0).round() as i64;
    ms
}

/// The default weights, in thousandths of a point.
const fn default_milli(kind: Kind) -> u32 {
    match kind {
        Kind::Conversion => 20_000,
        Kind::StoryReply | Kind::Message => 10_000,
        Kind::StoryMention => 9_000,
        Kind::QuickReply | Kind::Postback => 8_000,
        Kind::Comment | Kind::LiveComment | Kind::StickerTap => 6_000,
        Kind::Referral | Kind::LinkClick | Kind::Follow | Kind::OptIn => 5_000,
        Kind::Reaction => 4_000,
        Kind::ProfileVisit => 3_000,
        Kind::ObservedView => 1_000,
        Kind::ReactionRemoved
        | Kind::Seen
        | Kind::Delivered
        | Kind::MessageEdit
        | Kind::Unsend
        | Kind::MessageSent
        | Kind::SelfMessage
        | Kind::Handover
        | Kind::Mention
        | Kind::StoryInsights
        | Kind::Feed
        | Kind::PolicyEnforcement
        | Kind::AccountLinking
        | Kind::Note => 0,
    }
}
