//! A circuit breaker per endpoint: who fails again and again is left alone for a while, then asked once.

use afterglow_domain::Timestamp;

/// So many failures in a row open the circuit.
const FAILURES_TO_OPEN: u32 = 5;
/// The first pause, in milliseconds; each further one is twice as long.
const FIRST_PAUSE_MS: i64 = 30_000;
/// No pause is longer: within it an endpoint that is well again is noticed.
const LONGEST_PAUSE_MS: i64 = 15 * 60_000;

/// Whether an endpoint may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// As often as the rate allows.
    Open,
    /// Once, to see whether it is well again.
    Probe,
    /// Not before then.
    NotBefore(Timestamp),
    /// Not while the probe is under way.
    Probing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Timestamp },
    HalfOpen,
}

/// The breaker. Pure: the time is passed in. One belongs to one endpoint within one process; each process that delivers
/// learns for itself, at the cost of a few attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    state: State,
    /// How often it opened since the endpoint was last well.
    trips: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed { failures: 0 }, trips: 0 }
    }
}

impl Breaker {
    /// Whether the endpoint may be called at `now`. Changes nothing: who takes a [`Admission::Probe`] up calls
    /// [`Breaker::probe`].
    pub fn admission(&self, now: Timestamp) -> Admission {
        match self.state {
            State::Closed { .. } => Admission::Open,
            State::Open { until } if now < until => Admission::NotBefore(until),
            State::Open { .. } => Admission::Probe,
            State::HalfOpen => Admission::Probing,
        }
    }

    /// The one call after a pause begins.
    pub fn probe(&mut self) {
        self.state = State::HalfOpen;
    }

    /// A call went well.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// A call failed. Failures of calls that were under way when the circuit opened do not make the pause longer.
    pub fn failed(&mut self, now: Timestamp) {
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < FAILURES_TO_OPEN => State::Closed { failures: failures + 1 },
            State::Closed { .. } | State::HalfOpen => {
                let pause = (FIRST_PAUSE_MS << self.trips.min(16)).min(LONGEST_PAUSE_MS);
                self.trips = self.trips.saturating_add(1);
                State::Open { until: now.plus(pause) }
            }
            open @ State::Open { .. } => open,
        };
    }

    /// The endpoint asked for patience: not before `until`, though no longer than the longest pause.
    pub fn rest_until(&mut self, until: Timestamp, now: Timestamp) {
        let asked = until.min(now.plus(LONGEST_PAUSE_MS));
        let until = if let State::Open { until } = self.state { until.max(asked) } else { asked };
        self.state = State::Open { until };
    }

    /// Whether calls are let through freely, for the gauge that operators see.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        (0..FAILURES_TO_OPEN).for_each(|_| breaker.failed(at(0)));
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            (1..FAILURES_TO_OPEN).for_each(|_| breaker.failed(at(0)));
            assert_eq!(breaker.admission(at(0)), Admission::Open);
            breaker.succeeded();
        }
        assert_eq!(opened().admission(at(29_999)), Admission::NotBefore(at(30_000)));
    }

    #[test]
    fn one_probe_then_well_or_a_longer_pause() {
        let mut breaker = opened();
        assert_eq!(breaker.admission(at(30_000)), Admission::Probe);
        breaker.probe();
        assert_eq!(breaker.admission(at(30_001)), Admission::Probing);
        breaker.failed(at(31_000));
        assert_eq!(breaker.admission(at(31_001)), Admission::NotBefore(at(91_000)));
        breaker.probe();
        breaker.succeeded();
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn stragglers_do_not_make_the_pause_longer() {
        let mut breaker = opened();
        (0..100).for_each(|n| breaker.failed(at(n * 100)));
        assert_eq!(breaker.admission(at(10_000)), Admission::NotBefore(at(30_000)));
    }

    #[test]
    fn who_asks_for_patience_is_given_some() {
        for (asked, until) in [(5000, 5000), (100 * LONGEST_PAUSE_MS, LONGEST_PAUSE_MS)] {
            let mut breaker = Breaker::default();
            breaker.failed(at(0));
            breaker.rest_until(at(asked), at(0));
            assert_eq!(breaker.admission(at(0)), Admission::NotBefore(at(until)));
        }
        let mut breaker = opened();
        breaker.rest_until(at(5000), at(0));
        assert_eq!(breaker.admission(at(0)), Admission::NotBefore(at(30_000)), "the longer of both");
    }

    proptest! {
        /// However long it fails: a pause never exceeds the longest, and a probe is always allowed in the end.
        #[test]
        fn it_always_asks_again(probes in 0u32..100) {
            let (mut breaker, mut now) = (opened(), at(0));
            for _ in 0..probes {
                let Admission::NotBefore(until) = breaker.admission(now) else { panic!("not open") };
                prop_assert!(until.since(now) <= LONGEST_PAUSE_MS);
                now = until;
                prop_assert_eq!(breaker.admission(now), Admission::Probe);
                breaker.probe();
                breaker.failed(now);
            }
        }
    }
}
