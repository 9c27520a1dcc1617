//! YAML text ↔ document.

use std::collections::{BTreeMap, BTreeSet};

use afterglow_domain::{
    BrandSettings, CrmConnection, DraftRules, Experiment, HandoverRules, IceBreaker, Language, ModerationRules,
    OptOutRules, PlayRule, Retention, SafetyRules, Scoring, SegmentRules, SendLimits, Sla, Snippet, TagRule,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::places::Ground;
use crate::validate;

/// Bytes of a document at most.
const TEXT_MAX: usize = 1024 * 1024;

/// What a brand wants, as people write it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The brand's id: lower-case letters, digits and `-`, at most 64.
    pub brand: String,
    /// Its name for people; none: the id.
    #[serde(default)]
    pub name: Option<String>,
    /// IANA time zone, such as `Europe/Amsterdam`.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// What interactions are worth, and how fast that fades.
    #[serde(default)]
    pub scoring: Scoring,
    /// Who is Hot and who is Warm; the others are Cool.
    #[serde(default)]
    pub segments: SegmentRules,
    /// Tags that viewers carry while a condition holds; none given: the default ones.
    #[serde(default = "default_tags")]
    pub tags: Vec<TagRule>,
    /// How long an answer may take.
    #[serde(default)]
    pub sla: Sla,
    /// When something is said, and what.
    #[serde(default)]
    pub plays: Vec<PlayRule>,
    /// What is tried on viewers: other words, or saying nothing.
    #[serde(default)]
    pub experiments: Vec<Experiment>,
    /// What can be said, by name. Ready ones need not be listed: a play can say `library/NAME`.
    #[serde(default)]
    pub snippets: BTreeMap<String, Snippet>,
    /// The language of the snippets' own texts, and of those who cannot be told to use another: `en`, `nl`, `de`, `fr`, `es`,
    /// `pt`, `it`.
    #[serde(default)]
    #[schemars(with = "String")]
    pub language: Language,
    /// What snippets can name beside `username` and `brand`: an address, opening hours.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// Questions that can be tapped in an empty conversation, at most 4. None given: those that the accounts have are left
    /// alone; an empty list takes them away.
    #[serde(default)]
    pub ice_breakers: Option<Vec<IceBreaker>>,
    /// What happens when a viewer says stop or start.
    #[serde(default)]
    pub opt_out: OptOutRules,
    /// When a person takes over.
    #[serde(default)]
    pub handover: HandoverRules,
    /// What becomes of spam and abuse.
    #[serde(default)]
    pub moderation: ModerationRules,
    /// On what ground a model drafts answers.
    #[serde(default)]
    pub drafts: DraftRules,
    /// When a play is silenced by itself.
    #[serde(default)]
    pub safety: SafetyRules,
    /// How much is said at most, and when nothing.
    #[serde(default)]
    pub limits: SendLimits,
    /// How long what is kept.
    #[serde(default)]
    pub retention: Retention,
    /// Where viewers are written as a CRM's own records.
    #[serde(default)]
    pub crm: Vec<CrmConnection>,
}

fn utc() -> String {
    "UTC".into()
}

fn default_tags() -> Vec<TagRule> {
    BrandSettings::default().tags
}

/// Something that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Line, from 1; 0 if it is about the document as a whole.
    pub line: u64,
    /// Column, in characters, from 1.
    pub column: u64,
    /// What is wrong, and how to mend it.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line == 0 {
            f.write_str(&self.message)
        } else {
            write!(f, "{}:{}: {}", self.line, self.column, self.message)
        }
    }
}

/// A document is not taken. Every problem that could be seen is listed, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct DocumentError(pub Vec<Problem>);

impl Document {
    /// Reads and checks a document.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let one = |line, column, message: String| DocumentError(vec![Problem { line, column, message }]);
        if text.len() > TEXT_MAX {
            return Err(one(0, 0, format!("a document of {} bytes; {TEXT_MAX} are the limit", text.len())));
        }
        let document: Self = serde_saphyr::from_str(text).map_err(|error| {
            let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
            let message = error.to_string();
            // The first line says what; the rest draws the place, which is told already.
            let first = message.lines().next().unwrap_or("not a brand document");
            let told = format!("error: line {line} column {column}: ");
            one(line, column, first.strip_prefix(told.as_str()).unwrap_or(first).to_owned())
        })?;
        // What was read once as data is read again for the places of what may be wrong in it.
        let problems = validate::problems(&document, &Ground::new(text));
        if problems.is_empty() { Ok(document) } else { Err(DocumentError(problems)) }
    }

    /// What is allowed, and perhaps not meant: each with its place in `text`, from which the document was read.
    pub fn warnings(&self, text: &str) -> Vec<Problem> {
        validate::warnings(self, &Ground::new(text))
    }

    /// Whether a play can say this: a snippet of its own, or one that is ready.
    pub(crate) fn has_snippet(&self, name: &str) -> bool {
        self.snippets.contains_key(name) || afterglow_snippets::ready(name).is_some()
    }

    /// The snippets that plays and experiments say, ready ones as well.
    pub(crate) fn said(&self) -> BTreeSet<String> {
        let steps = self.plays.iter().flat_map(|play| play.steps().into_owned()).map(|step| step.say);
        let arms = self.experiments.iter().flat_map(|experiment| &experiment.arms).map(|arm| arm.say.clone());
        steps.chain(arms).collect()
    }

    /// The settings that it makes. The ready snippets that plays say become part of them: a later version of those changes
    /// nothing that was applied.
    pub fn settings(&self) -> BrandSettings {
        let mut snippets = self.snippets.clone();
        for say in self.said() {
            if let Some(ready) = afterglow_snippets::ready(&say) {
                snippets.entry(say).or_insert_with(|| ready.clone());
            }
        }
        BrandSettings {
            scoring: self.scoring.clone(),
            segments: self.segments.clone(),
            tags: self.tags.clone(),
            sla: self.sla,
            plays: self.plays.clone(),
            experiments: self.experiments.clone(),
            snippets,
            language: self.language,
            values: self.values.clone(),
            ice_breakers: self.ice_breakers.clone(),
            opt_out: self.opt_out,
            handover: self.handover.clone(),
            moderation: self.moderation.clone(),
            drafts: self.drafts.clone(),
            safety: self.safety,
            limits: self.limits.clone(),
            retention: self.retention,
            crm: self.crm.clone(),
        }
    }
}

/// The JSON Schema of documents, for editors.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Document).into()
}
