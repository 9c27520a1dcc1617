//! What each brand may have on the fast lane: more of it waits behind the others', on a lane of its own, and nothing is
//! refused. Meta delivers a webhook that is answered 503 again for hours, and then unsubscribes the account: a flood is no
//! reason to risk that.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use afterglow_domain::{BrandId, Timestamp};

/// What is left of each brand's quota, in this process.
#[derive(Debug)]
pub struct Quotas {
    interval_us: i64,
    ahead_us: i64,
    /// When a brand that took all it took evenly would be back at zero (generic cell rate algorithm), epoch microseconds.
    due: Mutex<HashMap<BrandId, i64>>,
}

impl Quotas {
    /// `per_second` interactions of a brand a second, and `burst` at once after a quiet time; 0 a second: no quota.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval_us = if per_second == 0 { 0 } else { 1_000_000 / i64::from(per_second) };
        Self { interval_us, ahead_us: interval_us * i64::from(burst.max(1)), due: Mutex::default() }
    }

    /// Whether one more interaction of the brand is within its quota, which it then uses.
    pub(crate) fn admits(&self, brand: &BrandId, now: Timestamp) -> bool {
        if self.interval_us == 0 {
            return true;
        }
        let now_us = now.millis().saturating_mul(1000);
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let due = match due.get_mut(brand) {
            Some(due) => due,
            None => due.entry(brand.clone()).or_insert(now_us),
        };
        let next = (*due).max(now_us) + self.interval_us;
        let within = next - now_us <= self.ahead_us;
        if within {
            *due = next;
        }
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate_and_others_do_not_matter() {
        let (quotas, calm, loud) = (Quotas::new(10, 5), BrandId::new("calm"), BrandId::new("loud"));
        let admitted = |brand: &BrandId, from_ms: i64, until_ms: i64, every_ms: usize| {
            (from_ms..until_ms).step_by(every_ms).filter(|ms| quotas.admits(brand, Timestamp::from_millis(*ms))).count()
        };
        assert_eq!(admitted(&loud, 0, 100, 1), 5, "the burst");
        assert_eq!(admitted(&calm, 0, 2_000, 200), 10, "five a second, all of them");
        let later = admitted(&loud, 100, 10_100, 1);
        assert!((99..=101).contains(&later), "ten a second: {later}");
        assert_eq!(admitted(&loud, 60_000, 60_100, 1), 5, "a quiet time earns a burst, and no more");
    }

    #[test]
    fn without_a_quota_all_is_admitted() {
        let (quotas, brand) = (Quotas::new(0, 0), BrandId::new("any"));
        assert!((0..10_000).all(|_| quotas.admits(&brand, Timestamp::from_millis(0))));
    }
}
