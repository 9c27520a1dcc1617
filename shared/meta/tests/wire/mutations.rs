//! Mutated fixtures: nothing panics, and no event is lost or made up.

use std::collections::{BTreeMap, BTreeSet};

use afterglow_meta::webhook::Interpreted;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{read, webhooks};

/// Counts the items of a body without our parser. Values stay unread, as a number too large for us spoils one item only.
fn items(body: &[u8]) -> usize {
    type Unread = Box<RawValue>;
    fn members(text: &str) -> Option<BTreeMap<String, Unread>> {
        serde_json::from_str(text).ok()
    }
    fn array(text: &str) -> Option<Vec<Unread>> {
        serde_json::from_str(text).ok()
    }
    let Some(envelope) = std::str::from_utf8(body).ok().and_then(members) else { return 1 };
    if !envelope.get("object").is_some_and(|object| [r#""instagram""#, r#""page""#].contains(&object.get())) {
        return 1;
    }
    let Some(entries) = envelope.get("entry").and_then(|entry| array(entry.get())) else { return 1 };
    let of_entry = |entry: &Unread| {
        let members = members(entry.get()).unwrap_or_default();
        let slots = ["messaging", "standby", "changes"].into_iter().filter_map(|slot| members.get(slot));
        let in_slots: usize = slots.map(|slot| array(slot.get()).map_or(1, |items| items.len())).sum();
        (in_slots + usize::from(members.contains_key("field"))).max(1)
    };
    entries.iter().map(of_entry).sum::<usize>().max(1)
}

fn nodes(value: &mut Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter_mut().map(nodes).sum(),
        Value::Object(members) => members.values_mut().map(nodes).sum(),
        _ => 0,
    }
}

/// Applies `change` to the node number `wanted`, counted in depth-first order.
fn change_node(value: &mut Value, wanted: &mut usize, change: &mut dyn FnMut(&mut Value)) {
    if *wanted == 0 {
        change(value);
        *wanted = usize::MAX;
        return;
    }
    *wanted -= 1;
    let children: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(members) => members.values_mut().collect(),
        _ => return,
    };
    for child in children {
        if *wanted == usize::MAX {
            return;
        }
        change_node(child, wanted, change);
    }
}

fn mutate(rng: &mut StdRng, base: &Value) -> Vec<u8> {
    let mut value = base.clone();
    for _ in 0..rng.random_range(1..4) {
        let mut wanted = rng.random_range(0..nodes(&mut value));
        let choice = rng.random_range(0..10);
        let number = rng.random_range(i64::MIN..i64::MAX);
        change_node(&mut value, &mut wanted, &mut |node| match (choice, &mut *node) {
            (0, _) => *node = Value::Null,
            (1, _) => *node = json!(number),
            (2, _) => *node = json!("\u{0}\u{1F496}\"\\"),
            (3, _) => *node = json!([]),
            (4, _) => *node = json!({}),
            (5, Value::Array(items)) => items.extend(items.clone()),
            (6, Value::Object(members)) => {
                let first = members.keys().next().cloned();
                first.map(|key| members.remove(&key));
            }
            (7, _) => *node = json!(true),
            (8, inner) => *node = json!([inner.clone()]),
            (_, inner) => *node = json!({ "id": inner.clone(), "message": inner.clone() }),
        });
    }
    let mut bytes = serde_json::to_vec(&value).unwrap();
    if rng.random_range(0..20) == 0 {
        bytes.truncate(rng.random_range(0..=bytes.len()));
    }
    if rng.random_range(0..20) == 0 && !bytes.is_empty() {
        let at = rng.random_range(0..bytes.len());
        bytes[at] = rng.random();
    }
    bytes
}

#[test]
fn no_panic_and_no_event_lost() {
    let count: usize = std::env::var("AFTERGLOW_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(50_000);
    let bases: Vec<Value> = webhooks().iter().map(|(_, content)| serde_json::from_slice(content).unwrap()).collect();
    let mut rng = StdRng::seed_from_u64(1);
    let (mut interactions, mut quarantined) = (0usize, 0usize);
    for n in 0..count {
        let body = mutate(&mut rng, &bases[n % bases.len()]);
        let events = read(&body).events;
        assert_eq!(events.len(), items(&body), "{}", String::from_utf8_lossy(&body));
        let understood = events.iter().filter(|e| matches!(e, Interpreted::Interaction(_))).count();
        interactions += understood;
        quarantined += events.len() - understood;
    }
    println!("{count} mutated bodies: {interactions} interactions, {quarantined} quarantined, 0 lost");
    assert!(interactions > 0 && quarantined > 0, "the mutations must reach both outcomes");
}

#[test]
fn order_and_repetition_of_items_change_no_id() {
    let ids = |body: &Value| -> BTreeSet<String> {
        let interpreted = read(&serde_json::to_vec(body).unwrap());
        let id = |event: &Interpreted| match event {
            Interpreted::Interaction(i) => i.id.to_string(),
            Interpreted::Quarantined(q) => q.id.to_string(),
        };
        interpreted.events.iter().map(id).collect()
    };
    for object in ["instagram", "page"] {
        let entries: Vec<Value> = webhooks()
            .iter()
            .map(|(_, content)| serde_json::from_slice::<Value>(content).unwrap())
            .filter(|body| body["object"] == object)
            .flat_map(|body| body["entry"].as_array().unwrap().clone())
            .collect();
        let once = ids(&json!({ "object": object, "entry": entries.clone() }));
        let mut shuffled: Vec<Value> = entries.iter().chain(entries.iter()).cloned().collect();
        shuffled.reverse();
        assert_eq!(once, ids(&json!({ "object": object, "entry": shuffled })));
    }
}
