//! Whether a figure stays flat: a straight line through its samples, by least squares.

/// A straight line through samples of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// The samples' mean.
    pub mean: f64,
    /// What the figure grew by from the first sample's time to the last's, as the line has it.
    pub growth: f64,
    /// The standard error of `growth`.
    pub error: f64,
    /// From the first sample's time to the last's, in the unit of the samples' times.
    pub span: f64,
}

impl Trend {
    /// The line through samples of (time, figure); `None` with fewer than three of them, or all at one time.
    #[expect(clippy::cast_precision_loss, reason = "a number of samples")]
    pub fn of(samples: &[(f64, f64)]) -> Option<Self> {
        let n = samples.len() as f64;
        let (first, last) = (samples.first()?.0, samples.last()?.0);
        let (time, mean) =
            samples.iter().fold((0.0, 0.0), |(time, mean), (at, figure)| (time + at / n, mean + figure / n));
        let spread: f64 = samples.iter().map(|(at, _)| (at - time).powi(2)).sum();
        if samples.len() < 3 || spread <= 0.0 {
            return None;
        }
        let slope = samples.iter().map(|(at, figure)| (at - time) * (figure - mean)).sum::<f64>() / spread;
        let rest: f64 =
            samples.iter().map(|(at, figure)| (figure - mean - slope * (at - time)).powi(2)).sum::<f64>() / (n - 2.0);
        let span = last - first;
        Some(Self { mean, growth: slope * span, error: (rest / spread).sqrt() * span, span })
    }

    /// Flat: the growth is no more than `tolerated`, or may be chance (less than two standard errors above it).
    pub fn is_flat(&self, tolerated: f64) -> bool {
        self.growth - 2.0 * self.error <= tolerated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(slope: f64, noise: impl Fn(u32) -> f64) -> Vec<(f64, f64)> {
        (0..100).map(|n| (f64::from(n), 50.0 + slope * f64::from(n) + noise(n))).collect()
    }

    #[test]
    fn a_line_is_found_again() {
        let trend = Trend::of(&line(0.5, |_| 0.0)).unwrap();
        assert!((trend.growth - 49.5).abs() < 1e-9 && trend.error < 1e-6, "{trend:?}");
        assert!((trend.mean - 74.75).abs() < 1e-9 && (trend.span - 99.0).abs() < 1e-9);
        assert!(!trend.is_flat(49.0) && trend.is_flat(50.0));
    }

    #[test]
    fn noise_is_no_growth_and_hides_none() {
        let noise = |n: u32| f64::from(n * 7919 % 101) / 10.0 - 5.0;
        let (flat, leak) = (Trend::of(&line(0.0, noise)).unwrap(), Trend::of(&line(0.1, noise)).unwrap());
        assert!(flat.is_flat(1.0), "{flat:?}");
        assert!(!leak.is_flat(1.0), "{leak:?}");
        assert!(Trend::of(&line(-0.1, noise)).unwrap().is_flat(0.0), "what shrinks is flat");
    }

    #[test]
    fn few_samples_say_nothing() {
        assert_eq!(Trend::of(&[(0.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(Trend::of(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]), None);
        assert_eq!(Trend::of(&[]), None);
    }
}
