//! Percentiles.

/// The value below which `per_mille` thousandths of the sorted values lie; zero of none.
pub fn percentile<T: Copy + Default>(sorted: &[T], per_mille: usize) -> T {
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * per_mille / 1000).min(last)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn of_a_hundred_values() {
        let values: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        for (per_mille, ms) in [(0, 1), (500, 51), (990, 100), (1000, 100)] {
            assert_eq!(percentile(&values, per_mille), Duration::from_millis(ms));
        }
        assert_eq!(percentile::<Duration>(&[], 500), Duration::ZERO);
    }
}
