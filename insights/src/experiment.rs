//! Who is shown what, and whether a difference is one, however often one looks. Pure.
//!
//! The comparison of two shares is a test by betting on pairs: of the viewers of both arms taken in turn, only pairs that differ
//! (one did, the other did not) speak, and without a difference each is a fair coin. The wealth of a gambler who bets on one side is
//! a nonnegative martingale then, so that it reaches 1/α with a chance of at most α, however often one looks (Ville's inequality; Wald
//! 1945; Ramdas, Grünwald, Vovk, Shafer, *Game-Theoretic Statistics and Safe Anytime-Valid Inference*, Statistical Science 2023). The
//! bets are mixed over several sizes of the difference, and over both sides.

/// Sizes of a difference on which is bet: the chance that of a pair that differs it is this arm's viewer who did.
const BETS: [f64; 5] = [0.53, 0.56, 0.6, 0.65, 0.75];

/// One arm of an experiment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arm {
    /// Viewers in it.
    pub viewers: u64,
    /// Of these, who did what it is about.
    pub did: u64,
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Comparison {
    /// The second arm's share less the first's; `None` while an arm is empty.
    pub lift: Option<f64>,
    /// Evidence against "no difference": 1/α or more refutes it at level α, whenever one looks.
    pub evidence: f64,
    /// Pairs that differed so far.
    pub differing: u64,
    /// Of these, those in which the second arm's viewer did it.
    pub won: u64,
    /// Pairs that did not differ.
    pub tied: u64,
}

/// Compares two arms whose viewers came in turn: `outcomes` in the order in which they were taken in, each with its arm (0 or 1) and
/// whether the viewer did it.
pub fn compare(outcomes: impl IntoIterator<Item = (u32, bool)>) -> Comparison {
    let (mut arms, mut waiting) = ([Arm::default(); 2], [Vec::new(), Vec::new()]);
    let mut wealth = [[1.0_f64; BETS.len()]; 2];
    let (mut differing, mut won, mut tied, mut evidence) = (0, 0, 0, 1.0_f64);
    for (arm, did) in outcomes {
        let (Some(one), other) = (arms.get_mut(arm as usize), 1 - arm.min(1) as usize) else { continue };
        one.viewers += 1;
        one.did += u64::from(did);
        let Some(partner) = waiting[other].pop() else {
            waiting[arm as usize].push(did);
            continue;
        };
        if partner == did {
            tied += 1;
            continue;
        }
        differing += 1;
        // Whether it is the second arm's viewer who did.
        let second = did == (arm == 1);
        won += u64::from(second);
        for (side, wealths) in wealth.iter_mut().enumerate() {
            let right = second == (side == 1);
            for (wealth, bet) in wealths.iter_mut().zip(BETS) {
                *wealth *= 2.0 * if right { bet } else { 1.0 - bet };
            }
        }
        let mixed = wealth.iter().flatten().sum::<f64>() / f64::from(u32::try_from(2 * BETS.len()).unwrap_or(1));
        evidence = evidence.max(mixed);
    }
    let share = |arm: Arm| (arm.viewers > 0).then(|| ratio(arm.did, arm.viewers));
    let lift = share(arms[1]).zip(share(arms[0])).map(|(second, first)| second - first);
    Comparison { lift, evidence, differing, won, tied }
}

/// The split is not the one that was meant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mismatch {
    /// The chance of so uneven a split, or a more uneven one, if nothing is wrong.
    pub chance: f64,
}

/// Whether arms are too far from their shares for chance (below 1 in 1,000): then something sorts viewers, and no comparison says
/// anything (Fabijan et al., *Diagnosing Sample Ratio Mismatch in Online Controlled Experiments*, KDD 2019). Each arm's viewers, with
/// its share in any unit. Of more than two arms the most uneven one is looked at, and its chance taken so many times (Bonferroni).
pub fn mismatch(arms: &[(u64, u32)]) -> Option<Mismatch> {
    let (viewers, shares) = arms.iter().fold((0, 0), |(n, of), (viewers, share)| (n + viewers, of + u64::from(*share)));
    if viewers == 0 || shares == 0 {
        return None;
    }
    let chances = arms.iter().map(|(seen, share)| {
        let share = ratio(u64::from(*share), shares);
        let spread = (real(viewers) * share * (1.0 - share)).sqrt();
        let off = (real(*seen) - real(viewers) * share).abs();
        if spread > 0.0 { two_sided(off / spread) } else { 1.0 }
    });
    // Two arms are one question asked twice.
    let questions = if arms.len() == 2 { 1.0 } else { real(arms.len() as u64) };
    let chance = (chances.fold(1.0, f64::min) * questions).min(1.0);
    (chance < 0.001).then_some(Mismatch { chance })
}

