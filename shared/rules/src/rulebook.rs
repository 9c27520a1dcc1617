//! A document ready to be used.

use std::sync::{Arc, OnceLock};

use afterglow_domain::phrase::{stands_in, words};
use afterglow_domain::{
    BrandSettings, Experiment, HandoverRules, Language, ModerationRules, PlayId, PlayRule, Rollout, Scoring, Segment,
    Sla, Timestamp,
};
use afterglow_moderation::Desk;

use crate::condition::{Condition, ConditionError, EvaluationError};
use crate::vocabulary::{Scope, Variables};
use crate::watch::Watch;

/// A segment's condition, and how long it outlasts its end.
#[derive(Debug, Clone)]
struct Segmenting {
    segment: Segment,
    when: Condition,
    hold_ms: i64,
}

/// A tag and its condition.
#[derive(Debug, Clone)]
pub struct Tag {
    /// What people read.
    pub name: String,
    /// While it holds.
    pub when: Condition,
}

/// A play and its condition.
#[derive(Debug, Clone)]
pub struct CompiledPlay {
    /// As the document has it.
    pub rule: PlayRule,
    when: Option<Condition>,
    /// Phrases, each with the language in which whoever writes it is answered, if it has one.
    keywords: Vec<(Option<Language>, Vec<String>)>,
}

/// A play fits an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// The language of the keyword by which it fits, if it has one.
    pub language: Option<Language>,
}

/// Rules of one brand, compiled.
#[derive(Debug, Clone)]
pub struct Rulebook {
    /// The document's version; 0 for the default rules.
    pub version: i64,
    /// What interactions are worth.
    pub scoring: Scoring,
    /// How long an answer may take.
    pub sla: Sla,
    /// Whoever says stop is told that it was heard.
    pub confirms_stops: bool,
    /// What becomes of spam and abuse.
    pub moderation: ModerationRules,
    handover: HandoverRules,
    language: Language,
    /// Made when it is first asked for: it takes longer than everything else.
    desk: OnceLock<Option<Arc<Desk>>>,
    segments: Vec<Segmenting>,
    tags: Vec<Tag>,
    plays: Vec<CompiledPlay>,
    experiments: Vec<Experiment>,
    watches: Vec<Watch>,
}

impl Rulebook {
    /// Compiles settings. Those of a document that was applied always compile.
    pub fn compile(settings: &BrandSettings, version: i64) -> Result<Self, ConditionError> {
        let segments = [(Segment::Hot, &settings.segments.hot), (Segment::Warm, &settings.segments.warm)];
        let segments = segments.map(|(segment, rule)| {
            #[expect(clippy::cast_possible_truncation, reason = "validation keeps it within a month; NaN becomes 0")]
            let hold_ms = (rule.hold_hours.clamp(0.0, 720.0) * 3_600_000.0) as i64;
            Ok(Segmenting { segment, when: Condition::compile(&rule.when, Scope::Segment)?, hold_ms })
        });
        let segments: Vec<Segmenting> = segments.into_iter().collect::<Result<_, ConditionError>>()?;
        let tag = |tag: &afterglow_domain::TagRule| {
            Ok(Tag { name: tag.name.clone(), when: Condition::compile(&tag.when, Scope::Tag)? })
        };
        let tags: Vec<Tag> = settings.tags.iter().map(tag).collect::<Result<_, ConditionError>>()?;
        let play = |rule: &PlayRule| {
            let when = rule.when.as_ref().map(|when| Condition::compile(when, Scope::Play)).transpose()?;
            let everywhere = rule.on.keywords.iter().map(|keyword| (None, words(keyword)));
            let in_one =
                rule.on.keywords_in.iter().flat_map(|(language, keywords)| {
                    keywords.iter().map(move |keyword| (Some(*language), words(keyword)))
                });
            let keywords = in_one.chain(everywhere).collect();
            Ok(CompiledPlay { rule: rule.clone(), when, keywords })
        };
        let plays: Vec<CompiledPlay> = settings.plays.iter().map(play).collect::<Result<_, ConditionError>>()?;
        let conditions = segments.iter().map(|s| &s.when).chain(tags.iter().map(|tag| &tag.when));
        let mut watches: Vec<Watch> = Vec::new();
        for watch in conditions.flat_map(Condition::watches) {
            if !watches.contains(watch) {
                watches.push(watch.clone());
            }
        }
        Ok(Self {
            version,
            scoring: settings.scoring.clone(),
            sla: settings.sla,
            confirms_stops: settings.opt_out.confirm,
            moderation: settings.moderation.clone(),
            handover: settings.handover.clone(),
            language: settings.language,
            desk: OnceLock::new(),
            segments,
            tags,
            plays,
            experiments: settings.experiments.clone(),
            watches,
        })
    }

