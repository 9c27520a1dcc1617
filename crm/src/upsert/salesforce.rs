//! Salesforce objects.
//!
//! - "Upsert Records Using sObject Collections":
//!   <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections_upsert.htm>
//! - "Status Codes and Error Responses":
//!   <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm>

use afterglow_domain::CrmTarget;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, json};
use url::Url;

use super::batch::{BadToken, Batch, BatchOutcome, ItemOutcome, in_batches, json_request};
use super::mapping::Mapping;
use crate::egress::Reply;
use crate::viewer_record::ViewerRecord;

/// Of records in one collection.
const LIMIT: usize = 200;
/// sObject Collections have upserted since API version 46; this one is from 2025.
const API_VERSION: &str = "v63.0";

/// One Salesforce organisation.
#[derive(Debug, Clone)]
pub struct Salesforce {
    endpoint: Url,
    object: String,
    token: SecretString,
    mapping: Mapping,
}

/// A mapping for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the mapping is not for a Salesforce object")]
pub struct NotForSalesforce;

impl Salesforce {
    /// `instance` is `https://MyDomainName.my.salesforce.com`; `token` is an OAuth access token; the mapping's external id
    /// is a custom field that is set up as External ID and Unique.
    pub fn new(instance: &Url, token: SecretString, mapping: Mapping) -> Result<Self, NotForSalesforce> {
        let CrmTarget::Salesforce { object } = mapping.target() else { return Err(NotForSalesforce) };
        let object = object.clone();
        let mut endpoint = instance.clone();
        endpoint
            .set_path(&format!("/services/data/{API_VERSION}/composite/sobjects/{object}/{}", mapping.external_id()));
        Ok(Self { endpoint, object, token, mapping })
    }

    /// The requests that write `records`, at most 200 in each.
    pub fn requests(&self, records: &[ViewerRecord]) -> Result<Vec<Batch>, BadToken> {
        in_batches(records, LIMIT).into_iter().map(|batch| self.request(batch)).collect()
    }

    fn request(&self, batch: Vec<(String, &ViewerRecord)>) -> Result<Batch, BadToken> {
        let records: Vec<_> = batch
            .iter()
            .map(|(id, record)| {
                let mut fields: Map<_, _> = self
                    .mapping
                    .fields(record)
                    .into_iter()
                    .map(|(name, value)| (name, value.to_salesforce()))
                    .collect();
                fields.insert("attributes".into(), json!({ "type": self.object }));
                fields.insert(self.mapping.external_id().to_owned(), id.as_str().into());
                fields
            })
            .collect();
        let body = json!({ "allOrNone": false, "records": records });
        let token = Some(self.token.expose_secret());
        let request = json_request(Method::PATCH, self.endpoint.clone(), token, &body)?;
        Ok(Batch { request, ids: batch.into_iter().map(|(id, _)| id).collect() })
    }

    /// What became of `batch`.
    pub fn read(&self, batch: &Batch, reply: &Reply) -> BatchOutcome {
        let size = batch.ids.len();
        if reply.status == 200 {
            return read_items(size, reply).unwrap_or(BatchOutcome::Later);
        }
        let problems: Vec<Problem> = serde_json::from_slice(&reply.body).unwrap_or_default();
        let Some(problem) = problems.into_iter().next() else { return BatchOutcome::Later };
        let Problem { error_code, message } = problem;
        match (reply.status, error_code.as_str()) {
            (_, code) if passes_by_itself(code) => BatchOutcome::Later,
            (401 | 403, _) => BatchOutcome::Unauthorised { message },
            (400 | 404, "INVALID_FIELD" | "INVALID_TYPE" | "NOT_FOUND") => BatchOutcome::Mapping { message },
            (400, _) => BatchOutcome::refused(size, error_code, message),
            _ => BatchOutcome::Later,
        }
    }
}

#[derive(Deserialize)]
struct UpsertResult {
    success: bool,
    #[serde(default)]
    created: bool,
    #[serde(default)]
    errors: Vec<ItemProblem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemProblem {
    status_code: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    error_code: String,
    #[serde(default)]
    message: String,
}

/// Another transaction was in the way, or the organisation has done enough for now. Two upserts of one id at once make
/// one of them a duplicate, which the next attempt finds there.
fn passes_by_itself(code: &str) -> bool {
    matches!(
        code,
        "UNABLE_TO_LOCK_ROW"
            | "DUPLICATE_VALUE"
            | "REQUEST_LIMIT_EXCEEDED"
            | "REQUEST_RUNNING_TOO_LONG"
            | "SERVER_UNAVAILABLE"
            | "QUERY_TIMEOUT"
    )
}

/// The results come in the order of the records; another number of them says nothing certain of any.
fn read_items(size: usize, reply: &Reply) -> Option<BatchOutcome> {
    let results: Vec<UpsertResult> = serde_json::from_slice(&reply.body).ok().filter(|_| reply.whole)?;
    if results.len() != size {
        return None;
    }
    let broken =
        results.iter().flat_map(|result| &result.errors).find(|problem| problem.status_code == "INVALID_FIELD");
    if let Some(problem) = broken {
        return Some(BatchOutcome::Mapping { message: problem.message.clone() });
    }
    Some(BatchOutcome::Items(results.into_iter().map(item).collect()))
}

fn item(result: UpsertResult) -> ItemOutcome {
    match (result.success, result.errors.into_iter().next()) {
        (true, _) if result.created => ItemOutcome::Created,
        (true, _) => ItemOutcome::Updated,
        (false, Some(problem)) if !passes_by_itself(&problem.status_code) => {
            ItemOutcome::Refused { code: problem.status_code, message: problem.message }
        }
        (false, _) => ItemOutcome::Retry,
    }
}
