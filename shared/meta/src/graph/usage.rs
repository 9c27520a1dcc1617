//! How much of the limits is used, from the headers.

use serde_json::Value;

/// How much of Meta's hourly limits is used (Meta, "Graph API rate limiting", read 2026: percentages over a rolling
/// hour; calls are refused when one reaches 100).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The highest percentage of the app's limit (`X-App-Usage`).
    pub app_percent: u32,
    /// The highest percentage of the account's limit (`X-Business-Use-Case-Usage`).
    pub account_percent: u32,
    /// Minutes until calls are taken again, if they are refused now.
    pub regain_minutes: u32,
}

impl Usage {
    /// Reads the headers; what cannot be read counts as nothing used.
    pub fn read(app: Option<&str>, business: Option<&str>) -> Self {
        let mut usage = Self::default();
        if let Some(app) = app.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            usage.app_percent = percent(&app);
        }
        // A map whose keys may repeat: the last of them counts, and Meta's sample repeats equal ones.
        if let Some(Value::Object(accounts)) = business.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            for kind in accounts.values().flat_map(|kinds| kinds.as_array().into_iter().flatten()) {
                usage.account_percent = usage.account_percent.max(percent(kind));
                usage.regain_minutes = usage.regain_minutes.max(number(&kind["estimated_time_to_regain_access"]));
            }
        }
        usage
    }
}

fn percent(counts: &Value) -> u32 {
    ["call_count", "total_time", "total_cputime"].iter().map(|name| number(&counts[*name])).max().unwrap_or(0)
}

/// A number, also as text or with a fraction (rounded up: nearer to the limit is the safe side).
fn number(value: &Value) -> u32 {
    let float = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).unwrap_or(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let whole = float.ceil().clamp(0.0, f64::from(u32::MAX)) as u32;
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_metas_samples() {
        let app = r#"{"call_count":28,"total_time":25,"total_cputime":25}"#;
        let business = r#"{"178414":[{"type":"instagram","call_count":10,"total_cputime":"97.2","total_time":5,
            "estimated_time_to_regain_access":12}],"178414":[{"type":"messenger","call_count":100,"total_cputime":1,
            "total_time":1,"estimated_time_to_regain_access":0}]}"#;
        let usage = Usage::read(Some(app), Some(business));
        assert_eq!(usage.app_percent, 28);
        assert_eq!(usage.account_percent, 100);
        assert_eq!(Usage::read(None, None), Usage::default());
    }

    proptest! {
        #[test]
        fn junk_is_nothing(app in ".{0,60}", business in ".{0,60}") {
            let _ = Usage::read(Some(&app), Some(&business));
        }
    }
}
