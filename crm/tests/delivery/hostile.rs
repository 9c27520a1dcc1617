//! Replies of systems that lie: whatever they say, each record's outcome is certain or left for later, never invented.

use std::time::Instant;

use afterglow_crm::egress::Reply;
use afterglow_crm::upsert::{
    Batch, BatchOutcome, HubSpot, ItemOutcome, Pace, Salesforce, hubspot_pace, salesforce_pace,
};
use afterglow_domain::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use crate::upsert::{HUBSPOT_FIELDS, SALESFORCE_FIELDS, hubspot, record, salesforce};

const STATUSES: [u16; 14] = [100, 200, 201, 204, 207, 301, 400, 401, 403, 404, 409, 429, 500, 599];

fn reply(status: u16, body: impl Into<Vec<u8>>, whole: bool) -> Reply {
    Reply { status, headers: HeaderMap::new(), body: body.into(), whole }
}

fn asked(count: usize) -> ((HubSpot, Batch), (Salesforce, Batch)) {
    let hubspot = hubspot("https://crm.example", "t", "story_id", HUBSPOT_FIELDS);
    let salesforce = salesforce("https://crm.example", "t", "Contact", "Story__c", SALESFORCE_FIELDS);
    let records: Vec<_> = (0..count).map(record).collect();
    let of_hubspot = hubspot.requests(&records).unwrap().remove(0);
    let of_salesforce = salesforce.requests(&records).unwrap().remove(0);
    ((hubspot, of_hubspot), (salesforce, of_salesforce))
}

/// As many outcomes as records were asked for, or none.
fn sound(outcome: &BatchOutcome, size: usize) -> bool {
    match outcome {
        BatchOutcome::Items(items) => items.len() == size,
        BatchOutcome::Halve => size > 1,
        BatchOutcome::Later | BatchOutcome::Unauthorised { .. } | BatchOutcome::Mapping { .. } => true,
    }
}

/// Records of which is said that they were taken.
fn taken(outcome: &BatchOutcome) -> usize {
    let BatchOutcome::Items(items) = outcome else { return 0 };
    items.iter().filter(|item| matches!(item, ItemOutcome::Created | ItemOutcome::Updated)).count()
}

#[test]
fn bodies_that_lie_decide_nothing() {
    let ((hubspot, of_hubspot), (salesforce, of_salesforce)) = asked(3);
    let success = r#"{"success":true,"created":true,"errors":[]}"#;
    for body in [
        String::new(),
        "null".into(),
        "[]".into(),
        "{}".into(),
        "[".repeat(3_000_000),
        "{\"a\":".repeat(500_000),
        format!("[{}]", vec![success; 100_000].join(",")),
        format!("[{success}]"),
        r#"{"results":[{"new":true,"objectWriteTraceId":"0"},{"new":true,"objectWriteTraceId":"0"},{"new":true,"objectWriteTraceId":"0"}]}"#
            .into(),
        r#"{"results":[{"new":true,"objectWriteTraceId":"99999999999999999999"},{"new":true,"objectWriteTraceId":"-1"}]}"#.into(),
        format!(r#"{{"results":[],"errors":[{}]}}"#, vec!["{}"; 100_000].join(",")),
        format!(r#"{{"results":[{{"properties":{{"a":"{}"}}}}]}}"#, "x".repeat(3_000_000)),
        "\u{0}".repeat(1_000_000),
    ] {
        for status in STATUSES {
            for whole in [true, false] {
                let (begun, reply) = (Instant::now(), reply(status, body.clone(), whole));
                let shown: String = body.chars().take(60).collect();
                let (one, two) = (hubspot.read(&of_hubspot, &reply), salesforce.read(&of_salesforce, &reply));
                assert!(sound(&one, 3) && sound(&two, 3), "{status} {shown}: {one:?} {two:?}");
                // One record is named, if any.
                assert!(taken(&one) <= 1 && taken(&two) == 0, "{status} {shown}: {one:?} {two:?}");
                assert!(whole || taken(&one) + taken(&two) == 0, "a reply that was cut is certain of nothing: {shown}");
                assert!(begun.elapsed().as_secs() < 10, "{shown}: {:?}", begun.elapsed());
            }
        }
    }
}

proptest! {
    #[test]
    fn no_reply_panics(status in 100..600_u16, body in proptest::collection::vec(any::<u8>(), 0..400), whole in any::<bool>()) {
        let ((hubspot, of_hubspot), (salesforce, of_salesforce)) = asked(2);
        let reply = reply(status, body, whole);
        prop_assert!(sound(&hubspot.read(&of_hubspot, &reply), 2));
        prop_assert!(sound(&salesforce.read(&of_salesforce, &reply), 2));
    }

    #[test]
    fn almost_right_replies_are_sound(
        items in proptest::collection::vec(("[0-9-]{0,4}", any::<bool>(), any::<bool>()), 0..6),
        errors in proptest::collection::vec("[A-Z_]{0,12}", 0..6),
        status in proptest::sample::select(&STATUSES[..]),
    ) {
        let ((hubspot, of_hubspot), (salesforce, of_salesforce)) = asked(2);
        let results: Vec<_> = items
            .iter()
            .map(|(id, new, named)| {
                let id = named.then_some(id);
                serde_json::json!({ "new": new, "objectWriteTraceId": id, "success": new, "created": named, "errors": [] })
            })
            .collect();
        let errors: Vec<_> = errors
            .iter()
            .map(|word| serde_json::json!({ "category": word, "message": word, "errorCode": word, "statusCode": word }))
            .collect();
        let of_both = serde_json::json!({ "results": results, "errors": errors, "category": "X", "message": "y" });
        let flat = serde_json::Value::from(results.into_iter().chain(errors).collect::<Vec<_>>());
        for body in [of_both.to_string(), flat.to_string()] {
            let reply = reply(status, body, true);
            prop_assert!(sound(&hubspot.read(&of_hubspot, &reply), 2));
            prop_assert!(sound(&salesforce.read(&of_salesforce, &reply), 2));
        }
    }

    /// What replies say about how much is welcome, in whatever words, asks for no wait without an end.
    #[test]
    fn no_header_makes_the_wait_endless(value in "[ -~]{0,30}", status in proptest::sample::select(&STATUSES[..])) {
        let mut reply = reply(status, Vec::new(), true);
        for name in ["retry-after", "x-hubspot-ratelimit-remaining", "x-hubspot-ratelimit-interval-milliseconds", "sforce-limit-info"] {
            reply.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap());
        }
        let now = Timestamp::from_millis(1_790_000_000_000);
        for pace in [hubspot_pace(&reply, now), salesforce_pace(&reply, now)] {
            if let Pace::NotBefore(at) = pace {
                prop_assert!(at.since(now) <= 31 * afterglow_domain::DAY_MS, "{:?}", pace);
            }
        }
    }
}
