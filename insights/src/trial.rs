//! What an experiment comes to, and what must not be said of it. Pure.

use std::fmt;

use afterglow_domain::{Experiment, ExperimentMetric, HOLDOUT, Timestamp};
use afterglow_store::{Exposed, Outcomes};
use serde::Serialize;

use crate::experiment::{Comparison, compare, mismatch, real};
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

/// What may be said of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// More of its viewers do it.
    More,
    /// Fewer of its viewers do it.
    Fewer,
    /// Any difference is smaller than what would be worth knowing.
    NoDifferenceWorthKnowing,
    /// Neither is shown.
    NotShown,
    /// Nothing may be said: the reasons stand beside it.
    Forbidden,
}

impl Verdict {
    /// As people read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::More => "more do it",
            Self::Fewer => "fewer do it",
            Self::NoDifferenceWorthKnowing => "no difference worth knowing of",
            Self::NotShown => "not shown",
            Self::Forbidden => "no verdict",
        }
    }
}

/// What is unknown, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Doubt {
    /// Something sorts viewers: no verdict.
    UnevenSplit {
        /// The chance of so uneven a split if nothing is wrong.
        chance: f64,
    },
    /// The experiment was changed while it took viewers in: no verdict.
    Changed {
        /// Viewers who were taken in while it was another.
        viewers: u64,
    },
    /// What it counts cannot be seen at all, so that 0 would mean nothing: no verdict.
    MetricAbsent {
        /// Why.
        reason: &'static str,
    },
    /// An arm has too few viewers whose time is over.
    TooFew {
        /// In which arm.
        arm: String,
        /// Viewers who are counted there.
        counted: u64,
    },
    /// The time of some viewers is not over.
    StillOpen {
        /// How many.
        viewers: u64,
    },
}

impl Doubt {
    /// Whether nothing may be said because of it.
    pub const fn forbids(&self) -> bool {
        matches!(self, Self::UnevenSplit { .. } | Self::Changed { .. } | Self::MetricAbsent { .. })
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnevenSplit { chance } => {
                write!(
                    f,
                    "the arms are uneven beyond chance (1 in {:.0}): something sorts viewers, so no verdict",
                    1.0 / chance.max(1e-12)
                )
            }
            Self::Changed { viewers } => {
                write!(
                    f,
                    "{viewers} viewers were taken in while its arms, shares or metric were others: no verdict; give it a new name"
                )
            }
            Self::MetricAbsent { reason } => write!(f, "unknown, not 0: {reason}"),
            Self::TooFew { arm, counted } => write!(f, "{arm}: {counted} counted, too few to say"),
            Self::StillOpen { viewers } => write!(f, "{viewers} viewers are not counted yet: their time is not over"),
        }
    }
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

