//! Which interaction opens which right to answer.
//!
//! Sources, read in copies of 2026: Meta, "Send a message" (Messenger Platform; window of 24 h after the person's last
//! action), "Private replies" (one message per comment within 7 days, Live only during the broadcast), and
//! "Instagram Platform → Messaging"; "Messenger Platform and IG Messaging API policy" (ads). Seen, echoes, edits and deletions are not on Meta's list, so they open nothing.

use serde::{Deserialize, Serialize};

use crate::time::DAY_MS;
use crate::{Kind, Timestamp};

/// The right that a kind of interaction opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowRule {
    /// No right to write.
    Nothing,
    /// Any message for 24 hours after the viewer's last action.
    Standard,
    /// Any message for up to 7 days after a first message that came through a click-to-message ad; 24 hours are certain, and
    /// a brand may use more ([`SendLimits::ad_window_days`](crate::SendLimits)).
    Ad,
    /// One private reply to this comment, within 7 days of the comment's own time.
    PrivateReply,
    /// One private reply to this comment, only while the broadcast runs.
    LivePrivateReply,
}

impl WindowRule {
    /// How long the right lasts after the interaction, in milliseconds. For a Live comment the end of the broadcast is
    /// not announced; callers treat the value as an upper bound and stop when Meta says the broadcast is over.
    pub const fn length_ms(self) -> i64 {
        match self {
            WindowRule::Nothing => 0,
            WindowRule::Standard => DAY_MS,
            WindowRule::Ad | WindowRule::PrivateReply => 7 * DAY_MS,
            WindowRule::LivePrivateReply => 4 * 3_600_000, // Instagram ends a Live after four hours
        }
    }
}

impl WindowRule {
    /// Whether it opens the conversation: any message, not one private reply.
    pub const fn is_conversation(self) -> bool {
        match self {
            WindowRule::Standard | WindowRule::Ad => true,
            WindowRule::Nothing | WindowRule::PrivateReply | WindowRule::LivePrivateReply => false,
        }
    }
}

impl Kind {
    /// What an interaction of this kind opens when the viewer themself did it; a message through an ad may open more.
    pub const fn opens(self) -> WindowRule {
        match self {
            Kind::Message
            | Kind::StoryReply
            | Kind::StoryMention
            | Kind::QuickReply
            | Kind::Postback
            | Kind::Reaction
            | Kind::Referral => WindowRule::Standard,
            Kind::Comment => WindowRule::PrivateReply,
            Kind::LiveComment => WindowRule::LivePrivateReply,
            Kind::ReactionRemoved
            | Kind::Seen
            | Kind::Delivered
            | Kind::MessageEdit
            | Kind::Unsend
            | Kind::OptIn
            | Kind::MessageSent
            | Kind::SelfMessage
            | Kind::Handover
            | Kind::Mention
            | Kind::StoryInsights
            | Kind::Feed
            | Kind::PolicyEnforcement
            | Kind::AccountLinking
            | Kind::ObservedView
            | Kind::ProfileVisit
            | Kind::Follow
            | Kind::StickerTap
            | Kind::LinkClick
            | Kind::Conversion
            | Kind::Note => WindowRule::Nothing,
        }
    }
}

/// An open right to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Which rule.
    pub rule: WindowRule,
    /// When the viewer acted.
    pub opened: Timestamp,
}

impl Window {
    /// The last moment at which a send may begin. `allowance_ms` is what our clock may be behind Meta's, plus the time
    /// a call takes: the window is closed early by so much, never late.
    pub const fn closes(&self, allowance_ms: i64) -> Timestamp {
        self.closes_after(self.rule.length_ms(), allowance_ms)
    }

    /// The same for a window of another length, in ms.
    const fn closes_after(&self, length_ms: i64, allowance_ms: i64) -> Timestamp {
        let allowance_ms = if allowance_ms < 0 { 0 } else { allowance_ms };
        self.opened.plus(length_ms).minus(allowance_ms)
    }

    /// Whether a send may begin at `now`. An interaction dated in our future counts as happening now, so that a fast
    /// clock at Meta's side never lengthens the window.
    pub fn is_open(&self, now: Timestamp, allowance_ms: i64) -> bool {
        self.is_open_for(self.rule.length_ms(), now, allowance_ms)
    }

    /// The same for a window of another length, in ms: a brand may use less than Meta grants.
    pub fn is_open_for(&self, length_ms: i64, now: Timestamp, allowance_ms: i64) -> bool {
        let opened = self.opened.min(now);
        self.rule != WindowRule::Nothing && now < Window { opened, ..*self }.closes_after(length_ms, allowance_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_the_standard_window() {
        let window = Window { rule: WindowRule::Standard, opened: Timestamp::from_millis(1_000) };
        let end = 1_000 + DAY_MS;
        for (now, allowance, open) in [
            (1_000, 0, true),
            (end - 1, 0, true),
            (end, 0, false),
            (end - 60_000, 60_000, false),
            (end - 60_001, 60_000, true),
            (500, 0, true), // Meta's clock ahead of ours
        ] {
            assert_eq!(window.is_open(Timestamp::from_millis(now), allowance), open, "now {now} allowance {allowance}");
        }
    }

    #[test]
    fn nothing_is_never_open() {
        let window = Window { rule: WindowRule::Nothing, opened: Timestamp::from_millis(0) };
        assert!(!window.is_open(Timestamp::from_millis(0), 0));
    }
}
