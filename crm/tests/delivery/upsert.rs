use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use afterglow_crm::ViewerRecord;
use afterglow_crm::egress::{AddressPolicy, EgressClient, EgressSettings, Reply};
use afterglow_crm::upsert::{
    Batch, BatchOutcome, Generic, HubSpot, ItemOutcome, Mapping, Pace, Salesforce, hubspot_pace, salesforce_pace,
};
use afterglow_domain::{AccountId, BrandId, CrmTarget, MappingTable, Segment, Timestamp, ViewerId};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;

use crate::server::serve;
use crate::{hubspot_sim, salesforce_sim};

fn client() -> EgressClient {
    EgressClient::new(EgressSettings {
        policy: AddressPolicy { allowed_networks: vec!["127.0.0.0/8".parse().unwrap()], plain_http: true },
        timeout: Duration::from_secs(5),
        max_body: 4 << 20,
    })
    .unwrap()
}

pub(crate) fn record(n: usize) -> ViewerRecord {
    let at = Timestamp::from_millis(1_780_000_000_000);
    ViewerRecord {
        brand: BrandId::new("lumen"),
        account: AccountId::new("1784"),
        viewer: ViewerId::new(format!("{n}")),
        username: Some(format!("viewer{n}")),
        segment: Segment::Hot,
        score_milli: 1250,
        tags: ["hot lead".to_owned(), "repeat viewer".to_owned()].into(),
        consent: None,
        last_contact: Some(at),
        first_seen: at,
    }
}

fn mapping(target: CrmTarget, external_id: &str, fields: &[(&str, &str)]) -> Mapping {
    Mapping::new(MappingTable {
        target,
        external_id: external_id.into(),
        fields: fields.iter().map(|(name, field)| ((*name).into(), (*field).into())).collect(),
        constants: BTreeMap::new(),
    })
    .unwrap()
}

pub(crate) const HUBSPOT_FIELDS: &[(&str, &str)] = &[
    ("username", "ig_username"),
    ("segment", "story_segment"),
    ("score", "story_score"),
    ("tags", "story_tags"),
    ("last_contact", "last_story_contact"),
];

pub(crate) const SALESFORCE_FIELDS: &[(&str, &str)] = &[
    ("name", "LastName"),
    ("segment", "Segment__c"),
    ("score", "Score__c"),
    ("tags", "Tags__c"),
    ("last_contact", "LastContact__c"),
];

pub(crate) fn hubspot(base: &str, token: &str, external_id: &str, fields: &[(&str, &str)]) -> HubSpot {
    HubSpot::new(&base.parse().unwrap(), token.into(), mapping(CrmTarget::HubSpot, external_id, fields))
}

pub(crate) fn salesforce(
    base: &str,
    token: &str,
    object: &str,
    external_id: &str,
    fields: &[(&str, &str)],
) -> Salesforce {
    let target = CrmTarget::Salesforce { object: object.into() };
    Salesforce::new(&base.parse().unwrap(), token.into(), mapping(target, external_id, fields)).unwrap()
}

async fn send(batch: &Batch) -> Reply {
    client().send(batch.request.clone()).await.unwrap()
}

