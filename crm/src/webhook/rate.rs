//! A limit on how often an endpoint is called.

use afterglow_domain::Timestamp;

/// How often: `per_minute` in the long run, `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rate {
    /// Calls per minute in the long run; 1 or more (0 is taken as 1).
    pub per_minute: u32,
    /// Calls at once after a quiet time; 1 or more (0 is taken as 1).
    pub burst: u32,
}

impl Default for Rate {
    /// Ten a second, and as many at once.
    fn default() -> Self {
        Self { per_minute: 600, burst: 10 }
    }
}

const MICROS_PER_MINUTE: i64 = 60_000_000;

/// The generic cell rate algorithm (ITU-T I.371, annex A): one number says when the bucket is full again. Counts in
/// microseconds. Pure: the time is passed in.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    interval: i64,
    tolerance: i64,
    full_at: i64,
}

impl Meter {
    /// A meter that has seen no call.
    pub fn new(rate: Rate) -> Self {
        let interval = MICROS_PER_MINUTE / i64::from(rate.per_minute.max(1));
        Self { interval, tolerance: interval.saturating_mul(i64::from(rate.burst.max(1)) - 1), full_at: i64::MIN }
    }

    /// How many calls are free at `now`.
    pub fn free(&self, now: Timestamp) -> usize {
        let now = now.millis().saturating_mul(1000);
        let used = self.full_at.max(now).saturating_sub(now);
        let room = self.tolerance.saturating_sub(used);
        if room < 0 { 0 } else { usize::try_from(room / self.interval.max(1) + 1).unwrap_or(usize::MAX) }
    }

    /// When the next call is free, if none is at `now`; else `now`.
    pub fn free_at(&self, now: Timestamp) -> Timestamp {
        let earliest = self.full_at.saturating_sub(self.tolerance);
        now.max(Timestamp::from_millis(earliest.saturating_add(999).div_euclid(1000)))
    }

    /// `calls` are made at `now`.
    pub fn take(&mut self, calls: usize, now: Timestamp) {
        let calls = i64::try_from(calls).unwrap_or(i64::MAX);
        let now = now.millis().saturating_mul(1000);
        self.full_at = self.full_at.max(now).saturating_add(self.interval.saturating_mul(calls));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_burst_then_one_by_one() {
        let mut meter = Meter::new(Rate { per_minute: 60, burst: 3 });
        assert_eq!(meter.free(at(5000)), 3);
        meter.take(3, at(5000));
        for (ms, free) in [(5000, 0), (5999, 0), (6000, 1), (7000, 2), (8000, 3), (60_000, 3)] {
            assert_eq!(meter.free(at(ms)), free, "{ms}");
        }
        assert_eq!(meter.free_at(at(5000)), at(6000));
        assert_eq!(meter.free_at(at(6500)), at(6500));
    }

    proptest! {
        /// In no span of time are there more calls than the burst and what the span allows.
        #[test]
        fn never_more_than_agreed(
            per_minute in 1u32..6000, burst in 1u32..50, waits in prop::collection::vec(0i64..3000, 1..200),
        ) {
            let mut meter = Meter::new(Rate { per_minute, burst });
            let mut now = at(1_000_000);
            let mut calls: Vec<i64> = Vec::new();
            for wait in waits {
                now = now.plus(wait);
                let free = meter.free(now);
                meter.take(free, now);
                calls.extend(std::iter::repeat_n(now.millis(), free));
                prop_assert_eq!(meter.free(now), 0);
                prop_assert!(meter.free(meter.free_at(now)) > 0);
            }
            for (index, begin) in calls.iter().enumerate() {
                let span = now.millis() - begin;
                // The interval is cut to whole microseconds, which lets at most one call in 10 000 more through.
                let allowed = i64::from(burst) + span * i64::from(per_minute) * 10_001 / 10_000 / 60_000 + 1;
                prop_assert!(i64::try_from(calls.len() - index).unwrap() <= allowed);
            }
        }
    }
}
