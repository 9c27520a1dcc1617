//! How much is said, and when not.

use serde::{Deserialize, Serialize};

use crate::{DAY_MS, Timestamp, WindowRule};

/// How much a brand says at most by itself, and when nothing. Meta's own limits hold as well; the stricter one wins. Nothing is
/// limited unless the brand wants it: each interaction has one answer in any case, and who is not answered is a person lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SendLimits {
    /// Messages to one viewer in 24 hours; 0: as many as there are causes.
    pub per_viewer_day: u32,
    /// Messages to one viewer in 7 days; 0: as many as there are causes.
    pub per_viewer_week: u32,
    /// Messages from one account in any hour; 0: Meta's limits alone.
    pub per_account_hour: u32,
    /// Hours within which the same text is not said to the same viewer again; 0: it may be.
    pub same_text_hours: u32,
    /// When nothing is said by itself, in the brand's time zone; none: at all hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// Meta granted this brand's app the Human Agent feature: a person may answer until 7 days after the viewer's last action.
    pub human_agent: bool,
    /// Days for which a first message that came through a click-to-message ad lets automation answer, 1 to 7. Meta says that "the
    /// window may last up to 7 days from that message" ("Messenger Platform and IG Messaging API policy", read 2026): 1 is
    /// what is certain.
    pub ad_window_days: u8,
    /// Added to every automatic message, on a line of its own: who or what writes. Some laws ask for it (California Business
    /// and Professions Code §17941; EU AI Act, Article 50).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disclosure: Option<String>,
}

impl Default for SendLimits {
    fn default() -> Self {
        Self {
            per_viewer_day: 0,
            per_viewer_week: 0,
            per_account_hour: 0,
            same_text_hours: 0,
            quiet_hours: None,
            human_agent: false,
            ad_window_days: 1,
            disclosure: None,
        }
    }
}

impl SendLimits {
    /// How long a right to answer lasts for this brand, in ms: Meta's time, or less.
    pub fn window_ms(&self, rule: WindowRule) -> i64 {
        match rule {
            WindowRule::Ad => i64::from(self.ad_window_days.clamp(1, 7)) * DAY_MS,
            other => other.length_ms(),
        }
    }
}

/// A span of each day, in minutes after midnight; over midnight if it ends before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// `22:00`
    #[serde(with = "clock_time")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub from: u16,
    /// `08:00`
    #[serde(with = "clock_time")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub to: u16,
}

impl QuietHours {
    /// When the quiet that holds at `now` ends, in a time zone by its IANA name; `None` if it is not quiet. An unknown zone
    /// counts as UTC.
    pub fn until(&self, now: Timestamp, zone: &str) -> Option<Timestamp> {
        let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let local = jiff::Timestamp::from_millisecond(now.millis()).ok()?.to_zoned_datetime(zone.clone());
        let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).ok()?;
        let (quiet, tomorrow) = if self.from <= self.to {
            ((self.from..self.to).contains(&minute), false)
        } else {
            (minute >= self.from || minute < self.to, minute >= self.from)
        };
        if !quiet {
            return None;
        }
        let day = if tomorrow { local.date().tomorrow().ok()? } else { local.date() };
        let end = day.at(i8::try_from(self.to / 60).ok()?, i8::try_from(self.to % 60).ok()?, 0, 0);
        let end = end.to_zoned_datetime(zone).ok()?;
        let end = Timestamp::from_millis(end.timestamp().as_millisecond());
        // Where a clock change swallows the end, a day is the bound.
        Some(end.max(now.plus(1)).min(now.plus(DAY_MS)))
    }
}

mod clock_time {
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(minute: &u16, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:02}:{:02}", minute / 60, minute % 60))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
        let text = String::deserialize(deserializer)?;
        let read = |text: &str| {
            let (hours, minutes) = text.split_once(':')?;
            let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60 && text.len() == 5).then_some(hours * 60 + minutes)
        };
        read(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("{text:?} is no time of day: expected HH:MM, such as \"22:00\""))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_in_the_brands_own_time() {
        let at = |text: &str| Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let quiet: QuietHours = serde_json::from_str(r#"{"from":"22:00","to":"08:00"}"#).unwrap();
        for (now, zone, until) in [
            ("2026-07-01T21:30:00Z", "Europe/Amsterdam", Some("2026-07-02T06:00:00Z")), // 23:30 there
            ("2026-07-01T05:59:00Z", "Europe/Amsterdam", Some("2026-07-01T06:00:00Z")),
            ("2026-07-01T06:00:00Z", "Europe/Amsterdam", None),
            ("2026-07-01T21:30:00Z", "UTC", None),
            ("2026-07-01T22:00:00Z", "UTC", Some("2026-07-02T08:00:00Z")),
            // The clock goes forward at 02:00 that night: the quiet is an hour shorter.
            ("2026-03-28T23:00:00Z", "Europe/Amsterdam", Some("2026-03-29T06:00:00Z")),
        ] {
            assert_eq!(quiet.until(at(now), zone), until.map(at), "{now} {zone}");
        }
        let noon = QuietHours { from: 12 * 60, to: 13 * 60 };
        assert!(noon.until(at("2026-07-01T12:59:00Z"), "UTC").is_some());
        assert!(noon.until(at("2026-07-01T13:00:00Z"), "UTC").is_none());
        assert_eq!(serde_json::to_string(&quiet).unwrap(), r#"{"from":"22:00","to":"08:00"}"#);
        for bad in ["24:00", "8:00", "22:60", "late"] {
            assert!(
                serde_json::from_str::<QuietHours>(&format!(r#"{{"from":"{bad}","to":"08:00"}}"#)).is_err(),
                "{bad}"
            );
        }
    }
}
