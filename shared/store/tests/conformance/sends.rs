use std::sync::Arc;

use afterglow_domain::{
    AccountId, Body, ConsentState, Decision, DerivedId, Intent, IntentId, IntentStatus, Message, OutboundMessage,
    Reason, SendId, Verdict,
};
use afterglow_store::{Expired, Finished, Judged, Resolution, SendOutcome, SendStatus, Start};

use crate::given::{
    Given, LEASE_MS, NOW, apply, at, change, intent_for, judge, judge_and_start, judge_as, key, lumen, message,
    on_both, ready, reserve, send_status, terms,
};

on_both!(
    one_intent_is_reserved_by_one_of_many,
    one_cause_has_one_answer,
    a_send_starts_with_its_verdict,
    a_reservation_that_nobody_starts_is_judged_again,
    a_start_that_nobody_finishes_is_never_repeated,
    a_status_moves_one_way_only,
    a_retry_is_judged_again_when_due_and_not_before,
    what_cannot_be_found_waits_for_a_person,
    what_is_found_was_sent,
    a_send_needs_a_text,
    one_accounts_backlog_keeps_nobody_waiting,
    what_an_echo_proves_is_not_said_again,
);

pub(crate) fn sent(id: &str) -> SendOutcome {
    SendOutcome::Sent { message_id: id.into() }
}
pub(crate) fn refused() -> SendOutcome {
    SendOutcome::Failed { code: Some(10), subcode: Some(2_534_022), text: "no".into(), reason: Reason::RefusedByMeta }
}
pub(crate) fn unknown() -> SendOutcome {
    SendOutcome::Unknown { error: "timed out".into() }
}
pub(crate) fn busy() -> SendOutcome {
    SendOutcome::RetryAt { due: at(60_000), reason: Reason::MetaBusy }
}

/// An intent whose send has begun.
pub(crate) async fn begun(given: &Given, viewer: &str) -> (Intent, SendId) {
    let cause = message(viewer, 1);
    apply(&given.store, std::slice::from_ref(&cause)).await;
    let intent = intent_for(&cause);
    let reservation = reserve(&given.store, &intent, NOW).await;
    assert_eq!(given.store.start_send(&reservation, NOW, LEASE_MS).await.unwrap(), Start::Go);
    (intent, reservation.send)
}

pub(crate) async fn intents(given: &Given) -> Vec<(IntentStatus, u64)> {
    given.store.totals().await.unwrap().all.intents
}

async fn one_intent_is_reserved_by_one_of_many(given: Given) {
    ready(&given).await;
    for round in 0..10 {
        let cause = message(&format!("v{round}"), 1);
        apply(&given.store, std::slice::from_ref(&cause)).await;
        let intent = Arc::new(intent_for(&cause));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (store, intent) = (given.store.clone(), Arc::clone(&intent));
                tokio::spawn(async move {
                    match judge(&store, &intent, NOW).await {
                        Judged::Reserved(reservation) => {
                            let one = store.start_send(&reservation, NOW, LEASE_MS).await.unwrap();
                            let two = store.start_send(&reservation, NOW, LEASE_MS).await.unwrap();
                            assert_eq!((one, two), (Start::Go, Start::Gone));
                            1
                        }
                        Judged::Already(status) => {
                            assert_eq!(status, IntentStatus::Sending);
                            0
                        }
                        other => panic!("{other:?}"),
                    }
                })
            })
            .collect();
        let mut reserved = 0;
        for task in tasks {
            reserved += task.await.unwrap();
        }
        assert_eq!(reserved, 1);
        assert_eq!(given.store.brand(&lumen()).decisions_of(&intent.viewer_key(), 10).await.unwrap().len(), 1);
    }
}

