//! Plays `HubSpot`'s batch upsert of contacts, as strictly as its reference and its error messages describe it
//! (<https://developers.hubspot.com/docs/api-reference/2026-03/crm/objects/contacts/batch/upsert-contacts>). Shares no
//! code with what it judges.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

pub(crate) const TOKEN: &str = "pat-eu1-good";
const UNIQUE: &str = "afterglow_id";

#[derive(Default)]
pub(crate) struct HubSpotSim {
    pub(crate) contacts: HashMap<String, BTreeMap<String, String>>,
    pub(crate) batch_sizes: Vec<usize>,
    /// So many requests are answered 429 first.
    pub(crate) limited: usize,
}

pub(crate) type Sim = Arc<Mutex<HubSpotSim>>;

pub(crate) fn router(sim: &Sim) -> Router {
    Router::new().route("/crm/objects/2026-03/contacts/batch/upsert", post(upsert)).with_state(Arc::clone(sim))
}

fn problem(status: StatusCode, category: &str, message: &str) -> Response {
    let body = json!({"status": "error", "message": message, "category": category,
        "correlationId": "aeb5f871-7f07-4993-9211-075dc63e7cbf"});
    (status, axum::Json(body)).into_response()
}

fn invalid(message: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
}

async fn upsert(State(sim): State<Sim>, headers: HeaderMap, body: Bytes) -> Response {
    let mut sim = sim.lock().unwrap();
    if headers.get("authorization").is_none_or(|value| value != &format!("Bearer {TOKEN}")) {
        return problem(StatusCode::UNAUTHORIZED, "INVALID_AUTHENTICATION", "Authentication credentials not found.");
    }
    if sim.limited > 0 {
        sim.limited -= 1;
        let body = json!({"status": "error", "message": "You have reached your ten_secondly_rolling limit.",
            "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"});
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "2")], axum::Json(body)).into_response();
    }
    if headers.get("content-type").is_none_or(|value| value != "application/json") {
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "VALIDATION_ERROR", "");
    }
    let Ok(body) = serde_json::from_slice::<Value>(&body) else { return invalid("Invalid input JSON") };
    let Some(inputs) = body["inputs"].as_array() else { return invalid("Some required fields were not set: [inputs]") };
    sim.batch_sizes.push(inputs.len());
    if inputs.is_empty() || inputs.len() > 100 {
        return invalid("The maximum number of inputs supported in a batch request for contacts is 100");
    }
    if let Err(refusal) = judge_whole(inputs) {
        return refusal;
    }
    take(&mut sim, inputs)
}

/// What spoils the whole batch.
#[expect(clippy::result_large_err, reason = "a test's reply")]
fn judge_whole(inputs: &[Value]) -> Result<(), Response> {
    let mut ids = HashSet::new();
    for input in inputs {
        let object = input.as_object().ok_or_else(|| invalid("Invalid input JSON"))?;
        if let Some(key) =
            object.keys().find(|key| !["id", "idProperty", "properties", "objectWriteTraceId"].contains(&key.as_str()))
        {
            return Err(invalid(&format!("Unrecognized field {key:?}")));
        }
        match object.get("idProperty").and_then(Value::as_str) {
            None => return Err(invalid("idProperty is required for upsert")),
            Some(UNIQUE) => {}
            Some(other) => {
                let message =
                    format!("Unable to perform update/upsert by non-unique 0-1 property {other} in portal ID 21939747");
                return Err(invalid(&message));
            }
        }
        let id = object.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| invalid("Some required fields were not set: [id]"))?;
        if !ids.insert(id) {
            return Err(invalid(&format!("Duplicate IDs found in batch input: [{id}]. IDs must be unique")));
        }
        let properties = object.get("properties").and_then(Value::as_object);
        let properties = properties.ok_or_else(|| invalid("Some required fields were not set: [properties]"))?;
        for (name, value) in properties {
            if !PROPERTIES.iter().any(|(known, _)| known == name) {
                return Err(invalid(&format!(
                    "Property values were not valid: [{{\"isValid\":false,\"message\":\"Property \\\"{name}\\\" does not \
                     exist\",\"error\":\"PROPERTY_DOESNT_EXIST\",\"name\":\"{name}\"}}]"
                )));
            }
            if value.as_str().is_none_or(|text| text.len() > 65_536) {
                return Err(invalid("Property values were not valid"));
            }
        }
    }
    Ok(())
}

type Judge = fn(&str) -> bool;

const PROPERTIES: [(&str, Judge); 6] = [
    ("ig_username", |_| true),
    ("story_segment", |text| ["hot", "warm", "cool"].contains(&text)),
    ("story_score", |text| text.parse::<f64>().is_ok()),
    ("story_tags", |text| text.split(';').all(|option| !option.is_empty())),
    ("last_story_contact", |text| text.parse::<i64>().is_ok_and(|ms| ms > 1_000_000_000_000)),
    (UNIQUE, |_| true),
];

/// Takes the good ones. Says which are not if every input has its own trace id; else none is taken.
fn take(sim: &mut HubSpotSim, inputs: &[Value]) -> Response {
    let traces: HashSet<&str> = inputs.iter().filter_map(|input| input["objectWriteTraceId"].as_str()).collect();
    let partial = traces.len() == inputs.len();
    let bad = |input: &Value| {
        let properties = input["properties"].as_object().unwrap().iter();
        properties.clone().find_map(|(name, value)| {
            let text = value.as_str().unwrap();
            let good = PROPERTIES.iter().any(|(known, judge)| known == name && (text.is_empty() || judge(text)));
            (!good).then(|| format!("Property values were not valid: {name}={text} was not one of the allowed options"))
        })
    };
    let (mut results, mut errors) = (Vec::new(), Vec::new());
    for input in inputs {
        let trace = &input["objectWriteTraceId"];
        if let Some(message) = bad(input) {
            if !partial {
                return invalid(&message);
            }
            errors.push(json!({"status": "error", "category": "VALIDATION_ERROR", "message": message,
                "context": {"objectWriteTraceId": [trace]}}));
            continue;
        }
        let id = input["id"].as_str().unwrap().to_owned();
        let new = !sim.contacts.contains_key(&id);
        let contact = sim.contacts.entry(id.clone()).or_default();
        for (name, value) in input["properties"].as_object().unwrap() {
            contact.insert(name.clone(), value.as_str().unwrap().to_owned());
        }
        let mut properties = contact.clone();
        properties.insert(UNIQUE.into(), id);
        results.push(json!({"id": "512", "new": new, "properties": properties, "objectWriteTraceId": trace,
            "createdAt": "2026-11-07T05:31:56Z", "updatedAt": "2026-11-07T05:31:56Z", "archived": false}));
    }
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    let mut body = json!({"status": "COMPLETE", "results": results,
        "startedAt": "2026-11-07T05:31:56Z", "completedAt": "2026-11-07T05:31:56Z"});
    if !errors.is_empty() {
        body["numErrors"] = errors.len().into();
        body["errors"] = errors.into();
    }
    let limits = [
        ("x-hubspot-ratelimit-max", "100"),
        ("x-hubspot-ratelimit-remaining", "99"),
        ("x-hubspot-ratelimit-interval-milliseconds", "10000"),
    ];
    (status, limits, axum::Json(body)).into_response()
}
