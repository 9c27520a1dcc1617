//! Sequences, confirmations of stops, drafts, moderation: what the gate is told of them.

use std::sync::Arc;

use afterglow_domain::{
    Body, CONFIRMATION, ConsentState, Conversion, Decision, DerivedId, Facts, Intent, IntentStatus, Interaction,
    InteractionId, Message, Moderated, OutboundMessage, PlayId, QuickReplyButton, Reason, Source, StopFacts,
};
use afterglow_store::{
    Case, Draft, DraftCost, DraftOutcome, FlagAction, FlagVerdict, Judged, NewFlag, SendOutcome, Start,
};

use crate::given::{
    Given, LEASE_MS, NOW, apply, at, change, intent_for, judge, key, lumen, message, on_both, ready, reserve, terms,
};

on_both!(
    each_step_has_one_answer,
    what_a_later_step_is_told,
    a_stop_is_known_to_be_confirmed,
    drafts_keep_within_the_day_together,
    what_moderation_found,
    quick_replies_are_stored_with_the_send,
);

/// The interaction that everything here answers.
async fn begun(given: &Given) -> Interaction {
    ready(given).await;
    let cause = message("1", 0);
    apply(&given.store, std::slice::from_ref(&cause)).await;
    cause
}

fn step(intent: &Intent, n: u8) -> Intent {
    Intent { id: Intent::derive_id(&intent.play, intent.cause, n), step: n, ..intent.clone() }
}

async fn facts_of(given: &Given, intent: &Intent) -> Facts {
    let mut seen = None;
    let look = |case: &mut Case| {
        seen = Some(case.facts.clone());
        (Decision::defer(at(5_000), Reason::PreviousStep), None)
    };
    given.store.judge(intent, terms(NOW), look).await.unwrap();
    seen.expect("it was judged")
}

async fn each_step_has_one_answer(given: Given) {
    let cause = begun(&given).await;
    let first = intent_for(&cause);
    let reservation = reserve(&given.store, &first, NOW).await;
    assert_eq!(given.store.start_send(&reservation, NOW, LEASE_MS).await.unwrap(), Start::Go);
    // A later step of the same play answers the same interaction, once more and once only.
    let second = step(&first, 1);
    assert_ne!(second.id, first.id);
    assert!(!facts_of(&given, &second).await.answered);
    assert!(matches!(judge(&given.store, &second, NOW).await, Judged::Reserved(_)));
    let rival =
        Intent { id: Intent::derive_id(&PlayId::new("other"), cause.id, 1), play: PlayId::new("other"), ..second };
    assert_eq!(judge(&given.store, &rival, NOW).await, Judged::Decided(Decision::drop(vec![Reason::AlreadyAnswered])));
}

async fn what_a_later_step_is_told(given: Given) {
    let cause = begun(&given).await;
    let first = intent_for(&cause);
    let second = step(&first, 1);
    let before = facts_of(&given, &second).await.sequence.unwrap();
    assert_eq!((before.previous, before.converted, before.superseded), (None, false, false));
    assert_eq!(before.opened, Some(cause.occurred), "the interaction itself opened the conversation");

    let reservation = reserve(&given.store, &first, NOW).await;
    given.store.start_send(&reservation, at(1), LEASE_MS).await.unwrap();
    let sent = SendOutcome::Sent { message_id: "m".into() };
    given.store.finish_send(reservation.send, &sent, at(2)).await.unwrap();
    let said = facts_of(&given, &second).await.sequence.unwrap().previous.unwrap();
    assert_eq!((said.status, said.said), (IntentStatus::Sent, Some(at(1))));

    // What the viewer does then: an answer; a sale; the same thing again.
    let answer = message("1", 60_050);
    let sale = Interaction {
        id: InteractionId::derive(&["conversion", "1"]),
        source: Source::Partner,
        occurred: at(60),
        body: Body::Conversion(Conversion::default()),
        ..message("1", 60_060)
    };
    apply(&given.store, &[answer.clone(), sale]).await;
    let again = Intent { cause: answer.id, cause_occurred: answer.occurred, ..intent_for(&answer) };
    facts_of(&given, &step(&again, 1)).await;
    let after = facts_of(&given, &second).await.sequence.unwrap();
    assert_eq!((after.answered, after.opened), (Some(at(50)), Some(at(50))));
    assert!(after.converted && after.superseded, "{after:?}");
    assert!(facts_of(&given, &again).await.sequence.is_none(), "a first step has no sequence behind it");
}