async fn one_cause_has_one_answer(given: Given) {
    ready(&given).await;
    let cause = message("1", 1);
    apply(&given.store, std::slice::from_ref(&cause)).await;
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            // As if eight plays answered the same interaction.
            let intent = Intent { id: IntentId::derive(&["intent", &n.to_string()]), ..intent_for(&cause) };
            let store = given.store.clone();
            tokio::spawn(async move { judge(&store, &intent, NOW).await })
        })
        .collect();
    let (mut reserved, mut answered) = (None, 0);
    for task in tasks {
        match task.await.unwrap() {
            Judged::Reserved(reservation) => assert!(reserved.replace(reservation).is_none()),
            Judged::Decided(decision) => {
                assert_eq!(decision, Decision::drop(vec![Reason::AlreadyAnswered]));
                answered += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(answered, 7);
    // An answer that failed for good makes room for another.
    let reservation = reserved.unwrap();
    assert_eq!(given.store.start_send(&reservation, NOW, LEASE_MS).await.unwrap(), Start::Go);
    assert_eq!(given.store.finish_send(reservation.send, &refused(), NOW).await.unwrap(), Finished::Done);
    let another = Intent { id: IntentId::derive(&["intent", "another"]), ..intent_for(&cause) };
    reserve(&given.store, &another, NOW).await;
    // And the late echo of the failed one cannot stand beside it: one answer stays one answer.
    assert_eq!(
        given.store.finish_send(reservation.send, &sent("m.1"), NOW).await.unwrap(),
        Finished::Already(SendStatus::Failed)
    );
}

async fn a_send_starts_with_its_verdict(given: Given) {
    ready(&given).await;
    let cause = message("1", 1);
    apply(&given.store, std::slice::from_ref(&cause)).await;
    let intent = Arc::new(intent_for(&cause));
    // Many at once, some of which would only reserve: one has it.
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let (store, intent) = (given.store.clone(), Arc::clone(&intent));
            tokio::spawn(async move { judge_as(&store, &intent, NOW, n < 6).await })
        })
        .collect();
    let (mut held, mut already) = (Vec::new(), 0);
    for task in tasks {
        match task.await.unwrap() {
            Judged::Already(status) => {
                assert_eq!(status, IntentStatus::Sending);
                already += 1;
            }
            other => held.push(other),
        }
    }
    assert_eq!((held.len(), already), (1, 7));
    let reservation = match held.pop().unwrap() {
        Judged::Started(reservation) => reservation,
        Judged::Reserved(reservation) => {
            assert_eq!(given.store.start_send(&reservation, NOW, LEASE_MS).await.unwrap(), Start::Go);
            reservation
        }
        other => panic!("{other:?}"),
    };
    // What is started is started, for whoever holds the reservation.
    assert_eq!(send_status(&given.store, &intent).await, Some(SendStatus::Sending));
    assert_eq!(given.store.start_send(&reservation, NOW, LEASE_MS).await.unwrap(), Start::Gone);
    // Refused for now: the same send is begun again, as another attempt.
    assert_eq!(given.store.finish_send(reservation.send, &busy(), NOW).await.unwrap(), Finished::Done);
    let Judged::Started(second) = judge_and_start(&given.store, &intent, at(60_000)).await else { panic!("not begun") };
    assert_eq!((second.send, second.attempt), (reservation.send, 2));
    // Nobody tells what became of it: it is never begun again.
    let late = at(60_000 + LEASE_MS);
    assert_eq!(given.store.expire_leases(late).await.unwrap(), Expired { released: 0, unknown: 1 });
    assert_eq!(given.store.unknown_sends(10).await.unwrap()[0].started, Some(at(60_000)));
    assert_eq!(judge_and_start(&given.store, &intent, late).await, Judged::Already(IntentStatus::Sending));
    // And after a stop there is nothing to start.
    let cause = message("2", 1);
    apply(&given.store, std::slice::from_ref(&cause)).await;
    given.store.record_consent(&change("2", ConsentState::OptedOut, 1), NOW).await.unwrap();
    let judged = judge_and_start(&given.store, &intent_for(&cause), NOW).await;
    assert_eq!(judged, Judged::Decided(Decision::drop(vec![Reason::OptedOut])));
}

