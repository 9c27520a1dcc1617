//! What an experiment comes to, and what must not be said of it. Pure.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `verdict` | what may be said of a difference |
//! | `doubt` | what is unknown, or forbids to say anything |

mod doubt;
#[cfg(test)]
mod tests;
mod verdict;

use afterglow_domain::{Experiment, ExperimentMetric, HOLDOUT, Timestamp};
use afterglow_store::{Exposed, Outcomes};
use serde::Serialize;

pub use doubt::Doubt;
pub use verdict::Verdict;

use doubt::doubts;
use verdict::verdict;

use crate::experiment::{compare, real};
use crate::interval::{Interval, interval};

/// The chance of finding something where there is nothing, over all comparisons of an experiment.
const ALPHA: f64 = 0.05;
/// Fewer than this say nothing.
const FEW: u64 = 5;

/// Where an experiment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialState {
    /// It has not begun.
    Planned,
    /// It takes viewers in.
    Running,
    /// It takes nobody in any longer, and some viewers' time is not over.
    Closing,
    /// Everybody's time is over.
    Ended,
}

/// One arm, or those who are held out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialArm {
    /// Its name.
    pub name: String,
    /// The snippet that it says; none: what the play says anyway, or nothing at all.
    pub say: Option<String>,
    /// Its share, in percent.
    pub share: u8,
    /// Viewers who were taken in.
    pub viewers: u64,
    /// Of these, those whose time is over: only they are counted.
    pub counted: u64,
    /// Of the counted, who did it.
    pub did: u64,
    /// The part of the counted who did; none where fewer than 5 are counted.
    pub rate: Option<f64>,
}

/// One arm beside the first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialLift {
    /// The arm.
    pub arm: String,
    /// With which it is compared.
    pub than: String,
    /// How much more of its viewers did it, as a part of one; none while an arm has nobody.
    pub lift: Option<f64>,
    /// Between what and what the difference lies, whenever one looks, with 95 % over all comparisons of the experiment.
    pub interval: Interval,
    /// Evidence against "no difference".
    pub evidence: f64,
    /// How much of it is needed.
    pub needed: f64,
    /// What may be said.
    pub verdict: Verdict,
}

/// An experiment, as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// Its name.
    pub name: String,
    /// What was expected.
    pub hypothesis: String,
    /// What is counted.
    pub metric: ExperimentMetric,
    /// Whose words, or whose being on.
    pub play: String,
    /// Which step, from 1.
    pub step: u8,
    /// When it begins, RFC 3339.
    pub starts: String,
    /// When it takes nobody in any longer, RFC 3339.
    pub ends: String,
    /// Where it stands.
    pub state: TrialState,
    /// The smallest difference worth knowing of, in percentage points.
    pub detect_percent: f64,
    /// Each arm; those who are held out last.
    pub arms: Vec<TrialArm>,
    /// Each arm beside the one it is compared with.
    pub lifts: Vec<TrialLift>,
    /// What is unknown, and why.
    pub doubts: Vec<Doubt>,
}

/// What an experiment comes to at `now`. `exposed`: everybody whom it took in, in the order in which they came. `absent`: why what it
/// counts cannot be seen, if so.
pub fn trial(experiment: &Experiment, exposed: &[Exposed], absent: Option<&'static str>, now: Timestamp) -> Trial {
    let window = experiment.metric.window_ms();
    let over = |one: &Exposed| now.since(one.at) >= window;
    let did = |one: &Exposed| {
        did_at(experiment.metric, &one.outcomes).is_some_and(|then| then > one.at && then.since(one.at) < window)
    };
    let mut arms: Vec<TrialArm> = experiment.arms.iter().map(|arm| blank(&arm.name, &arm.say, arm.share)).collect();
    if experiment.holdout > 0 {
        arms.push(blank(HOLDOUT, "", experiment.holdout));
    }
    let mut outcomes = Vec::with_capacity(exposed.len()); // arm, did
    for one in exposed {
        let Some(place) = arms.iter().position(|arm| arm.name == one.arm) else { continue };
        arms[place].viewers += 1;
        if over(one) {
            let did = did(one);
            arms[place].counted += 1;
            arms[place].did += u64::from(did);
            outcomes.push((place, did));
        }
    }
    for arm in &mut arms {
        arm.rate = (arm.counted >= FEW).then(|| real(arm.did) / real(arm.counted));
    }
    let doubts = doubts(experiment, exposed, &arms, absent);
    let forbidden = doubts.iter().any(Doubt::forbids);
    let lifts = lifts(experiment, &arms, &outcomes, forbidden);
    let open: u64 = arms.iter().map(|arm| arm.viewers - arm.counted).sum();
    let state = match () {
        () if now < experiment.starts => TrialState::Planned,
        () if experiment.runs_at(now) => TrialState::Running,
        () if open > 0 => TrialState::Closing,
        () => TrialState::Ended,
    };
    Trial {
        name: experiment.name.clone(),
        hypothesis: experiment.hypothesis.clone(),
        metric: experiment.metric,
        play: experiment.play.to_string(),
        step: experiment.step,
        starts: experiment.starts.to_rfc3339(),
        ends: experiment.ends().to_rfc3339(),
        state,
        detect_percent: experiment.detect_percent,
        arms,
        lifts,
        doubts,
    }
}

fn did_at(metric: ExperimentMetric, outcomes: &Outcomes) -> Option<Timestamp> {
    match metric {
        ExperimentMetric::Reply => outcomes.replied,
        ExperimentMetric::Click => outcomes.clicked,
        ExperimentMetric::Conversion => outcomes.bought,
        ExperimentMetric::OptOut => outcomes.stopped,
    }
}

fn blank(name: &str, say: &str, share: u8) -> TrialArm {
    let say = (!say.is_empty()).then(|| say.to_owned());
    TrialArm { name: name.to_owned(), say, share, viewers: 0, counted: 0, did: 0, rate: None }
}

/// Each arm beside the first; a single arm beside those who are held out.
fn lifts(experiment: &Experiment, arms: &[TrialArm], outcomes: &[(usize, bool)], forbidden: bool) -> Vec<TrialLift> {
    let single = experiment.arms.len() == 1;
    let first = if single { arms.len().saturating_sub(1) } else { 0 };
    let others: Vec<usize> = (0..arms.len()).filter(|arm| *arm != first).collect();
    let alpha = ALPHA / real(others.len().max(1) as u64);
    others
        .into_iter()
        .map(|other| {
            let of_both = outcomes.iter().filter(|(arm, _)| *arm == first || *arm == other);
            let compared = compare(of_both.map(|(arm, did)| (u32::from(*arm == other), *did)));
            let found = interval(&compared, alpha);
            let few = arms[first].counted < FEW || arms[other].counted < FEW;
            TrialLift {
                arm: arms[other].name.clone(),
                than: arms[first].name.clone(),
                lift: compared.lift.filter(|_| !few),
                interval: found,
                evidence: compared.evidence,
                needed: 1.0 / alpha,
                verdict: if forbidden { Verdict::Forbidden } else { verdict(experiment, &compared, found, alpha) },
            }
        })
        .collect()
}
