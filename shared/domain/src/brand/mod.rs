//! What a brand sets for itself: the brand document as data. Its text form is YAML, and is read by `afterglow-rules`.

mod crm;
mod experiments;
mod limits;
mod people;
mod plays;
mod retention;
mod rules;
mod scoring;
mod snippets;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Kind, Language, PlayId};

pub use crm::{CrmConnection, CrmKind, CrmTarget, FACTS, MappingError, MappingTable};
pub use experiments::{EXPERIMENT_MS, Experiment, ExperimentArm, ExperimentMetric, Exposure, HOLDOUT, arm_of};
pub use limits::{QuietHours, SendLimits};
pub use people::{DraftRules, HandoverRules, ModerationAction, ModerationRules, NeedsPerson, OptOutRules, SafetyRules};
pub use plays::{DraftRule, PlayRule, Rollout, Step, Trigger, WhenClosed};
pub use retention::Retention;
pub use rules::{SegmentRule, SegmentRules, Sla, TagRule};
pub use scoring::{Scoring, Signal};
pub use snippets::{IceBreaker, QuickReply, Snippet};

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
    /// What is tried on viewers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub experiments: Vec<Experiment>,
    /// What can be said, by name.
    pub snippets: BTreeMap<String, Snippet>,
    /// The language of the snippets' own texts, and of those who cannot be told to use another.
    #[serde(skip_serializing_if = "people::is_default_language")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub language: Language,
    /// What snippets can name beside the viewer: an address, opening hours.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// Questions that can be tapped in an empty conversation, at most 4; none given: those that the accounts have are left
    /// alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ice_breakers: Option<Vec<IceBreaker>>,
    /// What happens when a viewer says stop or start.
    pub opt_out: OptOutRules,
    /// When a person takes over.
    pub handover: HandoverRules,
    /// What becomes of spam and abuse.
    pub moderation: ModerationRules,
    /// On what ground a model drafts answers.
    pub drafts: DraftRules,
    /// When a play is silenced by itself.
    pub safety: SafetyRules,
    /// How much is said at most, and when nothing.
    pub limits: SendLimits,
    /// How long what is kept.
    pub retention: Retention,
    /// Where viewers are written as a CRM's own records.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crm: Vec<CrmConnection>,
}

impl Default for BrandSettings {
    fn default() -> Self {
        Self {
            scoring: Scoring::default(),
            segments: SegmentRules::default(),
            tags: rules::default_tags(),
            sla: Sla::default(),
            plays: Vec::new(),
            experiments: Vec::new(),
            snippets: BTreeMap::new(),
            language: Language::default(),
            values: BTreeMap::new(),
            ice_breakers: None,
            opt_out: OptOutRules::default(),
            handover: HandoverRules::default(),
            moderation: ModerationRules::default(),
            drafts: DraftRules::default(),
            safety: SafetyRules::default(),
            limits: SendLimits::default(),
            retention: Retention::default(),
            crm: Vec::new(),
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
            steps: Vec::new(),
            draft: None,
        };
        let snippets = BTreeMap::from([("thanks".to_owned(), Snippet::plain(text))]);
        Self { plays: vec![play], snippets, ..Self::default() }
    }

    /// The play of this name.
    pub fn play(&self, name: &str) -> Option<&PlayRule> {
        self.plays.iter().find(|play| play.name.as_str() == name)
    }
}