/// What an experiment needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Viewers in each arm until a difference of this size is found four times in five.
    pub viewers_per_arm: u64,
    /// Days, at the rate at which viewers come; at least 14, so that weekends count twice.
    pub days: u64,
}

/// How many viewers it takes to find that a share of `from` became `to` (both between 0 and 1), with a chance of a false finding of
/// `alpha` and of four in five to find it, when one may look at any time; `per_day`: viewers a day in both arms. `None` if there is
/// nothing to find.
///
/// Pairs that differ come at the rate d = p₁(1−p₂) + p₂(1−p₁), and of these the second arm wins q = p₂(1−p₁)/d. For each, the
/// logarithm of a bet's wealth grows by μ = ln 2 + q ln b + (1−q) ln(1−b) on average, with the variance σ² = q(1−q)(ln b − ln(1−b))²;
/// it has to reach ln(5/α) once: it is one of ten that are mixed, and its neighbour wins nearly as much. That is the first passage of a Brownian motion with drift
/// (Cox, Miller, *The Theory of Stochastic Processes*, 1965, §5.7).
pub fn plan(from: f64, to: f64, alpha: f64, per_day: f64) -> Option<Plan> {
    let differ = from * (1.0 - to) + to * (1.0 - from);
    if !(0.0..=1.0).contains(&from) || !(0.0..=1.0).contains(&to) || differ <= 0.0 || alpha <= 0.0 {
        return None;
    }
    let wins = (to * (1.0 - from) / differ).max(from * (1.0 - to) / differ);
    let needed = (real(BETS.len() as u64) / alpha).ln();
    let pairs = BETS.iter().filter_map(|bet| pairs_until(*bet, wins, needed)).fold(f64::INFINITY, f64::min);
    if !pairs.is_finite() {
        return None;
    }
    let per_arm = (pairs / differ).ceil();
    let days = if per_day > 0.0 { (2.0 * per_arm / per_day).ceil().max(14.0) } else { f64::INFINITY };
    Some(Plan { viewers_per_arm: whole(per_arm), days: whole(days) })
}

/// After how many pairs that differ a bet's wealth has once reached e^`needed` four times in five; `None` if it does not grow.
fn pairs_until(bet: f64, wins: f64, needed: f64) -> Option<f64> {
    let drift = 2.0_f64.ln() + wins * bet.ln() + (1.0 - wins) * (1.0 - bet).ln();
    if drift <= 0.0 {
        return None;
    }
    let spread = ((wins * (1.0 - wins)).sqrt() * (bet / (1.0 - bet)).ln()).max(1e-9);
    let reached = |pairs: f64| {
        let root = spread * pairs.sqrt();
        let straight = below((drift * pairs - needed) / root);
        let by_detour =
            (2.0 * drift * needed / (spread * spread)).min(700.0).exp() * below((-needed - drift * pairs) / root);
        straight + by_detour
    };
    let (mut low, mut high) = (1.0_f64, 1e12_f64);
    for _ in 0..200 {
        let middle = (low * high).sqrt();
        if reached(middle) < 0.8 { low = middle } else { high = middle }
    }
    Some(high)
}

/// The chance that a normal variable is below `z`.
fn below(z: f64) -> f64 {
    let tail = two_sided(z.abs()) / 2.0;
    if z < 0.0 { tail } else { 1.0 - tail }
}

pub(crate) fn real(n: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of people are below 2^52")]
    let real = n as f64;
    real
}

fn whole(n: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
    let whole = n.clamp(0.0, 1e15) as u64;
    whole
}

fn ratio(of: u64, among: u64) -> f64 {
    real(of) / real(among)
}