async fn a_reservation_that_nobody_starts_is_judged_again(given: Given) {
    ready(&given).await;
    let cause = message("1", 1);
    apply(&given.store, std::slice::from_ref(&cause)).await;
    let intent = intent_for(&cause);
    let lost = reserve(&given.store, &intent, NOW).await;
    assert_eq!(judge(&given.store, &intent, at(LEASE_MS - 1)).await, Judged::Already(IntentStatus::Sending));
    assert_eq!(given.store.due_intents(at(LEASE_MS - 1), 10, 50).await.unwrap(), []);

    assert_eq!(given.store.due_intents(at(LEASE_MS), 10, 50).await.unwrap(), std::slice::from_ref(&intent));
    assert_eq!(given.store.due_intents(at(LEASE_MS), 10, 50).await.unwrap(), [], "it is in the first caller's hands");
    assert_eq!(given.store.due_intents(at(LEASE_MS + 50), 10, 50).await.unwrap(), std::slice::from_ref(&intent));
    let second = reserve(&given.store, &intent, at(LEASE_MS)).await;
    assert_eq!((lost.attempt, second.attempt, lost.send), (1, 2, second.send));
    assert_eq!(given.store.start_send(&lost, at(LEASE_MS), LEASE_MS).await.unwrap(), Start::Gone);
    assert_eq!(given.store.start_send(&second, at(LEASE_MS), LEASE_MS).await.unwrap(), Start::Go);
    assert_eq!(given.store.start_send(&lost, at(LEASE_MS), LEASE_MS).await.unwrap(), Start::Gone);

    // Without any sweep: too late is too late, and a redelivered intent takes over.
    let cause = message("2", 1);
    apply(&given.store, std::slice::from_ref(&cause)).await;
    let intent = intent_for(&cause);
    let slow = reserve(&given.store, &intent, NOW).await;
    assert_eq!(given.store.start_send(&slow, at(LEASE_MS), LEASE_MS).await.unwrap(), Start::Fenced);
    assert_eq!(reserve(&given.store, &intent, at(LEASE_MS)).await.attempt, 2);
    assert_eq!(reserve(&given.store, &intent, at(2 * LEASE_MS)).await.attempt, 3);
}

async fn a_start_that_nobody_finishes_is_never_repeated(given: Given) {
    ready(&given).await;
    let (intent, send) = begun(&given, "1").await;
    assert_eq!(given.store.expire_leases(at(LEASE_MS - 1)).await.unwrap(), Expired::default());
    assert_eq!(given.store.expire_leases(at(LEASE_MS)).await.unwrap(), Expired { released: 0, unknown: 1 });
    assert_eq!(given.store.expire_leases(at(LEASE_MS)).await.unwrap(), Expired::default());
    let late = at(100 * LEASE_MS);
    assert_eq!(judge(&given.store, &intent, late).await, Judged::Already(IntentStatus::Sending));
    assert_eq!(given.store.due_intents(late, 10, 50).await.unwrap(), []);
    let unknown = given.store.unknown_sends(10).await.unwrap();
    assert_eq!(unknown.len(), 1);
    assert_eq!((unknown[0].send, unknown[0].started, unknown[0].text.as_str()), (send, Some(NOW), "Thank you!"));
    // The caller was alive after all.
    assert_eq!(given.store.finish_send(send, &sent("m.1"), late).await.unwrap(), Finished::Done);
    assert_eq!(given.store.unknown_sends(10).await.unwrap(), []);
    assert_eq!(judge(&given.store, &intent, late).await, Judged::Already(IntentStatus::Sent));
}

async fn a_status_moves_one_way_only(given: Given) {
    use SendStatus::{Cancelled, Failed, Sent, Unknown};
    ready(&given).await;
    let cases: [(SendOutcome, SendOutcome, SendStatus); 16] = [
        (sent("a"), sent("b"), Sent),
        (sent("a"), refused(), Sent),
        (sent("a"), unknown(), Sent),
        (sent("a"), busy(), Sent),
        (refused(), sent("b"), Sent),
        (refused(), refused(), Failed),
        (refused(), unknown(), Failed),
        (refused(), busy(), Failed),
        (unknown(), sent("b"), Sent),
        (unknown(), refused(), Failed),
        (unknown(), unknown(), Unknown),
        (unknown(), busy(), Cancelled),
        (busy(), sent("b"), Sent),
        (busy(), refused(), Cancelled),
        (busy(), unknown(), Cancelled),
        (busy(), busy(), Cancelled),
    ];
    for (n, (first, second, expected)) in cases.into_iter().enumerate() {
        let (intent, send) = begun(&given, &format!("v{n}")).await;
        assert_eq!(given.store.finish_send(send, &first, NOW).await.unwrap(), Finished::Done);
        let before = send_status(&given.store, &intent).await.unwrap();
        let finished = given.store.finish_send(send, &second, NOW).await.unwrap();
        let after = send_status(&given.store, &intent).await.unwrap();
        assert_eq!(after, expected, "case {n}: {first:?} then {second:?}");
        let moved = if before == after { Finished::Already(before) } else { Finished::Done };
        assert_eq!(finished, moved, "case {n}: {first:?} then {second:?}");
    }
    let statuses = intents(&given).await;
    assert_eq!(
        statuses,
        [(IntentStatus::Deferred, 4), (IntentStatus::Dropped, 4), (IntentStatus::Sending, 1), (IntentStatus::Sent, 7),]
    );
    let stranger = SendId::derive(&["send", "nobody's"]);
    assert_eq!(given.store.finish_send(stranger, &sent("x"), NOW).await.unwrap(), Finished::Gone);
}

