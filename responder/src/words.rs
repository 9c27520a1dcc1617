//! What an intent would say, and what speaks against saying it by oneself: added to the facts before the gate is asked. Pure.

use afterglow_domain::{DraftFacts, Facts, Intent, Moderated, OutboundMessage, PlayFacts, Rollout, Step, opt_out};
use afterglow_moderation::{Desk, Disposition, Volume};
use afterglow_snippets::{Brand, compose};
use afterglow_store::{Case, DraftOutcome};

/// Adds to a case's facts what the store does not know: the words, whether they were said before, and what the brand's lists say
/// of the message that would be answered and of what its viewer wrote beside it. Without a desk (the lists cannot be used) a person is asked.
pub fn prepare(intent: &Intent, case: &mut Case, desk: Option<&Desk>) {
    case.facts.play = play_facts(intent, case);
    if intent.person.is_none() {
        read_the_cause(intent, case, desk);
        read_what_else_was_written(intent, case, desk);
    }
    let Facts { play, written, .. } = &mut case.facts;
    let text = play.as_ref().map_or("", |play| play.text.trim());
    for (written, said) in written.iter_mut().zip(&case.said) {
        written.same_text = said.trim() == text;
    }
}

fn play_facts(intent: &Intent, case: &Case) -> Option<PlayFacts> {
    if let Some(message) = &intent.person {
        return Some(PlayFacts::saying(Rollout::On, message.text.clone()));
    }
    let settings = &case.settings;
    if intent.is_confirmation() {
        let text = case.cause.as_ref().and_then(|cause| cause.body.text()).unwrap_or_default();
        let confirm = || opt_out::confirmation(text, settings.language, &case.brand_name);
        return settings.opt_out.confirm.then(|| PlayFacts::saying(Rollout::On, confirm()));
    }
    let play = settings.play(intent.play.as_str())?;
    let steps = play.steps();
    // A step that the document no longer has is no longer wished.
    let step = steps.get(usize::from(intent.step))?;
    let facts = said(intent, case, step, play.rollout);
    let Some(_) = play.draft else { return Some(facts) };
    Some(match &case.draft {
        None => PlayFacts { draft: Some(DraftFacts::Awaited), ..facts },
        Some(draft) => {
            let outcome = match draft.outcome {
                DraftOutcome::ToRead => DraftFacts::ToRead,
                DraftOutcome::Passes => DraftFacts::Passes,
                DraftOutcome::Failed => DraftFacts::Failed,
            };
            // Where there is no draft, a person is offered what the play would say without one.
            let text = if outcome == DraftFacts::Failed { facts.text.clone() } else { draft.text.clone() };
            PlayFacts { text, draft: Some(outcome), problem: None, ..facts }
        }
    })
}

fn said(intent: &Intent, case: &Case, step: &Step, rollout: Rollout) -> PlayFacts {
    let brand = Brand::of(&case.brand_name, &case.settings);
    let none = PlayFacts { closed: step.closed, ..PlayFacts::saying(rollout, "") };
    // What an experiment chose is said as long as the document has it; then the step says what it always does.
    let tried = intent.say.as_ref().filter(|say| case.settings.snippets.contains_key(*say));
    let say = tried.unwrap_or(&step.say);
    let Some(snippet) = case.settings.snippets.get(say) else { return none };
    match compose((say, snippet), &brand, intent.language, case.username.as_deref()) {
        Ok(OutboundMessage { text, quick_replies, made_from }) => PlayFacts { text, quick_replies, made_from, ..none },
        Err(error) => PlayFacts { problem: Some(format!("snippet {say:?}: {error}")), ..none },
    }
}

/// What the brand's lists say of the message that would be answered.
fn read_the_cause(intent: &Intent, case: &mut Case, desk: Option<&Desk>) {
    // A later step answers no message; and a stop is confirmed however rudely it was said.
    if intent.step > 0 || intent.is_confirmation() {
        return;
    }
    let Some(text) = case.cause.as_ref().and_then(|cause| cause.body.text()).filter(|text| !text.trim().is_empty())
    else {
        return;
    };
    let Some(desk) = desk else {
        case.facts.needs_person = Some("the brand's lists cannot be used".into());
        return;
    };
    let on = case.settings.play(intent.play.as_str()).map(|play| &play.on);
    let made_for_it =
        on.is_some_and(|on| !on.keywords.is_empty() || !on.keywords_in.is_empty() || !on.payloads.is_empty());
    case.facts.needs_person = desk.needs_person(text, made_for_it);
    if case.facts.moderated.is_none() {
        case.facts.moderated = match desk.judge(text, Volume::default()).disposition() {
            Disposition::Pass => None,
            Disposition::Review => Some(Moderated::Cause),
            Disposition::Hide => Some(Moderated::Viewer),
        };
    }
}

/// Whoever asked for a person in another message waits for one, though nobody may have come to read that message yet.
fn read_what_else_was_written(intent: &Intent, case: &mut Case, desk: Option<&Desk>) {
    let Some(desk) = desk.filter(|_| !intent.is_confirmation() && case.facts.needs_person.is_none()) else { return };
    case.facts.needs_person = case.viewer_wrote.iter().find_map(|text| desk.needs_person(text, false));
}