/// The chance that a normal variable is at least `z` away from its mean (Abramowitz and Stegun, 7.1.26; error below 1.5·10⁻⁷).
fn two_sided(z: f64) -> f64 {
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let poly =
        t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    (poly * (-x * x).exp()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use afterglow_domain::{AccountId, ViewerId, ViewerKey, arm_of};
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    fn outcomes(shares: [f64; 2], viewers: u64, seed: u64) -> Vec<(u32, bool)> {
        let mut dice = StdRng::seed_from_u64(seed);
        (0..viewers)
            .map(|_| {
                let arm = dice.random_range(0..2_u32);
                (arm, dice.random_bool(shares[arm as usize]))
            })
            .collect()
    }

    /// Two thousand tests of nothing, looked at after every viewer for four weeks: the evidence is the greatest that was ever seen.
    #[test]
    fn nothing_is_seldom_found() {
        let found = (0..2_000).filter(|seed| compare(outcomes([0.1, 0.1], 2_800, *seed)).evidence >= 20.0).count();
        println!("{found} of 2000 tests of nothing found something (α = 0.05 allows 100)");
        assert!(found <= 100 && found > 0, "{found}");
    }

    #[test]
    fn power_is_as_planned() {
        for (from, to) in [(0.10, 0.15), (0.05, 0.09), (0.30, 0.38)] {
            let plan = plan(from, to, 0.05, 400.0).unwrap();
            let runs = 600;
            let found = (0..runs)
                .filter(|seed| compare(outcomes([from, to], 2 * plan.viewers_per_arm, *seed)).evidence >= 20.0)
                .count();
            let power = ratio(found as u64, runs);
            println!(
                "{from} → {to}: {} viewers an arm, found {:.1} % of the time",
                plan.viewers_per_arm,
                power * 100.0
            );
            assert!((0.75..=0.85).contains(&power), "{power}");
        }
        assert_eq!(plan(0.1, 0.1, 0.05, 100.0), None);
        assert_eq!(plan(0.1, 0.5, 0.05, 100.0).unwrap().days, 14, "two weeks at least");
    }

    #[test]
    fn an_uneven_split_is_caught() {
        for (first, second, caught) in [
            (0, 0, false),
            (500, 500, false),
            (500, 540, false),
            (5_000, 5_400, true),
            (10, 40, true),
            (5_000, 0, true),
        ] {
            assert_eq!(mismatch(&[(first, 1), (second, 1)]).is_some(), caught, "{first} {second}");
        }
        for (seen, caught) in
            [([8_000, 1_000, 1_000], false), ([8_000, 1_200, 800], true), ([3_400, 3_300, 3_300], true)]
        {
            let shares = [80, 10, 10];
            let arms: Vec<(u64, u32)> = seen.into_iter().zip(shares).collect();
            assert_eq!(mismatch(&arms).is_some(), caught, "{arms:?}");
        }
    }

    /// Splits of every hundredth viewer by their shares: of 2,000, two are called uneven by chance.
    #[test]
    fn an_even_split_is_seldom_called_uneven() {
        let mut dice = StdRng::seed_from_u64(7);
        let called = (0..2_000).filter(|_| {
            let mut arms = [(0, 50), (0, 40), (0, 10)];
            for _ in 0..1_000 {
                let place = match dice.random_range(0..100_u32) {
                    0..50 => 0,
                    50..90 => 1,
                    _ => 2,
                };
                arms[place].0 += 1;
            }
            mismatch(&arms).is_some()
        });
        let called = called.count();
        assert!(called <= 8, "{called} of 2000");
    }

    #[test]
    fn assignment_is_even_and_independent_of_other_experiments() {
        let viewer = |n: u32| ViewerKey { account: AccountId::new("1"), viewer: ViewerId::new(n.to_string()) };
        let (mut arms, mut both) = ([0_u64; 2], 0);
        for n in 0..20_000 {
            let Some(arm) = arm_of("a", &viewer(n), &[45, 45], 10) else { continue };
            arms[arm] += 1;
            both += u64::from(arm_of("b", &viewer(n), &[1, 1], 0) == Some(arm));
        }
        let out = 20_000 - arms[0] - arms[1];
        assert!(mismatch(&[(arms[0], 45), (arms[1], 45), (out, 10)]).is_none(), "{arms:?}, {out} held out");
        assert!(mismatch(&[(both, 1), (arms[0] + arms[1] - both, 1)]).is_none(), "{both}");
        assert_eq!(arm_of("a", &viewer(1), &[1], 0), Some(0), "one variant only");
        assert_eq!(compare([(0, true), (0, false)]).lift, None, "one variant only");
    }
}
