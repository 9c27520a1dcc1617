//! When a webhook that was not taken is posted again.

use std::time::Duration;

/// Pauses between attempts.
///
/// Meta: "we will retry immediately, then try a few more times with decreasing frequency over the next 36 hours" (Graph
/// API Webhooks, read in 2026). The steps themselves are not documented; these are ours.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrySchedule {
    /// The pause before each further attempt, at factor 1.
    pub pauses: Vec<Duration>,
    /// By which all pauses are multiplied: well under 1, and hours pass in seconds.
    pub factor: f64,
}

impl Default for RetrySchedule {
    fn default() -> Self {
        let minutes = [0, 1, 5, 15, 60, 180, 360, 720, 819]; // 36 hours together
        Self { pauses: minutes.map(|m| Duration::from_secs(m * 60)).to_vec(), factor: 1.0 }
    }
}

impl RetrySchedule {
    /// The default steps, sped up or slowed down.
    pub fn scaled(factor: f64) -> Self {
        Self { factor, ..Self::default() }
    }

    /// The pause after `failed` failed attempts (from 1); `None` when Meta gives up.
    pub fn pause(&self, failed: u32) -> Option<Duration> {
        let index = usize::try_from(failed.checked_sub(1)?).ok()?;
        let factor = if self.factor.is_finite() { self.factor.clamp(0.0, 1_000.0) } else { 1.0 };
        self.pauses.get(index).map(|pause| pause.mul_f64(factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_once_then_ever_less_often_for_36_hours() {
        let schedule = RetrySchedule::default();
        let pauses: Vec<Duration> = (1..).map_while(|n| schedule.pause(n)).collect();
        assert_eq!(pauses[0], Duration::ZERO);
        assert!(pauses.is_sorted());
        assert_eq!(pauses.iter().sum::<Duration>(), Duration::from_hours(36));
        assert_eq!(RetrySchedule::scaled(0.001).pause(2), Some(Duration::from_millis(60)));
        assert_eq!(schedule.pause(0), None);
    }
}
