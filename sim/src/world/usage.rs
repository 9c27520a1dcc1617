//! Rates and quotas, and the usage headers that tell of them.
//!
//! `X-App-Usage` and `X-Business-Use-Case-Usage` give percents of an hour's quota over a rolling hour (Meta, "Graph API
//! rate limiting", read in 2026); the limit per second has no header of its own.

use std::collections::VecDeque;

use afterglow_domain::{AccountId, Timestamp};

const MINUTE_MS: i64 = 60_000;

/// Counts one kind of call over a rolling window.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    calls: VecDeque<i64>,
}

impl Rate {
    /// Counts a call at `now` unless `limit` calls lie in the last `window_ms` already; says how many there were.
    pub(crate) fn admit(&mut self, now: Timestamp, window_ms: i64, limit: u32) -> Result<(), u32> {
        let now = now.millis();
        while self.calls.front().is_some_and(|t| now - t >= window_ms) {
            self.calls.pop_front();
        }
        let seen = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        if seen >= limit {
            return Err(seen);
        }
        self.calls.push_back(now);
        Ok(())
    }
}

/// Calls over a rolling hour, by the minute.
#[derive(Debug, Default)]
pub(crate) struct Hour {
    minutes: VecDeque<(i64, u64)>,
}

impl Hour {
    pub(crate) fn count(&mut self, now: Timestamp) {
        let minute = now.millis().div_euclid(MINUTE_MS);
        while self.minutes.front().is_some_and(|(m, _)| minute - m >= 60) {
            self.minutes.pop_front();
        }
        match self.minutes.back_mut() {
            Some((m, n)) if *m >= minute => *n += 1,
            _ => self.minutes.push_back((minute, 1)),
        }
    }

    /// Percent of `quota`, rounded up so that any use at all shows.
    pub(crate) fn percent(&self, quota: u64) -> u64 {
        let calls: u64 = self.minutes.iter().map(|(_, n)| n).sum();
        (calls * 100).div_ceil(quota.max(1))
    }
}

/// The two usage headers, as every answer carries them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageHeaders {
    /// `X-App-Usage`.
    pub app: String,
    /// `X-Business-Use-Case-Usage`; absent when no account was named.
    pub business: Option<String>,
}

impl UsageHeaders {
    pub(crate) fn new(app_percent: u64, account: Option<(&AccountId, u64, bool)>) -> Self {
        let app = format!(
            r#"{{"call_count":{app_percent},"total_cputime":{},"total_time":{}}}"#,
            app_percent / 2,
            app_percent / 2
        );
        let business = account.map(|(id, percent, blocked)| {
            let regain = u8::from(blocked); // minutes
            format!(
                r#"{{"{id}":[{{"type":"instagram","call_count":{percent},"total_cputime":{},"total_time":{},"estimated_time_to_regain_access":{regain}}}]}}"#,
                percent / 2,
                percent / 2
            )
        });
        Self { app, business }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rolling_second() {
        let mut rate = Rate::default();
        let at = Timestamp::from_millis;
        for n in 0..100 {
            assert_eq!(rate.admit(at(n), 1000, 100), Ok(()));
        }
        assert_eq!(rate.admit(at(999), 1000, 100), Err(100));
        assert_eq!(rate.admit(at(1000), 1000, 100), Ok(()), "the first call is a second old");
        assert_eq!(rate.admit(at(1000), 1000, 100), Err(100));
    }

    #[test]
    fn a_rolling_hour_forgets() {
        let mut hour = Hour::default();
        for minute in 0..10 {
            hour.count(Timestamp::from_millis(minute * MINUTE_MS));
        }
        assert_eq!(hour.percent(100), 10);
        assert_eq!(hour.percent(2000), 1, "rounded up");
        hour.count(Timestamp::from_millis(65 * MINUTE_MS));
        assert_eq!(hour.percent(100), 5, "minutes 0 to 5 are over an hour old");
    }
}
