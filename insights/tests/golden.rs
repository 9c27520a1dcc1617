//! The figures of small histories, computed by hand; and that neither order nor repetition nor lateness changes them.

use std::collections::BTreeMap;

use afterglow_domain::{
    AccountId, Body, BrandId, Channel, Conversion, DAY_MS, DerivedId as _, HOUR_MS, Interaction, InteractionId,
    MINUTE_MS, Message, Source, Timestamp, ViewerId,
};
use afterglow_insights::{Counts, Fate, History, KpiName, Sums, Written, count, figures};
use proptest::prelude::*;

/// 2026-09-21 14:13:20 UTC, which is 16:13 in Amsterdam.
const T: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const ZONE: &str = "Europe/Amsterdam";
const SLA_MS: i64 = 12 * HOUR_MS;

fn interaction(ms: i64, body: Body) -> Interaction {
    let source = if matches!(body, Body::Conversion(_)) { Source::Partner } else { Source::Webhook };
    Interaction {
        id: InteractionId::derive(&["golden", &ms.to_string(), body.kind().as_str()]),
        brand: BrandId::new("lumen"),
        account: AccountId::new("1"),
        viewer: Some(ViewerId::new("2")),
        username: None,
        channel: Channel::Instagram,
        source,
        occurred: T.plus(ms),
        received: T.plus(ms.max(0) + 40 * DAY_MS),
        standby: false,
        body,
        raw: None,
    }
}

fn asks(ms: i64) -> Interaction {
    let message = Message { mid: format!("m{ms}"), text: Some("hello?".into()), ..Message::default() };
    interaction(ms, Body::Message(message))
}

fn buys(ms: i64, minor: i64) -> Interaction {
    let sold = Conversion {
        external_id: format!("o{ms}"),
        goal: "purchase".into(),
        value_minor: Some(minor),
        currency: Some("EUR".into()),
        ..Conversion::default()
    };
    interaction(ms, Body::Conversion(sold))
}

fn by_phone(ms: i64) -> Interaction {
    interaction(ms, Body::MessageSent(Message { mid: format!("p{ms}"), text: Some("hi".into()), ..Message::default() }))
}

fn bot(ms: i64, fate: Fate) -> Written {
    Written { at: T.plus(ms), play: "welcome".into(), snippet: Some("thanks".into()), person: None, fate }
}

fn person(ms: i64) -> Written {
    Written { at: T.plus(ms), play: "person".into(), snippet: None, person: Some("ada".into()), fate: Fate::Sent }
}

/// All counts of all days of one dimension's item.
fn sums(counts: &Counts, dim: &str, item: &str) -> Sums {
    let mut sums = Sums::new();
    for ((_, d, i, measure), n) in counts.places() {
        if d == dim && i == item {
            *sums.entry(measure).or_default() += n;
        }
    }
    sums
}

fn counted(history: &History) -> Sums {
    sums(&count(history, "1", ZONE, SLA_MS), "all", "")
}

fn of(sums: &Sums, measure: &str) -> i64 {
    sums.get(measure).copied().unwrap_or(0)
}

#[test]
fn response_times_of_machines_and_people_are_apart() {
    // Asked at 0; a machine answers after 3 s, a person after 25 minutes. Asked again after 2 h; a person answers within 10 minutes,
    // by phone. Asked after 5 h and never answered.
    let history = History {
        happened: vec![asks(0), asks(2 * HOUR_MS), by_phone(2 * HOUR_MS + 10 * MINUTE_MS), asks(5 * HOUR_MS)],
        written: vec![bot(3_000, Fate::Sent), person(25 * MINUTE_MS)],
        stops: vec![],
    };
    let all = counted(&history);
    assert_eq!((of(&all, "questions"), of(&all, "bot_answered"), of(&all, "person_answered")), (3, 1, 2));
    // 3 s lies in the class up to 5 s; 25 minutes in that up to 30 minutes; 10 minutes in that up to 10 minutes.
    assert_eq!((of(&all, "bot_class_02"), of(&all, "person_class_11"), of(&all, "person_class_09")), (1, 1, 1));
    // By anybody: 3 s and 10 minutes are prompt, and in time; the third question has no answer.
    assert_eq!((of(&all, "prompt"), of(&all, "in_time")), (2, 2));
    let counts = count(&history, "1", ZONE, SLA_MS);
    assert_eq!(of(&sums(&counts, "operator", "ada"), "person_answered"), 1);
    assert_eq!(of(&sums(&counts, "operator", "by phone"), "person_answered"), 1);
    assert_eq!(of(&sums(&counts, "play", "welcome"), "bot_answered"), 1);
    assert_eq!(of(&sums(&counts, "snippet", "thanks"), "bot_class_02"), 1);
    assert_eq!(sums(&counts, "account", "1"), all);
}

#[test]
fn a_reply_is_a_word_before_the_next_message_and_a_stop_is_none() {
    // Told at 0, replies after an hour: replied. Told at 2 h, says stop after 10 minutes: stopped. Refused at 3 h. Told at 4 d, replies
    // after 80 h: too late.
    let stop = 2 * HOUR_MS + 10 * MINUTE_MS;
    let history = History {
        happened: vec![asks(HOUR_MS), asks(stop), asks(4 * DAY_MS + 80 * HOUR_MS)],
        written: vec![
            bot(0, Fate::Sent),
            bot(2 * HOUR_MS, Fate::Sent),
            bot(3 * HOUR_MS, Fate::Refused),
            bot(4 * DAY_MS, Fate::Sent),
        ],
        stops: vec![T.plus(stop)],
    };
    let all = counted(&history);
    assert_eq!(
        (of(&all, "sent"), of(&all, "replied"), of(&all, "stops"), of(&all, "refused"), of(&all, "unreachable")),
        (3, 1, 1, 1, 0)
    );
    assert_eq!(of(&all, "questions"), 2, "a stop asks nothing");
    let told = figures(&all);
    assert_eq!(told[&KpiName::ReplyRate].to_string(), "unknown: fewer than 5: too few to say (of 3)");
}

