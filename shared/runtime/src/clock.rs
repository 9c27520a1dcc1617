//! The only place that asks the system for the time.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in epoch milliseconds, UTC.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(); // a clock before 1970 reads as 1970
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
