//! What does harm is counted once, for what was said last; what waited too long comes to its end.

use afterglow_domain::{AccountId, ConsentState, DAY_MS, Decision, Harms, PlayId, Reason};
use afterglow_store::{Case, KillSwitch, RefusedBy, SendOutcome, Start, Watched};

use crate::given::{
    ACCOUNT, Given, LEASE_MS, NOW, apply, at, change, intent_for, lumen, message, on_both, ready, reserve, send_status,
    terms,
};

on_both!(harm_is_counted_once_and_forgiven_by_a_person, what_waited_too_long_ends);

fn blocked(refused: RefusedBy) -> bool {
    refused.code == Some(551)
}

async fn harm_is_counted_once_and_forgiven_by_a_person(given: Given) {
    ready(&given).await;
    let brand = lumen();
    let store = given.store.brand(&brand);
    // Viewer 1 is written to twice and says stop after the second; 2 is out of reach; 3 is refused; 4 is content.
    let refused = |code| SendOutcome::Failed {
        code: Some(code),
        subcode: None,
        text: "no".into(),
        reason: Reason::RefusedByMeta,
    };
    let sent = || SendOutcome::Sent { message_id: "mid.out".into() };
    for (viewer, n, outcome) in
        [("1", 0, sent()), ("1", 1, sent()), ("2", 0, refused(551)), ("3", 0, refused(100)), ("4", 0, sent())]
    {
        let cause = message(viewer, n);
        apply(&given.store, std::slice::from_ref(&cause)).await;
        let reservation = reserve(&given.store, &intent_for(&cause), at(n)).await;
        assert_eq!(given.store.start_send(&reservation, at(n), LEASE_MS).await.unwrap(), Start::Go);
        given.store.finish_send(reservation.send, &outcome, at(n)).await.unwrap();
    }
    given.store.record_consent(&change("1", ConsentState::OptedOut, 60_000), at(60_000)).await.unwrap();
    let counted = Harms { sends: 5, stops: 1, blocks: 1, failures: 1 };
    let play = Watched::Play(PlayId::new("story-reply"));
    let account = Watched::Account(AccountId::new(ACCOUNT));
    for _ in 0..2 {
        store.count_harms(at(120_000), &blocked).await.unwrap(); // again and again
        assert_eq!(store.harms().await.unwrap(), [(account.clone(), counted), (play.clone(), counted)]);
    }
    // Later days are added; what is old is not counted anew.
    store.count_harms(at(9 * DAY_MS), &blocked).await.unwrap();
    assert_eq!(store.harms().await.unwrap()[1].1, counted);

    // A person who lets the play go on knows of all that; the account is not forgiven by it.
    let switch = KillSwitch::Play(lumen(), PlayId::new("story-reply"));
    assert!(given.store.set_kill_switch(&switch, "safety", "1 stop", at(1)).await.unwrap());
    assert!(!given.store.set_kill_switch(&switch, "safety", "1 stop", at(2)).await.unwrap(), "it was set");
    given.store.lift_kill_switch(&switch, false, at(3)).await.unwrap();
    assert_eq!(store.harms().await.unwrap(), [(account, counted), (play, Harms::default())]);
    let strange = afterglow_domain::BrandId::new("umbra");
    assert!(given.store.brand(&strange).harms().await.unwrap().is_empty());
}

async fn what_waited_too_long_ends(given: Given) {
    ready(&given).await;
    let [late, spoke] = [message("1", 0), message("2", 0)];
    apply(&given.store, &[late.clone(), spoke.clone()]).await;
    for cause in [&late, &spoke] {
        let held = |_: &mut Case| (Decision::hold(vec![Reason::NeedsPerson]), None);
        given.store.judge(&intent_for(cause), terms(NOW), held).await.unwrap();
    }
    assert_eq!(given.store.oldest_waiting().await.unwrap().held, Some(NOW));
    let week = 7 * DAY_MS;
    let mut again = message("2", 1);
    again.occurred = at(DAY_MS);
    apply(&given.store, &[again]).await;
    assert_eq!(given.store.expire_held(at(-1), 10, at(week)).await.unwrap(), 0);
    assert_eq!(given.store.expire_held(at(60_000), 10, at(week)).await.unwrap(), 1);
    assert_eq!(given.store.expire_held(at(60_000), 10, at(week)).await.unwrap(), 0);
    let held = given.store.brand(&lumen()).held(9).await.unwrap();
    assert_eq!(held.iter().map(|held| held.intent.cause).collect::<Vec<_>>(), [spoke.id]);
    let decisions = given.store.brand(&lumen()).decisions_of(&intent_for(&late).viewer_key(), 9).await.unwrap();
    assert!(decisions.iter().any(|decision| decision.decision == Decision::drop(vec![Reason::Expired])));
    assert_eq!(send_status(&given.store, &intent_for(&late)).await, None);
}
