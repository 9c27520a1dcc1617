//! What a brand sets for itself: the brand document as data. Its text form is YAML, and is read by `afterglow-rules`.

mod limits;
mod plays;
mod retention;
mod rules;
mod scoring;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Kind, PlayId};

pub use limits::{QuietHours, SendLimits};
pub use plays::{PlayRule, Rollout, Snippet, Trigger};
pub use retention::Retention;
pub use rules::{SegmentRule, SegmentRules, Sla, TagRule};
pub use scoring::{Scoring, Signal};

/// A brand's settings, stored as one JSON document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct BrandSettings {
    /// What interactions are worth, and how fast that fades.
    pub scoring: Scoring,
    /// Who is Hot and who is Warm; the others are Cool.
    pub segments: SegmentRules,
    /// Tags that viewers carry while a condition holds.
    pub tags: Vec<TagRule>,
    /// How long an answer may take.
    pub sla: Sla,
    /// When something is said, and what. Nothing, unless the brand says so.
    pub plays: Vec<PlayRule>,
    /// What can be said, by name.
    pub snippets: BTreeMap<String, Snippet>,
    /// How much is said at most, and when nothing.
    pub limits: SendLimits,
    /// How long what is kept.
    pub retention: Retention,
}

impl Default for BrandSettings {
    fn default() -> Self {
        Self {
            scoring: Scoring::default(),
            segments: SegmentRules::default(),
            tags: rules::default_tags(),
            sla: Sla::default(),
            plays: Vec::new(),
            snippets: BTreeMap::new(),
            limits: SendLimits::default(),
            retention: Retention::default(),
        }
    }
}

impl BrandSettings {
    /// The defaults, and one play that answers every Story reply with `text`.
    pub fn answering_story_replies(text: &str) -> Self {
        let play = PlayRule {
            name: PlayId::new("story-reply"),
            on: Trigger { kinds: vec![Kind::StoryReply], ..Trigger::default() },
            when: None,
            rollout: Rollout::On,
            say: "thanks".into(),
        };
        let snippets = BTreeMap::from([("thanks".to_owned(), Snippet { text: text.to_owned() })]);
        Self { plays: vec![play], snippets, ..Self::default() }
    }

    /// The play of this name.
    pub fn play(&self, name: &str) -> Option<&PlayRule> {
        self.plays.iter().find(|play| play.name.as_str() == name)
    }
}
