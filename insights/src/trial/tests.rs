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
fn exposed(experiment: &Experiment, arms: &[&str], viewers: usize, did: impl Fn(&str, usize) -> bool) -> Vec<Exposed> {
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
