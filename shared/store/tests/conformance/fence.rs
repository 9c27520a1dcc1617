use std::sync::Arc;

use afterglow_domain::{
    Body, ConsentState, Control, DAY_MS, Decision, HandoverRules, IntentStatus, Interaction, Message, Reason, Source,
};
use afterglow_store::{Case, Judged, SendStatus, Start};
use tokio::sync::Barrier;

use crate::given::{
    Given, LEASE_MS, NOW, apply, at, change, control, intent_for, judge, judge_as, key, lumen, message, on_both, ready,
    reserve, send_status,
};

on_both!(
    nothing_starts_after_an_opt_out_was_recorded,
    a_stop_between_reserve_and_start_withdraws_the_send,
    a_hand_over_fences_like_a_stop,
    consent_counts_once_and_by_its_own_time,
    the_facts_are_those_under_the_lock,
    what_nobody_took_up_is_told_with_the_facts,
);

/// Races, many times over: whoever is first at the fence, a send that has not started when the opt-out is recorded
/// never starts.
async fn nothing_starts_after_an_opt_out_was_recorded(given: Given) {
    const RACES: usize = 60;
    ready(&given).await;
    let other_process = given.reopen().await;
    let (mut went, mut held_back) = (0, 0);
    for race in 0..RACES {
        let viewer = format!("v{race}");
        let cause = message(&viewer, 1);
        apply(&given.store, std::slice::from_ref(&cause)).await;
        let intent = Arc::new(intent_for(&cause));
        let barrier = Arc::new(Barrier::new(2));
        // A third of the races begin at the judgement, a third between reservation and start, and in a third these are one.
        let reserved = if race % 3 == 0 { Some(reserve(&given.store, &intent, NOW).await) } else { None };
        let at_once = race % 3 == 1;
        let sender = tokio::spawn({
            let (store, intent, barrier) = (given.store.clone(), Arc::clone(&intent), Arc::clone(&barrier));
            async move {
                barrier.wait().await;
                let reservation = match reserved {
                    Some(reservation) => reservation,
                    None => match judge_as(&store, &intent, NOW, at_once).await {
                        Judged::Reserved(reservation) => reservation,
                        Judged::Started(_) => return Start::Go,
                        Judged::Decided(decision) => {
                            assert_eq!(decision.reasons, [Reason::OptedOut]);
                            return Start::Fenced;
                        }
                        Judged::Already(status) => panic!("{status:?}"),
                    },
                };
                store.start_send(&reservation, NOW, LEASE_MS).await.unwrap()
            }
        });
        let says_stop = tokio::spawn({
            let (store, intent) = (other_process.clone(), Arc::clone(&intent));
            async move {
                barrier.wait().await;
                store.record_consent(&change(&viewer, ConsentState::OptedOut, 1), NOW).await.unwrap();
                send_status(&store, &intent).await
            }
        });
        let (start, when_stopped) = (sender.await.unwrap(), says_stop.await.unwrap());
        let at_last = send_status(&given.store, &intent).await;
        if start == Start::Go {
            went += 1;
            assert_eq!(when_stopped, Some(SendStatus::Sending), "race {race}: it started after the stop");
        } else {
            held_back += 1;
            assert!(!matches!(at_last, Some(SendStatus::Sending | SendStatus::Reserved)), "race {race}: {at_last:?}");
        }
    }
    assert_eq!(went + held_back, RACES);
    eprintln!("{went} sends began before the stop, {held_back} did not");
    other_process.close().await;
}

async fn a_stop_between_reserve_and_start_withdraws_the_send(given: Given) {
    ready(&given).await;
    let cause = message("1", 1);
    apply(&given.store, std::slice::from_ref(&cause)).await;
    let intent = intent_for(&cause);
    let reservation = reserve(&given.store, &intent, NOW).await;
    let recorded = given.store.record_consent(&change("1", ConsentState::OptedOut, 5), NOW).await.unwrap();
    assert_eq!((recorded.epoch, recorded.state, recorded.duplicate), (1, Some(ConsentState::OptedOut), false));
    assert_eq!(send_status(&given.store, &intent).await, Some(SendStatus::Cancelled));
    assert_eq!(given.store.start_send(&reservation, NOW, LEASE_MS).await.unwrap(), Start::Fenced);

    let due = given.store.due_intents(NOW, 10, LEASE_MS).await.unwrap();
    assert_eq!(due, std::slice::from_ref(&intent));
    assert_eq!(judge(&given.store, &intent, NOW).await, Judged::Decided(Decision::drop(vec![Reason::OptedOut])));
    assert_eq!(judge(&given.store, &intent, NOW).await, Judged::Already(IntentStatus::Dropped));
    assert_eq!(given.store.due_intents(at(1_000_000), 10, LEASE_MS).await.unwrap(), []);
}