async fn a_stop_is_known_to_be_confirmed(given: Given) {
    let cause = begun(&given).await;
    let of = |cause: &Interaction| {
        let play = PlayId::new(CONFIRMATION);
        Intent { id: Intent::derive_id(&play, cause.id, 0), play, ..intent_for(cause) }
    };
    let confirm = of(&cause);
    assert_eq!(facts_of(&given, &confirm).await.stop, Some(StopFacts { confirmed: false }));
    let send = |_: &mut Case| (Decision::send(), Some(OutboundMessage::plain("heard")));
    assert!(matches!(given.store.judge(&confirm, terms(at(6_000)), send).await.unwrap(), Judged::Reserved(_)));
    let second = message("1", 1);
    apply(&given.store, std::slice::from_ref(&second)).await;
    assert_eq!(facts_of(&given, &of(&second)).await.stop, Some(StopFacts { confirmed: true }));
    // Whoever wanted messages again and then says stop is told again.
    given.store.record_consent(&change("1", ConsentState::OptedIn, 7_000), at(7_000)).await.unwrap();
    let third = message("1", 68_000);
    apply(&given.store, std::slice::from_ref(&third)).await;
    assert_eq!(facts_of(&given, &of(&third)).await.stop, Some(StopFacts { confirmed: false }));
    assert_eq!(facts_of(&given, &intent_for(&third)).await.stop, None);
}

async fn drafts_keep_within_the_day_together(given: Given) {
    let cause = begun(&given).await;
    let (brand, store) = (lumen(), Arc::new(given.store.clone()));
    let (most, ceiling) = (DraftCost { tokens: 10, micros: 3 }, DraftCost { tokens: 100, micros: 0 });
    let tries = (0..30).map(|_| {
        let (store, brand) = (Arc::clone(&store), brand.clone());
        tokio::spawn(async move { store.reserve_draft(&brand, "2026-11-25", most, ceiling).await.unwrap() })
    });
    let mut taken = 0;
    for each in tries.collect::<Vec<_>>() {
        taken += u32::from(each.await.unwrap());
    }
    assert_eq!(taken, 10, "however many ask at once");
    store.give_back_draft(&brand, "2026-11-25", DraftCost { tokens: 9, micros: 0 }).await.unwrap();
    assert!(!store.reserve_draft(&brand, "2026-11-25", most, ceiling).await.unwrap());
    assert!(store.reserve_draft(&brand, "2026-11-26", most, ceiling).await.unwrap(), "another day");
    let money = DraftCost { tokens: 100, micros: 4 };
    assert!(!store.reserve_draft(&brand, "2026-11-26", most, money).await.unwrap());
    assert!(!store.reserve_draft(&brand, "2026-11-27", DraftCost { tokens: 101, micros: 0 }, ceiling).await.unwrap());

    let intent = intent_for(&cause);
    let draft =
        |text: &str| Draft { outcome: DraftOutcome::ToRead, text: text.into(), confidence: 70, detail: "{}".into() };
    store.keep_draft(&intent, &draft("first"), NOW).await.unwrap();
    store.keep_draft(&intent, &draft("second"), NOW).await.unwrap();
    let mut seen = None;
    let look = |case: &mut Case| {
        seen.clone_from(&case.draft);
        (Decision::hold(vec![Reason::DraftToRead]), None)
    };
    store.judge(&intent, terms(NOW), look).await.unwrap();
    assert_eq!(seen, None, "the play is not one whose answers are drafted");
    let brand = lumen();
    let held = store.brand(&brand).held(9).await.unwrap();
    assert_eq!(held[0].draft, Some(draft("first")), "who reviews sees the draft, and what the guard says of it");
}

