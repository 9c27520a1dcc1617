//! When to try again: exponential, with full jitter, over about three days.

use afterglow_domain::{HOUR_MS, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// How often a delivery is tried before it is given up, the first time included.
pub const MAX_ATTEMPTS: u32 = 24;
/// Below the ceiling of the first wait, in milliseconds; each ceiling is twice the one before.
const FIRST_CEILING_MS: i64 = 10_000;
/// No ceiling is higher.
const LAST_CEILING_MS: i64 = 12 * HOUR_MS;
/// No wait is shorter: what failed a moment ago fails again.
const SHORTEST_MS: i64 = 1000;
/// An endpoint that asks for more patience than this (`Retry-After`) is asked again after this.
const LONGEST_ASKED_MS: i64 = 24 * HOUR_MS;

/// When to try again after `attempts` failed attempts (1 or more), the last of them at `now`; `None` when that was the
/// last one.
///
/// The wait is drawn evenly from one second up to the ceiling ("full jitter": Brooker, *Exponential Backoff And Jitter*,
/// AWS Architecture Blog, 2015), so that what failed together does not come back together. The 23 waits add up to 71
/// hours on average and to 143 at most. The same `attempts` and `seed` give the same wait; seed it by the delivery.
///
/// `asked` is the endpoint's `Retry-After` in milliseconds, heeded when it is longer, up to a day.
pub fn next_attempt(attempts: u32, now: Timestamp, seed: u64, asked: Option<i64>) -> Option<Timestamp> {
    if attempts >= MAX_ATTEMPTS {
        return None;
    }
    let mut random = StdRng::seed_from_u64(seed.wrapping_add(u64::from(attempts)));
    let wait = random.random_range(SHORTEST_MS..=ceiling_ms(attempts));
    Some(now.plus(wait.max(asked.unwrap_or(0).min(LONGEST_ASKED_MS))))
}

fn ceiling_ms(attempts: u32) -> i64 {
    let doublings = attempts.saturating_sub(1).min(20); // far beyond the last ceiling, far below overflow
    (FIRST_CEILING_MS << doublings).min(LAST_CEILING_MS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn ceilings() {
        for (attempts, ceiling) in [
            (0, 10_000),
            (1, 10_000),
            (2, 20_000),
            (3, 40_000),
            (13, 40_960_000),
            (14, 12 * HOUR_MS),
            (23, 12 * HOUR_MS),
            (u32::MAX, 12 * HOUR_MS),
        ] {
            assert_eq!(ceiling_ms(attempts), ceiling, "{attempts}");
        }
    }

    #[test]
    fn about_three_days_on_average() {
        let total = |seed: u64| -> i64 {
            (1..MAX_ATTEMPTS).map(|n| next_attempt(n, NOW, seed, None).unwrap().since(NOW)).sum()
        };
        let seeds = 2000;
        let mean_hours =
            (0..seeds).map(|seed| total(seed * 7919)).sum::<i64>() / i64::try_from(seeds).unwrap() / HOUR_MS;
        assert!((69..=73).contains(&mean_hours), "{mean_hours} h");
        assert_eq!(next_attempt(MAX_ATTEMPTS, NOW, 1, None), None);
    }

    #[test]
    fn what_the_endpoint_asks_for() {
        for (asked, least, most) in
            [(60_000, 60_000, 60_000), (5, 1000, 10_000), (-5, 1000, 10_000), (i64::MAX, 24 * HOUR_MS, 24 * HOUR_MS)]
        {
            let wait = next_attempt(1, NOW, 3, Some(asked)).unwrap().since(NOW);
            assert!((least..=most).contains(&wait), "{asked}: {wait}");
        }
    }

    proptest! {
        #[test]
        fn within_bounds_and_the_same_again(attempts in 1u32..MAX_ATTEMPTS, seed: u64) {
            let at = next_attempt(attempts, NOW, seed, None).unwrap();
            prop_assert!((SHORTEST_MS..=ceiling_ms(attempts)).contains(&at.since(NOW)));
            prop_assert_eq!(next_attempt(attempts, NOW, seed, None), Some(at));
        }
    }
}
