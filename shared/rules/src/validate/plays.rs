//! Plays: what starts them, what they say, and when.

use std::collections::BTreeSet;

use afterglow_domain::{DAY_MS, Kind, PlayRule, Rollout, Span, Step, WhenClosed, WindowRule};

use super::{Findings, is_slug};
use crate::document::Document;
use crate::places::PlayPlaces;
use crate::vocabulary::Scope;

/// Steps of a sequence.
const STEPS_MAX: usize = 10;
/// The latest that a step may be said.
const AFTER_MAX: Span = Span::minutes(30 * 24 * 60);

pub(super) fn check(document: &Document, findings: &mut Findings<'_>) {
    let mut names = BTreeSet::new();
    let tags: BTreeSet<&str> = document.tags.iter().map(|tag| tag.name.as_str()).collect();
    let none = PlayPlaces::default();
    for (n, play) in document.plays.iter().enumerate() {
        let places = &findings.ground.places;
        let place = places.plays.get(n).unwrap_or(&none);
        let title = play.name.as_str();
        if !is_slug(title, "-_") {
            let message = format!("play {title:?}: a name has lower-case letters, digits, - and _, at most 64");
            findings.add(place.name.as_ref(), message);
        }
        if !names.insert(title) {
            findings.add(place.name.as_ref(), format!("there are two plays called {title:?}"));
        }
        if let Some(when) = &play.when {
            findings.condition(place.when.as_ref(), when, Scope::Play, &format!("play {title:?}"));
        }
        says(document, play, place, findings);
        trigger(&tags, play, place, findings);
        draft(document, play, place, findings);
    }
}

/// What it says, and when.
fn says(document: &Document, play: &PlayRule, place: &PlayPlaces, findings: &mut Findings<'_>) {
    let title = play.name.as_str();
    let name = place.name.as_ref();
    match (play.say.is_empty(), play.steps.is_empty()) {
        (false, false) => findings.add(name, format!("play {title:?} has both `say` and `steps`: one of them")),
        (true, true) if play.draft.is_none() => {
            findings.add(name, format!("play {title:?} says nothing: `say` a snippet, or `steps`"));
        }
        _ => {}
    }
    if !play.say.is_empty() && !document.has_snippet(&play.say) {
        let message = format!("play {title:?} says {:?}, and there is no such snippet", play.say);
        findings.add(place.say.as_ref(), message);
    }
    if play.steps.len() > STEPS_MAX {
        findings.add(name, format!("play {title:?} has {} steps: {STEPS_MAX} are the limit", play.steps.len()));
    }
    let mut before: Option<Span> = None;
    for (n, step) in play.steps.iter().enumerate() {
        let (say, after) = place.steps.get(n).map_or((None, None), |place| (place.say.as_ref(), place.after.as_ref()));
        if !document.has_snippet(&step.say) {
            let message = format!("step {} of play {title:?} says {:?}, and there is no such snippet", n + 1, step.say);
            findings.add(say, message);
        }
        if before.is_some_and(|before| step.after <= before) {
            findings.add(after.or(say), format!("step {} of play {title:?} is not later than the one before", n + 1));
        }
        if step.after > AFTER_MAX {
            let message = format!("step {} of play {title:?} comes after {}: 30d are the limit", n + 1, step.after);
            findings.add(after, message);
        }
        if step.closed == WhenClosed::Person && !document.limits.human_agent {
            let message = format!(
                "step {} of play {title:?} goes to a person when the window has closed, and no person may write then: that \
                 needs limits.human_agent, which Meta grants",
                n + 1
            );
            findings.add(after.or(say), message);
        }
        before = Some(step.after);
    }
}

