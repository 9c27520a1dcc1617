//! Hand-over, moderation, drafts.

use afterglow_domain::ModerationAction;
use afterglow_moderation::Desk;

use super::Findings;
use crate::document::Document;

/// Bytes of all facts together that a model is shown.
const FACTS_MAX_BYTES: usize = 16_000;

pub(super) fn check(document: &Document, findings: &mut Findings<'_>) {
    let places = &findings.ground.places;
    let handover = &document.handover;
    if !(1..=720).contains(&handover.idle_hours) {
        let place = places.handover.idle_hours.as_ref();
        findings.add(place, format!("handover.idle_hours is {}: expected 1 to 720", handover.idle_hours));
    }
    if handover.keywords.iter().any(|keyword| keyword.trim().is_empty()) {
        findings.add(places.handover.idle_hours.as_ref(), "handover.keywords: an empty keyword");
    }
    let moderation = &document.moderation;
    if !matches!(moderation.messages, ModerationAction::Off | ModerationAction::Flag) {
        let place = places.moderation.messages.as_ref();
        findings.add(place, "moderation.messages: `off` or `flag`; Meta lets nobody hide or delete a message");
    }
    if !(1..=720).contains(&moderation.delete_after_hours) {
        let place = places.moderation.delete_after_hours.as_ref();
        findings.add(place, format!("delete_after_hours is {}: expected 1 to 720", moderation.delete_after_hours));
    }
    for language in moderation.lists.keys().filter(|language| !Desk::knows_language(language)) {
        let place = places.moderation.lists.get(language);
        findings.add(place, format!("moderation.lists: {language:?} is no language that is known, and not `any`"));
    }
    if let Err(errors) = Desk::new(moderation, handover, document.language) {
        for error in errors.0 {
            let language = error.list.rsplit('.').next().unwrap_or_default();
            let place = places.moderation.lists.get(language);
            let (line, column) = (clamped(error.line), clamped(error.column));
            let message = format!("{}: {}; {}", error.list, error.problem, error.problem.mend());
            findings.add_within(place, line, column, message);
        }
    }
    let facts: usize = document.drafts.facts.iter().map(String::len).sum();
    if facts > FACTS_MAX_BYTES {
        findings.add::<String>(None, format!("drafts.facts have {facts} bytes: {FACTS_MAX_BYTES} are the limit"));
    }
}

fn clamped(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
