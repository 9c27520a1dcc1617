//! The law of the fold, from the wire on: any order and any repetition of the same webhooks gives the same states and
//! the same wishes, byte for byte.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use afterglow_domain::{BrandId, BrandSettings, Channel, HOUR_MS, Timestamp};
use afterglow_meta::Verified;
use afterglow_meta::webhook::{Interpreted, interpret};
use afterglow_rules::Rulebook;
use afterglow_scorer::{ViewerState, intents_for, next_change, standing};
use proptest::prelude::*;
use serde_json::{Value, json};

const ACCOUNT: &str = "17841405726653026";
const START: i64 = 1_780_000_000_000;

/// One thing that a viewer does.
fn act(n: usize, viewer: u8, what: u8, hour: i64) -> Value {
    let (viewer, at, mid) = (format!("90{viewer}"), START + hour * HOUR_MS, format!("mid-{n}"));
    let item = |content: Value| {
        let mut item = json!({ "sender": { "id": viewer }, "recipient": { "id": ACCOUNT }, "timestamp": at });
        item.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        json!({ "id": ACCOUNT, "time": at, "messaging": [item] })
    };
    match what {
        0 => item(json!({ "message": { "mid": mid, "text": "hi" } })),
        1 => item(json!({ "message": { "mid": mid, "text": "love it", "reply_to": { "story": { "id": "1" } } } })),
        2 => item(json!({ "message": { "mid": mid, "text": "stop", "reply_to": { "story": { "id": "1" } } } })),
        3 => item(json!({ "reaction": { "mid": mid, "action": "react", "reaction": "love" } })),
        4 => item(json!({ "read": { "mid": mid } })),
        5 => item(json!({ "postback": { "mid": mid, "title": "Hours", "payload": "HOURS" } })),
        6 => {
            let echo = json!({ "sender": { "id": ACCOUNT }, "recipient": { "id": viewer }, "timestamp": at,
                               "message": { "mid": mid, "text": "Thanks!", "is_echo": true } });
            json!({ "id": ACCOUNT, "time": at, "messaging": [echo] })
        }
        _ => {
            let from = json!({ "id": viewer, "username": format!("name{}", n % 3) });
            let value = json!({ "id": mid, "from": from, "text": "nice", "media": { "id": "7" } });
            json!({ "id": ACCOUNT, "time": at / 1000, "field": "comments", "value": value })
        }
    }
}

/// The interactions of `entries`, each once.
fn interactions(entries: &[Value]) -> Vec<afterglow_domain::Interaction> {
    let directory = |_: Channel, _: &str| Some(BrandId::new("lumen"));
    let received = Timestamp::from_millis(START + 1000 * HOUR_MS);
    let (mut known, mut all) = (BTreeSet::new(), Vec::new());
    for entry in entries {
        let body = serde_json::to_vec(&json!({ "object": "instagram", "entry": [entry] })).unwrap();
        for event in interpret(&Verified::replayed(body.into()), received, &directory).events {
            let Interpreted::Interaction(interaction) = event else { panic!("every act is understood") };
            if known.insert(interaction.id) {
                all.push(*interaction);
            }
        }
    }
    all
}

/// States and wishes after `entries`, delivered in this order.
fn outcome(entries: &[Value]) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let directory = |_: Channel, _: &str| Some(BrandId::new("lumen"));
    let received = Timestamp::from_millis(START + 1000 * HOUR_MS);
    let rules = Rulebook::compile(&BrandSettings::answering_story_replies("Thanks!"), 1).unwrap();
    let (mut known, mut intents) = (BTreeSet::new(), BTreeSet::new());
    let mut states: BTreeMap<_, ViewerState> = BTreeMap::new();
    for entry in entries {
        let body = serde_json::to_vec(&json!({ "object": "instagram", "entry": [entry] })).unwrap();
        for event in interpret(&Verified::replayed(body.into()), received, &directory).events {
            let Interpreted::Interaction(interaction) = event else { panic!("every act is understood") };
            if known.insert(interaction.id) {
                let state = states.entry(interaction.viewer_key().unwrap()).or_default();
                state.apply(&interaction, &rules.scoring);
                let wishes = intents_for(&interaction, None, state, &rules, received).unwrap();
                intents.extend(wishes.iter().map(|intent| intent.id.to_string()));
            }
        }
    }
    let shown = |(key, state): (afterglow_domain::ViewerKey, ViewerState)| {
        let at = state.as_of();
        let stands = (standing(&state, &rules, at).unwrap(), next_change(&state, &rules, at));
        (
            key.to_string(),
            format!("{} {stands:?} {:?}", serde_json::to_string(&state).unwrap(), state.needs_reply_since()),
        )
    };
    (states.into_iter().map(shown).collect(), intents)
}

proptest! {
    #[test]
    fn order_and_repetition_change_nothing(
        acts in prop::collection::vec((0u8..3, 0u8..8, 0i64..200), 1..60),
        (seed, repeats) in (any::<u64>(), prop::collection::vec(any::<prop::sample::Index>(), 0..20)),
    ) {
        let entries: Vec<Value> = acts.iter().enumerate().map(|(n, (who, what, hour))| act(n, *who, *what, *hour)).collect();
        let mut shuffled = entries.clone();
        shuffled.extend(repeats.iter().map(|repeat| repeat.get(&entries).clone()));
        // A multiplicative shuffle: any order comes up for some seed.
        let mut keyed: Vec<(u64, Value)> = shuffled.into_iter().enumerate()
            .map(|(n, entry)| ((n as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23), entry)).collect();
        keyed.sort_by_key(|(key, _)| *key);
        let shuffled: Vec<Value> = keyed.into_iter().map(|(_, entry)| entry).collect();
        prop_assert_eq!(outcome(&entries), outcome(&shuffled));
    }
}

proptest! {
    /// Two replicas that saw one part each know together what one knows that saw all.
    #[test]
    fn parts_merge(
        acts in prop::collection::vec((0u8..1, 0u8..8, 0i64..200), 1..60),
        split in any::<prop::sample::Index>(),
    ) {
        let entries: Vec<Value> = acts.iter().enumerate().map(|(n, (who, what, hour))| act(n, *who, *what, *hour)).collect();
        let (all, scoring) = (interactions(&entries), BrandSettings::default().scoring);
        let (left, right) = all.split_at(split.index(all.len() + 1).min(all.len()));
        let mut merged = ViewerState::of(right, &scoring);
        merged.merge(&ViewerState::of(left, &scoring));
        prop_assert_eq!(serde_json::to_string(&merged).unwrap(), serde_json::to_string(&ViewerState::of(&all, &scoring)).unwrap());
    }
}

#[test]
fn a_story_reply_makes_one_wish() {
    assert_eq!(outcome(&[act(0, 0, 1, 0)]).1.len(), 1);
    assert!(outcome(&[act(1, 0, 0, 0), act(2, 0, 7, 0)]).1.is_empty());
}
