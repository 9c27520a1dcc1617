//! What each kind of interaction is worth.

use afterglow_domain::{DAY_MS, Kind};

/// Weights and half-life of the score, with the version that explanations name.
#[derive(Debug, Clone)]
pub struct Weights {
    /// Names this set of weights and the segment rules that go with it.
    pub version: &'static str,
    /// Time in which a contribution halves, in milliseconds.
    pub half_life_ms: i64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { version: "seed-1", half_life_ms: 2 * DAY_MS }
    }
}

impl Weights {
    /// Weight of one interaction, in thousandths of a point. Zero for what says nothing of the viewer's interest.
    pub const fn milli(&self, kind: Kind) -> u32 {
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
            | Kind::AccountLinking => 0,
        }
    }
}
