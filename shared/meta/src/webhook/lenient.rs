//! Ids and times in all the forms that Meta writes: ids as text or number, times as seconds, milliseconds, numeric text
//! or ISO 8601. What is `null`, empty or of another type counts as absent; the caller decides whether that matters.

use afterglow_domain::Timestamp;
use serde_json::Value;

/// The member `key`, or `null`.
pub(super) fn get<'a>(value: &'a Value, key: &str) -> &'a Value {
    value.get(key).unwrap_or(&Value::Null)
}

/// An id: text that is not empty, or a whole number.
pub(super) fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_u64() || number.is_i64() => Some(number.to_string()),
        _ => None,
    }
}

/// The id in member `key`.
pub(super) fn id_at(value: &Value, key: &str) -> Option<String> {
    id(get(value, key))
}

/// The id of the person or account in member `key`: `{"id": …}`.
pub(super) fn party(value: &Value, key: &str) -> Option<String> {
    id_at(get(value, key), "id")
}

/// Text; numbers and truth values are not text.
pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    get(value, key).as_str().map(ToOwned::to_owned)
}

/// Whether member `key` is `true`.
pub(super) fn flag(value: &Value, key: &str) -> bool {
    get(value, key).as_bool().unwrap_or(false)
}

/// A whole number, written as number or text.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A time, in any of its forms. Zero and negative numbers are no time.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    match integer(value) {
        Some(number) if number > 0 => Some(Timestamp::from_seconds_or_millis(number)),
        Some(_) => None,
        None => value.as_str().and_then(Timestamp::parse),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids() {
        for (value, expected) in [
            (json!("12"), Some("12")),
            (json!(12_345_654_332_u64), Some("12345654332")),
            (json!(""), None),
            (json!("  "), None),
            (json!(null), None),
            (json!(1.5), None),
            (json!({"id": "1"}), None),
        ] {
            assert_eq!(id(&value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn times() {
        for (value, expected) in [
            (json!(1_569_262_486_134_i64), Some(1_569_262_486_134)),
            (json!(1_520_622_968), Some(1_520_622_968_000)),
            (json!("1520622968"), Some(1_520_622_968_000)),
            (json!("2021-09-08T06:34:04+0000"), Some(1_631_082_844_000)),
            (json!(0), None),
            (json!("soon"), None),
            (json!(null), None),
            (json!([1]), None),
        ] {
            assert_eq!(time(&value).map(Timestamp::millis), expected, "{value}");
        }
    }
}
