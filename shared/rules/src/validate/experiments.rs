//! Experiments: one thing is changed at a time, and everybody is in one arm.

use std::collections::BTreeSet;

use afterglow_domain::{DAY_MS, Experiment, ExperimentArm, HOLDOUT, Rollout};

use super::{Findings, is_slug};
use crate::document::Document;
use crate::places::{ArmPlaces, ExperimentPlaces};

/// Arms beside the hold-out: with more, each has too few viewers to say anything.
const ARMS_MAX: usize = 5;
/// The longest that an experiment runs: what is not found in a quarter of a year is not found by waiting.
const LONGEST_MS: i64 = 92 * DAY_MS;

pub(super) fn check(document: &Document, findings: &mut Findings<'_>) {
    let mut names = BTreeSet::new();
    let none = ExperimentPlaces::default();
    for (n, experiment) in document.experiments.iter().enumerate() {
        let place = findings.ground.places.experiments.get(n).unwrap_or(&none);
        let title = experiment.name.as_str();
        if !is_slug(title, "-_") {
            let message = format!("experiment {title:?}: a name has lower-case letters, digits, - and _, at most 64");
            findings.add(place.name.as_ref(), message);
        }
        if !names.insert(title) {
            findings.add(place.name.as_ref(), format!("there are two experiments called {title:?}"));
        }
        if experiment.hypothesis.trim().is_empty() {
            findings.add(
                place.hypothesis.as_ref().or(place.name.as_ref()),
                format!("experiment {title:?}: say what is expected, and why, before it runs"),
            );
        }
        let detect = place.detect_percent.as_ref();
        let what = format!("detect_percent of experiment {title:?}");
        findings.number(detect, experiment.detect_percent, (0.1, 50.0), &what);
        time(experiment, place, findings);
        variable(document, experiment, place, findings);
        arms(document, experiment, place, findings);
        let before = document.experiments.iter().take(n);
        if let Some(other) = before.into_iter().find(|other| other.collides_with(experiment)) {
            let message = format!(
                "experiment {title:?} changes the same as {:?} at the same time: play {:?}; neither could be told from the other",
                other.name,
                experiment.play.as_str()
            );
            findings.add(place.name.as_ref(), message);
        }
    }
}

fn time(experiment: &Experiment, place: &ExperimentPlaces, findings: &mut Findings<'_>) {
    let title = experiment.name.as_str();
    let length = experiment.ends().since(experiment.starts);
    let ends = place.ends.as_ref().or(place.starts.as_ref());
    if length <= 0 {
        findings.add(ends, format!("experiment {title:?} ends before it starts"));
    } else if length > LONGEST_MS {
        findings.add(ends, format!("experiment {title:?} runs for more than 92 days"));
    }
}

/// The play, its step, and whether its words are its own.
fn variable(document: &Document, experiment: &Experiment, place: &ExperimentPlaces, findings: &mut Findings<'_>) {
    let (title, name) = (experiment.name.as_str(), experiment.play.as_str());
    let at = place.play.as_ref().or(place.name.as_ref());
    let Some(play) = document.plays.iter().find(|play| play.name == experiment.play) else {
        findings.add(at, format!("experiment {title:?} tries the play {name:?}, and there is no such play"));
        return;
    };
    let steps = play.steps().len();
    if !(1..=steps).contains(&usize::from(experiment.step)) {
        let message = format!("experiment {title:?} tries step {}; play {name:?} has {steps}", experiment.step);
        match &place.step {
            Some(step) => findings.add(Some(step), message),
            None => findings.add(at, message),
        }
    }
    if play.draft.is_some() && experiment.arms.iter().any(|arm| !arm.say.is_empty()) {
        findings
            .add(at, format!("experiment {title:?}: what play {name:?} says is drafted, so no snippet can be tried"));
    }
}

fn arms(document: &Document, experiment: &Experiment, place: &ExperimentPlaces, findings: &mut Findings<'_>) {
    let title = experiment.name.as_str();
    let (none, at) = (ArmPlaces::default(), place.name.as_ref());
    let (mut names, mut says) = (BTreeSet::new(), BTreeSet::new());
    for (n, arm) in experiment.arms.iter().enumerate() {
        let place = place.arms.get(n).unwrap_or(&none);
        let ExperimentArm { name, say, share } = arm;
        if !is_slug(name, "-_") || name == HOLDOUT {
            let message = format!(
                "arm {name:?}: a name has lower-case letters, digits, - and _, at most 64, and is not {HOLDOUT}"
            );
            findings.add(place.name.as_ref().or(at), message);
        }
        if !names.insert(name) {
            findings.add(place.name.as_ref().or(at), format!("experiment {title:?} has two arms called {name:?}"));
        }
        if !say.is_empty() && !document.has_snippet(say) {
            let message = format!("arm {name:?} says {say:?}, and there is no such snippet");
            findings.add(place.say.as_ref().or(at), message);
        }
        if !says.insert(own_words(document, experiment, say)) {
            let message = format!("arm {name:?} says the same as another arm of experiment {title:?}");
            findings.add(place.say.as_ref().or(place.name.as_ref()).or(at), message);
        }
        if *share == 0 {
            let message = format!("arm {name:?} has nobody: a share is 1 or more, in percent");
            match &place.share {
                Some(share) => findings.add(Some(share), message),
                None => findings.add(at, message),
            }
        }
    }
    if experiment.arms.len() > ARMS_MAX {
        findings.add(at, format!("experiment {title:?} has {} arms: {ARMS_MAX} are the limit", experiment.arms.len()));
    }
    if experiment.arms.is_empty() || (experiment.arms.len() == 1 && experiment.holdout == 0) {
        let message = format!("experiment {title:?} compares nothing: it needs two arms, or one and a hold-out");
        findings.add(at, message);
    }
    let shares: u32 = experiment.arms.iter().map(|arm| u32::from(arm.share)).sum();
    let all = shares + u32::from(experiment.holdout);
    if all != 100 {
        let message = format!("experiment {title:?}: its arms and its hold-out make {all} %, not 100 %");
        let holdout = place.holdout.as_ref().filter(|_| experiment.holdout > 0);
        match (holdout, place.arms.last().and_then(|arm| arm.share.as_ref())) {
            (Some(place), _) | (None, Some(place)) => findings.add(Some(place), message),
            (None, None) => findings.add(at, message),
        }
    }
}

/// What an arm says: what stands there, or else the step's own.
fn own_words(document: &Document, experiment: &Experiment, say: &str) -> String {
    if !say.is_empty() {
        return say.to_owned();
    }
    let play = document.plays.iter().find(|play| play.name == experiment.play);
    let step = usize::from(experiment.step.saturating_sub(1));
    play.and_then(|play| play.steps().get(step).map(|step| step.say.clone())).unwrap_or_default()
}

/// What is allowed, and perhaps not meant.
pub(super) fn warn(document: &Document, findings: &mut Findings<'_>) {
    for (n, experiment) in document.experiments.iter().enumerate() {
        let place = findings.ground.places.experiments.get(n).and_then(|place| place.name.as_ref());
        let (title, name) = (experiment.name.as_str(), experiment.play.as_str());
        let rollout = document.plays.iter().find(|play| play.name == experiment.play).map(|play| play.rollout);
        if matches!(rollout, Some(Rollout::Off | Rollout::Shadow)) {
            findings.add(place, format!("experiment {title:?} takes nobody in: play {name:?} says nothing to anybody"));
        }
        if experiment.ends().since(experiment.starts) < 14 * DAY_MS {
            findings
                .add(place, format!("experiment {title:?} runs for less than two weeks: weekends do not count twice"));
        }
    }
}
