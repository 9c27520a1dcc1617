//! What replies say about how much more is welcome. A CRM's quota is shared by everything the brand has connected to it,
//! so the last part of a day's is left to others.

use afterglow_domain::{HOUR_MS, Timestamp};
use http::HeaderMap;
use serde::Deserialize;

use crate::egress::Reply;
use crate::webhook::retry_after_ms;

/// When the next request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At once.
    Go,
    /// Not before then.
    NotBefore(Timestamp),
}

/// Of a day's quota, in percent, left to others.
const LEFT_TO_OTHERS: u64 = 10;
/// A day's quota comes back little by little or at midnight somewhere: look again after this.
const DAY_PAUSE_MS: i64 = HOUR_MS;
/// `HubSpot`'s window, where a reply does not tell it ("Usage guidelines": per 10 seconds).
const HUBSPOT_WINDOW_MS: i64 = 10_000;
/// After a 5xx without `Retry-After`.
const ILL_PAUSE_MS: i64 = 30_000;

/// `HubSpot` ("Usage guidelines", <https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines>):
/// `X-HubSpot-RateLimit-Remaining` of `-Interval-Milliseconds`, `-Daily-Remaining` of `-Daily` (absent with OAuth), and a
/// 429 whose `policyName` tells which limit it was.
pub fn hubspot_pace(reply: &Reply, now: Timestamp) -> Pace {
    let number = |name: &str| number(&reply.headers, name);
    let window = number("x-hubspot-ratelimit-interval-milliseconds")
        .and_then(|ms| i64::try_from(ms).ok())
        .map_or(HUBSPOT_WINDOW_MS, |ms| ms.min(HOUR_MS));
    if reply.status == 429 {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Limited {
            policy_name: String,
        }
        let daily = serde_json::from_slice::<Limited>(&reply.body).is_ok_and(|it| it.policy_name == "DAILY");
        let pause = if daily { DAY_PAUSE_MS } else { window };
        return Pace::NotBefore(now.plus(retry_after_ms(&reply.headers, now).unwrap_or(0).max(pause)));
    }
    let day = number("x-hubspot-ratelimit-daily-remaining").zip(number("x-hubspot-ratelimit-daily"));
    if day.is_some_and(|(left, of)| little_is_left(left, of)) {
        return Pace::NotBefore(now.plus(DAY_PAUSE_MS));
    }
    if number("x-hubspot-ratelimit-remaining") == Some(0) {
        return Pace::NotBefore(now.plus(window));
    }
    after_illness(reply, now)
}

/// Salesforce: `Sforce-Limit-Info: api-usage=used/limit` of the last 24 hours ("Limit Info Header",
/// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm>), and a 403 with
/// `REQUEST_LIMIT_EXCEEDED` ("Status Codes and Error Responses").
pub fn salesforce_pace(reply: &Reply, now: Timestamp) -> Pace {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Problem {
        error_code: String,
    }
    let problems: Vec<Problem> =
        if reply.status == 403 { serde_json::from_slice(&reply.body).unwrap_or_default() } else { Vec::new() };
    let spent = problems.iter().any(|problem| problem.error_code == "REQUEST_LIMIT_EXCEEDED");
    let usage = reply.headers.get("sforce-limit-info").and_then(|value| api_usage(value.to_str().ok()?));
    if spent || usage.is_some_and(|(used, of)| little_is_left(of.saturating_sub(used), of)) {
        return Pace::NotBefore(now.plus(DAY_PAUSE_MS));
    }
    after_illness(reply, now)
}

/// Any other: `Retry-After` (RFC 9110, §10.2.3).
pub fn generic_pace(reply: &Reply, now: Timestamp) -> Pace {
    after_illness(reply, now)
}

fn after_illness(reply: &Reply, now: Timestamp) -> Pace {
    match (retry_after_ms(&reply.headers, now), reply.status) {
        (Some(asked), 429 | 500..=599) => Pace::NotBefore(now.plus(asked)),
        (None, 429 | 500..=599) => Pace::NotBefore(now.plus(ILL_PAUSE_MS)),
        _ => Pace::Go,
    }
}

fn little_is_left(left: u64, of: u64) -> bool {
    left.saturating_mul(100) <= of.saturating_mul(LEFT_TO_OTHERS)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// `api-usage=18/5000`, perhaps with `per-app-api-usage=…` after it.
fn api_usage(text: &str) -> Option<(u64, u64)> {
    let part = text.split([';', ',']).find_map(|part| part.trim().strip_prefix("api-usage="))?;
    let (used, of) = part.split_once('/')?;
    Some((used.trim().parse().ok()?, of.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn reply(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Reply {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        Reply { status, headers, body: body.into(), whole: true }
    }

    fn wait(pace: Pace) -> i64 {
        match pace {
            Pace::Go => 0,
            Pace::NotBefore(at) => at.since(NOW),
        }
    }

    #[test]
    fn hubspot() {
        let left = |n| [("x-hubspot-ratelimit-remaining", n), ("x-hubspot-ratelimit-interval-milliseconds", "10000")];
        let day = |n| [("x-hubspot-ratelimit-daily", "250000"), ("x-hubspot-ratelimit-daily-remaining", n)];
        let daily = r#"{"status":"error","errorType":"RATE_LIMIT","policyName":"DAILY"}"#;
        let secondly = r#"{"status":"error","errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING"}"#;
        for (given, expected) in [
            (reply(200, &[], ""), 0),
            (reply(200, &left("99"), ""), 0),
            (reply(200, &left("0"), ""), 10_000),
            (reply(200, &left("nonsense"), ""), 0),
            (reply(200, &day("25001"), ""), 0),
            (reply(200, &day("25000"), ""), HOUR_MS),
            (reply(429, &[], daily), HOUR_MS),
            (reply(429, &[], secondly), 10_000),
            (reply(429, &[("retry-after", "25")], secondly), 25_000),
            (reply(429, &[], "<html>"), 10_000),
            (reply(502, &[], ""), 30_000),
            (reply(503, &[("retry-after", "7")], ""), 7000),
        ] {
            assert_eq!(wait(hubspot_pace(&given, NOW)), expected, "{given:?}");
        }
    }

    #[test]
    fn salesforce() {
        let info = |text| [("sforce-limit-info", text)];
        let spent = r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#;
        let denied = r#"[{"message":"No access.","errorCode":"INSUFFICIENT_ACCESS"}]"#;
        for (given, expected) in [
            (reply(200, &info("api-usage=10018/100000"), ""), 0),
            (reply(200, &info("api-usage=89999/100000"), ""), 0),
            (reply(200, &info("api-usage=90000/100000"), ""), HOUR_MS),
            (reply(200, &info("api-usage=100500/100000"), ""), HOUR_MS),
            (reply(200, &info("per-app-api-usage=9/10; api-usage=25/5000"), ""), 0),
            (reply(200, &info("nonsense"), ""), 0),
            (reply(403, &[], spent), HOUR_MS),
            (reply(403, &[], denied), 0),
            (reply(503, &[], ""), 30_000),
            (reply(429, &[("retry-after", "3")], ""), 3000),
        ] {
            assert_eq!(wait(salesforce_pace(&given, NOW)), expected, "{given:?}");
        }
    }
}
