//! Plays Salesforce's upsert of sObject Collections, as strictly as the REST API Developer Guide describes it
//! (<https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections_upsert.htm>).
//! Shares no code with what it judges.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::patch;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

pub(crate) const TOKEN: &str = "00D-good";
const EXTERNAL: &str = "AfterglowId__c";

#[derive(Default)]
pub(crate) struct SalesforceSim {
    pub(crate) contacts: HashMap<String, Map<String, Value>>,
    pub(crate) batch_sizes: Vec<usize>,
    pub(crate) used: u64,
    /// Of requests within 24 hours; 0 is without end.
    pub(crate) limit: u64,
    /// The next request finds this record locked by another transaction.
    pub(crate) locked: Option<String>,
}

pub(crate) type Sim = Arc<Mutex<SalesforceSim>>;

pub(crate) fn router(sim: &Sim) -> Router {
    Router::new()
        .route("/services/data/v63.0/composite/sobjects/{object}/{field}", patch(upsert))
        .with_state(Arc::clone(sim))
}

fn problem(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!([{"message": message, "errorCode": code}]))).into_response()
}

fn bad(code: &str, message: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, code, message)
}

async fn upsert(
    State(sim): State<Sim>,
    Path((object, field)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut sim = sim.lock().unwrap();
    if headers.get("authorization").is_none_or(|value| value != &format!("Bearer {TOKEN}")) {
        return problem(StatusCode::UNAUTHORIZED, "INVALID_SESSION_ID", "Session expired or invalid");
    }
    if sim.limit > 0 && sim.used >= sim.limit {
        return problem(StatusCode::FORBIDDEN, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.");
    }
    sim.used += 1;
    if object != "Contact" {
        return problem(StatusCode::NOT_FOUND, "NOT_FOUND", "The requested resource does not exist");
    }
    if field != EXTERNAL {
        let message = format!("Provided external ID field does not exist or is not accessible: {field}");
        return problem(StatusCode::NOT_FOUND, "NOT_FOUND", &message);
    }
    let Ok(body) = serde_json::from_slice::<Value>(&body) else { return bad("JSON_PARSER_ERROR", "Unexpected input") };
    if body["allOrNone"] != json!(false) {
        return bad("JSON_PARSER_ERROR", "this play knows only allOrNone: false");
    }
    let Some(records) = body["records"].as_array() else { return bad("JSON_PARSER_ERROR", "records is required") };
    sim.batch_sizes.push(records.len());
    if records.len() > 200 {
        return bad("EXCEEDED_MAX_SIZE_REQUEST", "The request exceeds the limit of 200 records");
    }
    if let Err(refusal) = records.iter().try_for_each(judge) {
        return refusal;
    }
    let mut seen = HashSet::new();
    let twice: HashSet<&str> =
        records.iter().filter_map(|r| r[EXTERNAL].as_str()).filter(|id| !seen.insert(*id)).collect();
    let results: Vec<Value> = records.iter().map(|record| take(&mut sim, record, &twice)).collect();
    sim.locked = None;
    let of = if sim.limit == 0 { 100_000 } else { sim.limit };
    let info = format!("api-usage={}/{of}", sim.used);
    (StatusCode::OK, [("sforce-limit-info", info)], Json(results)).into_response()
}

/// What spoils the whole request.
#[expect(clippy::result_large_err, reason = "a test's reply")]
fn judge(record: &Value) -> Result<(), Response> {
    let record = record.as_object().ok_or_else(|| bad("JSON_PARSER_ERROR", "a record is an object"))?;
    if record.get("attributes").is_none_or(|attributes| attributes["type"] != "Contact") {
        return Err(bad("INVALID_TYPE", "attributes.type is not the type in the URI"));
    }
    for (name, value) in record.iter().filter(|(name, _)| *name != "attributes") {
        let good = match name.as_str() {
            EXTERNAL | "LastName" | "Segment__c" | "Tags__c" => value.is_string() || value.is_null(),
            "Score__c" => value.is_number() || value.is_null(),
            "LastContact__c" => {
                value.is_null() || value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok())
            }
            _ => return Err(bad("INVALID_FIELD", &format!("No such column '{name}' on sobject of type Contact"))),
        };
        if !good {
            return Err(bad("JSON_PARSER_ERROR", &format!("Cannot deserialize instance of {name} from {value}")));
        }
    }
    Ok(())
}

fn take(sim: &mut SalesforceSim, record: &Value, twice: &HashSet<&str>) -> Value {
    let refuse = |code: &str, message: &str, fields: &[&str]| json!({"success": false, "errors": [{"statusCode": code, "message": message, "fields": fields}]});
    let Some(id) = record[EXTERNAL].as_str().filter(|id| !id.is_empty()) else {
        return refuse("MISSING_ARGUMENT", "AfterglowId__c not specified", &[]);
    };
    if twice.contains(id) {
        return refuse("DUPLICATE_VALUE", &format!("Duplicate external id specified: {id}"), &[EXTERNAL]);
    }
    if sim.locked.as_deref() == Some(id) {
        return refuse("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", &[]);
    }
    if record["Segment__c"].as_str().is_some_and(|segment| !["hot", "warm"].contains(&segment)) {
        let message = "Segment: bad value for restricted picklist field: cool";
        return refuse("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, &["Segment__c"]);
    }
    let created = !sim.contacts.contains_key(id);
    if created && record["LastName"].as_str().is_none_or(str::is_empty) {
        return refuse("REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", &["LastName"]);
    }
    let contact = sim.contacts.entry(id.to_owned()).or_default();
    contact.extend(record.as_object().unwrap().clone());
    json!({"id": "003RM0000068xVmYAI", "success": true, "created": created, "errors": []})
}
