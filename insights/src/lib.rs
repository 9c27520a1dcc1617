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
//! | `read` | sums and weeks, from the store |
//! | `keeper` | the loop: who changed is counted anew |

mod count;
mod experiment;
mod keeper;
mod kpi;
mod read;
mod report;

pub use count::{Counts, Fate, History, Written, count};
pub use experiment::{Arm, Comparison, Mismatch, Plan, arm_of, compare, mismatch, plan};
pub use keeper::{KpiKeeper, Unreachable, rebuild};
pub use kpi::{Figures, Kpi, KpiName, Sums, Unknown, figures};
pub use read::{days_before, days_of, sums_of, week_of};
pub use report::{Advice, Line, Week, WeeklyReport, weekly};