#[test]
fn a_sale_is_of_the_conversation_that_it_ends() {
    // A conversation begins at 0; two orders within 30 days are two sales of one conversation that sold. After 31 silent days a new one
    // begins, and sells nothing. An order of somebody who never spoke has no conversation.
    let history = History {
        happened: vec![asks(0), buys(DAY_MS, 4_900), buys(29 * DAY_MS, 100), asks(31 * DAY_MS)],
        ..History::default()
    };
    let all = counted(&history);
    assert_eq!(
        (of(&all, "conversations"), of(&all, "sold"), of(&all, "sales"), of(&all, "revenue_EUR")),
        (2, 1, 2, 5_000)
    );
    let silent = counted(&History { happened: vec![buys(0, 1)], ..History::default() });
    assert_eq!((of(&silent, "conversations"), of(&silent, "sales_without_conversation")), (0, 1));
    let told = figures(&silent);
    assert_eq!(told[&KpiName::ConversationToSale].to_string(), "unknown: nothing to count (of 0)");
}

#[test]
fn days_are_the_brands_own() {
    // 21:59 UTC is 23:59 in Amsterdam; two minutes later it is the next day there.
    let almost = 7 * HOUR_MS + 45 * MINUTE_MS;
    let counts = count(&History { happened: vec![asks(almost)], ..History::default() }, "1", ZONE, SLA_MS);
    let later =
        count(&History { happened: vec![asks(almost + 2 * MINUTE_MS)], ..History::default() }, "1", ZONE, SLA_MS);
    let day = |counts: &Counts| counts.places().next().unwrap().0.0;
    assert_eq!((day(&counts).as_str(), day(&later).as_str()), ("2026-09-21", "2026-09-22"));
}

#[test]
fn what_the_log_no_longer_holds_is_kept() {
    let early = History { happened: vec![asks(0), asks(10 * DAY_MS)], ..History::default() };
    let before = count(&early, "1", ZONE, SLA_MS);
    let late = History { happened: vec![asks(10 * DAY_MS)], ..History::default() };
    let first = T.plus(10 * DAY_MS).day_in(ZONE);
    let now = count(&late, "1", ZONE, SLA_MS).with_days_before(&before, &first);
    assert_eq!(of(&sums(&now, "all", ""), "in_message"), 2);
    assert!(now.0.keys().any(|key| key.starts_with("2026-09-21")));
}

fn life() -> impl Strategy<Value = History> {
    let moment = 0..20 * DAY_MS;
    let happened = prop::collection::vec((moment.clone(), 0..3_u8), 0..12).prop_map(|all| {
        all.into_iter()
            .map(|(ms, kind)| match kind {
                0 => asks(ms),
                1 => by_phone(ms),
                _ => buys(ms, 100),
            })
            .collect()
    });
    let fate = prop_oneof![Just(Fate::Sent), Just(Fate::Refused), Just(Fate::Unreachable)];
    let written = prop::collection::btree_map(moment.clone(), (fate, any::<bool>()), 0..8).prop_map(|all| {
        all.into_iter().map(|(ms, (fate, human))| if human { person(ms) } else { bot(ms, fate) }).collect()
    });
    let stops = prop::collection::vec(moment.prop_map(|ms| T.plus(ms)), 0..2);
    (happened, written, stops).prop_map(|(happened, written, stops)| History { happened, written, stops })
}

proptest! {
    /// Any order, any repetition of what happened: the same counts. And the differences from any earlier state lead there.
    #[test]
    fn order_repetition_and_lateness_change_nothing(history in life(), seed in any::<u64>(), late in 0..12_usize) {
        let counts = count(&history, "1", ZONE, SLA_MS);
        let mut shuffled = history.clone();
        let again: Vec<_> = shuffled.happened.iter().take(3).cloned().collect();
        shuffled.happened.extend(again);
        let n = shuffled.happened.len().max(1);
        shuffled.happened.rotate_left(usize::try_from(seed % 97).unwrap() % n);
        shuffled.happened.reverse();
        shuffled.written.reverse();
        prop_assert_eq!(&count(&shuffled, "1", ZONE, SLA_MS), &counts);
        // What came late: the sums before it, and the difference, are the sums.
        let mut early = history.clone();
        early.happened.truncate(late);
        let before = count(&early, "1", ZONE, SLA_MS);
        let mut sums: BTreeMap<_, i64> = before.places().collect();
        for (place, change) in counts.since(&before) {
            *sums.entry(place).or_default() += change;
        }
        sums.retain(|_, n| *n != 0);
        prop_assert_eq!(sums, counts.places().filter(|(_, n)| *n != 0).collect::<BTreeMap<_, _>>());
    }

    /// No part exceeds its whole.
    #[test]
    fn no_share_is_above_one(history in life()) {
        let all = counted(&history);
        for (part, whole) in [("prompt", "questions"), ("in_time", "questions"), ("replied", "sent"), ("stops", "sent"),
            ("sold", "conversations"), ("bot_answered", "questions"), ("person_answered", "questions")] {
            prop_assert!(of(&all, part) <= of(&all, whole), "{} > {}: {:?}", part, whole, all);
        }
    }
}
