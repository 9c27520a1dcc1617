//! Time as Afterglow stores it: epoch milliseconds, UTC.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Tells the time. Passed in, so that every run can be repeated; nothing of ours asks the system itself.
pub type Clock = std::sync::Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Milliseconds of a minute.
pub const MINUTE_MS: i64 = 60_000;
/// One hour in milliseconds.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Twenty-four hours in milliseconds: the life of a Story, and of the standard messaging window.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// A length of time as people write it: `90m`, `2h`, `2d`; not negative, at most 365 days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Span {
    /// Minutes; what is out of range is brought into it.
    pub const fn minutes(minutes: i64) -> Self {
        let ms = minutes.saturating_mul(MINUTE_MS);
        Self(if ms < 0 {
            0
        } else if ms > 365 * DAY_MS {
            365 * DAY_MS
        } else {
            ms
        })
    }

    /// Its length in milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Reads a whole number followed by `m`, `h` or `d`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let number: i64 = digits.trim().parse().ok().filter(|number| *number >= 0)?;
        let minutes = match unit {
            "m" => number,
            "h" => number.checked_mul(60)?,
            "d" => number.checked_mul(24 * 60)?,
            _ => return None,
        };
        (minutes <= 365 * 24 * 60).then(|| Self::minutes(minutes))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0 / MINUTE_MS;
        match minutes {
            0 => write!(f, "0m"),
            _ if minutes % (24 * 60) == 0 => write!(f, "{}d", minutes / (24 * 60)),
            _ if minutes % 60 == 0 => write!(f, "{}h", minutes / 60),
            _ => write!(f, "{minutes}m"),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is no length of time: expected one such as \"90m\", \"2h\" or \"2d\""
            ))
        })
    }
}

/// A moment: milliseconds since 1970-01-01T00:00:00Z. Never negative in valid data, but arithmetic saturates rather
/// than panics, since the value may come from the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From epoch milliseconds.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Epoch milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Meta writes seconds in `changes` and milliseconds in `messaging`. A value under 10¹¹ is taken as seconds:
    /// as milliseconds it would lie before March 1973.
    pub const fn from_seconds_or_millis(value: i64) -> Self {
        if value < 100_000_000_000 { Self(value.saturating_mul(1000)) } else { Self(value) }
    }

    /// This moment plus `ms` milliseconds, saturating.
    #[must_use]
    pub const fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// This moment less `ms` milliseconds, saturating.
    #[must_use]
    pub const fn minus(self, ms: i64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// Milliseconds from `earlier` to this moment; negative if `earlier` is later.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The day in a time zone by its IANA name, as `2026-11-25`; an unknown zone counts as UTC.
    pub fn day_in(self, zone: &str) -> String {
        let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let moment = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        moment.to_zoned_datetime(zone).date().to_string()
    }

    /// The weekday (0 is Monday) and the hour in a time zone by its IANA name; an unknown zone counts as UTC.
    pub fn weekday_and_hour_in(self, zone: &str) -> (usize, usize) {
        let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let at = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default().to_zoned_datetime(zone);
        let day = usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or(0);
        (day.min(6), usize::try_from(at.hour()).unwrap_or(0).min(23))
    }

    /// RFC 3339 with milliseconds, as CloudEvents asks for its `time`. A value outside the years that RFC 3339 can
    /// write is clamped to the nearest one it can.
    pub fn to_rfc3339(self) -> String {
        let clamped = self.0.clamp(0, 253_402_300_799_000);
        jiff::Timestamp::from_millisecond(clamped).map_or_else(|_| String::new(), |t| format!("{t:.3}"))
    }

    /// Reads RFC 3339 or ISO 8601 with a numeric offset (`2021-09-08T06:34:04+0000`); `None` if it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(t) = text.parse::<jiff::Timestamp>() {
            return Some(Self(t.as_millisecond()));
        }
        let t = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%z", text).ok()?.to_timestamp().ok()?;
        Some(Self(t.as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_milliseconds_are_told_apart() {
        for (given, ms) in [
            (1_569_262_486_134, 1_569_262_486_134),
            (1_520_622_968, 1_520_622_968_000),
            (99_999_999_999, 99_999_999_999_000),
            (100_000_000_000, 100_000_000_000),
            (i64::MIN, i64::MIN),
        ] {
            assert_eq!(Timestamp::from_seconds_or_millis(given).millis(), ms, "{given}");
        }
    }

    #[test]
    fn rfc3339_both_ways() {
        let t = Timestamp::from_millis(1_569_262_485_349);
        assert_eq!(t.to_rfc3339(), "2019-09-23T18:14:45.349Z");
        assert_eq!(Timestamp::parse("2019-09-23T18:14:45.349Z"), Some(t));
        assert_eq!(Timestamp::parse("2021-09-08T06:34:04+0000"), Some(Timestamp::from_millis(1_631_082_844_000)));
        assert_eq!(Timestamp::parse("yesterday"), None);
    }
}