fn trigger(tags: &BTreeSet<&str>, play: &PlayRule, place: &PlayPlaces, findings: &mut Findings<'_>) {
    let (title, name) = (play.name.as_str(), place.name.as_ref());
    let silent: Vec<&str> = play.on.kinds.iter().filter(|kind| !is_answerable(**kind)).map(|k| k.as_str()).collect();
    if !silent.is_empty() {
        findings.add(name, format!("play {title:?}: nothing may be said because of {}", silent.join(", ")));
    }
    if play.on.keywords.iter().chain(play.on.keywords_in.values().flatten()).any(|keyword| keyword.trim().is_empty()) {
        findings.add(name, format!("play {title:?}: an empty keyword"));
    }
    if play.on.payloads.iter().any(|payload| payload.trim().is_empty()) {
        findings.add(name, format!("play {title:?}: an empty payload"));
    }
    if let Some(tag) = &play.on.tag_added
        && !tags.contains(tag.as_str())
    {
        findings.add(name, format!("play {title:?} waits for the tag {tag:?}, and there is no such tag"));
    }
}

fn draft(document: &Document, play: &PlayRule, place: &PlayPlaces, findings: &mut Findings<'_>) {
    let Some(draft) = play.draft else { return };
    let (title, name) = (play.name.as_str(), place.name.as_ref());
    if !play.steps.is_empty() {
        findings.add(name, format!("play {title:?}: a sequence is not drafted; use `say`"));
    }
    if document.drafts.facts.iter().all(|fact| fact.trim().is_empty()) {
        findings.add(name, format!("play {title:?} has drafts written, and `drafts.facts` has nothing to write from"));
    }
    if document.drafts.daily_tokens == 0 {
        findings.add(name, format!("play {title:?} has drafts written, and `drafts.daily_tokens` allows none"));
    }
    if draft.unread_from.is_some_and(|from| !(1..=100).contains(&from)) {
        findings.add(name, format!("play {title:?}: unread_from is a confidence of 1 to 100"));
    }
}

/// What is allowed, and perhaps not meant.
pub(super) fn warn(document: &Document, findings: &mut Findings<'_>) {
    let none = PlayPlaces::default();
    let settings = document.settings();
    let buttons = settings.snippets.values().flat_map(|snippet| &snippet.quick_replies).map(|reply| &reply.payload);
    let offered: BTreeSet<&String> =
        buttons.chain(document.ice_breakers.iter().flatten().map(|breaker| &breaker.payload)).collect();
    for (n, play) in document.plays.iter().enumerate() {
        let place = findings.ground.places.plays.get(n).unwrap_or(&none);
        let title = play.name.as_str();
        if play.rollout == Rollout::Off {
            findings.add(place.name.as_ref(), format!("play {title:?} is off"));
        }
        for (n, step) in play.steps.iter().enumerate().skip(1) {
            let at = place.steps.get(n).and_then(|place| place.after.as_ref().or(place.say.as_ref()));
            if let Some(why) = outlasts(play, step) {
                findings.add(at, format!("step {} of play {title:?} comes after {}: {why}", n + 1, step.after));
            }
        }
        for payload in play.on.payloads.iter().filter(|payload| !offered.contains(payload)) {
            let message = format!("play {title:?} waits for {payload:?}, which no snippet and no ice breaker offers");
            findings.add(place.name.as_ref(), message);
        }
    }
}

/// Why a step can seldom be said, if so: Meta's windows close.
fn outlasts(play: &PlayRule, step: &Step) -> Option<&'static str> {
    let kinds = &play.on.kinds;
    let comments = !kinds.is_empty() && kinds.iter().all(|kind| !kind.opens().is_conversation());
    if comments {
        return Some("a comment allows one private reply, so it is said only if the viewer writes a message before");
    }
    (step.after.millis() >= DAY_MS).then_some(match step.closed {
        WhenClosed::End => {
            "the window of 24 hours has closed by then, so it is said only if the viewer does something that opens it again; \
             `closed: person` would ask a person"
        }
        WhenClosed::Person => {
            "the window of 24 hours has closed by then, so a person is asked unless the viewer does something that opens it again"
        }
    })
}

/// Whether the platform lets anything be said because of it.
fn is_answerable(kind: Kind) -> bool {
    kind.opens() != WindowRule::Nothing
}
