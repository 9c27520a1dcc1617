//! What a brand tries on its viewers: two or more ways of saying one thing, or saying it at all. Pure.

use serde::{Deserialize, Serialize};

use crate::{BrandId, DAY_MS, DerivedId as _, HOUR_MS, InteractionId, PlayId, Timestamp, ViewerKey};

/// The name under which those stand who are held out. No arm can have it.
pub const HOLDOUT: &str = "holdout";
/// How long an experiment takes where it is not said: two weeks, so that weekends count twice.
pub const EXPERIMENT_MS: i64 = 14 * DAY_MS;

/// One comparison. It changes one thing: what one step of one play says, or, with a single arm and a hold-out, whether the play
/// speaks at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Its name: lower-case letters, digits, `-` and `_`, at most 64. A new experiment needs a new name: by it viewers are sorted.
    pub name: String,
    /// What is expected, and why.
    pub hypothesis: String,
    /// What is counted of each viewer.
    pub metric: ExperimentMetric,
    /// Whose words, or whose being on, are tried.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub play: PlayId,
    /// Which step of the play says something else, from 1.
    #[serde(default = "first_step")]
    pub step: u8,
    /// The variants; the first is what the others are compared with.
    pub arms: Vec<ExperimentArm>,
    /// Viewers to whom the play says nothing while it runs, in percent.
    #[serde(default)]
    pub holdout: u8,
    /// From when on viewers are taken in, RFC 3339.
    #[serde(with = "moment")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub starts: Timestamp,
    /// Until when, RFC 3339; none: two weeks after the start.
    #[serde(default, with = "moment::perhaps", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub ends: Option<Timestamp>,
    /// The smallest difference that would be worth knowing of, in percentage points.
    #[serde(default = "five_points")]
    pub detect_percent: f64,
}

/// One variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExperimentArm {
    /// Its name: lower-case letters, digits, `-` and `_`, at most 64.
    pub name: String,
    /// The snippet that is said instead of the step's own; none: the step's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub say: String,
    /// Its share of viewers, in percent; all arms and the hold-out make 100.
    pub share: u8,
}

/// What a viewer did, or did not do, within a time after they were taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExperimentMetric {
    /// They did something that opens a right to answer, and did not say stop: within 72 hours.
    Reply,
    /// They opened a tracked link: within 72 hours.
    Click,
    /// They bought: within 7 days.
    Conversion,
    /// They said stop: within 72 hours.
    OptOut,
}

impl ExperimentMetric {
    /// How long after being taken in it counts, in ms. Nobody is counted before that time is over: else those who came last would
    /// weigh as if they had done nothing.
    pub const fn window_ms(self) -> i64 {
        match self {
            Self::Reply | Self::Click | Self::OptOut => 72 * HOUR_MS,
            Self::Conversion => 7 * DAY_MS,
        }
    }

    /// As documents and programs have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Click => "click",
            Self::Conversion => "conversion",
            Self::OptOut => "opt_out",
        }
    }

    /// Whether more of it is better.
    pub const fn more_is_better(self) -> bool {
        !matches!(self, Self::OptOut)
    }
}

const fn first_step() -> u8 {
    1
}

const fn five_points() -> f64 {
    5.0
}

/// A viewer was taken in: the play would have spoken to them while the experiment ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// Whose viewer.
    pub brand: BrandId,
    /// By which experiment.
    pub experiment: String,
    /// Who.
    pub viewer: ViewerKey,
    /// Into which arm, or [`HOLDOUT`].
    pub arm: String,
    /// [`Experiment::shape`] as it was then.
    pub shape: String,
    /// When the interaction happened because of which the play would have spoken.
    pub at: Timestamp,
}

impl Experiment {
    /// When no more viewers are taken in.
    pub fn ends(&self) -> Timestamp {
        self.ends.unwrap_or_else(|| self.starts.plus(EXPERIMENT_MS))
    }

    /// Whether viewers are taken in at `at`.
    pub fn runs_at(&self, at: Timestamp) -> bool {
        self.starts <= at && at < self.ends()
    }

    /// The arm of a viewer, by chance but always the same; `None` for those who are held out.
    pub fn arm_of(&self, viewer: &ViewerKey) -> Option<&ExperimentArm> {
        let shares: Vec<u32> = self.arms.iter().map(|arm| u32::from(arm.share)).collect();
        let arm = arm_of(&self.name, viewer, &shares, u32::from(self.holdout))?;
        self.arms.get(arm)
    }

    /// What must stay as it is while viewers are taken in: a digest of the metric, the play and step, the arms and the hold-out. Who
    /// were taken in under two of them cannot be compared.
    pub fn shape(&self) -> String {
        let mut parts = vec![
            "experiment-shape".to_owned(),
            self.metric.as_str().to_owned(),
            self.play.as_str().to_owned(),
            self.step.to_string(),
            self.holdout.to_string(),
        ];
        parts.extend(self.arms.iter().flat_map(|arm| [arm.name.clone(), arm.say.clone(), arm.share.to_string()]));
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        InteractionId::derive(&parts).to_string()
    }

