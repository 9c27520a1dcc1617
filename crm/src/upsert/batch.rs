//! What was asked, and what became of each record.

use std::collections::BTreeMap;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use crate::egress::Request;
use crate::viewer_record::ViewerRecord;

/// One request for several records.
#[derive(Debug, Clone)]
pub struct Batch {
    /// What to send.
    pub request: Request,
    /// The external ids of its records, in order.
    pub ids: Vec<String>,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemOutcome {
    /// It is new there.
    Created,
    /// It was there.
    Updated,
    /// It was refused, and would be again: a person has to look.
    Refused {
        /// The CRM's name for it (`INVALID_EMAIL_ADDRESS`).
        code: String,
        /// The CRM's words.
        message: String,
    },
    /// Not this time, or the reply does not say: try again. Upserts may be repeated.
    Retry,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchOutcome {
    /// Each record by itself, in the order of [`Batch::ids`].
    Items(Vec<ItemOutcome>),
    /// None was taken because some are wrong, and the reply does not say which: send them in halves. (A batch of one is
    /// never told so, but [`ItemOutcome::Refused`].)
    Halve,
    /// None was taken; the same later. See [`super::Pace`] for when.
    Later,
    /// The credentials are not, or no longer, good enough. Nothing goes until somebody renews them.
    Unauthorised {
        /// The CRM's words.
        message: String,
    },
    /// The mapping is wrong: a field or an object that is not there. Nothing goes until somebody mends it.
    Mapping {
        /// The CRM's words.
        message: String,
    },
}

impl BatchOutcome {
    /// A whole batch was refused for its content.
    pub(super) fn refused(size: usize, code: String, message: String) -> Self {
        if size == 1 { BatchOutcome::Items(vec![ItemOutcome::Refused { code, message }]) } else { BatchOutcome::Halve }
    }
}

/// The records in batches of at most `limit`, no external id twice, since a CRM refuses both of a pair: of two the later
/// one in `records` is kept, at the place of the first.
pub(super) fn in_batches(records: &[ViewerRecord], limit: usize) -> Vec<Vec<(String, &ViewerRecord)>> {
    let mut place = BTreeMap::new();
    let mut kept: Vec<(String, &ViewerRecord)> = Vec::with_capacity(records.len());
    for record in records {
        let id = record.external_id();
        let at = *place.entry(id.clone()).or_insert(kept.len());
        if let Some(slot) = kept.get_mut(at) {
            slot.1 = record;
        } else {
            kept.push((id, record));
        }
    }
    kept.chunks(limit.max(1)).map(<[_]>::to_vec).collect()
}

/// A JSON request with a bearer token, which logs do not show.
pub(super) fn json_request(
    method: Method,
    url: Url,
    token: Option<&str>,
    body: &serde_json::Value,
) -> Result<Request, BadToken> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(token) = token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| BadToken)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(Request { method, url, headers, body: body.to_string().into() })
}

/// An access token that no header can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access token has characters that no token has")]
pub struct BadToken;
