//! A sum whose parts fade with a half-life, exact whatever order they come in.
//!
//! Forward decay (Cormode, Shkapenyuk, Srivastava, Xu, *Forward Decay: A Practical Time Decay Model for Streaming
//! Systems*, ICDE 2009): a part of weight `w` at time `t` contributes `w · 2^(t/H)`, and the value at `now` is the sum
//! divided by `2^(now/H)`. Old parts are never touched again, and two sums compare the same way at every moment.
//!
//! Floating-point addition depends on order, and a score has to replay bit for bit. So the sum is kept in whole
//! numbers: `t/H` is split into a whole number of half-lives `k` and a rest, the rest goes into a fixed-point mantissa,
//! and mantissas are added per `k`. Whole-number addition does not mind order, duplication is removed before, and two
//! sums merge by adding. `2^x` comes from `libm`, which gives the same bits on every machine.

use std::collections::BTreeMap;

use afterglow_domain::Timestamp;
use serde::{Deserialize, Serialize};

/// Fraction bits of a mantissa: one part in a million of a thousandth.
const FRACTION_BITS: i32 = 20;
/// Parts this many half-lives behind the newest are dropped: they weigh less than one part in 10¹⁴.
const KEPT_HALF_LIVES: i64 = 48;

/// A sum of fading parts. The half-life is the caller's and must be the same for every call on one sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DecayedSum {
    /// Half-lives since the epoch → sum of mantissas. Saturating addition of unsigned numbers keeps order out of it.
    parts: BTreeMap<i64, u64>,
}

impl DecayedSum {
    /// Adds a part of `weight_milli` thousandths at `at`, fading by half every `half_life_ms` (at least 1).
    pub fn add(&mut self, weight_milli: u32, at: Timestamp, half_life_ms: i64) {
        let half_life_ms = half_life_ms.max(1);
        let half_lives = at.millis().div_euclid(half_life_ms);
        #[expect(clippy::cast_precision_loss, reason = "a rest below one half-life is far below 2^52 ms")]
        let rest = at.millis().rem_euclid(half_life_ms) as f64 / half_life_ms as f64;
        let scaled = f64::from(weight_milli) * libm::exp2(rest) * f64::from(1u32 << FRACTION_BITS);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 ≤ scaled < 2^53")]
        let mantissa = libm::round(scaled) as u64;
        if mantissa > 0 {
            self.put(half_lives, mantissa);
            self.prune();
        }
    }

    /// Adds all parts of `other`, which must have the same half-life.
    pub fn merge(&mut self, other: &Self) {
        for (half_lives, mantissa) in &other.parts {
            self.put(*half_lives, *mantissa);
        }
        self.prune();
    }

    /// The value at `now`, in the unit of the weights (not thousandths).
    pub fn value_at(&self, now: Timestamp, half_life_ms: i64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "epoch milliseconds are below 2^52")]
        let now_half_lives = now.millis() as f64 / half_life_ms.max(1) as f64;
        self.log2().map_or(0.0, |log2| libm::exp2(log2 - now_half_lives))
    }

    /// log₂ of the undecayed sum: orders viewers the same way at every moment. `None` for an empty sum.
    pub fn log2(&self) -> Option<f64> {
        let (&newest, _) = self.parts.last_key_value()?;
        let scale = libm::exp2(f64::from(FRACTION_BITS)) * 1000.0;
        let sum: f64 = self
            .parts
            .iter()
            .map(|(&half_lives, &mantissa)| {
                #[expect(clippy::cast_precision_loss, reason = "sums beyond 2^53 lose less than one part in 10^15")]
                let term = mantissa as f64 * libm::exp2((half_lives - newest) as f64);
                term
            })
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "half-lives since the epoch are far below 2^52")]
        let newest = newest as f64;
        Some(newest + libm::log2(sum / scale))
    }

    fn put(&mut self, half_lives: i64, mantissa: u64) {
        let part = self.parts.entry(half_lives).or_insert(0);
        *part = part.saturating_add(mantissa);
    }

    fn prune(&mut self) {
        if let Some((&newest, _)) = self.parts.last_key_value() {
            while self.parts.first_key_value().is_some_and(|(&oldest, _)| oldest < newest - KEPT_HALF_LIVES) {
                self.parts.pop_first();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use afterglow_domain::DAY_MS;
    use proptest::prelude::*;

    use super::*;

    const HALF_LIFE: i64 = 2 * DAY_MS;

    fn sum(parts: &[(u32, i64)]) -> DecayedSum {
        let mut sum = DecayedSum::default();
        for (weight, at) in parts {
            sum.add(*weight, Timestamp::from_millis(*at), HALF_LIFE);
        }
        sum
    }

    #[test]
    fn halves_every_half_life() {
        let t = 1_700_000_000_000;
        let sum = sum(&[(10_000, t)]);
        for (later, expected) in [(0, 10.0), (HALF_LIFE, 5.0), (2 * HALF_LIFE, 2.5), (HALF_LIFE / 2, 7.0711)] {
            let value = sum.value_at(Timestamp::from_millis(t + later), HALF_LIFE);
            assert!((value - expected).abs() < 1e-4, "after {later} ms: {value}");
        }
    }

    #[test]
    fn what_faded_away_is_dropped() {
        let mut sum = sum(&[(1_000_000, 0), (1, 100 * HALF_LIFE)]);
        assert_eq!(sum.parts.len(), 1);
        sum.add(1_000_000, Timestamp::from_millis(0), HALF_LIFE);
        assert_eq!(sum.parts.len(), 1, "late and long faded");
    }

    proptest! {
        #[test]
        fn order_and_splitting_do_not_matter(
            parts in prop::collection::vec((1u32..50_000, 0i64..200 * HALF_LIFE), 0..40),
            split in any::<prop::sample::Index>(),
        ) {
            let whole = sum(&parts);
            let mut reversed = parts.clone();
            reversed.reverse();
            prop_assert_eq!(&whole, &sum(&reversed));
            let (left, right) = parts.split_at(split.index(parts.len() + 1).min(parts.len()));
            let mut merged = sum(right);
            merged.merge(&sum(left));
            prop_assert_eq!(&whole, &merged);
            prop_assert_eq!(whole.log2().map(f64::to_bits), merged.log2().map(f64::to_bits));
        }

        #[test]
        #[expect(clippy::cast_precision_loss, reason = "the test's own numbers are small")]
        fn agrees_with_the_formula(parts in prop::collection::vec((1u32..50_000, 0i64..30 * HALF_LIFE), 1..20)) {
            let now = 31 * HALF_LIFE;
            let plain: f64 = parts.iter()
                .map(|(w, t)| f64::from(*w) / 1000.0 * (-((now - t) as f64) / HALF_LIFE as f64).exp2()).sum();
            let value = sum(&parts).value_at(Timestamp::from_millis(now), HALF_LIFE);
            prop_assert!((value - plain).abs() <= plain * 1e-6, "{} vs {}", value, plain);
        }
    }
}
