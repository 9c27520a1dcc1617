//! `schemas/asyncapi.json` is what the code says, and real changes are what it says.

use std::collections::BTreeSet;

use afterglow_bus::Notice;
use afterglow_crm::ViewerRecord;
use afterglow_crm::feed::{asyncapi, notice};
use afterglow_crm::webhook::{CONTENT_TYPE, Change, ChangeEvent};
use afterglow_domain::{AccountId, BrandId, ConsentState, DerivedId as _, Segment, Timestamp, ViewerId, ViewerKey};
use afterglow_store::NumberedChange;
use serde_json::{Value, json};

/// `AFTERGLOW_BLESS=1` writes it.
#[test]
fn the_description_is_the_one_committed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/asyncapi.json");
    let current = serde_json::to_string_pretty(&asyncapi()).unwrap() + "\n";
    if std::env::var_os("AFTERGLOW_BLESS").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), current, "run the test with AFTERGLOW_BLESS=1");
}

fn record(consent: Option<ConsentState>, segment: Segment, known: bool) -> ViewerRecord {
    let at = Timestamp::from_millis(1_780_000_000_123);
    ViewerRecord {
        brand: BrandId::new("lumen"),
        account: AccountId::new("17841400000000000"),
        viewer: ViewerId::new("900100200300400"),
        username: known.then(|| "mira".into()),
        segment,
        score_milli: 12_345,
        tags: if known { BTreeSet::from(["hot lead".into(), "vip".into()]) } else { BTreeSet::new() },
        consent,
        last_contact: known.then_some(at),
        first_seen: at,
    }
}

/// Every consent, every segment, with all that can be missing and without; and somebody who is forgotten.
fn changes() -> Vec<Change> {
    let said = [None, Some(ConsentState::OptedOut), Some(ConsentState::Ambiguous), Some(ConsentState::OptedIn)];
    let mut changes = Vec::new();
    for consent in said {
        for segment in Segment::ALL {
            changes.extend([true, false].map(|known| Change::Updated(record(consent, segment, known))));
        }
    }
    let viewer = ViewerKey { account: AccountId::new("17841400000000000"), viewer: ViewerId::new("9") };
    changes.push(Change::Forgotten { brand: BrandId::new("lumen"), viewer });
    changes
}

fn told(change: Change) -> Notice {
    let event = ChangeEvent { sequence: 42, at: Timestamp::from_millis(1_780_000_000_123), change };
    let body = String::from_utf8(event.to_cloudevent().unwrap().to_vec()).unwrap();
    notice(&BrandId::new("lumen"), NumberedChange { sequence: 42, change: event.id().uuid(), body }).unwrap()
}

#[test]
fn real_changes_are_as_described() {
    let document = asyncapi();
    let channel = &document["channels"]["changes"];
    assert_eq!(channel["bindings"]["amqp"]["exchange"]["name"], format!("afterglow.{}", afterglow_crm::feed::EXCHANGE));
    let mut kinds = BTreeSet::new();
    for notice in changes().into_iter().map(told) {
        let event: Value = serde_json::from_slice(&notice.body).unwrap();
        let kind = notice.key.strip_prefix("lumen.").unwrap();
        assert!(channel["parameters"]["kind"]["enum"].as_array().unwrap().contains(&json!(kind)));
        let message = &document["components"]["messages"][kind];
        assert_eq!(message["bindings"]["amqp"]["messageType"], notice.kind);
        assert_eq!((message["contentType"].as_str(), notice.content_type), (Some(CONTENT_TYPE), CONTENT_TYPE));
        assert_eq!(event["id"], notice.id);
        let schema = &document["components"]["schemas"][kind];
        fits(schema, &event, "");
        kinds.insert(kind.to_owned());
        // It is no schema that lets everything pass.
        for name in event.as_object().unwrap().keys() {
            let mut other = event.clone();
            other[name] = json!({ "another": 1 });
            assert!(std::panic::catch_unwind(|| fits(schema, &other, "")).is_err(), "{name} may be anything");
        }
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["changed", "forgotten"]);
}

/// Whether a value fits a schema of those that the description uses, and has no property that the schema does not know.
fn fits(schema: &Value, value: &Value, at: &str) {
    let of = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    assert!(types.contains(&json!(of)), "{at} is {of}: {value}");
    if let Some(constant) = schema.get("const") {
        assert_eq!(constant, value, "{at}");
    }
    if let Some(among) = schema["enum"].as_array() {
        assert!(among.contains(value), "{at}: {value}");
    }
    if let Some(text) = value.as_str() {
        match schema["format"].as_str() {
            Some("uuid") => drop(uuid::Uuid::parse_str(text).unwrap()),
            Some("date-time") => drop(text.parse::<jiff::Timestamp>().unwrap()),
            Some("uri-reference") => assert!(text.starts_with("/viewers/"), "{at}: {text}"),
            None => {}
            Some(other) => panic!("{at}: what is {other}?"),
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            assert_eq!(pattern, "^[0-9]{20}$");
            assert!(text.len() == 20 && text.bytes().all(|b| b.is_ascii_digit()), "{at}: {text}");
        }
    }
    for item in value.as_array().into_iter().flatten() {
        fits(&schema["items"], item, &format!("{at}[]"));
    }
    if let Some(properties) = value.as_object() {
        let names: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
        let required: BTreeSet<&str> =
            schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(names, required, "{at}");
        for (name, value) in properties {
            fits(&schema["properties"][name], value, &format!("{at}.{name}"));
        }
    }
}