fn taken(outcome: BatchOutcome) -> Vec<ItemOutcome> {
    match outcome {
        BatchOutcome::Items(items) => items,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn hubspot_takes_hundreds_in_batches_and_twice_is_once() {
    let sim = hubspot_sim::Sim::default();
    let base = format!("http://{}", serve(hubspot_sim::router(&sim)).await);
    let crm = hubspot(&base, hubspot_sim::TOKEN, "afterglow_id", HUBSPOT_FIELDS);
    let mut records: Vec<ViewerRecord> = (0..250).map(record).collect();
    let mut newer = record(3);
    (newer.username, newer.tags) = (None, std::collections::BTreeSet::new());
    records.push(newer); // the same viewer once more
    for expected in [ItemOutcome::Created, ItemOutcome::Updated] {
        for batch in crm.requests(&records).unwrap() {
            let reply = send(&batch).await;
            assert_eq!(taken(crm.read(&batch, &reply)), vec![expected.clone(); batch.ids.len()]);
            assert_eq!(hubspot_pace(&reply, Timestamp::from_millis(0)), Pace::Go);
        }
    }
    let sim = sim.lock().unwrap();
    assert_eq!(sim.batch_sizes, [100, 100, 50, 100, 100, 50]);
    assert_eq!(sim.contacts.len(), 250);
    let contact = |id: &str| sim.contacts[id].iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ");
    assert_eq!(
        contact("1784/7"),
        "ig_username=viewer7 last_story_contact=1780000000000 story_score=1.25 story_segment=hot \
         story_tags=hot lead;repeat viewer"
    );
    assert_eq!(
        contact("1784/3"),
        "ig_username= last_story_contact=1780000000000 story_score=1.25 story_segment=hot story_tags=",
        "the newer record wins, and what is empty is cleared"
    );
}

#[tokio::test]
async fn hubspot_refuses_one_and_takes_the_others() {
    let sim = hubspot_sim::Sim::default();
    let base = format!("http://{}", serve(hubspot_sim::router(&sim)).await);
    let crm = hubspot(&base, hubspot_sim::TOKEN, "afterglow_id", HUBSPOT_FIELDS);
    let mut records: Vec<ViewerRecord> = (0..3).map(record).collect();
    records[1].tags = [String::new(), "b".to_owned()].into(); // an option without a name
    let batch = &crm.requests(&records).unwrap()[0];
    let reply = send(batch).await;
    assert_eq!(reply.status, 207);
    let items = taken(crm.read(batch, &reply));
    assert_eq!((&items[0], &items[2]), (&ItemOutcome::Created, &ItemOutcome::Created));
    assert!(
        matches!(&items[1], ItemOutcome::Refused { code, message }
        if code == "VALIDATION_ERROR" && message.contains("story_tags")),
        "{items:?}"
    );
}

#[tokio::test]
async fn hubspot_poison_is_found_by_halves() {
    let sim = hubspot_sim::Sim::default();
    let base = format!("http://{}", serve(hubspot_sim::router(&sim)).await);
    let crm = hubspot(&base, hubspot_sim::TOKEN, "afterglow_id", HUBSPOT_FIELDS);
    let mut records: Vec<ViewerRecord> = (0..100).map(record).collect();
    records[41].username = Some("x".repeat(70_000)); // longer than any property: the whole batch is refused
    let (mut work, mut refused, mut requests) = (vec![records], Vec::new(), 0);
    while let Some(some) = work.pop() {
        let batch = &crm.requests(&some).unwrap()[0];
        requests += 1;
        match crm.read(batch, &send(batch).await) {
            BatchOutcome::Halve => {
                let (left, right) = some.split_at(some.len() / 2);
                work.extend([left.to_vec(), right.to_vec()]);
            }
            outcome => refused.extend(
                batch
                    .ids
                    .iter()
                    .zip(taken(outcome))
                    .filter(|(_, i)| matches!(i, ItemOutcome::Refused { .. }))
                    .map(|(id, _)| id.clone()),
            ),
        }
    }
    assert_eq!(refused, ["1784/41"]);
    assert_eq!(sim.lock().unwrap().contacts.len(), 99);
    assert!(requests <= 15, "{requests}");
}

#[tokio::test]
async fn hubspot_says_what_stands_in_the_way() {
    let sim = hubspot_sim::Sim::default();
    let base = format!("http://{}", serve(hubspot_sim::router(&sim)).await);
    let says = async |crm: HubSpot| {
        let batch = crm.requests(&[record(1), record(2)]).unwrap().remove(0);
        crm.read(&batch, &send(&batch).await)
    };
    let outcome = says(hubspot(&base, "stale", "afterglow_id", HUBSPOT_FIELDS)).await;
    assert!(matches!(outcome, BatchOutcome::Unauthorised { .. }), "{outcome:?}");
    let outcome = says(hubspot(&base, hubspot_sim::TOKEN, "other_id", HUBSPOT_FIELDS)).await;
    assert!(matches!(&outcome, BatchOutcome::Mapping { message } if message.contains("non-unique")), "{outcome:?}");
    let outcome = says(hubspot(&base, hubspot_sim::TOKEN, "afterglow_id", &[("score", "no_such_thing")])).await;
    assert!(matches!(&outcome, BatchOutcome::Mapping { message } if message.contains("no_such_thing")), "{outcome:?}");

    sim.lock().unwrap().limited = 1;
    let crm = hubspot(&base, hubspot_sim::TOKEN, "afterglow_id", HUBSPOT_FIELDS);
    let batch = &crm.requests(&[record(1)]).unwrap()[0];
    let (limited, then) = (send(batch).await, send(batch).await);
    let now = Timestamp::from_millis(5);
    assert_eq!(crm.read(batch, &limited), BatchOutcome::Later);
    assert_eq!(hubspot_pace(&limited, now), Pace::NotBefore(now.plus(10_000)), "the window, longer than Retry-After");
    assert_eq!(taken(crm.read(batch, &then)), [ItemOutcome::Created]);
}

#[tokio::test]
async fn hubspot_replies_that_say_nothing_certain() {
    let crm = hubspot("http://crm.test", hubspot_sim::TOKEN, "afterglow_id", HUBSPOT_FIELDS);
    let batch = &crm.requests(&[record(1), record(2)]).unwrap()[0];
    let reply = |status, body: &str, whole| Reply { status, headers: HeaderMap::new(), body: body.into(), whole };
    let by_id = r#"{"status":"COMPLETE","results":[{"id":"5","new":true,"properties":{"afterglow_id":"1784/2"}}]}"#;
    let retry = ItemOutcome::Retry;
    for (reply, expected) in [
        (
            reply(207, r#"{"status":"COMPLETE","results":[]}"#, true),
            BatchOutcome::Items(vec![retry.clone(), retry.clone()]),
        ),
        (reply(200, by_id, true), BatchOutcome::Items(vec![retry, ItemOutcome::Created])),
        (reply(200, by_id, false), BatchOutcome::Later),
        (reply(200, "{\"results\":[", true), BatchOutcome::Later),
        (reply(403, "<html>a proxy", true), BatchOutcome::Later),
        (reply(502, "", true), BatchOutcome::Later),
    ] {
        assert_eq!(crm.read(batch, &reply), expected, "{reply:?}");
    }
}

#[tokio::test]
async fn salesforce_takes_hundreds_in_batches_and_twice_is_once() {
    let sim = salesforce_sim::Sim::default();
    let base = format!("http://{}", serve(salesforce_sim::router(&sim)).await);
    let crm = salesforce(&base, salesforce_sim::TOKEN, "Contact", "AfterglowId__c", SALESFORCE_FIELDS);
    let mut records: Vec<ViewerRecord> = (0..450).map(record).collect();
    records.push(record(0));
    for expected in [ItemOutcome::Created, ItemOutcome::Updated] {
        for batch in crm.requests(&records).unwrap() {
            let reply = send(&batch).await;
            assert_eq!(taken(crm.read(&batch, &reply)), vec![expected.clone(); batch.ids.len()]);
            assert_eq!(salesforce_pace(&reply, Timestamp::from_millis(0)), Pace::Go);
        }
    }
    let sim = sim.lock().unwrap();
    assert_eq!(sim.batch_sizes, [200, 200, 50, 200, 200, 50]);
    assert_eq!(sim.contacts.len(), 450);
    let expected = serde_json::json!({
        "attributes": {"type": "Contact"}, "AfterglowId__c": "1784/7", "LastName": "viewer7", "Segment__c": "hot",
        "Score__c": 1.25, "Tags__c": "hot lead;repeat viewer", "LastContact__c": "2026-05-28T20:26:40.000Z",
    });
    assert_eq!(serde_json::Value::from(sim.contacts["1784/7"].clone()), expected);
}

#[tokio::test]
async fn salesforce_says_of_each_record_what_became_of_it() {
    let sim = salesforce_sim::Sim::default();
    let base = format!("http://{}", serve(salesforce_sim::router(&sim)).await);
    let crm = salesforce(&base, salesforce_sim::TOKEN, "Contact", "AfterglowId__c", SALESFORCE_FIELDS);
    sim.lock().unwrap().locked = Some("1784/2".into());
    let mut records: Vec<ViewerRecord> = (0..4).map(record).collect();
    records[1].segment = Segment::Cool; // not in the picklist
    let batch = &crm.requests(&records).unwrap()[0];
    let items = taken(crm.read(batch, &send(batch).await));
    assert!(
        matches!(&items[1], ItemOutcome::Refused { code, .. } if code == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    );
    assert_eq!([&items[0], &items[2], &items[3]], [&ItemOutcome::Created, &ItemOutcome::Retry, &ItemOutcome::Created]);
}

#[tokio::test]
async fn salesforce_says_what_stands_in_the_way() {
    let sim = salesforce_sim::Sim::default();
    let base = format!("http://{}", serve(salesforce_sim::router(&sim)).await);
    let says = async |crm: Salesforce| {
        let batch = crm.requests(&[record(1), record(2)]).unwrap().remove(0);
        let reply = send(&batch).await;
        (crm.read(&batch, &reply), salesforce_pace(&reply, Timestamp::from_millis(0)))
    };
    let good = (salesforce_sim::TOKEN, "Contact", "AfterglowId__c", SALESFORCE_FIELDS);
    let (token, object, id, fields) = good;
    let (outcome, _) = says(salesforce(&base, "stale", object, id, fields)).await;
    assert!(matches!(outcome, BatchOutcome::Unauthorised { .. }), "{outcome:?}");
    let unknown = [("name", "LastName"), ("score", "NoSuch__c")];
    for (object, id, fields, word) in [
        ("Viewer__c", id, fields, "resource does not exist"),
        (object, "Other__c", fields, "Other__c"),
        (object, id, unknown.as_slice(), "NoSuch__c"),
    ] {
        let (outcome, _) = says(salesforce(&base, token, object, id, fields)).await;
        assert!(matches!(&outcome, BatchOutcome::Mapping { message } if message.contains(word)), "{outcome:?}");
    }
    {
        let mut sim = sim.lock().unwrap();
        (sim.used, sim.limit) = (99, 100);
    }
    let (outcome, pace) = says(salesforce(&base, token, object, id, fields)).await;
    assert!(matches!(outcome, BatchOutcome::Items(_)));
    assert_ne!(pace, Pace::Go, "little is left");
    let (outcome, pace) = says(salesforce(&base, token, object, id, fields)).await;
    assert_eq!(outcome, BatchOutcome::Later);
    assert_ne!(pace, Pace::Go);
}

#[tokio::test]
async fn salesforce_replies_that_say_nothing_certain() {
    let crm = salesforce("http://crm.test", "t", "Contact", "AfterglowId__c", SALESFORCE_FIELDS);
    let batch = &crm.requests(&[record(1), record(2)]).unwrap()[0];
    let one = r#"[{"id":"003","success":true,"created":true,"errors":[]}]"#;
    let no_column = r#"[{"success":true,"created":true,"errors":[]},{"success":false,"errors":[
        {"statusCode":"INVALID_FIELD","message":"No such column 'X__c' on sobject of type Contact","fields":[]}]}]"#;
    let mapping = BatchOutcome::Mapping { message: "No such column 'X__c' on sobject of type Contact".into() };
    for (status, body, whole, expected) in [
        (200, one, true, BatchOutcome::Later),
        (200, no_column, false, BatchOutcome::Later),
        (200, no_column, true, mapping),
        (400, r#"[{"errorCode":"JSON_PARSER_ERROR","message":"?"}]"#, true, BatchOutcome::Halve),
        (503, "", true, BatchOutcome::Later),
        (404, "<html>", true, BatchOutcome::Later),
    ] {
        let reply = Reply { status, headers: HeaderMap::new(), body: body.into(), whole };
        assert_eq!(crm.read(batch, &reply), expected, "{reply:?}");
    }
}

#[tokio::test]
async fn any_crm_that_takes_json() {
    let got: Arc<std::sync::Mutex<HashMap<String, serde_json::Value>>> = Arc::default();
    let keep = Arc::clone(&got);
    let server = serve(Router::new().route(
        "/viewers",
        post(move |headers: HeaderMap, body: Bytes| async move {
            if headers["authorization"] != "Bearer secret" {
                return (StatusCode::UNAUTHORIZED, "who?");
            }
            let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
            if json["segment"] == "cool" {
                return (StatusCode::UNPROCESSABLE_ENTITY, "too cool");
            }
            let key = headers["idempotency-key"].to_str().unwrap().to_owned();
            let new = keep.lock().unwrap().insert(key, json).is_none();
            if new { (StatusCode::CREATED, "") } else { (StatusCode::OK, "") }
        }),
    ))
    .await;
    let url: url::Url = format!("http://{server}/viewers").parse().unwrap();
    let mapping =
        mapping(CrmTarget::Generic, "id", &[("segment", "segment"), ("tags", "tags"), ("consent", "consent")]);
    let crm = Generic::new(url.clone(), Some("secret".into()), mapping.clone());
    let batch = &crm.requests(&[record(1)]).unwrap()[0];
    assert_eq!(taken(crm.read(&send(batch).await)), [ItemOutcome::Created]);
    assert_eq!(taken(crm.read(&send(batch).await)), [ItemOutcome::Updated]);
    let expected =
        serde_json::json!({"id": "1784/1", "segment": "hot", "tags": ["hot lead", "repeat viewer"], "consent": null});
    assert_eq!(got.lock().unwrap().values().collect::<Vec<_>>(), [&expected]);
    let cool = ViewerRecord { segment: Segment::Cool, ..record(2) };
    let batch = &crm.requests(&[cool]).unwrap()[0];
    let refused = ItemOutcome::Refused { code: "422".into(), message: "too cool".into() };
    assert_eq!(taken(crm.read(&send(batch).await)), [refused]);
    let stranger = Generic::new(url, None, mapping);
    let headers_missing = stranger.requests(&[record(1)]).unwrap();
    assert!(headers_missing[0].request.headers.get("authorization").is_none());
}
