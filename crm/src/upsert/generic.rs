//! Any CRM that takes JSON: one record in each request.

use http::{HeaderName, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Map;
use sha2::{Digest, Sha256};
use url::Url;

use super::batch::{BadToken, Batch, BatchOutcome, ItemOutcome, in_batches, json_request};
use super::mapping::Mapping;
use crate::egress::Reply;
use crate::viewer_record::ViewerRecord;

/// The same for the same content (draft-ietf-httpapi-idempotency-key-header), so that a receiver can tell a repetition.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// One address that takes viewers as JSON objects.
#[derive(Debug, Clone)]
pub struct Generic {
    endpoint: Url,
    token: Option<SecretString>,
    mapping: Mapping,
}

impl Generic {
    /// Posts to `endpoint`, with a bearer token if there is one.
    pub const fn new(endpoint: Url, token: Option<SecretString>, mapping: Mapping) -> Self {
        Self { endpoint, token, mapping }
    }

    /// A request for each record.
    pub fn requests(&self, records: &[ViewerRecord]) -> Result<Vec<Batch>, BadToken> {
        in_batches(records, 1).into_iter().flatten().map(|(id, record)| self.request(id, record)).collect()
    }

    fn request(&self, id: String, record: &ViewerRecord) -> Result<Batch, BadToken> {
        let fields = self.mapping.fields(record).into_iter().map(|(name, value)| (name, value.to_json()));
        let mut body: Map<_, _> = fields.collect();
        body.insert(self.mapping.external_id().to_owned(), id.as_str().into());
        let token = self.token.as_ref().map(ExposeSecret::expose_secret);
        let mut request = json_request(Method::POST, self.endpoint.clone(), token, &body.into())?;
        let key = format!("\"{}\"", hex(&Sha256::digest(&request.body)[..16]));
        request.headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(&key).map_err(|_| BadToken)?);
        Ok(Batch { request, ids: vec![id] })
    }

    /// What became of it: 201 is new, any other 2xx was there.
    pub fn read(&self, reply: &Reply) -> BatchOutcome {
        match reply.status {
            201 => BatchOutcome::Items(vec![ItemOutcome::Created]),
            200..=299 => BatchOutcome::Items(vec![ItemOutcome::Updated]),
            401 | 403 => BatchOutcome::Unauthorised { message: words(reply) },
            408 | 409 | 423 | 425 | 429 => BatchOutcome::Later,
            400..=499 => BatchOutcome::refused(1, reply.status.to_string(), words(reply)),
            _ => BatchOutcome::Later,
        }
    }
}

fn words(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).chars().take(256).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String does not fail
        text
    })
}
