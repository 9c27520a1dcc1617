//! What a reply means.

use afterglow_domain::Timestamp;
use http::{HeaderMap, header};

use crate::egress::{EgressError, Reply};

/// What a reply, or none, asks of the sender (Standard Webhooks 1.0, "Considerations for sending webhooks").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// 2xx: it arrived.
    Delivered,
    /// 410: the endpoint wants no more.
    Gone,
    /// Anything else, redirects among it: try again, not before `asked` milliseconds if it asked.
    Failed {
        /// `Retry-After` in milliseconds, 0 or more.
        asked: Option<i64>,
    },
}

/// Judges what came back at `now`.
pub fn verdict(reply: &Result<Reply, EgressError>, now: Timestamp) -> Verdict {
    match reply {
        Ok(reply) if (200..300).contains(&reply.status) => Verdict::Delivered,
        Ok(reply) if reply.status == 410 => Verdict::Gone,
        Ok(reply) => Verdict::Failed { asked: retry_after_ms(&reply.headers, now) },
        Err(_) => Verdict::Failed { asked: None },
    }
}

/// `Retry-After` (RFC 9110 §10.2.3) in milliseconds from `now`: seconds, or an HTTP date; never negative. `None` if there
/// is none, or it is neither.
pub fn retry_after_ms(headers: &HeaderMap, now: Timestamp) -> Option<i64> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(i64::from(seconds) * 1000);
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Timestamp::from_millis(date.as_millisecond()).since(now).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, retry_after: Option<&str>) -> Reply {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
        }
        Reply { status, headers, body: Vec::new(), whole: true }
    }

    #[test]
    fn what_replies_mean() {
        let now = Timestamp::parse("2015-10-21T07:27:30Z").unwrap();
        let failed = |asked| Verdict::Failed { asked };
        for (status, retry_after, expected) in [
            (200, None, Verdict::Delivered),
            (204, None, Verdict::Delivered),
            (410, None, Verdict::Gone),
            (301, None, failed(None)),
            (400, None, failed(None)),
            (404, None, failed(None)),
            (500, None, failed(None)),
            (429, Some("120"), failed(Some(120_000))),
            (503, Some("Wed, 21 Oct 2015 07:28:00 GMT"), failed(Some(30_000))),
            (503, Some("Wed, 21 Oct 2015 07:26:00 GMT"), failed(Some(0))),
            (503, Some("soon"), failed(None)),
            (503, Some("-5"), failed(None)),
            (503, Some("99999999999999"), failed(None)),
        ] {
            assert_eq!(verdict(&Ok(reply(status, retry_after)), now), expected, "{status} {retry_after:?}");
        }
        assert_eq!(verdict(&Err(EgressError::TimedOut), now), failed(None));
    }
}
