//! When the accounts post Stories, and how attention flares up and fades after each.

use afterglow_domain::DAY_MS;
use rand::RngExt;
use rand::rngs::StdRng;

/// Half of an account's events would come without any Story; the other half follows the Stories.
const STEADY: f64 = 0.5;

/// One account's Stories.
#[derive(Debug)]
pub(super) struct Stories {
    /// Pause between two Stories, ms.
    every_ms: i32,
    /// The time in which attention falls to a third, ms.
    fade_ms: f64,
    /// How much more happens right after a Story than on average because of it.
    peak: f64,
    /// Offset at which the next one is posted.
    next_ms: i64,
    /// Those that are still up: (media id, offset of posting), the newest last.
    live: Vec<(u64, i64)>,
    posted: u64,
    base: u64,
}

impl Stories {
    /// Stories every `every_ms`, the first one already a little old.
    pub(super) fn new(account: usize, every_ms: i64, rng: &mut StdRng) -> Self {
        let every_ms = i32::try_from(every_ms.clamp(1000, DAY_MS)).unwrap_or(i32::MAX);
        let base = 17_900_000_000_000_000 + account as u64 * 1_000_000_000;
        let fade_ms = f64::from(every_ms) / 6.0;
        let peak = 6.0 / (1.0 - libm::exp(-6.0)); // the mean of exp(-t/fade) over the pause is 1/peak
        let next_ms = -i64::from(rng.random_range(0..every_ms));
        Self { every_ms, fade_ms, peak, next_ms, live: Vec::new(), posted: 0, base }
    }

    /// Posts what is due and takes down what is older than a day.
    pub(super) fn advance(&mut self, now_ms: i64) {
        while self.next_ms <= now_ms {
            self.live.push((self.base + self.posted, self.next_ms));
            self.posted += 1;
            self.next_ms += i64::from(self.every_ms);
        }
        self.live.retain(|(_, at)| now_ms - at < DAY_MS);
    }

    /// How much more than usual happens at this time; 1 on average.
    pub(super) fn attention(&self, now_ms: i64) -> f64 {
        let Some((_, at)) = self.live.last() else { return STEADY };
        let age = f64::from(i32::try_from(now_ms - at).unwrap_or(i32::MAX)); // never older than the pause
        STEADY + (1.0 - STEADY) * self.peak * libm::exp(-age / self.fade_ms)
    }

    /// A Story that is up, the newest most likely.
    pub(super) fn pick(&self, rng: &mut StdRng) -> u64 {
        let newest = self.live.len().saturating_sub(1);
        let index = if rng.random_range(0..10) < 8 { newest } else { rng.random_range(0..=newest) };
        self.live.get(index).map_or(self.base, |(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn attention_flares_up_fades_and_averages_to_one() {
        let mut stories = Stories::new(0, 60_000, &mut StdRng::seed_from_u64(5));
        stories.advance(0);
        let posted = stories.next_ms;
        let mut sum = 0.0;
        for ms in posted..posted + 60_000 {
            stories.advance(ms);
            sum += stories.attention(ms);
        }
        let mean: f64 = sum / 60_000.0;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert!(stories.attention(posted) > 3.0);
        assert!(stories.attention(posted + 59_999) < 0.6);
    }

    #[test]
    fn a_story_is_up_for_a_day() {
        let mut stories = Stories::new(0, DAY_MS / 4, &mut StdRng::seed_from_u64(5));
        stories.advance(3 * DAY_MS);
        assert_eq!(stories.live.len(), 4);
    }
}
