//! Numbers that decide: what a brand's figures are, counted so that late, doubled and reordered events correct the past, and what
//! may be claimed of a difference between two of them.
//!
//! Guarantee: a figure is a count with its denominator, or it is unknown with the reason; it is never 0 or 100 % for want of data.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `count` | what one viewer's history adds to the figures: pure |
//! | `kpi` | the figures by their definitions, from the counts: pure |
//! | `report` | the week: what to keep, change and stop: pure |
//! | `experiment` | who is shown what, and whether a difference is one, however often one looks: pure |
//! | `interval` | how large a difference may be, whenever one looks: pure |
//! | `trial` | what an experiment comes to, and what must not be said of it: pure |
//! | `outcome` | what viewers did after an experiment took them in: pure |
//! | `funnel` | from a Story to a sale: pure |
//! | `pattern` | what stands out in the figures: pure |
//! | `read` | sums and weeks, from the store |
//! | `keeper` | the loop: who changed is counted anew |

mod count;
mod experiment;
mod funnel;
mod interval;
mod keeper;
mod kpi;
mod outcome;
mod pattern;
mod read;
mod report;
mod trial;

pub use count::{Counts, Fate, History, Written, count};
pub use experiment::{Arm, Comparison, Mismatch, Plan, compare, mismatch, plan};
pub use funnel::{
    Followed, FunnelGround, Heat, StoryFigure, StoryFunnel, StoryLabel, StorySeries, StoryStage, StoryUnknown, funnel,
    funnel_to_csv, heat_of, series_of,
};
pub use interval::{Interval, interval};
pub use keeper::{KpiKeeper, Unreachable, rebuild};
pub use kpi::{Figures, Kpi, KpiName, Sums, Unknown, figures};
pub use outcome::outcomes;
pub use pattern::{Pattern, PatternGround, patterns};
pub use read::{days_before, days_of, funnel_of, patterns_of, sums_of, trial_named, trials_of, week_of};
pub use report::{Advice, Line, Week, WeeklyReport, weekly};
pub use trial::{Doubt, Trial, TrialArm, TrialLift, TrialState, Verdict, trial};