async fn a_hand_over_fences_like_a_stop(given: Given) {
    ready(&given).await;
    let cause = message("1", 1);
    apply(&given.store, std::slice::from_ref(&cause)).await;
    let intent = intent_for(&cause);
    let reservation = reserve(&given.store, &intent, NOW).await;
    for (who, n, epoch) in
        [(Control::Automation, 1, 0), (Control::App, 5, 1), (Control::App, 5, 1), (Control::Person, 7, 2)]
    {
        assert_eq!(given.store.record_control(&control("1", who, n), NOW).await.unwrap(), epoch, "{who:?} at {n}");
    }
    // Said before the takeover, or with it, and heard after it.
    for n in [6, 7] {
        assert_eq!(given.store.record_control(&control("1", Control::Automation, n), NOW).await.unwrap(), 2);
    }
    assert_eq!(given.store.start_send(&reservation, NOW, LEASE_MS).await.unwrap(), Start::Fenced);
    let mut handed_over = (false, Some(NOW));
    let judged = given
        .store
        .judge(&intent, crate::given::terms(NOW), |case: &mut Case| {
            handed_over = (case.facts.handed_over, case.facts.person_spoke);
            (Decision::hold(vec![Reason::HandedOver]), None)
        })
        .await
        .unwrap();
    assert_eq!(handed_over, (true, Some(at(7))), "the app gave it back; the person wrote in the same moment");
    assert_eq!(judged, Judged::Decided(Decision::hold(vec![Reason::HandedOver])));
    assert_eq!(given.store.record_control(&control("1", Control::Automation, 8), NOW).await.unwrap(), 2);
    assert_eq!(given.store.record_control(&control("1", Control::Person, 9), NOW).await.unwrap(), 3);
    let detail = given.store.brand(&lumen()).viewer(&key("1"), 1).await.unwrap().unwrap();
    assert!(detail.handed_over);
    assert_eq!(given.store.record_control(&control("1", Control::Automation, 10), NOW).await.unwrap(), 3);
    let detail = given.store.brand(&lumen()).viewer(&key("1"), 1).await.unwrap().unwrap();
    assert!(!detail.handed_over, "given back");
}

async fn consent_counts_once_and_by_its_own_time(given: Given) {
    use ConsentState::{Ambiguous, OptedIn, OptedOut};
    ready(&given).await;
    for (state, n, epoch, holds, duplicate) in [
        (Ambiguous, 10, 1, Ambiguous, false),
        (Ambiguous, 10, 1, Ambiguous, true),
        (OptedOut, 20, 2, OptedOut, false),
        (OptedIn, 15, 3, OptedOut, false), // said before the stop, and heard after it
        (OptedIn, 30, 3, OptedIn, false),
        (OptedOut, 20, 3, OptedIn, true), // delivered again
        (OptedOut, 30, 3, OptedIn, true), // the same interaction cannot speak twice
    ] {
        let recorded = given.store.record_consent(&change("1", state, n), NOW).await.unwrap();
        assert_eq!(
            (recorded.epoch, recorded.state, recorded.duplicate),
            (epoch, Some(holds), duplicate),
            "{state:?} {n}"
        );
    }
}