async fn a_retry_is_judged_again_when_due_and_not_before(given: Given) {
    ready(&given).await;
    let (intent, send) = begun(&given, "1").await;
    assert_eq!(given.store.finish_send(send, &busy(), NOW).await.unwrap(), Finished::Done);
    assert_eq!(given.store.due_intents(at(59_999), 10, 50).await.unwrap(), []);
    assert_eq!(given.store.due_intents(at(60_000), 10, 50).await.unwrap(), std::slice::from_ref(&intent));
    let brand = lumen();
    let records = given.store.brand(&brand).recent_decisions(10).await.unwrap();
    let told: Vec<_> =
        records.iter().map(|r| (r.decision.verdict, r.decision.until, r.policy_version.as_str())).collect();
    assert_eq!(told, [(Verdict::Defer, Some(at(60_000)), "policy-7"), (Verdict::Send, None, "policy-7")]);
    let again = reserve(&given.store, &intent, at(60_000)).await;
    assert_eq!((again.send, again.attempt), (send, 2));
    assert_eq!(given.store.start_send(&again, at(60_000), LEASE_MS).await.unwrap(), Start::Go);
    assert_eq!(given.store.finish_send(send, &sent("m"), at(60_000)).await.unwrap(), Finished::Done);
    assert_eq!(intents(&given).await, [(IntentStatus::Sent, 1)]);
}

async fn what_cannot_be_found_waits_for_a_person(given: Given) {
    ready(&given).await;
    let (intent, send) = begun(&given, "1").await;
    let not_yet = given.store.resolve_unknown(send, &Resolution::NotFound, NOW).await.unwrap();
    assert_eq!(not_yet, Finished::Already(SendStatus::Sending));
    given.store.finish_send(send, &unknown(), NOW).await.unwrap();
    assert_eq!(given.store.resolve_unknown(send, &Resolution::NotFound, NOW).await.unwrap(), Finished::Done);
    assert_eq!(given.store.unknown_sends(10).await.unwrap(), []);
    assert_eq!(judge(&given.store, &intent, at(1)).await, Judged::Already(IntentStatus::Held));
    let brand = lumen();
    let last = given.store.brand(&brand).decisions_of(&key("1"), 1).await.unwrap().remove(0);
    assert_eq!(last.decision, Decision::hold(vec![Reason::FateUnknown]));
    assert_eq!(last.send.unwrap().1, SendStatus::Unknown);
    // Another answer to the same interaction does not go out beside it.
    let another = Intent { id: IntentId::derive(&["intent", "another"]), ..intent };
    let judged = given
        .store
        .judge(&another, terms(NOW), |_| (Decision::send(), Some(OutboundMessage::plain("x"))))
        .await
        .unwrap();
    assert_eq!(judged, Judged::Decided(Decision::drop(vec![Reason::AlreadyAnswered])));
}

