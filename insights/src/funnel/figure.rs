//! A number of Meta's, or why there is none. Pure.

use std::fmt;

use afterglow_domain::{StoryInsights, Timestamp};
use serde::Serialize;

/// Why a Story's figure is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoryUnknown {
    /// Meta withholds it: fewer than five viewers.
    Withheld,
    /// Meta did not tell it of this Story: the metric does not exist for its login, or was withdrawn.
    NotTold,
    /// No figures were read while the Story was live.
    NotRead,
    /// There is nothing that it could be a share of.
    NothingCounted,
    /// Two of Meta's figures contradict each other: they are read one after the other.
    Contradicts,
}

impl fmt::Display for StoryUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Withheld => "withheld by Meta, fewer than 5 viewers",
            Self::NotTold => "not told by Meta",
            Self::NotRead => "not read while it was live",
            Self::NothingCounted => "nothing to count",
            Self::Contradicts => "Meta's figures contradict each other",
        })
    }
}

/// A number, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum StoryFigure {
    /// So many.
    Count {
        /// How many.
        value: i64,
    },
    /// So many of so many.
    Share {
        /// How many.
        of: i64,
        /// Of how many.
        among: i64,
        /// The share, 0 to 1.
        value: f64,
    },
    /// Not known.
    Unknown {
        /// Why.
        reason: StoryUnknown,
    },
}

impl StoryFigure {
    /// The number, if it is known.
    pub const fn count(self) -> Option<i64> {
        match self {
            Self::Count { value } | Self::Share { of: value, .. } => Some(value),
            Self::Unknown { .. } => None,
        }
    }

    /// Why it is not known.
    pub const fn unknown(self) -> Option<StoryUnknown> {
        match self {
            Self::Unknown { reason } => Some(reason),
            Self::Count { .. } | Self::Share { .. } => None,
        }
    }

    /// For a cell of CSV: empty if it is not known.
    pub fn cell(self) -> String {
        match self {
            Self::Count { value } => value.to_string(),
            Self::Share { value, .. } => format!("{value:.4}"),
            Self::Unknown { .. } => String::new(),
        }
    }

    fn with(self, other: Self, of: impl Fn(i64, i64) -> Self) -> Self {
        match (self.count(), other.count()) {
            (Some(a), Some(b)) => of(a, b),
            (None, _) => self,
            (_, None) => other,
        }
    }

    /// Both together; unknown if one is.
    pub(super) fn plus(self, other: Self) -> Self {
        self.with(other, |a, b| Self::Count { value: a + b })
    }

    /// What is left; unknown if one is, or if more would be taken than there is.
    pub(super) fn minus(self, other: Self) -> Self {
        self.with(other, |a, b| match a - b {
            value if value >= 0 => Self::Count { value },
            _ => Self::Unknown { reason: StoryUnknown::Contradicts },
        })
    }

    /// Its share of another; unknown if one is, or if it is more than all.
    pub(super) fn of(self, all: Self) -> Self {
        self.with(all, |of, among| match among {
            0 => Self::Unknown { reason: StoryUnknown::NothingCounted },
            _ if of > among => Self::Unknown { reason: StoryUnknown::Contradicts },
            _ => {
                #[expect(clippy::cast_precision_loss, reason = "counts are below 2^52")]
                let value = of as f64 / among as f64;
                Self::Share { of, among, value }
            }
        })
    }
}

impl fmt::Display for StoryFigure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { value } => write!(f, "{value}"),
            Self::Share { of, among, value } => write!(f, "{:.1} % ({of} of {among})", value * 100.0),
            Self::Unknown { reason } => write!(f, "unknown: {reason}"),
        }
    }
}

/// The latest of a metric among samples in the order of time. A broken-down metric of which Meta told the whole, and not this part, is 0
/// there: Meta leaves parts out that did not happen.
pub(super) fn latest(samples: &[(Timestamp, &StoryInsights)], name: &str) -> StoryFigure {
    let unknown = |reason| StoryFigure::Unknown { reason };
    if samples.is_empty() {
        return unknown(StoryUnknown::NotRead);
    }
    let told = |insights: &StoryInsights| {
        let value = insights.metric(name);
        match (value, name.split_once('_')) {
            (None, Some(("navigation", _))) => match insights.metric("navigation") {
                Some(Some(_)) => Some(Some(0)),
                whole => whole,
            },
            _ => value,
        }
    };
    let latest = samples.iter().rev().find_map(|(_, insights)| told(insights).flatten());
    match latest {
        Some(value) => StoryFigure::Count { value },
        None if samples.iter().any(|(_, insights)| told(insights).is_some()) => unknown(StoryUnknown::Withheld),
        None => unknown(StoryUnknown::NotTold),
    }
}