async fn what_moderation_found(given: Given) {
    let cause = begun(&given).await;
    let brand = lumen();
    let flag = NewFlag {
        interaction: cause.id,
        brand: brand.clone(),
        viewer: key("1"),
        comment_id: Some("c1".into()),
        verdict: FlagVerdict::Review,
        findings: "[]".into(),
        hide: false,
        delete_at: None,
    };
    assert_eq!(given.store.keep_flags(std::slice::from_ref(&flag), NOW).await.unwrap(), 1);
    assert_eq!(given.store.keep_flags(std::slice::from_ref(&flag), NOW).await.unwrap(), 0, "twice is once");
    assert_eq!(facts_of(&given, &intent_for(&cause)).await.moderated, Some(Moderated::Cause));
    assert!(given.store.due_flags(NOW, 10, 1_000).await.unwrap().is_empty());

    // A grave one silences its writer, and is hidden, and deleted in time unless a person shows it.
    let grave = message("1", 5);
    apply(&given.store, std::slice::from_ref(&grave)).await;
    let (hide, delete_at) = (true, Some(at(100_000)));
    let hidden = NewFlag { interaction: grave.id, verdict: FlagVerdict::Hide, hide, delete_at, ..flag };
    given.store.keep_flags(&[hidden], NOW).await.unwrap();
    assert_eq!(facts_of(&given, &intent_for(&cause)).await.moderated, Some(Moderated::Viewer));
    let due = given.store.due_flags(NOW, 10, 1_000).await.unwrap();
    assert_eq!((due.len(), due[0].wanted, due[0].attempts), (1, FlagAction::Hide, 1));
    assert!(given.store.due_flags(NOW, 10, 1_000).await.unwrap().is_empty(), "it is in somebody's hands");
    given.store.flag_failed(&due[0], "away", Some(at(2_000))).await.unwrap();
    let again = given.store.due_flags(at(2_000), 10, 1_000).await.unwrap();
    given.store.flag_done(&again[0]).await.unwrap();
    assert!(given.store.due_flags(at(99_999), 10, 1_000).await.unwrap().is_empty());
    let store = given.store.brand(&brand);
    let seen = store.flags(false, 10).await.unwrap();
    let of = |flags: &[afterglow_store::Flag]| {
        flags.iter().find(|flag| flag.interaction == grave.id).map(|flag| (flag.wanted, flag.done, flag.delete_at))
    };
    assert_eq!(of(&seen), Some((FlagAction::Delete, FlagAction::Hide, delete_at)));

    assert!(store.clear_flag(grave.id, "ada", at(3_000)).await.unwrap());
    assert!(!store.clear_flag(grave.id, "ada", at(3_000)).await.unwrap(), "once");
    assert_eq!(facts_of(&given, &intent_for(&cause)).await.moderated, Some(Moderated::Cause));
    let show = given.store.due_flags(at(3_000), 10, 1_000).await.unwrap();
    assert_eq!((show.len(), show[0].wanted), (1, FlagAction::Show));
    given.store.flag_done(&show[0]).await.unwrap();
    assert!(given.store.due_flags(at(200_000), 10, 1_000).await.unwrap().is_empty(), "it is not deleted any more");
    assert_eq!(store.flags(false, 10).await.unwrap().len(), 1);
    // A person may change their mind.
    assert!(store.hide_flagged(grave.id, "ada", at(4_000)).await.unwrap());
    assert_eq!(given.store.due_flags(at(4_000), 10, 1_000).await.unwrap()[0].wanted, FlagAction::Hide);
    let strange = afterglow_domain::BrandId::new("other");
    assert!(given.store.brand(&strange).flags(true, 10).await.unwrap().is_empty());
    assert!(!given.store.brand(&strange).clear_flag(cause.id, "eve", NOW).await.unwrap());
}

async fn quick_replies_are_stored_with_the_send(given: Given) {
    let cause = begun(&given).await;
    let tap = QuickReplyButton { title: "Prices".into(), payload: "PRICES".into() };
    let wanted = OutboundMessage { quick_replies: vec![tap], ..OutboundMessage::plain("?") };
    let send = wanted.clone();
    let judged = given.store.judge(&intent_for(&cause), terms(NOW), |_| (Decision::send(), Some(send))).await.unwrap();
    let Judged::Reserved(reservation) = judged else { panic!("{judged:?}") };
    assert_eq!(reservation.message, wanted);
    let message = Body::Message(Message::default());
    assert_eq!(message.payload(), None);
}
