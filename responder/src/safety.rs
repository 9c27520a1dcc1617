//! When a play, or an account, does harm: a sequential test of its rates. Pure.
//!
//! Of every send it is known sooner or later whether its reader said stop within a day, was out of reach, or Meta refused. As long
//! as the true rate of such a thing is at most what the brand allows, the evidence below is a nonnegative supermartingale, so
//! the chance that it ever reaches 1/α is at most α, however often one looks (Ville's inequality; Ramdas, Grünwald, Vovk,
//! Shafer, *Game-Theoretic Statistics and Safe Anytime-Valid Inference*, Statistical Science 2023, §3). It is a mixture of
//! likelihood ratios (Wald 1945; Robbins 1970) of rates some times higher. A send of which nothing is known yet counts as
//! harmless, which only lowers the evidence.

use afterglow_domain::{Harms, SafetyRules};

/// How much higher than allowed the rates are against which it is tested; each has the same weight.
const TIMES: [f64; 5] = [1.5, 2.0, 3.0, 5.0, 10.0];
/// No rate is taken to be higher.
const CEILING: f64 = 0.95;

/// What can go wrong with a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// The reader said stop within a day.
    Stops,
    /// The reader is out of reach: they blocked the account, or cannot be written to.
    Blocks,
    /// Meta refused for another reason.
    Failures,
}

impl Harm {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Stops, Self::Blocks, Self::Failures];

    /// As people read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Harm::Stops => "stops",
            Harm::Blocks => "blocks",
            Harm::Failures => "failures",
        }
    }

    const fn count(self, harms: &Harms) -> u64 {
        match self {
            Harm::Stops => harms.stops,
            Harm::Blocks => harms.blocks,
            Harm::Failures => harms.failures,
        }
    }

    /// The rate that a brand allows, from 0 to 1.
    fn allowed(self, rules: &SafetyRules) -> f64 {
        let percent = match self {
            Harm::Stops => rules.stops_percent,
            Harm::Blocks => rules.blocks_percent,
            Harm::Failures => rules.failures_percent,
        };
        (percent / 100.0).clamp(1e-4, 0.5)
    }
}

/// A rate is higher than the brand allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alarm {
    /// Of what.
    pub harm: Harm,
    /// How many.
    pub seen: u64,
    /// Of how many sends.
    pub sends: u64,
    /// What the brand allows, from 0 to 1.
    pub allowed: f64,
}

impl std::fmt::Display for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { harm, seen, sends, allowed } = self;
        write!(f, "{seen} {} in {sends} messages, and {:.2} % are allowed", harm.as_str(), allowed * 100.0)
    }
}

/// The evidence that the rate behind `seen` of `of` is higher than `allowed`.
pub fn evidence(seen: u64, of: u64, allowed: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of messages are below 2^52")]
    let (seen, clean) = (seen.min(of) as f64, of.saturating_sub(seen) as f64);
    let ratio = |times: f64| {
        let rate = (allowed * times).min(CEILING);
        (seen * (rate / allowed).ln() + clean * ((1.0 - rate) / (1.0 - allowed)).ln()).exp()
    };
    let weight = TIMES.iter().map(|_| 1.0).sum::<f64>();
    TIMES.iter().map(|times| ratio(*times)).sum::<f64>() / weight
}

/// Whether a rate is too high, with a `share` (from 0 to 1) of the chance of a false alarm that the brand accepts; the kinds of
/// harm have equal parts of it.
pub fn alarm(harms: &Harms, rules: &SafetyRules, share: f64) -> Option<Alarm> {
    #[expect(clippy::cast_precision_loss, reason = "three")]
    let needed = Harm::ALL.len() as f64 / ((rules.false_alarm_percent / 100.0).clamp(1e-5, 0.2) * share);
    let alarmed = |harm: &Harm| evidence(harm.count(harms), harms.sends, harm.allowed(rules)) >= needed;
    let harm = Harm::ALL.into_iter().find(alarmed)?;
    Some(Alarm { harm, seen: harm.count(harms), sends: harms.sends, allowed: harm.allowed(rules) })
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    /// Sends until the alarm, for a play whose readers say stop at this rate; `None` if it never comes.
    fn until_alarm(rate: f64, sends: u64, seed: u64, rules: &SafetyRules) -> Option<u64> {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut harms = Harms::default();
        for n in 1..=sends {
            harms.sends += 1;
            harms.stops += u64::from(dice.random_bool(rate));
            // Looked at after every send: no play in service is looked at so often.
            if alarm(&harms, rules, 1.0).is_some() {
                return Some(n);
            }
        }
        None
    }

    /// 10,000 plays that keep just within what is allowed, looked at after each of their 2,000 sends.
    #[test]
    fn calm_plays_are_seldom_silenced() {
        let rules = SafetyRules { false_alarm_percent: 5.0, ..SafetyRules::default() };
        let plays = if cfg!(debug_assertions) { 400 } else { 10_000 };
        let silenced = (0..plays).filter(|seed| until_alarm(0.02, 2_000, *seed, &rules).is_some()).count();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let share = silenced as f64 / plays as f64;
        println!("{silenced} of {plays} calm plays silenced: {:.2} %, of 5 % that are accepted", share * 100.0);
        assert!(share <= 0.05, "{share}");
        assert!(silenced < 400, "the test can fail");
    }

    #[test]
    fn a_play_whose_stops_triple_is_silenced_soon() {
        let rules = SafetyRules::default();
        let plays = if cfg!(debug_assertions) { 200 } else { 2_000 };
        let mut took: Vec<u64> =
            (0..plays).map(|seed| until_alarm(0.06, 20_000, seed, &rules).expect("it is noticed")).collect();
        took.sort_unstable();
        let (median, p95) = (took[took.len() / 2], took[took.len() * 95 / 100]);
        println!("stops at three times what is allowed: silenced after {median} sends (median), {p95} (95 %)");
        assert!(median < 400 && p95 < 1_200, "{median} {p95}");
    }

    #[test]
    fn what_speaks_and_what_does_not() {
        let rules = SafetyRules::default();
        let harms = |sends, stops, blocks, failures| Harms { sends, stops, blocks, failures };
        for (told, expected) in [
            (harms(0, 0, 0, 0), None),
            (harms(10, 2, 0, 0), None),
            (harms(100, 2, 1, 3), None),
            (harms(100, 20, 0, 0), Some(Harm::Stops)),
            (harms(200, 0, 20, 0), Some(Harm::Blocks)),
            (harms(200, 0, 0, 60), Some(Harm::Failures)),
            (harms(1_000_000, 20_000, 0, 0), None),
        ] {
            assert_eq!(alarm(&told, &rules, 1.0).map(|alarm| alarm.harm), expected, "{told:?}");
        }
        let told = alarm(&harms(100, 20, 0, 0), &rules, 1.0).unwrap().to_string();
        assert_eq!(told, "20 stops in 100 messages, and 2.00 % are allowed");
    }
}
