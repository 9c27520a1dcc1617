//! What is unknown of an experiment, and why; and what of it forbids a verdict.

use std::fmt;

use afterglow_domain::Experiment;
use afterglow_store::Exposed;
use serde::Serialize;

use super::{FEW, TrialArm};
use crate::experiment::mismatch;

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

pub(super) fn doubts(
    experiment: &Experiment,
    exposed: &[Exposed],
    arms: &[TrialArm],
    absent: Option<&'static str>,
) -> Vec<Doubt> {
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
