//! Which interaction makes which wishes, under a document as people write it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use afterglow_domain::{
    AccountId, Body, BrandId, CONFIRMATION, Channel, Comment, DerivedId, HOUR_MS, Intent, Interaction, InteractionId,
    Language, Message, Postback, Source, Timestamp, ViewerId,
};
use afterglow_rules::{Document, Rulebook};
use afterglow_scorer::{Before, ViewerState, Wishes, intents_for, wishes_for};

const T: Timestamp = Timestamp::from_millis(1_790_000_000_000);

const DOCUMENT: &str = "
brand: lumen
language: nl
tags: [{ name: twice, when: count.message >= 2 }]
plays:
  - name: prices
    on: { kinds: [message], keywords: [price, lamp], keywords_in: { de: [preis, was kostet] } }
    rollout: on
    say: text
  - name: tapped
    on: { payloads: [PRICES] }
    rollout: on
    say: text
  - name: welcome
    on: { opted_in: true }
    rollout: on
    say: library/welcome
  - name: second
    on: { tag_added: twice }
    rollout: on
    say: text
  - name: ladder
    on: { kinds: [story_reply, comment] }
    rollout: on
    steps:
      - { say: text }
      - { after: 2h, say: text }
      - { after: 2d, say: text }
snippets:
  text: { text: hello }
";

fn rulebook(document: &str) -> Rulebook {
    let document = Document::parse(document).unwrap_or_else(|error| panic!("{error}"));
    Rulebook::compile(&document.settings(), 1).unwrap()
}

fn happened(n: i64, body: Body) -> Interaction {
    Interaction {
        id: InteractionId::derive(&["x", &n.to_string()]),
        brand: BrandId::new("lumen"),
        account: AccountId::new("1"),
        viewer: Some(ViewerId::new("2")),
        username: None,
        channel: Channel::Instagram,
        source: Source::Webhook,
        occurred: T.plus(n),
        received: T.plus(n),
        standby: false,
        body,
        raw: None,
    }
}

fn message(text: &str) -> Message {
    Message { mid: "m".into(), text: Some(text.into()), ..Message::default() }
}

/// The wishes of the last of what happened.
fn wishes(rulebook: &Rulebook, happened: &[Interaction]) -> Vec<Intent> {
    let (last, earlier) = happened.split_last().unwrap();
    let mut state = ViewerState::of(earlier, &rulebook.scoring);
    let before = Before::of(&state, rulebook, last.occurred).unwrap();
    state.apply(last, &rulebook.scoring);
    intents_for(last, before.as_ref(), &state, rulebook, T).unwrap()
}

fn names(intents: &[Intent]) -> Vec<(&str, u8)> {
    intents.iter().map(|intent| (intent.play.as_str(), intent.step)).collect()
}

#[test]
fn what_starts_what() {
    let rules = rulebook(DOCUMENT);
    let one = |body: Body| wishes(&rules, &[happened(0, body)]);
    let quick =
        |payload: &str| Body::QuickReply(Message { quick_reply_payload: Some(payload.into()), ..message("Prices") });
    let tap = |payload: &str| Body::Postback(Postback { payload: Some(payload.into()), ..Postback::default() });
    for (body, expected) in [
        (Body::Message(message("What is the PRICE?")), vec![("prices", 0)]),
        (Body::Message(message("pricey!")), vec![]),
        (quick("PRICES"), vec![("tapped", 0)]),
        (tap("PRICES"), vec![("tapped", 0)]),
        (tap("OTHER"), vec![]),
        (Body::StoryReply(message("wow")), vec![("ladder", 0), ("ladder", 1), ("ladder", 2)]),
        (Body::Message(message("START")), vec![("welcome", 0)]),
        (Body::StoryReply(message("start")), vec![("welcome", 0)]),
        (Body::StoryReply(message("STOP")), vec![(CONFIRMATION, 0)]),
        (Body::Message(message("stop it")), vec![]), // perhaps: a person looks
    ] {
        assert_eq!(names(&one(body.clone())), expected, "{body:?}");
    }
    let twice = [happened(0, Body::Message(message("hi"))), happened(1, Body::Message(message("ho")))];
    assert_eq!(names(&wishes(&rules, &twice)), [("second", 0)]);
}

#[test]
fn in_public_nobody_is_confirmed_and_nobody_welcomed() {
    let rules = rulebook(DOCUMENT);
    for text in ["STOP", "START", "stop it"] {
        let comment =
            Comment { comment_id: "c".into(), verb: "add".into(), text: Some(text.into()), ..Comment::default() };
        assert!(wishes(&rules, &[happened(0, Body::Comment(comment))]).is_empty(), "{text}");
    }
}

