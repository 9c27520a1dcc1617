//! What may be said of a difference.

use afterglow_domain::Experiment;
use serde::Serialize;

use crate::experiment::Comparison;
use crate::interval::Interval;

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

pub(super) fn verdict(experiment: &Experiment, compared: &Comparison, found: Interval, alpha: f64) -> Verdict {
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
