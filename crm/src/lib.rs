//! What leaves Afterglow for the systems beside it: the daily log.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `daily_log` | who cared on one day, what came of it, and what is to be done: pure |
//! | `day` | one day in a brand's time zone |
//! | `table` | the log as CSV and JSON |
//! | `story_series` | the figures of Stories over time |
//! | `collect` | what the log is made of, from the store |

mod collect;
mod daily_log;
mod day;
pub mod egress;
mod story_series;
mod table;

pub use collect::{CollectError, daily_log_of};
pub use daily_log::{Action, DailyLog, LogRow, Material, Step, Trigger, daily_log};
pub use day::{Day, DayError};
pub use story_series::{StorySample, series_to_csv, story_series};
pub use table::{to_csv, to_json};