    /// Whether both change the same thing at the same time. A hold-out changes all of a play.
    pub fn collides_with(&self, other: &Self) -> bool {
        let whole = |experiment: &Self| experiment.holdout > 0;
        self.play == other.play
            && (self.step == other.step || whole(self) || whole(other))
            && self.starts < other.ends()
            && other.starts < self.ends()
    }
}

/// Which arm a viewer is in, by chance but always the same; `None` for those who are held out. `shares` are the arms', in any unit
/// that `holdout` shares; all of them together are everybody.
pub fn arm_of(experiment: &str, viewer: &ViewerKey, shares: &[u32], holdout: u32) -> Option<usize> {
    let digest = InteractionId::derive(&["experiment", experiment, viewer.account.as_str(), viewer.viewer.as_str()]);
    let (high, low) = digest.uuid().as_u64_pair();
    let arms: u64 = shares.iter().map(|share| u64::from(*share)).sum();
    // Two independent parts of the digest: who is held out says nothing of the arm. The id's fixed bits are in neither.
    if (high >> 16) % (arms + u64::from(holdout)).max(1) < u64::from(holdout) {
        return None;
    }
    let mut place = (low & 0xffff_ffff_ffff) % arms.max(1);
    for (arm, share) in shares.iter().enumerate() {
        match place.checked_sub(u64::from(*share)) {
            None => return Some(arm),
            Some(rest) => place = rest,
        }
    }
    None
}

/// RFC 3339 in documents, milliseconds elsewhere.
mod moment {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::Timestamp;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    pub(super) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&at.to_rfc3339())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("{text:?} is no moment: expected one such as 2026-11-24T12:00:00Z"))
        })
    }

    pub(super) mod perhaps {
        use serde::{Deserializer, Serializer};

        use crate::Timestamp;

        #[expect(clippy::ref_option, reason = "serde's signature")]
        pub(in super::super) fn serialize<S: Serializer>(
            at: &Option<Timestamp>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => super::serialize(at, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, ViewerId};

    fn viewer(n: u32) -> ViewerKey {
        ViewerKey { account: AccountId::new("1"), viewer: ViewerId::new(n.to_string()) }
    }

    fn experiment(shares: &[u8], holdout: u8) -> Experiment {
        let arm = |(n, share): (usize, &u8)| ExperimentArm {
            name: format!("arm-{n}"),
            say: format!("says-{n}"),
            share: *share,
        };
        Experiment {
            name: "words".into(),
            hypothesis: "a question is answered more often".into(),
            metric: ExperimentMetric::Reply,
            play: PlayId::new("story-reply"),
            step: 1,
            arms: shares.iter().enumerate().map(arm).collect(),
            holdout,
            starts: Timestamp::from_millis(1_000),
            ends: None,
            detect_percent: 5.0,
        }
    }

    #[test]
    fn shares_are_kept_and_everybody_is_somewhere() {
        let tried = experiment(&[60, 20, 10], 10);
        let mut seen = [0_u32; 4];
        for n in 0..20_000 {
            let arm = tried.arm_of(&viewer(n));
            assert_eq!(arm, tried.arm_of(&viewer(n)), "always the same");
            seen[arm.map_or(3, |arm| tried.arms.iter().position(|one| one == arm).unwrap())] += 1;
        }
        // Four standard deviations.
        for (seen, meant) in seen.into_iter().zip([12_000_u32, 4_000, 2_000, 2_000]) {
            assert!(seen.abs_diff(meant) < 280, "{seen} of {meant}");
        }
    }

    #[test]
    fn it_runs_two_weeks_and_collides_with_what_changes_the_same() {
        let first = experiment(&[50, 50], 0);
        assert!(first.runs_at(first.starts) && !first.runs_at(Timestamp::from_millis(1_000 + 14 * DAY_MS)));
        let second = Experiment { name: "others".into(), step: 2, ..first.clone() };
        assert!(first.collides_with(&Experiment { step: 1, ..second.clone() }));
        assert!(!first.collides_with(&second), "another step");
        assert!(first.collides_with(&Experiment { holdout: 10, ..second.clone() }), "a hold-out changes all steps");
        let later = Experiment { step: 1, starts: first.ends(), ..second };
        assert!(!first.collides_with(&later), "one after the other");
    }

    #[test]
    fn the_shape_changes_with_whatever_would_mix_viewers() {
        let one = experiment(&[50, 50], 0);
        let text =
            Experiment { hypothesis: "something else".into(), ends: Some(Timestamp::from_millis(9)), ..one.clone() };
        assert_eq!(one.shape(), text.shape());
        assert_ne!(one.shape(), Experiment { metric: ExperimentMetric::Click, ..one.clone() }.shape());
        assert_ne!(one.shape(), experiment(&[40, 60], 0).shape());
    }

    #[test]
    fn moments_are_written_as_people_read_them() {
        let text = serde_json::to_string(&experiment(&[50, 50], 0)).unwrap();
        assert!(text.contains("\"starts\":\"1970-01-01T00:00:01.000Z\"") && !text.contains("ends"), "{text}");
        assert_eq!(serde_json::from_str::<Experiment>(&text).unwrap(), experiment(&[50, 50], 0));
    }
}