    /// The segment at a moment. `at` gives what conditions are told, as of so many ms before that moment: a segment is kept
    /// for its hold after its condition ended, and that needs no memory, only a look back.
    pub fn segment<'a>(&self, at: impl Fn(i64) -> Variables<'a>) -> Result<(Segment, &str), EvaluationError> {
        let now = at(0);
        for rule in &self.segments {
            if rule.when.holds(&now)? || (rule.hold_ms > 0 && rule.when.holds(&at(rule.hold_ms))?) {
                return Ok((rule.segment, rule.when.text()));
            }
        }
        Ok((Segment::Cool, "neither hot nor warm"))
    }

    /// What messages are judged by; `None` if the brand's lists cannot be used, which validation keeps from happening.
    pub fn desk(&self) -> Option<Arc<Desk>> {
        let make = || Desk::new(&self.moderation, &self.handover, self.language).ok().map(Arc::new);
        self.desk.get_or_init(make).clone()
    }

    /// The tags of a viewer; `variables` must know the segment.
    pub fn tags(&self, variables: &Variables<'_>) -> Result<Vec<&str>, EvaluationError> {
        let mut found = Vec::new();
        for tag in &self.tags {
            if tag.when.holds(variables)? {
                found.push(tag.name.as_str());
            }
        }
        Ok(found)
    }

    /// Each tag with its condition.
    pub fn tag_rules(&self) -> &[Tag] {
        &self.tags
    }

    /// The plays that are not switched off.
    pub fn plays(&self) -> impl Iterator<Item = &CompiledPlay> {
        self.plays.iter().filter(|play| play.rule.rollout != Rollout::Off)
    }

    /// What is tried on a play's viewers at `at`.
    pub fn experiments_on(&self, play: &PlayId, at: Timestamp) -> impl Iterator<Item = &Experiment> {
        self.experiments.iter().filter(move |experiment| experiment.play == *play && experiment.runs_at(at))
    }

    /// Whether some play asks what an interaction changed.
    pub fn plays_watch_changes(&self) -> bool {
        self.plays().any(|play| play.rule.on.segment_entered.is_some() || play.rule.on.tag_added.is_some())
    }

    /// What segments and tags wait for, and how long segments are held.
    pub fn watches(&self) -> (&[Watch], impl Iterator<Item = i64>) {
        (&self.watches, self.segments.iter().map(|rule| rule.hold_ms).filter(|hold| *hold > 0))
    }
}

impl CompiledPlay {
    /// Whether the play's words, payloads and condition fit the interaction in `variables`.
    pub fn fits(&self, variables: &Variables<'_>) -> Result<Option<Fit>, EvaluationError> {
        let Some(happening) = &variables.happening else { return Ok(None) };
        let payloads = &self.rule.on.payloads;
        if !payloads.is_empty() && !payloads.iter().any(|payload| payload == happening.payload) {
            return Ok(None);
        }
        let mut fit = Fit { language: None };
        if !self.keywords.is_empty() {
            let said = words(happening.text);
            match self.keywords.iter().find(|(_, phrase)| stands_in(phrase, &said)) {
                Some((language, _)) => fit.language = *language,
                None => return Ok(None),
            }
        }
        let holds = self.when.as_ref().map_or(Ok(true), |when| when.holds(variables))?;
        Ok(holds.then_some(fit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_rules_compile() {
        let rulebook = Rulebook::compile(&BrandSettings::default(), 0).unwrap();
        assert_eq!(rulebook.tag_rules().len(), 4);
        assert!(rulebook.plays().next().is_none(), "nothing is said unless a brand wants it");
        let (watches, holds) = rulebook.watches();
        assert!(watches.iter().all(|watch| matches!(watch, Watch::Crossing { .. })), "{watches:?}");
        assert_eq!(holds.count(), 0);
    }
}