async fn the_facts_are_those_under_the_lock(given: Given) {
    ready(&given).await;
    let cause = message("1", 1);
    let intent = intent_for(&cause);
    let mut seen = Vec::new();
    for round in 0..2 {
        if round == 1 {
            apply(&given.store, std::slice::from_ref(&cause)).await;
            given.store.pause_account(&intent.account, "restricted", NOW).await.unwrap();
            given.store.record_consent(&change("1", ConsentState::OptedIn, 1), NOW).await.unwrap();
        }
        given
            .store
            .judge(&intent, crate::given::terms(NOW), |case: &mut Case| {
                seen.push(case.facts.clone());
                (Decision::defer(at(5_000), Reason::NoContact), None)
            })
            .await
            .unwrap();
    }
    assert_eq!((&seen[0].cause, seen[0].last_contact, seen[0].consent), (&None, None, None));
    assert!(seen[0].account.as_ref().is_some_and(|account| account.has_token && account.paused.is_none()));
    let told = seen[1].cause.as_ref().unwrap();
    assert!(told.contact && told.occurred == cause.occurred && told.kind == cause.kind());
    assert_eq!(seen[1].last_contact, Some(cause.occurred));
    assert_eq!(seen[1].consent, Some(ConsentState::OptedIn));
    assert_eq!(seen[1].account.as_ref().unwrap().paused.as_deref(), Some("restricted"));

    let brand = lumen();
    let records = given.store.brand(&brand).decisions_of(&key("1"), 10).await.unwrap();
    let stored: Vec<afterglow_domain::Facts> =
        records.iter().rev().map(|record| serde_json::from_str(&record.facts).unwrap()).collect();
    assert_eq!(stored, seen, "what the policy saw is what is kept");
    assert!(records.iter().all(|record| record.policy_version == "policy-7"));
}

async fn what_nobody_took_up_is_told_with_the_facts(given: Given) {
    ready(&given).await;
    let written = |n: i64, at_ms: i64, text: &str| {
        let body = Body::Message(Message { mid: format!("m.{n}"), text: Some(text.into()), ..Message::default() });
        Interaction { occurred: at(at_ms), body, ..message("1", n) }
    };
    let cause = message("1", 1);
    let others = [
        written(2, -DAY_MS - 1, "of the day before"),
        written(3, -5_000, "of five seconds ago"),
        written(4, -4_000, "to be taken up"),
        Interaction { source: Source::Partner, ..written(5, -3_000, "of another source") },
        written(6, -2_000, " "),
        written(7, 2_000, "after the message to be answered"),
        Interaction { viewer: message("2", 1).viewer, ..written(8, 0, "of somebody else") },
    ];
    apply(&given.store, std::slice::from_ref(&cause)).await;
    apply(&given.store, &others).await;
    let intent = intent_for(&cause);
    let told = async |now| {
        let mut told = Vec::new();
        let waits = Decision::defer(now, Reason::NotYetDue);
        let judged = given.store.judge(&intent, crate::given::terms(now), |case: &mut Case| {
            told = std::mem::take(&mut case.viewer_wrote);
            (waits.clone(), None)
        });
        assert_eq!(judged.await.unwrap(), Judged::Decided(waits.clone()));
        told
    };
    assert_eq!(told(NOW).await, ["after the message to be answered", "to be taken up", "of five seconds ago"]);
    given.store.record_control(&control("1", Control::Person, -4_000), NOW).await.unwrap();
    assert_eq!(told(NOW).await, ["after the message to be answered"]);
    given.store.record_control(&control("1", Control::Automation, 2_000), NOW).await.unwrap();
    assert!(told(NOW).await.is_empty());

    // A conversation that a person has is given back by time alone; so is one that nobody came to give them.
    let cause = message("3", 9);
    let asked = Interaction { viewer: cause.viewer.clone(), ..written(10, 0, "asked long ago") };
    apply(&given.store, &[cause.clone(), asked]).await;
    let intent = intent_for(&cause);
    let idle_ms = HandoverRules::default().idle_ms();
    for (passed, expected) in [(idle_ms - 1, 1), (idle_ms, 0)] {
        let mut told = usize::MAX;
        let waits = Decision::defer(at(passed), Reason::NotYetDue);
        let judged = given.store.judge(&intent, crate::given::terms(at(passed)), |case: &mut Case| {
            told = case.viewer_wrote.len();
            (waits, None)
        });
        judged.await.unwrap();
        assert_eq!(told, expected, "after {passed} ms");
    }
}
