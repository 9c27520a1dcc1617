//! The ways in which Meta's answers go wrong.
//!
//! Which request is hit depends on the seed, the request's body and how often that body has come before, not on the
//! order in which requests race: a run can be repeated.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One way to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The message is sent, and the answer is 500 with code 1, subcode 1357046 (Meta: "invalid JSON reply").
    FalseFailure,
    /// The message is sent, and no answer comes until the caller has given up.
    HangAfterAccepting,
    /// The message is sent, and the connection is reset.
    ResetAfterAccepting,
    /// The message is sent, and a proxy answers 502 with an HTML page.
    HtmlBody,
    /// The message is sent, and the answer is 200 with nothing in it.
    EmptyBody,
    /// Nothing is sent: 503 with code 2.
    Unavailable,
    /// Nothing is sent: the connection is reset.
    ResetBeforeAccepting,
    /// All is well, only late.
    Slow,
}

impl Fault {
    /// Whether the request is lost before Meta's rules see it.
    pub const fn loses_request(self) -> bool {
        match self {
            Fault::Unavailable | Fault::ResetBeforeAccepting => true,
            Fault::FalseFailure
            | Fault::HangAfterAccepting
            | Fault::ResetAfterAccepting
            | Fault::HtmlBody
            | Fault::EmptyBody
            | Fault::Slow => false,
        }
    }

    /// The name, as totals count it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Fault::FalseFailure => "false_failure",
            Fault::HangAfterAccepting => "hang_after_accepting",
            Fault::ResetAfterAccepting => "reset_after_accepting",
            Fault::HtmlBody => "html_body",
            Fault::EmptyBody => "empty_body",
            Fault::Unavailable => "unavailable",
            Fault::ResetBeforeAccepting => "reset_before_accepting",
            Fault::Slow => "slow",
        }
    }
}

/// How often each fault hits a send request: shares of 1, which together stay at or under 1. All 0 by default.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Which requests are hit.
    pub seed: u64,
    /// Share of [`Fault::FalseFailure`].
    pub false_failure: f64,
    /// Share of [`Fault::HangAfterAccepting`].
    pub hang_after_accepting: f64,
    /// Share of [`Fault::ResetAfterAccepting`].
    pub reset_after_accepting: f64,
    /// Share of [`Fault::HtmlBody`].
    pub html_body: f64,
    /// Share of [`Fault::EmptyBody`].
    pub empty_body: f64,
    /// Share of [`Fault::Unavailable`].
    pub unavailable: f64,
    /// Share of [`Fault::ResetBeforeAccepting`].
    pub reset_before_accepting: f64,
    /// Share of [`Fault::Slow`].
    pub slow: f64,
    /// How late a slow answer is, in ms.
    pub slow_ms: u64,
    /// How long a hanging request hangs, in ms, before its connection is closed.
    pub hang_ms: u64,
    /// Share of delivered messages of which no echo is ever sent.
    pub echo_lost: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            seed: 0,
            false_failure: 0.0,
            hang_after_accepting: 0.0,
            reset_after_accepting: 0.0,
            html_body: 0.0,
            empty_body: 0.0,
            unavailable: 0.0,
            reset_before_accepting: 0.0,
            slow: 0.0,
            slow_ms: 2_000,
            hang_ms: 60_000,
            echo_lost: 0.0,
        }
    }
}

impl Faults {
    fn shares(&self) -> [(Fault, f64); 8] {
        [
            (Fault::FalseFailure, self.false_failure),
            (Fault::HangAfterAccepting, self.hang_after_accepting),
            (Fault::ResetAfterAccepting, self.reset_after_accepting),
            (Fault::HtmlBody, self.html_body),
            (Fault::EmptyBody, self.empty_body),
            (Fault::Unavailable, self.unavailable),
            (Fault::ResetBeforeAccepting, self.reset_before_accepting),
            (Fault::Slow, self.slow),
        ]
    }

    /// Whether every share lies in 0..=1, and they sum to at most 1.
    pub fn is_valid(&self) -> bool {
        let share = 0.0..=1.0;
        let sum: f64 = self.shares().iter().map(|(_, s)| s).sum();
        self.shares().iter().all(|(_, s)| share.contains(s)) && share.contains(&self.echo_lost) && sum <= 1.0 + 1e-9
    }

    fn pick(&self, draw: f64) -> Option<Fault> {
        let mut upto = 0.0;
        self.shares().into_iter().find_map(|(fault, share)| {
            upto += share;
            (draw < upto).then_some(fault)
        })
    }
}

/// Faults as set now, and what each body has met so far.
#[derive(Debug, Default)]
pub(crate) struct FaultDice {
    faults: Faults,
    seen: HashMap<[u8; 32], u32>,
}

impl FaultDice {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { faults, seen: HashMap::new() }
    }

    pub(crate) fn set(&mut self, faults: Faults) {
        self.faults = faults;
    }

    pub(crate) fn faults(&self) -> Faults {
        self.faults
    }

    /// What happens to this request.
    pub(crate) fn roll(&mut self, body: &[u8]) -> Option<Fault> {
        if self.faults.shares().iter().all(|(_, share)| *share <= 0.0) {
            return None; // bodies need not be remembered
        }
        let key: [u8; 32] = Sha256::digest(body).into();
        let times = self.seen.entry(key).or_default();
        *times += 1;
        let draw = draw(self.faults.seed, &key, *times);
        self.faults.pick(draw)
    }

    /// Whether the echo of this message is lost.
    pub(crate) fn loses_echo(&self, mid: &str) -> bool {
        draw(self.faults.seed, &Sha256::digest(mid).into(), 0) < self.faults.echo_lost
    }

    pub(crate) fn slow(&self) -> Duration {
        Duration::from_millis(self.faults.slow_ms)
    }

    pub(crate) fn hang(&self) -> Duration {
        Duration::from_millis(self.faults.hang_ms)
    }
}

/// A number in 0..1 from a hash.
fn draw(seed: u64, key: &[u8; 32], times: u32) -> f64 {
    let hash =
        Sha256::new().chain_update(seed.to_be_bytes()).chain_update(key).chain_update(times.to_be_bytes()).finalize();
    let bits = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_can_be_repeated_in_any_order_and_shares_hold() {
        let faults = Faults { seed: 3, false_failure: 0.2, unavailable: 0.3, ..Faults::default() };
        let bodies: Vec<String> = (0..2000).map(|n| format!("body {n}")).collect();
        let mut one = FaultDice::new(faults);
        let mut two = FaultDice::new(faults);
        let first: Vec<_> = bodies.iter().map(|b| one.roll(b.as_bytes())).collect();
        let mut second: Vec<_> = bodies.iter().rev().map(|b| two.roll(b.as_bytes())).collect();
        second.reverse();
        assert_eq!(first, second);
        let hits = |fault| first.iter().filter(|f| **f == Some(fault)).count();
        assert!((330..470).contains(&hits(Fault::FalseFailure)), "{}", hits(Fault::FalseFailure));
        assert!((520..680).contains(&hits(Fault::Unavailable)), "{}", hits(Fault::Unavailable));
        assert_eq!(hits(Fault::Slow), 0);
    }

    #[test]
    fn shares_are_checked() {
        assert!(Faults::default().is_valid());
        assert!(Faults { slow: 1.0, ..Faults::default() }.is_valid());
        assert!(!Faults { slow: 0.7, html_body: 0.7, ..Faults::default() }.is_valid());
        assert!(!Faults { slow: -0.1, ..Faults::default() }.is_valid());
        assert!(!Faults { echo_lost: f64::NAN, ..Faults::default() }.is_valid());
    }
}
