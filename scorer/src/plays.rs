//! Which interaction makes which wishes. The wish says nothing of whether it may be fulfilled: that is the responder's to
//! judge.

use afterglow_domain::{Body, Intent, Interaction, Rollout, Segment, Timestamp, opt_out};
use afterglow_rules::{CompiledPlay, EvaluationError, Happening, Rulebook};

use crate::standing::{segment_at, variables, with_happening};
use crate::state::ViewerState;

/// Where the viewer stood before an interaction, as far as plays ask for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Before {
    segment: Segment,
    tags: Vec<String>,
}

impl Before {
    /// Where a viewer stands at a moment, if any play asks what an interaction changed.
    pub fn of(state: &ViewerState, rulebook: &Rulebook, at: Timestamp) -> Result<Option<Self>, EvaluationError> {
        if !rulebook.plays_watch_changes() {
            return Ok(None);
        }
        let (segment, _) = segment_at(state, rulebook, at)?;
        let mut told = variables(state, rulebook, at);
        told.segment = Some(segment);
        let tags = rulebook.tags(&told)?.into_iter().map(ToOwned::to_owned).collect();
        Ok(Some(Self { segment, tags }))
    }
}

/// The wishes that one new interaction makes: that of the first play that fits and works for this viewer, and those of plays
/// that only show what they would do. `state` already holds the interaction.
pub fn intents_for(
    interaction: &Interaction,
    before: Option<&Before>,
    state: &ViewerState,
    rulebook: &Rulebook,
    now: Timestamp,
) -> Result<Vec<Intent>, EvaluationError> {
    let mut intents = Vec::new();
    let Some(viewer) = interaction.viewer.clone() else { return Ok(intents) };
    // "Stop" asks for silence, not for an answer; the consent lane deals with it.
    let text = interaction.body.text().unwrap_or_default();
    if !interaction.is_contact() || opt_out::classify(text).is_some() || rulebook.plays().next().is_none() {
        return Ok(intents);
    }
    let at = interaction.occurred;
    let (segment, _) = segment_at(state, rulebook, at)?;
    let happening =
        Happening { kind: interaction.kind(), text, story_id: interaction.body.story_id().unwrap_or_default() };
    let told = with_happening(variables(state, rulebook, at), segment, happening);
    let mut tags: Option<Vec<&str>> = None;
    for play in rulebook.plays() {
        if play.rule.on.tag_added.is_some() && tags.is_none() {
            tags = Some(rulebook.tags(&told)?);
        }
        if !starts(play, interaction, before, segment, tags.as_deref()) || !play.fits(&told)? {
            continue;
        }
        let key = afterglow_domain::ViewerKey { account: interaction.account.clone(), viewer: viewer.clone() };
        if !play.rule.rollout.includes(&play.rule.name, &key) {
            continue;
        }
        intents.push(Intent {
            id: Intent::derive_id(&play.rule.name, interaction.id),
            brand: interaction.brand.clone(),
            account: interaction.account.clone(),
            viewer: viewer.clone(),
            play: play.rule.name.clone(),
            cause: interaction.id,
            cause_kind: interaction.kind(),
            cause_occurred: at,
            comment_id: comment_of(&interaction.body),
            person: None,
            created: now,
        });
        if play.rule.rollout != Rollout::Shadow {
            break; // one answer to one interaction
        }
    }
    Ok(intents)
}

fn starts(
    play: &CompiledPlay,
    interaction: &Interaction,
    before: Option<&Before>,
    segment: Segment,
    tags: Option<&[&str]>,
) -> bool {
    let on = &play.rule.on;
    let kind = on.kinds.is_empty() || on.kinds.contains(&interaction.kind());
    let entered = on
        .segment_entered
        .is_none_or(|wanted| segment == wanted && before.is_some_and(|before| before.segment != wanted));
    let added = on.tag_added.as_ref().is_none_or(|wanted| {
        tags.is_some_and(|tags| tags.contains(&wanted.as_str()))
            && before.is_some_and(|before| !before.tags.contains(wanted))
    });
    kind && entered && added
}

fn comment_of(body: &Body) -> Option<String> {
    match body {
        Body::Comment(comment) | Body::LiveComment(comment) => Some(comment.comment_id.clone()),
        _ => None,
    }
}
