//! Which interaction makes which wishes. The wish says nothing of whether it may be fulfilled: that is the responder's to
//! judge.

use afterglow_domain::{
    Body, BrandId, CONFIRMATION, ConsentState, Exposure, HOLDOUT, Intent, Interaction, Language, PlayId, Rollout,
    Segment, Span, Step, Timestamp, ViewerId, ViewerKey, opt_out,
};
use afterglow_rules::{CompiledPlay, EvaluationError, Happening, Rulebook};

use crate::standing::{in_segment, segment_at};
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
        let told = in_segment(state, rulebook, segment, at);
        let tags = rulebook.tags(&told)?.into_iter().map(ToOwned::to_owned).collect();
        Ok(Some(Self { segment, tags }))
    }
}

/// What one new interaction leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// What is to be said.
    pub intents: Vec<Intent>,
    /// The experiments by which the viewer is taken in; those who are held out have no wish beside it.
    pub exposures: Vec<Exposure>,
}

/// The wishes that one new interaction makes, without what they tell of experiments.
pub fn intents_for(
    interaction: &Interaction,
    before: Option<&Before>,
    state: &ViewerState,
    rulebook: &Rulebook,
    now: Timestamp,
) -> Result<Vec<Intent>, EvaluationError> {
    wishes_for(interaction, before, state, rulebook, now).map(|wishes| wishes.intents)
}

/// The wishes that one new interaction makes: that of the first play that fits and works for this viewer, with all of its
/// steps, and those of plays that only show what they would do. `state` already holds the interaction.
pub fn wishes_for(
    interaction: &Interaction,
    before: Option<&Before>,
    state: &ViewerState,
    rulebook: &Rulebook,
    now: Timestamp,
) -> Result<Wishes, EvaluationError> {
    let nothing = Wishes::default();
    let Some(viewer) = interaction.viewer.clone() else { return Ok(nothing) };
    if !interaction.is_contact() {
        return Ok(nothing);
    }
    let text = interaction.body.text().unwrap_or_default();
    let said = opt_out::classify(text);
    let wish = Wish { interaction, viewer, now };
    match said {
        // "Stop" asks for silence: all that may be said is that it was heard. In public it is said to nobody.
        Some(ConsentState::OptedOut) if rulebook.confirms_stops && speaks_of_consent(&interaction.body) => {
            let confirmation = wish.of(&PlayId::new(CONFIRMATION), &Step::default(), 0, None);
            return Ok(Wishes { intents: vec![confirmation], ..nothing });
        }
        Some(ConsentState::OptedOut | ConsentState::Ambiguous) => return Ok(nothing),
        Some(ConsentState::OptedIn) if !speaks_of_consent(&interaction.body) => return Ok(nothing),
        Some(ConsentState::OptedIn) | None => {}
    }
    let welcome = said == Some(ConsentState::OptedIn);
    let mut candidates = rulebook.plays().filter(|play| play.rule.on.opted_in == welcome).peekable();
    if candidates.peek().is_none() {
        return Ok(nothing);
    }
    let at = interaction.occurred;
    let (segment, _) = segment_at(state, rulebook, at)?;
    let mut told = in_segment(state, rulebook, segment, at);
    told.happening = Some(Happening {
        kind: interaction.kind(),
        text,
        story_id: interaction.body.story_id().unwrap_or_default(),
        payload: interaction.body.payload().unwrap_or_default(),
    });
    let mut tags: Option<Vec<&str>> = None;
    let key = ViewerKey { account: interaction.account.clone(), viewer: wish.viewer.clone() };
    let mut wishes = nothing;
    for play in candidates {
        if play.rule.on.tag_added.is_some() && tags.is_none() {
            tags = Some(rulebook.tags(&told)?);
        }
        if !starts(play, interaction, before, segment, tags.as_deref()) {
            continue;
        }
        let Some(fit) = play.fits(&told)? else { continue };
        if !play.rule.rollout.includes(&play.rule.name, &key) {
            continue;
        }
        let language = fit.language.or_else(|| Language::guess(text));
        let speaks = play.rule.rollout != Rollout::Shadow;
        let tried = if speaks {
            Tried::of(rulebook, &play.rule.name, (&interaction.brand, &key), at)
        } else {
            Tried::default()
        };
        if !tried.held_out {
            let steps = play.rule.steps();
            wishes.intents.extend((0..).zip(steps.iter()).map(|(n, step)| Intent {
                say: tried.says.iter().find(|(tried, _)| *tried == n).map(|(_, say)| say.clone()),
                ..wish.of(&play.rule.name, step, n, language)
            }));
        }
        wishes.exposures.extend(tried.exposures);
        if speaks {
            break; // one answer to one interaction; who is held out gets none, from no other play either
        }
    }
    Ok(wishes)
}

/// What experiments make of a play that would speak.
#[derive(Default)]
struct Tried {
    exposures: Vec<Exposure>,
    /// Steps, from 0, with what is said instead.
    says: Vec<(u8, String)>,
    held_out: bool,
}

impl Tried {
    /// By when the interaction happened, not by when it came: replayed, it is the same.
    fn of(rulebook: &Rulebook, play: &PlayId, (brand, viewer): (&BrandId, &ViewerKey), at: Timestamp) -> Self {
        let mut tried = Self::default();
        for experiment in rulebook.experiments_on(play, at) {
            let arm = experiment.arm_of(viewer);
            tried.held_out |= arm.is_none();
            if let Some(arm) = arm.filter(|arm| !arm.say.is_empty()) {
                tried.says.push((experiment.step.saturating_sub(1), arm.say.clone()));
            }
            tried.exposures.push(Exposure {
                brand: brand.clone(),
                experiment: experiment.name.clone(),
                viewer: viewer.clone(),
                arm: arm.map_or(HOLDOUT, |arm| &arm.name).to_owned(),
                shape: experiment.shape(),
                at,
            });
        }
        tried
    }
}

/// An interaction that may be answered.
struct Wish<'a> {
    interaction: &'a Interaction,
    viewer: ViewerId,
    now: Timestamp,
}

impl Wish<'_> {
    fn of(&self, play: &PlayId, step: &Step, n: u8, language: Option<Language>) -> Intent {
        let Interaction { id, brand, account, occurred, body, .. } = self.interaction;
        Intent {
            id: Intent::derive_id(play, *id, n),
            brand: brand.clone(),
            account: account.clone(),
            viewer: self.viewer.clone(),
            play: play.clone(),
            cause: *id,
            cause_kind: self.interaction.kind(),
            cause_occurred: *occurred,
            // A comment has one private reply; later steps need a conversation.
            comment_id: comment_of(body).filter(|_| n == 0),
            step: n,
            say: None,
            due: (step.after > Span::default()).then(|| occurred.plus(step.after.millis())),
            language,
            person: None,
            created: self.now,
        }
    }
}

/// The same messages in which the consent lane hears a stop.
const fn speaks_of_consent(body: &Body) -> bool {
    matches!(body, Body::Message(_) | Body::StoryReply(_) | Body::QuickReply(_))
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