#[test]
fn a_brand_may_leave_stops_unconfirmed() {
    let rules = rulebook(&format!("{DOCUMENT}opt_out: {{ confirm: false }}\n"));
    assert!(wishes(&rules, &[happened(0, Body::Message(message("STOP")))]).is_empty());
}

#[test]
fn each_step_has_its_time_and_only_the_first_is_a_private_reply() {
    let rules = rulebook(DOCUMENT);
    let comment =
        Comment { comment_id: "c".into(), verb: "add".into(), text: Some("wow".into()), ..Comment::default() };
    let steps = wishes(&rules, &[happened(5, Body::Comment(comment))]);
    let due: Vec<Option<i64>> = steps.iter().map(|step| step.due.map(|due| due.since(T.plus(5)))).collect();
    assert_eq!(due, [None, Some(2 * HOUR_MS), Some(48 * HOUR_MS)]);
    let comments: Vec<Option<&str>> = steps.iter().map(|step| step.comment_id.as_deref()).collect();
    assert_eq!(comments, [Some("c"), None, None]);
    let ids: std::collections::BTreeSet<String> = steps.iter().map(|step| step.id.to_string()).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn whoever_uses_a_language_is_answered_in_it() {
    let rules = rulebook(DOCUMENT);
    let language = |text: &str| wishes(&rules, &[happened(0, Body::Message(message(text)))])[0].language;
    assert_eq!(language("Preis?"), Some(Language::German), "by the keyword");
    assert_eq!(language("what is the price of this, please?"), Some(Language::English), "by its small words");
    assert_eq!(language("lamp"), None, "the brand's own");
}

const TRIED: &str = "
brand: lumen
plays:
  - { name: ladder, on: { kinds: [story_reply] }, rollout: on, steps: [{ say: text }, { after: 2h, say: text }] }
  - { name: all, on: {}, rollout: on, say: text }
experiments:
  - name: words
    hypothesis: other words are answered more often
    metric: reply
    play: ladder
    step: 2
    starts: 2026-09-01T00:00:00Z
    ends: 2026-10-01T00:00:00Z
    holdout: 20
    arms: [{ name: same, share: 40 }, { name: other, say: other, share: 40 }]
snippets:
  text: { text: hello }
  other: { text: ahoy }
";

#[test]
fn an_experiment_changes_one_step_and_holds_some_out() {
    let rules = rulebook(TRIED);
    let of_viewer = |viewer: u32, late: i64| -> Wishes {
        let mut reply = happened(late, Body::StoryReply(message("wow")));
        reply.viewer = Some(ViewerId::new(viewer.to_string()));
        let state = ViewerState::of(std::slice::from_ref(&reply), &rules.scoring);
        wishes_for(&reply, None, &state, &rules, T).unwrap()
    };
    let mut arms = std::collections::BTreeMap::<String, u32>::new();
    for viewer in 0..500 {
        let wishes = of_viewer(viewer, 0);
        assert_eq!(wishes, of_viewer(viewer, 0), "replayed, it is the same");
        let [exposure] = wishes.exposures.as_slice() else { panic!("{wishes:?}") };
        assert_eq!(exposure.at, T);
        assert_eq!(exposure.arm, of_viewer(viewer, 3_600_000).exposures[0].arm, "always the same arm");
        let says: Vec<Option<&str>> = wishes.intents.iter().map(|intent| intent.say.as_deref()).collect();
        match exposure.arm.as_str() {
            "same" => assert_eq!(says, [None, None]),
            "other" => assert_eq!(says, [None, Some("other")], "the second step alone"),
            "holdout" => assert!(says.is_empty(), "no other play answers either: {says:?}"),
            arm => panic!("{arm}"),
        }
        *arms.entry(exposure.arm.clone()).or_default() += 1;
    }
    assert!(arms["holdout"] > 60 && arms["same"] > 150 && arms["other"] > 150, "{arms:?}");
    // When it is over, everything is as before, for everybody.
    let after = of_viewer(1, 30 * 24 * HOUR_MS);
    assert!(after.exposures.is_empty() && after.intents.len() == 2 && after.intents[1].say.is_none(), "{after:?}");
}

#[test]
fn a_play_that_only_shows_takes_nobody_in() {
    let rules = rulebook(&TRIED.replacen("rollout: on", "rollout: shadow", 1));
    let reply = happened(0, Body::StoryReply(message("wow")));
    let state = ViewerState::of(std::slice::from_ref(&reply), &rules.scoring);
    let wishes = wishes_for(&reply, None, &state, &rules, T).unwrap();
    assert!(wishes.exposures.is_empty());
    assert_eq!(names(&wishes.intents), [("ladder", 0), ("ladder", 1), ("all", 0)]);
}
