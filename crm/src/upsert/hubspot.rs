//! `HubSpot` contacts.
//!
//! - "Upsert contacts": <https://developers.hubspot.com/docs/api-reference/2026-03/crm/objects/contacts/batch/upsert-contacts>
//! - at most 100 inputs in a batch: <https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide>
//! - "Multi-status errors" and the form of errors: <https://developers.hubspot.com/docs/api-reference/error-handling>

use std::collections::BTreeMap;

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::batch::{BadToken, Batch, BatchOutcome, ItemOutcome, in_batches, json_request};
use super::mapping::Mapping;
use crate::egress::Reply;
use crate::viewer_record::ViewerRecord;

/// Of inputs in one batch.
const LIMIT: usize = 100;

/// One `HubSpot` account.
#[derive(Debug, Clone)]
pub struct HubSpot {
    endpoint: Url,
    token: SecretString,
    mapping: Mapping,
}

impl HubSpot {
    /// `base` is `https://api.hubapi.com`; `token` is a private app's or an OAuth access token with
    /// `crm.objects.contacts.write`; the mapping's external id is a property with unique values.
    pub fn new(base: &Url, token: SecretString, mapping: Mapping) -> Self {
        let mut endpoint = base.clone();
        endpoint.set_path("/crm/objects/2026-03/contacts/batch/upsert");
        Self { endpoint, token, mapping }
    }

    /// The requests that write `records`, at most 100 in each.
    pub fn requests(&self, records: &[ViewerRecord]) -> Result<Vec<Batch>, BadToken> {
        in_batches(records, LIMIT).into_iter().map(|batch| self.request(batch)).collect()
    }

    fn request(&self, batch: Vec<(String, &ViewerRecord)>) -> Result<Batch, BadToken> {
        let inputs: Vec<_> = batch
            .iter()
            .enumerate()
            .map(|(place, (id, record))| {
                let fields = self.mapping.fields(record);
                let properties: BTreeMap<_, _> = fields.into_iter().map(|(name, v)| (name, v.to_hubspot())).collect();
                json!({
                    "idProperty": self.mapping.external_id(),
                    "id": id,
                    // Asks for the good ones to be taken where others are wrong, and says which were.
                    "objectWriteTraceId": place.to_string(),
                    "properties": properties,
                })
            })
            .collect();
        let token = Some(self.token.expose_secret());
        let request = json_request(Method::POST, self.endpoint.clone(), token, &json!({ "inputs": inputs }))?;
        Ok(Batch { request, ids: batch.into_iter().map(|(id, _)| id).collect() })
    }

    /// What became of `batch`.
    pub fn read(&self, batch: &Batch, reply: &Reply) -> BatchOutcome {
        let size = batch.ids.len();
        match reply.status {
            200 | 201 | 207 => read_items(self.mapping.external_id(), batch, reply).unwrap_or(BatchOutcome::Later),
            400..=499 if !matches!(reply.status, 408 | 423 | 429 | 477) => {
                let Ok(problem) = serde_json::from_slice::<Problem>(&reply.body) else {
                    return BatchOutcome::Later; // not HubSpot's words: something in between
                };
                match reply.status {
                    401 | 403 => BatchOutcome::Unauthorised { message: problem.message },
                    _ if problem.is_of_the_mapping() => BatchOutcome::Mapping { message: problem.message },
                    404 => BatchOutcome::Later,
                    _ => BatchOutcome::refused(size, problem.category, problem.message),
                }
            }
            _ => BatchOutcome::Later,
        }
    }
}

#[derive(Deserialize)]
struct Items {
    #[serde(default)]
    results: Vec<Taken>,
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Taken {
    #[serde(default)]
    new: bool,
    object_write_trace_id: Option<String>,
    #[serde(default)]
    properties: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    category: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    context: BTreeMap<String, Vec<String>>,
}

impl Problem {
    /// A property that is not there, or by which one cannot upsert.
    fn is_of_the_mapping(&self) -> bool {
        ["PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE", "by non-unique"].iter().any(|sign| self.message.contains(sign))
    }
}

/// A 207 has been seen with neither results nor errors: what is not named is asked for again.
fn read_items(id_property: &str, batch: &Batch, reply: &Reply) -> Option<BatchOutcome> {
    let items: Items = serde_json::from_slice(&reply.body).ok().filter(|_| reply.whole)?;
    let mut outcomes = vec![ItemOutcome::Retry; batch.ids.len()];
    for taken in items.results {
        let by_trace = taken.object_write_trace_id.as_deref().and_then(|trace| trace.parse::<usize>().ok());
        let by_id = || {
            let id = taken.properties.get(id_property)?.as_deref()?;
            batch.ids.iter().position(|known| known == id)
        };
        if let Some(outcome) = by_trace.or_else(by_id).and_then(|place| outcomes.get_mut(place)) {
            *outcome = if taken.new { ItemOutcome::Created } else { ItemOutcome::Updated };
        }
    }
    for problem in items.errors {
        if problem.is_of_the_mapping() {
            return Some(BatchOutcome::Mapping { message: problem.message });
        }
        for trace in problem.context.get("objectWriteTraceId").into_iter().flatten() {
            if let Some(outcome) = trace.parse::<usize>().ok().and_then(|place| outcomes.get_mut(place)) {
                *outcome = ItemOutcome::Refused { code: problem.category.clone(), message: problem.message.clone() };
            }
        }
    }
    Some(BatchOutcome::Items(outcomes))
}
