//! Leaves an endpoint alone that does not answer.
//!
//! A pure state machine with the time passed in; `failsafe` and `recloser` would ask the system's clock themselves.
//!
//! Closed: everything passes, and failures in a row are counted. Open: nothing passes until a moment. Half-open: from
//! then on one call passes to try; it closes the breaker or opens it for twice as long.

/// When to open, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row that open it; at least 1.
    pub failures: u32,
    /// How long it stays open the first time, in ms.
    pub open_ms: i64,
    /// The longest it stays open, in ms.
    pub open_max_ms: i64,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, open_ms: 10_000, open_max_ms: 300_000 }
    }
}

/// The breaker of one endpoint. Times are epoch milliseconds.
#[derive(Debug, Clone)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until_ms: i64,
        lasts_ms: i64,
    },
    /// One call is under way; should it never report back, another may try after `retry_ms`.
    HalfOpen {
        retry_ms: i64,
        lasts_ms: i64,
    },
}

/// The breaker is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the endpoint failed again and again and is left alone until {until_ms}")]
pub struct Open {
    /// When to try again, in epoch ms.
    pub until_ms: i64,
}

impl Breaker {
    /// A closed breaker.
    pub const fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: State::Closed { failures: 0 } }
    }

    /// Whether a call may be made at `now_ms`. Who is let through reports back by [`Breaker::succeeded`] or
    /// [`Breaker::failed`].
    pub fn admit(&mut self, now_ms: i64) -> Result<(), Open> {
        match self.state {
            State::Closed { .. } => Ok(()),
            State::Open { until_ms, lasts_ms } | State::HalfOpen { retry_ms: until_ms, lasts_ms } => {
                if now_ms < until_ms {
                    return Err(Open { until_ms });
                }
                self.state = State::HalfOpen { retry_ms: now_ms.saturating_add(lasts_ms), lasts_ms };
                Ok(())
            }
        }
    }

    /// The endpoint answered as it should.
    pub const fn succeeded(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    /// The endpoint did not answer as it should. `wait_ms` is how long it asked to be left alone, if it did.
    pub fn failed(&mut self, now_ms: i64, wait_ms: Option<i64>) {
        let lasts_ms = match self.state {
            State::Closed { failures } => {
                let failures = failures.saturating_add(1);
                if failures < self.settings.failures && wait_ms.is_none() {
                    self.state = State::Closed { failures };
                    return;
                }
                self.settings.open_ms
            }
            // A call that was let through before it opened: no news
            State::Open { lasts_ms, .. } => lasts_ms,
            State::HalfOpen { lasts_ms, .. } => lasts_ms.saturating_mul(2),
        };
        let lasts_ms = lasts_ms.max(wait_ms.unwrap_or(0)).clamp(1, self.settings.open_max_ms.max(1));
        self.state = State::Open { until_ms: now_ms.saturating_add(lasts_ms), lasts_ms };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: BreakerSettings = BreakerSettings { failures: 3, open_ms: 100, open_max_ms: 350 };

    #[test]
    fn opens_tries_once_and_closes() {
        let mut breaker = Breaker::new(SETTINGS);
        for now in 0..3 {
            assert_eq!(breaker.admit(now), Ok(()));
            breaker.failed(now, None);
        }
        assert_eq!(breaker.admit(3), Err(Open { until_ms: 102 }));
        assert_eq!(breaker.admit(102), Ok(()));
        assert_eq!(breaker.admit(102), Err(Open { until_ms: 202 }), "one call tries");
        breaker.failed(110, None);
        assert_eq!(breaker.admit(309), Err(Open { until_ms: 310 }), "twice as long");
        assert_eq!(breaker.admit(310), Ok(()));
        breaker.failed(310, None);
        assert_eq!(breaker.admit(311), Err(Open { until_ms: 660 }), "no longer than the longest");
        assert_eq!(breaker.admit(660), Ok(()));
        breaker.succeeded();
        assert_eq!(breaker.admit(660), Ok(()));
        assert_eq!(breaker.admit(660), Ok(()));
    }

    #[test]
    fn a_wish_to_be_left_alone_opens_at_once_within_reason() {
        let mut breaker = Breaker::new(SETTINGS);
        breaker.failed(0, Some(200));
        assert_eq!(breaker.admit(199), Err(Open { until_ms: 200 }));
        let mut breaker = Breaker::new(SETTINGS);
        breaker.failed(0, Some(i64::MAX));
        assert_eq!(breaker.admit(0), Err(Open { until_ms: 350 }));
    }

    #[test]
    fn a_try_that_never_reports_back_does_not_close_the_way_for_ever() {
        let mut breaker = Breaker::new(SETTINGS);
        breaker.failed(0, Some(100));
        assert_eq!(breaker.admit(100), Ok(()));
        assert_eq!(breaker.admit(199), Err(Open { until_ms: 200 }));
        assert_eq!(breaker.admit(200), Ok(()));
    }

    proptest! {
        #[test]
        fn whatever_happened_the_way_opens_again(steps in prop::collection::vec((0_i64..500, 0_u8..3), 0..50)) {
            let mut breaker = Breaker::new(SETTINGS);
            let mut now = 0;
            for (passed, what) in steps {
                now += passed;
                match what {
                    0 => { let _ = breaker.admit(now); }
                    1 => breaker.failed(now, None),
                    _ => breaker.succeeded(),
                }
            }
            prop_assert!(breaker.admit(now + SETTINGS.open_max_ms).is_ok());
        }
    }
}