async fn what_is_found_was_sent(given: Given) {
    ready(&given).await;
    let (_, send) = begun(&given, "1").await;
    given.store.finish_send(send, &unknown(), NOW).await.unwrap();
    let found = Resolution::Found { message_id: "m.9".into() };
    assert_eq!(given.store.resolve_unknown(send, &found, NOW).await.unwrap(), Finished::Done);
    let again = given.store.resolve_unknown(send, &Resolution::NotFound, NOW).await.unwrap();
    assert_eq!(again, Finished::Already(SendStatus::Sent));
    let asked = vec!["m.8".to_owned(), "m.9".to_owned()];
    assert_eq!(given.store.claimed_messages(asked).await.unwrap(), ["m.9".to_owned()].into(), "nobody else's now");
    assert!(given.store.claimed_messages(Vec::new()).await.unwrap().is_empty());
    assert_eq!(intents(&given).await, [(IntentStatus::Sent, 1)]);
}

async fn a_send_needs_a_text(given: Given) {
    ready(&given).await;
    let cause = message("1", 1);
    let intent = intent_for(&cause);
    let judged = given.store.judge(&intent, terms(NOW), |_| (Decision::send(), None)).await.unwrap();
    assert_eq!(judged, Judged::Decided(Decision::drop(vec![Reason::BadText])));
    assert_eq!(given.store.totals().await.unwrap().all.sends, []);
}

/// An intent of some account's `n`th viewer, waiting since `due`.
async fn waiting(given: &Given, account: &str, n: i64, due: i64) -> Intent {
    let cause = message(&format!("{account}-{n}"), n);
    let mut intent = intent_for(&cause);
    intent.account = AccountId::new(account);
    given.store.expect_intent(&intent, at(due)).await.unwrap();
    intent
}

async fn one_accounts_backlog_keeps_nobody_waiting(given: Given) {
    ready(&given).await;
    let mut loud = Vec::new();
    for n in 0..60 {
        loud.push(waiting(&given, "b-loud", n, -1_000).await);
    }
    let (calm, next) = (waiting(&given, "a-calm", 1, -10).await, waiting(&given, "c-calm", 1, -10).await);
    waiting(&given, "d-later", 1, 10).await;
    let store = &given.store;
    let oldest = store.due_intents(NOW, 8, LEASE_MS).await.unwrap();
    assert!(oldest.iter().all(|intent| intent.account.as_str() == "b-loud"), "the oldest are the flood's");

    let (first, last) = store.due_intents_in_turn(NOW, (8, 2), None, LEASE_MS).await.unwrap();
    assert_eq!(
        (first.len(), last.clone()),
        (4, Some(AccountId::new("c-calm"))),
        "two of the flood, and everybody else's"
    );
    assert!(first.contains(&calm) && first.contains(&next));
    let (none, last) = store.due_intents_in_turn(NOW, (8, 2), last.as_ref(), LEASE_MS).await.unwrap();
    assert_eq!((none, last), (vec![], None), "the round is over");

    let (mut rounds, mut seen) = (0, oldest.len() + 2);
    while seen < loud.len() {
        let (more, last) = store.due_intents_in_turn(NOW, (8, 2), None, LEASE_MS).await.unwrap();
        assert_eq!((more.len(), last), (2, Some(AccountId::new("b-loud"))));
        (rounds, seen) = (rounds + 1, seen + more.len());
    }
    assert_eq!(rounds, 25, "none is picked twice within its lease, and all are picked");
    let (none, _) = store.due_intents_in_turn(NOW, (8, 2), None, LEASE_MS).await.unwrap();
    assert_eq!(none, []);
}

/// The database was restored to before the send, and the log was filled again: the echo is there, the send is not.
async fn what_an_echo_proves_is_not_said_again(given: Given) {
    ready(&given).await;
    let (cause, other) = (message("v1", 1), message("v2", 1));
    let (intent, unsaid) = (intent_for(&cause), intent_for(&other));
    let mut echo = message("v1", 2);
    echo.body =
        Body::MessageSent(Message { mid: "mid.echo".into(), metadata: Some(intent.metadata()), ..Message::default() });
    apply(&given.store, &[cause, other, echo]).await;
    let judged = judge(&given.store, &intent, NOW).await;
    assert_eq!(judged, Judged::Decided(Decision::drop(vec![Reason::AlreadyAnswered])));
    assert!(matches!(judge(&given.store, &unsaid, NOW).await, Judged::Reserved(_)), "of nobody else is it proven");
}
