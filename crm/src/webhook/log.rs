//! The log of attempts, for who asks why nothing came.

use afterglow_domain::Timestamp;
use serde::Serialize;

use super::event::ChangeId;
use super::queue::{EndpointId, Settlement};
use crate::egress::{EgressError, Reply};

/// Of a reply's body, in bytes.
const EXCERPT: usize = 256;

/// One attempt to deliver one change to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Where to.
    pub endpoint: EndpointId,
    /// Which change.
    pub change: ChangeId,
    /// The how manieth, from 1.
    pub number: u32,
    /// When it began, epoch milliseconds.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// The status, if there was a reply.
    pub status: Option<u16>,
    /// Why there was none: a short name, from [`EgressError::class`].
    pub error: Option<&'static str>,
    /// How the reply's body begins, of a failed attempt: often it says why. Control characters are replaced, since this
    /// is text of strangers in front of people.
    pub excerpt: Option<String>,
    /// What became of the delivery.
    pub settlement: Settlement,
}

impl Attempt {
    /// What came back, as the log keeps it.
    pub(super) fn describe(reply: &Result<Reply, EgressError>) -> (Option<u16>, Option<&'static str>, Option<String>) {
        match reply {
            Ok(reply) if (200..300).contains(&reply.status) || reply.body.is_empty() => {
                (Some(reply.status), None, None)
            }
            Ok(reply) => (Some(reply.status), None, Some(excerpt(&reply.body))),
            Err(error) => (None, Some(error.class()), None),
        }
    }
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(EXCERPT)]);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_and_harmless() {
        assert_eq!(excerpt(b"no\x1b[31m\r\nsuch\xff hook"), "no [31m  such\u{fffd} hook");
        assert_eq!(excerpt(&[b'x'; 10_000]).len(), EXCERPT);
    }
}
