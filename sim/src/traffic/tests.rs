use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::*;
use crate::account::{Layout, accounts};
use crate::world::{Answer, What, Word};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn options(seed: u64, extent: Extent) -> TrafficOptions {
    let layout = Layout { brands: 4, apps: 2, silent_every: 4, ..Layout::default() };
    TrafficOptions::new(accounts(layout, 7), seed, START, 50.0, extent)
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = |seed| -> Vec<(i64, Bytes)> {
        options(seed, Extent::Events(500)).plan().map(|w| (w.at_ms, w.body().clone())).collect()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
    let mut shown = options(1, Extent::Events(500)).plan();
    let text: Vec<String> = shown
        .by_ref()
        .take(6)
        .map(|w| format!("{} ms, {:?}\n{}", w.at_ms, w.expect, String::from_utf8_lossy(w.body())))
        .collect();
    insta::assert_snapshot!(text.join("\n\n"));
}

/// Counts events and tells them apart by Meta's ids alone, without any knowledge of how they were made.
#[derive(Default)]
struct Reader {
    events: u64,
    distinct: HashSet<String>,
}

impl Reader {
    fn read(&mut self, body: &Value) {
        for entry in body["entry"].as_array().unwrap() {
            for list in ["messaging", "standby", "changes"] {
                for item in entry[list].as_array().into_iter().flatten() {
                    self.item(entry, list, item);
                }
            }
            if entry.get("field").is_some() {
                self.item(entry, "flat", entry);
            }
        }
    }

    fn item(&mut self, entry: &Value, list: &str, item: &Value) {
        self.events += 1;
        if let Some(field) = item.get("field") {
            let value = &item["value"];
            let id =
                [&value["id"], &value["comment_id"], &value["media_id"]].into_iter().find(|v| v.is_string()).unwrap();
            self.distinct.insert(format!("{field} {id}"));
            return;
        }
        let what = [
            "message",
            "reaction",
            "postback",
            "referral",
            "read",
            "message_edit",
            "pass_thread_control",
            "take_thread_control",
        ]
        .into_iter()
        .find(|k| item.get(k).is_some())
        .unwrap();
        let detail = &item[what];
        let id = match what {
            "message" if detail.is_string() => detail.to_string(),
            "message" => format!("{} {}", detail["mid"], detail["is_deleted"]),
            "reaction" => format!("{} {}", detail["mid"], detail["action"]),
            "message_edit" => format!("{} {}", detail["mid"], detail["num_edit"]),
            "postback" | "read" => detail["mid"].to_string(),
            _ => format!("{} {} {}", item["sender"], item["timestamp"], entry["id"]),
        };
        assert!(list != "standby" || detail.get("payload").is_none(), "no payload on standby");
        self.distinct.insert(format!("{what} {id}"));
    }
}

#[test]
fn the_labels_are_what_a_reader_of_the_bytes_finds() {
    for seed in 0..4 {
        let plan: Vec<PlannedWebhook> = options(seed, Extent::Events(8_000)).plan().collect();
        let truth = Truth::of(plan.clone());
        assert_eq!(truth.events, 8_000);
        assert_eq!(truth.interactions + truth.duplicates + truth.quarantined, truth.events);
        let mut reader = Reader::default();
        let mut opaque = 0;
        for webhook in &plan {
            match serde_json::from_slice::<Value>(webhook.body()) {
                Ok(body) if body["object"] == "instagram" => {
                    assert!(!webhook.outgoing.unparseable);
                    reader.read(&body);
                }
                Ok(_) => opaque += 1,
                Err(_) => {
                    assert!(webhook.outgoing.unparseable);
                    opaque += 1;
                }
            }
            assert!(webhook.body().is_ascii(), "Meta escapes what is not ASCII");
            assert!((1..=50).contains(&webhook.outgoing.events));
            assert_eq!(webhook.outgoing.events, webhook.expect.events());
        }
        assert_eq!(reader.events + opaque, truth.events);
        assert_eq!(reader.distinct.len() as u64 + opaque, truth.interactions + truth.quarantined, "seed {seed}");
        assert!(truth.duplicates > 100 && truth.quarantined > 30 && truth.unparseable > 0, "{truth:?}");
        assert!(plan.is_sorted_by_key(|w| w.at_ms));
    }
}

#[test]
fn every_kind_of_event_occurs_in_its_share() {
    let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
    for webhook in options(3, Extent::Events(10_000)).plan() {
        let text = String::from_utf8_lossy(webhook.body()).into_owned();
        for (name, mark) in [
            ("story reply", r#""reply_to":{"story""#),
            ("inline reply", r#""reply_to":{"mid""#),
            ("reaction", r#""action":"react""#),
            ("unreact", r#""action":"unreact""#),
            ("quick reply", r#""quick_reply""#),
            ("postback", r#""postback""#),
            ("story mention", r#""type":"story_mention""#),
            ("shared post", r#""type":"ig_post""#),
            ("referral", r#""referral":{"ref":"promo"#),
            ("ad", r#""ads_context_data""#),
            ("seen", r#""read""#),
            ("edit", r#""message_edit""#),
            ("unsend", r#""is_deleted":true"#),
            ("unsupported", r#""is_unsupported":true"#),
            ("comment", r#""field":"comments""#),
            ("live comment", r#""field":"live_comments""#),
            ("boosted comment", r#""original_media_id""#),
            ("own comment", r#""self_ig_scoped_id""#),
            ("mention", r#""field":"mentions""#),
            ("insights", r#""field":"story_insights""#),
            ("echo", r#""is_echo":true"#),
            ("self", r#""is_self":true"#),
            ("standby", r#""standby":["#),
            ("taken", r#""take_thread_control""#),
            ("returned", r#""pass_thread_control""#),
            ("unknown field", r#""field":"share_to_story""#),
            ("unknown account", r#""id":"17841499999999999","time""#),
            ("plain message", r#""message":"TEST_MESSAGE"#),
        ] {
            *kinds.entry(name).or_default() += u32::try_from(text.matches(mark).count()).unwrap();
        }
    }
    let missing: Vec<_> = kinds.iter().filter(|(_, n)| **n == 0).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!((1600..2100).contains(&kinds["story reply"]), "{kinds:?}");
}

#[test]
fn nobody_who_is_silent_or_taken_over_is_due_an_answer() {
    let plan: Vec<PlannedWebhook> = options(5, Extent::Events(30_000)).plan().collect();
    let silent = accounts(Layout { brands: 4, apps: 2, silent_every: 4, ..Layout::default() }, 7)[3].id.clone();
    let mut histories: HashMap<_, BTreeMap<(Timestamp, String), BTreeSet<&str>>> = HashMap::new();
    for fact in plan.iter().flat_map(|w| &w.outgoing.facts) {
        let mark = match &fact.what {
            What::StoryReply { answer: Answer::Due, .. } => "due",
            What::StoryReply { .. } => "not due",
            What::Said(Word::Start) => "start",
            What::Said(Word::Stop | Word::Perhaps) => "silence",
            What::Taken | What::Standby => "taken",
            What::HumanWrote { .. } | What::AskedForPerson => "human",
            What::Returned => "returned",
            What::Contact { .. } | What::CameThroughAd | What::Comment { .. } => continue,
        };
        let person = (fact.account.clone(), fact.person.clone());
        histories.entry(person).or_default().entry((fact.at, fact.key.clone())).or_default().insert(mark);
    }
    let (mut due, mut withheld) = (0, 0);
    for ((account, person), history) in &histories {
        let (mut silenced, mut taken, mut human) = (false, false, false);
        for marks in history.values() {
            if marks.contains("due") {
                assert!(!silenced && !taken && !human && *account != silent, "{account} {person} {history:?}");
                due += 1;
            }
            withheld += u32::from(marks.contains("not due"));
            silenced = (silenced || marks.contains("silence")) && !marks.contains("start");
            taken = (taken || marks.contains("taken")) && !marks.contains("returned");
            // What a person of the brand took over by phone is never given back in a plan.
            human = human || marks.contains("human");
        }
    }
    assert!(due > 2_000 && withheld > 500, "due {due}, withheld {withheld}");
    let truth = Truth::of(plan);
    assert_eq!(truth.answers_due.len(), due);
    assert!(truth.stops.len() > 200 && truth.starts.len() > 50);
}

#[test]
fn times_are_the_start_plus_an_offset_and_the_rate_holds() {
    let mut events = 0;
    for webhook in options(6, Extent::Millis(120_000)).plan() {
        events += webhook.outgoing.events;
        for fact in &webhook.outgoing.facts {
            let offset = fact.at.since(START);
            assert!((-1000..160_000).contains(&offset), "{offset}");
        }
    }
    // Stories every six hours: two minutes may well be busier or quieter than the mean.
    assert!((2_000..25_000).contains(&events), "{events}");
    let mut busy = options(6, Extent::Millis(600_000));
    busy.story_every_ms = 60_000;
    let made: u64 = busy.plan().map(|w| u64::from(w.expect.interactions)).sum();
    assert!((27_000..34_000).contains(&made), "50 a second for 600 s: {made}");
}

#[test]
fn batches_of_a_fixed_size() {
    let mut options = options(8, Extent::Events(5_000));
    options.rate = 100_000.0;
    options.batching = Batching::Fixed(50);
    let plan: Vec<PlannedWebhook> = options.plan().collect();
    let full = plan.iter().filter(|w| w.outgoing.events == 50).count();
    assert!(full > 80, "{full} of {}", plan.len());
}

#[test]
fn nothing_comes_of_nothing() {
    assert_eq!(options(1, Extent::Events(0)).plan().count(), 0);
    assert_eq!(options(1, Extent::Millis(0)).plan().count(), 0);
    let mut nobody = options(1, Extent::Events(10));
    nobody.accounts.clear();
    assert_eq!(nobody.plan().count(), 0);
}
