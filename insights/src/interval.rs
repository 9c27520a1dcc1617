//! How large a difference may be, whenever one looks. Pure.
//!
//! A confidence sequence by betting: for each size m of the difference, a gambler bets on pairs (one viewer of each arm, D = 1 if only
//! the second did it, −1 if only the first, else 0) that their mean is more, or less, than m. If it is m, the wealth ∏(1 + λ(D − m)) is
//! a nonnegative martingale, so that it reaches 2/α with a chance of at most α/2, however often one looks. The sizes against which
//! nobody has become so rich are the interval (Waudby-Smith, Ramdas, *Estimating Means of Bounded Random Variables by Betting*,
//! JRSS B 86, 2024, §4). Wealth is mixed over several λ. It needs no more than how often each D came, and assumes no distribution.

use serde::Serialize;

use crate::experiment::{Comparison, real};

/// How much of the wealth is bet. Below ½, so that wealth stays positive for every m between −1 and 1.
const STAKES: [f64; 8] = [0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.48];

/// Between what and what a difference lies, as parts of one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// At least so much.
    pub low: f64,
    /// At most so much.
    pub high: f64,
}

/// The interval that holds the difference of a comparison's arms with a chance of at least 1 − `alpha`, at all times together.
pub fn interval(compared: &Comparison, alpha: f64) -> Interval {
    let pairs = Pairs::of(compared);
    Interval { low: pairs.at_least(alpha), high: -pairs.mirrored().at_least(alpha) }
}

#[derive(Clone, Copy)]
struct Pairs {
    won: f64,
    lost: f64,
    tied: f64,
}

impl Pairs {
    fn of(compared: &Comparison) -> Self {
        Self {
            won: real(compared.won),
            lost: real(compared.differing.saturating_sub(compared.won)),
            tied: real(compared.tied),
        }
    }

    /// As the other arm sees it.
    const fn mirrored(self) -> Self {
        Self { won: self.lost, lost: self.won, tied: self.tied }
    }

    /// The greatest m below which everything is refuted.
    fn at_least(self, alpha: f64) -> f64 {
        let rich = (2.0 / alpha).ln();
        // The wealth of who bets on "more than m" falls with m.
        let (mut refuted, mut open) = (-1.0, 1.0);
        if self.wealth_ln(refuted) < rich {
            return refuted;
        }
        for _ in 0..60 {
            let middle = f64::midpoint(refuted, open);
            if self.wealth_ln(middle) >= rich { refuted = middle } else { open = middle }
        }
        refuted
    }

    fn wealth_ln(self, m: f64) -> f64 {
        let logs = STAKES.map(|stake| {
            let bet = |d: f64| (stake * (d - m)).ln_1p();
            self.won * bet(1.0) + self.tied * bet(0.0) + self.lost * bet(-1.0)
        });
        let most = logs.into_iter().fold(f64::NEG_INFINITY, f64::max);
        most + (logs.into_iter().map(|log| (log - most).exp()).sum::<f64>() / real(STAKES.len() as u64)).ln()
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    /// Looked at after every pair: in how many runs did the interval ever miss the truth? It does where who bets against the truth, on
    /// either side, has become rich.
    #[test]
    fn the_truth_is_seldom_missed_however_often_one_looks() {
        for (first, second) in [(0.1, 0.1), (0.1, 0.15), (0.4, 0.3)] {
            let mut dice = StdRng::seed_from_u64(11);
            let runs = 400;
            let missed = (0..runs).filter(|_| {
                let mut compared = Comparison::default();
                (0..2_000).any(|_| {
                    let (a, b) = (dice.random_bool(first), dice.random_bool(second));
                    compared.differing += u64::from(a != b);
                    compared.won += u64::from(b && !a);
                    compared.tied += u64::from(a == b);
                    let (pairs, truth) = (Pairs::of(&compared), second - first);
                    let rich = 40.0_f64.ln();
                    pairs.wealth_ln(truth) >= rich || pairs.mirrored().wealth_ln(-truth) >= rich
                })
            });
            let missed = missed.count();
            println!("{first} → {second}: {missed} of {runs} runs ever missed the truth (5 % allows 20)");
            assert!(missed <= 20, "{first} {second}: {missed}");
        }
    }

    #[test]
    fn it_narrows_and_is_everything_at_first() {
        let all = interval(&Comparison::default(), 0.05);
        assert_eq!((all.low, all.high), (-1.0, 1.0));
        let of = |pairs: u64| Comparison {
            differing: pairs / 5,
            won: pairs / 8,
            tied: pairs - pairs / 5,
            ..Comparison::default()
        };
        let (some, many) = (interval(&of(1_000), 0.05), interval(&of(100_000), 0.05));
        println!("1,000 pairs: {some:?}; 100,000 pairs: {many:?}");
        assert!(some.low > -0.05 && some.high < 0.15, "{some:?}");
        assert!(many.low > 0.04 && many.high < 0.06, "{many:?}");
    }
}
