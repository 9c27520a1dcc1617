//! What happens at posts and Stories, and what Meta says of the account.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A public comment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Comment {
    /// Meta's comment id: the same for the post and for its boosted copy.
    pub comment_id: String,
    /// The comment or post answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// The post, reel or broadcast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_id: Option<String>,
    /// The post behind an ad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_media_id: Option<String>,
    /// The ad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_id: Option<String>,
    /// `FEED`, `REELS`, `AD`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_product_type: Option<String>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// `add`, `edited`, `remove`, `hide`, `unhide`, … (Page feed; `add` elsewhere).
    pub verb: String,
    /// Written by the account itself: never answered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_account: bool,
}

/// A mention of the account. Meta gives no name here; it is looked up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mention {
    /// The media that mentions, or under which the comment stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_id: Option<String>,
    /// The comment that mentions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment_id: Option<String>,
    /// The post that mentions (Page).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_id: Option<String>,
    /// The text, where given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Figures of a Story. `None` is unknown ("fewer than 5"), never zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoryInsights {
    /// The Story.
    pub media_id: String,
    /// When the Story was posted, if Meta told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posted: Option<Timestamp>,
    /// Metric → value; a metric that Meta withheld is `null`.
    pub metrics: std::collections::BTreeMap<String, Option<i64>>,
}

/// Deprecated names of metrics, with the ones that replaced them (Meta, "Instagram Media Insights", 2025-04-21).
const RENAMED_METRICS: [(&str, &str); 3] = [
    ("taps_forward", "navigation_tap_forward"),
    ("taps_back", "navigation_tap_back"),
    ("exits", "navigation_tap_exit"),
];

impl StoryInsights {
    /// The name that a metric has now.
    pub fn current_name(name: &str) -> &str {
        RENAMED_METRICS.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new)
    }

    /// A metric by its present name, under whichever name it was told; `None` if it was not, `Some(None)` if it was withheld.
    pub fn metric(&self, name: &str) -> Option<Option<i64>> {
        let old = RENAMED_METRICS.iter().find(|(_, new)| *new == name).map(|(old, _)| *old);
        self.metrics.get(name).or_else(|| self.metrics.get(old?)).copied()
    }
}

/// Something on a Page's feed that is not a comment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeedItem {
    /// `post`, `like`, `reaction`, `video`, `photo`, `share`, …
    pub item: String,
    /// `add`, `edit`, `remove`, …
    pub verb: String,
    /// The post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_id: Option<String>,
    /// The comment reacted to, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment_id: Option<String>,
    /// `like`, `love`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reaction_type: Option<String>,
    /// Text, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Meta's enforcement of its policies against the account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyEnforcement {
    /// `block`, `unblock`, `warning`.
    pub action: String,
    /// Meta's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