fn doubts(experiment: &Experiment, exposed: &[Exposed], arms: &[TrialArm], absent: Option<&'static str>) -> Vec<Doubt> {
    let shape = experiment.shape();
    let changed = exposed.iter().filter(|one| one.shape != shape).count() as u64;
    let split: Vec<(u64, u32)> = arms.iter().map(|arm| (arm.viewers, u32::from(arm.share))).collect();
    let mut doubts = Vec::new();
    doubts.extend(mismatch(&split).map(|found| Doubt::UnevenSplit { chance: found.chance }));
    doubts.extend((changed > 0).then_some(Doubt::Changed { viewers: changed }));
    doubts.extend(absent.map(|reason| Doubt::MetricAbsent { reason }));
    let few = arms.iter().filter(|arm| arm.counted < FEW);
    doubts.extend(few.map(|arm| Doubt::TooFew { arm: arm.name.clone(), counted: arm.counted }));
    let open: u64 = arms.iter().map(|arm| arm.viewers - arm.counted).sum();
    doubts.extend((open > 0).then_some(Doubt::StillOpen { viewers: open }));
    doubts
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

fn verdict(experiment: &Experiment, compared: &Comparison, found: Interval, alpha: f64) -> Verdict {
    let worth = experiment.detect_percent / 100.0;
    let lost = compared.differing - compared.won;
    if compared.evidence >= 1.0 / alpha && compared.won != lost {
        return if compared.won > lost { Verdict::More } else { Verdict::Fewer };
    }
    if found.low > -worth && found.high < worth {
        return Verdict::NoDifferenceWorthKnowing;
    }
    Verdict::NotShown
}

#[cfg(test)]
mod tests {
    use afterglow_domain::{AccountId, DAY_MS, ExperimentArm, PlayId, ViewerId, ViewerKey};

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn tried(shares: &[u8], holdout: u8) -> Experiment {
        let names = ["thanks", "question", "offer"];
        let arm = |(name, share): (&str, &u8)| ExperimentArm { name: name.into(), say: name.into(), share: *share };
        Experiment {
            name: "words".into(),
            hypothesis: "a question is answered more often".into(),
            metric: ExperimentMetric::Reply,
            play: PlayId::new("story-reply"),
            step: 1,
            arms: names.into_iter().zip(shares).map(arm).collect(),
            holdout,
            starts: START,
            ends: None,
            detect_percent: 5.0,
        }
    }

    /// Viewers who came one a minute, each into the arm of their turn; `did` says whether they replied after an hour.
    fn exposed(
        experiment: &Experiment,
        arms: &[&str],
        viewers: usize,
        did: impl Fn(&str, usize) -> bool,
    ) -> Vec<Exposed> {
        let one = |n: usize| {
            let arm = arms[n % arms.len()];
            let at = START.plus(i64::try_from(n).unwrap() * 60_000);
            let replied = did(arm, n / arms.len()).then(|| at.plus(3_600_000));
            Exposed {
                viewer: ViewerKey { account: AccountId::new("1"), viewer: ViewerId::new(n.to_string()) },
                experiment: experiment.name.clone(),
                arm: arm.into(),
                shape: experiment.shape(),
                at,
                outcomes: Outcomes { replied, ..Outcomes::default() },
            }
        };
        (0..viewers).map(one).collect()
    }

    #[test]
    fn a_difference_is_found_with_its_denominators() {
        let experiment = tried(&[50, 50], 0);
        let who = exposed(&experiment, &["thanks", "question"], 2_000, |arm, n| {
            n.is_multiple_of(if arm == "question" { 4 } else { 10 })
        });
        let found = trial(&experiment, &who, None, START.plus(30 * DAY_MS));
        assert_eq!(found.state, TrialState::Ended);
        assert_eq!((found.arms[0].counted, found.arms[0].did, found.arms[1].did), (1_000, 100, 250));
        let lift = &found.lifts[0];
        assert_eq!((lift.verdict, lift.arm.as_str(), lift.than.as_str()), (Verdict::More, "question", "thanks"));
        assert!((lift.lift.unwrap() - 0.15).abs() < 1e-9 && lift.interval.low > 0.0, "{lift:?}");
        assert!(found.doubts.is_empty(), "{:?}", found.doubts);
    }

    #[test]
    fn whose_time_is_not_over_is_not_counted() {
        let experiment = tried(&[50, 50], 0);
        let who = exposed(&experiment, &["thanks", "question"], 100, |_, _| true);
        let early = trial(&experiment, &who, None, START.plus(DAY_MS));
        assert_eq!((early.state, early.arms[0].viewers, early.arms[0].counted), (TrialState::Running, 50, 0));
        assert_eq!((early.arms[0].rate, early.lifts[0].lift), (None, None), "unknown, not 0 and not 100 %");
        assert!(early.doubts.contains(&Doubt::StillOpen { viewers: 100 }), "{:?}", early.doubts);
    }

    #[test]
    fn what_forbids_a_verdict() {
        let experiment = tried(&[50, 50], 0);
        let answers = |arm: &str, _: usize| arm == "question";
        let good = exposed(&experiment, &["thanks", "question"], 400, answers);
        let late = START.plus(30 * DAY_MS);
        assert_eq!(trial(&experiment, &good, None, late).lifts[0].verdict, Verdict::More);
        let uneven = exposed(&experiment, &["thanks", "question", "question"], 600, answers);
        let found = trial(&experiment, &uneven, None, late);
        assert_eq!(found.lifts[0].verdict, Verdict::Forbidden, "{:?}", found.doubts);
        let other = Experiment { metric: ExperimentMetric::Click, ..experiment.clone() };
        assert_eq!(trial(&other, &good, None, late).lifts[0].verdict, Verdict::Forbidden, "the metric was changed");
        let absent = trial(&experiment, &good, Some("no shop tells of sales"), late);
        assert_eq!(absent.lifts[0].verdict, Verdict::Forbidden);
        assert!(absent.doubts[0].to_string().contains("unknown, not 0"), "{:?}", absent.doubts);
    }

    #[test]
    fn a_single_arm_is_compared_with_those_who_are_held_out() {
        let experiment = tried(&[50], 50);
        let who = exposed(&experiment, &["thanks", HOLDOUT], 800, |arm, n| arm == "thanks" && n.is_multiple_of(2));
        let found = trial(&experiment, &who, None, START.plus(30 * DAY_MS));
        assert_eq!((found.lifts.len(), found.lifts[0].than.as_str()), (1, HOLDOUT));
        assert_eq!(found.lifts[0].verdict, Verdict::More);
    }

    #[test]
    fn several_comparisons_need_more_evidence() {
        let experiment = tried(&[40, 40], 20);
        let who = exposed(&experiment, &["thanks", "question", "thanks", "question", HOLDOUT], 20_000, |_, n| {
            n.is_multiple_of(10)
        });
        let found = trial(&experiment, &who, None, START.plus(60 * DAY_MS));
        assert_eq!(found.lifts.len(), 2);
        assert!(found.lifts.iter().all(|lift| (lift.needed - 40.0).abs() < 1e-9), "{:?}", found.lifts);
        assert_eq!(found.lifts[0].verdict, Verdict::NoDifferenceWorthKnowing, "{:?}", found.lifts[0]);
    }
}
