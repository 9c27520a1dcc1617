//! What leaves Afterglow for the systems beside it: the daily log, and the feed of changes.
//!
//! Guarantees: changes of a brand are numbered without a gap, and a reader who follows the numbers misses none; what is given to
//! an endpoint arrives at least once, each viewer's changes in their order, or is given up and listed; an address that
//! somebody else chose reaches nothing inside.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `daily_log` | who cared on one day, what came of it, and what is to be done: pure |
//! | `day` | one day in a brand's time zone |
//! | `table` | the log as CSV and JSON |
//! | `story_series` | the figures of Stories over time |
//! | `collect` | what the log is made of, from the store |
//! | `viewer_record` | a viewer as the systems beside are told of them |
//! | `webhook` | signed webhooks out: in order, again and again, until they arrive or are given up |
//! | `upsert` | viewers into a CRM's own records: requests and what replies mean, pure |
//! | `push` | the service that drives `upsert`: each brand's connections, from the feed |
//! | `feed` | the service: what changed is numbered, given to endpoints, delivered |
//! | `egress` | requests to addresses that somebody else chose |

mod collect;
mod daily_log;
mod day;
pub mod egress;
pub mod feed;
pub mod push;
mod story_series;
mod table;
pub mod upsert;
mod viewer_record;
pub mod webhook;

pub use collect::{CollectError, daily_log_of};
pub use daily_log::{Action, DailyLog, LogRow, Material, Step, Trigger, daily_log};
pub use day::{Day, DayError, days_between};
pub use story_series::{StorySample, series_to_csv, story_series};
pub use table::{plain_cell, rows_to_csv, to_csv, to_json};
pub use viewer_record::ViewerRecord;
