//! Every fixture is a snapshot, and none is misunderstood by accident.

use std::collections::BTreeMap;

use afterglow_meta::webhook::Interpreted;
use serde_json::{Value, json};

use super::{read, webhooks};

fn shown(event: &Interpreted) -> Value {
    match event {
        Interpreted::Interaction(interaction) => {
            let mut event: Value = serde_json::from_slice(&interaction.to_cloudevent().unwrap()).unwrap();
            event["data"].as_object_mut().unwrap().remove("raw");
            event
        }
        Interpreted::Quarantined(kept) => {
            json!({ "quarantined": kept.reason, "detail": kept.detail, "account": kept.account })
        }
    }
}

#[test]
fn fixtures() {
    let all: BTreeMap<String, Vec<Value>> = webhooks()
        .into_iter()
        .map(|(name, content)| (name, read(&content).events.iter().map(shown).collect()))
        .collect();
    for (name, events) in &all {
        insta::assert_json_snapshot!(name.as_str(), events);
    }
}

#[test]
fn coverage() {
    // Not understood on purpose, each with its reason.
    let on_purpose = [
        ("meta-docs__page-curl-test", "the dashboard's test body: `message` is text"),
        ("restfb-ig__wh-livecomments", "the dashboard's test: account 0"),
        ("restfb-ig__wh-story_insights", "the dashboard's test: account 0"),
        ("restfb__feed-two-entries-25", "changes of page settings, without values"),
    ];
    let (mut understood, mut quarantined, mut unknown) = (0, 0, Vec::new());
    for (name, content) in webhooks() {
        let lost = read(&content).events.iter().any(|e| matches!(e, Interpreted::Quarantined(_)));
        match (lost, on_purpose.iter().any(|(n, _)| *n == name)) {
            (false, false) => understood += 1,
            (true, true) => quarantined += 1,
            _ => unknown.push(name),
        }
    }
    println!("fixtures: {understood} understood, {quarantined} quarantined on purpose, {} unknown", unknown.len());
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn a_quarantined_event_can_be_posted_again() {
    for (name, content) in webhooks() {
        for event in read(&content).events {
            if let Interpreted::Quarantined(kept) = event {
                let again = read(&kept.payload);
                assert_eq!(again.events.len(), 1, "{name}");
                let Interpreted::Quarantined(twice) = &again.events[0] else {
                    panic!("{name}: understood the second time")
                };
                assert_eq!((twice.reason, &twice.payload), (kept.reason, &kept.payload), "{name}");
            }
        }
    }
}
