//! One day in a brand's time zone.

use afterglow_domain::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A day that cannot be named.
#[derive(Debug, thiserror::Error)]
pub enum DayError {
    /// Not a date.
    #[error("{0:?} is no date: expected one such as 2026-11-24")]
    Date(String),
    /// Not a time zone.
    #[error("{0:?} is no time zone: expected a name such as Europe/Amsterdam; change it with `afterglow brand add`")]
    Zone(String),
}

/// From midnight to midnight, where the brand is: 23 to 25 hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// `2026-11-24`
    pub date: String,
    /// Its first moment.
    pub begin: Timestamp,
    /// The next day's first moment.
    pub end: Timestamp,
}

impl Day {
    /// The day `date` (`2026-11-24`) in `zone` (IANA).
    pub fn new(date: &str, zone: &str) -> Result<Self, DayError> {
        let wrong_date = || DayError::Date(date.to_owned());
        let zone = TimeZone::get(zone).map_err(|_| DayError::Zone(zone.to_owned()))?;
        let day: Date = date.parse().map_err(|_| wrong_date())?;
        let midnight = |day: Date| day.to_zoned_datetime(zone.clone()).map(|at| at.timestamp().as_millisecond());
        let begin = midnight(day).map_err(|_| wrong_date())?;
        let end = day.tomorrow().and_then(midnight).map_err(|_| wrong_date())?;
        Ok(Self { date: day.to_string(), begin: Timestamp::from_millis(begin), end: Timestamp::from_millis(end) })
    }

    /// The day that holds `now` in `zone`.
    pub fn today(now: Timestamp, zone: &str) -> Result<Self, DayError> {
        let tz = TimeZone::get(zone).map_err(|_| DayError::Zone(zone.to_owned()))?;
        let at = jiff::Timestamp::from_millisecond(now.millis()).map_err(|_| DayError::Date(now.to_string()))?;
        Self::new(&at.to_zoned_datetime(tz).date().to_string(), zone)
    }

    /// Whether `at` lies in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.begin <= at && at < self.end
    }
}

/// The days of `zone` from one moment to another, each with its end, the last one cut at `until`. At most ten years of them.
pub fn days_between(from: Timestamp, until: Timestamp, zone: &str) -> Result<Vec<(Timestamp, String)>, DayError> {
    let mut day = Day::today(from, zone)?;
    let mut days = Vec::new();
    loop {
        days.push((day.end.min(until), day.date.clone()));
        if day.end >= until || days.len() > 3_660 {
            return Ok(days);
        }
        day = Day::today(day.end, zone)?;
    }
}

#[cfg(test)]
mod tests {
    use afterglow_domain::HOUR_MS;

    use super::*;

    #[test]
    fn days_are_the_brands_own() {
        let hours = |date, zone| {
            let day = Day::new(date, zone).unwrap();
            (day.begin.to_rfc3339(), day.end.since(day.begin) / HOUR_MS)
        };
        assert_eq!(hours("2026-11-24", "Europe/Amsterdam"), ("2026-11-23T23:00:00.000Z".into(), 24));
        assert_eq!(hours("2026-10-25", "Europe/Amsterdam").1, 25, "clocks go back");
        assert_eq!(hours("2026-03-29", "Europe/Amsterdam").1, 23, "clocks go forward");
        assert_eq!(hours("2026-11-24", "America/New_York").0, "2026-11-24T05:00:00.000Z");
        let now = Timestamp::parse("2026-11-24T23:30:00Z").unwrap();
        assert_eq!(Day::today(now, "Europe/Amsterdam").unwrap().date, "2026-11-25");
        assert!(matches!(Day::new("24.11.2026", "UTC"), Err(DayError::Date(_))));
        assert!(matches!(Day::new("2026-11-24", "Mars/Olympus"), Err(DayError::Zone(_))));
    }
}
