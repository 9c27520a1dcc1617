//! Why a viewer stands where they stand, as a structure that commands print and pages draw. Pure.

use afterglow_domain::{Interaction, InteractionId, Kind, Segment, Timestamp};
use afterglow_rules::{EvaluationError, Rulebook};
use serde::Serialize;

use crate::standing::{Standing, next_change, segment_at, standing};
use crate::state::{ViewerState, scores};

/// What one interaction gives to the score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contribution {
    /// Which.
    pub interaction: InteractionId,
    /// Its kind.
    pub kind: Kind,
    /// When it happened.
    pub occurred: Timestamp,
    /// Points when it happened.
    pub points: f64,
    /// Hours in which they halve.
    pub half_life_hours: f64,
    /// What is left of them now.
    pub now: f64,
}

/// What would be, if something happened, or nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prospect {
    /// What happens: one more interaction of this kind now; `None`: nothing at all, until `at`.
    pub after: Option<Kind>,
    /// When.
    pub at: Timestamp,
    /// The score then.
    pub score: f64,
    /// The segment then.
    pub segment: Segment,
}

/// Why a viewer stands where they stand.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// As of when.
    pub at: Timestamp,
    /// The version of the rules; 0 for the default ones.
    pub rules_version: i64,
    /// The score.
    pub score: f64,
    /// Segment, tags, what to do and until when.
    pub standing: Standing,
    /// What the score is made of, the greatest part first.
    pub contributions: Vec<Contribution>,
    /// What the contributions listed do not hold: parts that faded away, or were left out of the list.
    pub rest: f64,
    /// What would raise it.
    pub raises: Vec<Prospect>,
    /// What time alone does next, if it changes anything.
    pub next: Option<Prospect>,
}

/// Explains a state by its log (in any order), at a moment. At most `limit` contributions.
pub fn explain(
    log: &[Interaction],
    rulebook: &Rulebook,
    at: Timestamp,
    limit: usize,
) -> Result<Explanation, EvaluationError> {
    let scoring = &rulebook.scoring;
    let state = ViewerState::of(log, scoring);
    let score = state.score_at(at, scoring);
    let mut contributions: Vec<Contribution> = Vec::new();
    for interaction in log.iter().filter(|interaction| scores(interaction)) {
        let alone = ViewerState::of(std::slice::from_ref(interaction), scoring);
        let kind = interaction.kind();
        #[expect(clippy::cast_precision_loss, reason = "a half-life in milliseconds")]
        let half_life_hours = scoring.half_life_ms(kind) as f64 / 3_600_000.0;
        contributions.push(Contribution {
            interaction: interaction.id,
            kind,
            occurred: interaction.occurred,
            points: f64::from(scoring.milli(kind)) / 1000.0,
            half_life_hours,
            now: alone.score_at(at, scoring),
        });
    }
    contributions.sort_by(|a, b| b.now.total_cmp(&a.now).then_with(|| a.interaction.cmp(&b.interaction)));
    contributions.truncate(limit);
    let listed: f64 = contributions.iter().map(|contribution| contribution.now).sum();
    let mut raises = Vec::new();
    for kind in Kind::ALL.iter().copied().filter(|kind| scoring.milli(*kind) > 0) {
        let after = state.with_one_more(kind, at, scoring);
        let (segment, _) = segment_at(&after, rulebook, at)?;
        raises.push(Prospect { after: Some(kind), at, score: after.score_at(at, scoring), segment });
    }
    raises.sort_by(|a, b| b.score.total_cmp(&a.score));
    let next = match next_change(&state, rulebook, at) {
        Some(next) => {
            let (segment, _) = segment_at(&state, rulebook, next)?;
            Some(Prospect { after: None, at: next, score: state.score_at(next, scoring), segment })
        }
        None => None,
    };
    Ok(Explanation {
        at,
        rules_version: rulebook.version,
        score,
        standing: standing(&state, rulebook, at)?,
        contributions,
        rest: score - listed,
        raises,
        next,
    })
}
