//! What the console does: people, sessions, claims, what people write and refuse.

use afterglow_domain::{BrandId, ConsentState, Control, Decision, Intent, Interaction, PersonsMessage, PlayId, Reason};
use afterglow_store::{
    Case, Deed, ForgetKey, IdentityAttempt, Judged, KillSwitch, Role, SecondStep, SendStatus, Start,
};
use secrecy::SecretString;

use crate::given::{
    Given, LEASE_MS, NOW, apply, at, change, intent_for, judge, key, lumen, message, on_both, ready, reserve,
    send_status, terms,
};

on_both!(
    people_may_what_they_were_granted,
    a_session_lasts_until_it_ends,
    a_link_signs_in_once,
    attempts_are_counted,
    a_story_has_one_who_answers,
    accounts_tell_how_they_do,
    a_second_factor_is_given_used_and_taken,
    one_stands_between_two_factors_for_a_while,
    brands_ask_for_a_second_factor,
    a_sign_in_elsewhere_is_taken_once,
    one_subject_is_one_person,
    one_person_attends_to_a_viewer,
    labels_keep_to_their_brand,
    a_persons_message_silences_automation,
    a_person_may_write_twice,
    held_is_answered_or_refused_once,
    deeds_are_kept_and_forgotten_with_the_viewer,
    a_lifted_switch_lets_be_judged_anew,
);

fn persons(cause: &Interaction, form: &str) -> Intent {
    Intent {
        id: Intent::derive_persons_id("ada@example.org", form),
        play: PlayId::new("person"),
        person: Some(PersonsMessage { by: "ada@example.org".into(), text: "Of course!".into() }),
        ..intent_for(cause)
    }
}

async fn people_may_what_they_were_granted(given: Given) {
    ready(&given).await;
    let store = &given.store;
    store.put_person("Ada@Example.org", "Ada", NOW).await.unwrap();
    assert!(!store.grant("bob@example.org", None, Some(Role::Owner)).await.unwrap(), "nobody of that name");
    assert!(store.grant("ada@example.org", Some(&lumen()), Some(Role::Agent)).await.unwrap());
    let ada = store.person("ADA@example.org").await.unwrap().unwrap();
    assert_eq!((ada.role(&lumen()), ada.role(&BrandId::new("umbra"))), (Some(Role::Agent), None));
    assert_eq!(ada.everywhere(), None);
    store.grant("ada@example.org", None, Some(Role::Manager)).await.unwrap();
    let ada = store.person("ada@example.org").await.unwrap().unwrap();
    assert_eq!(ada.role(&BrandId::new("umbra")), Some(Role::Manager));
    store.grant("ada@example.org", None, None).await.unwrap();
    assert_eq!(store.people().await.unwrap()[0].everywhere(), None);
}

async fn a_story_has_one_who_answers(given: Given) {
    ready(&given).await;
    let lumen = lumen();
    let brand = given.store.brand(&lumen);
    assert_eq!(brand.watch_story("s1", "ada@example.org", NOW).await.unwrap(), "ada@example.org");
    assert_eq!(brand.watch_story("s1", "bob@example.org", at(1)).await.unwrap(), "ada@example.org", "who was first");
    assert!(!brand.leave_story("s1", "bob@example.org").await.unwrap(), "it is not Bob's to leave");
    assert_eq!(brand.story_watchers(NOW).await.unwrap().get("s1").map(String::as_str), Some("ada@example.org"));
    assert!(brand.story_watchers(at(1)).await.unwrap().is_empty());
    let umbra = BrandId::new("umbra");
    assert!(given.store.brand(&umbra).story_watchers(NOW).await.unwrap().is_empty(), "another brand's");
    assert!(!given.store.brand(&umbra).leave_story("s1", "ada@example.org").await.unwrap());
    assert!(brand.leave_story("s1", "ada@example.org").await.unwrap());
    assert_eq!(brand.watch_story("s1", "bob@example.org", at(2)).await.unwrap(), "bob@example.org");
}

async fn accounts_tell_how_they_do(given: Given) {
    ready(&given).await;
    let store = &given.store;
    let before = store.account_health(NOW.minus(1_000), NOW).await.unwrap();
    assert!(!before.is_empty() && before.iter().all(|one| one.heard.is_none() && one.by_webhook + one.by_sweep == 0));
    let heard = message("mila", 59_500);
    let swept = Interaction { source: afterglow_domain::Source::Reconcile, ..message("mila", 59_600) };
    let old = message("mila", 1);
    apply(store, &[heard.clone(), swept, old]).await;
    let health = store.account_health(NOW.minus(1_000), at(100)).await.unwrap();
    let own = health.iter().find(|one| one.account == heard.account).unwrap();
    assert_eq!((own.by_webhook, own.by_sweep, own.heard), (1, 1, Some(heard.received)));
    assert!(health.iter().filter(|one| one.account != heard.account).all(|one| one.by_webhook == 0));
}

async fn a_second_factor_is_given_used_and_taken(given: Given) {
    ready(&given).await;
    let (store, ada) = (&given.store, "ada@example.org");
    for person in [ada, "bob@example.org"] {
        store.put_person(person, person, NOW).await.unwrap();
    }
    for (token, person) in [(b"here", ada), (b"else", ada), (b"bobs", "bob@example.org")] {
        store.open_session(token, person, "csrf", NOW, 1_000).await.unwrap();
    }
    let codes = [b"one".to_vec(), b"two".to_vec()];
    store.put_second_factor("Ada@example.org", b"sealed", 7, &codes, b"here").await.unwrap();
    assert!(store.person(ada).await.unwrap().unwrap().has_totp);
    assert!(store.session(b"here", NOW).await.unwrap().is_some(), "who set it up stays");
    assert_eq!(store.session(b"else", NOW).await.unwrap(), None, "what was opened without it ends");
    assert!(store.session(b"bobs", NOW).await.unwrap().is_some());
    assert!(!store.use_totp_step(ada, 7).await.unwrap(), "the code that set it up works no second time");
    assert!(store.use_totp_step(ada, 8).await.unwrap());
    assert!(!store.use_totp_step(ada, 8).await.unwrap(), "a code works once");
    assert!(!store.use_totp_step(ada, 6).await.unwrap(), "nor does an earlier one");
    assert!(!store.use_recovery_code("bob@example.org", b"one").await.unwrap(), "another's code");
    assert!(store.use_recovery_code(ada, b"one").await.unwrap());
    assert!(!store.use_recovery_code(ada, b"one").await.unwrap());
    assert_eq!(store.recovery_codes(ada).await.unwrap(), 1);
    assert_eq!(store.sealed_second_factors().await.unwrap(), [(ada.to_owned(), b"sealed".to_vec())]);
    assert!(!store.reseal_second_factor(ada, b"older", b"anew").await.unwrap());
    assert!(store.reseal_second_factor(ada, b"sealed", b"anew").await.unwrap());
    assert_eq!(store.credentials(ada).await.unwrap().unwrap().totp_sealed.as_deref(), Some(b"anew".as_slice()));
    assert!(store.remove_second_factor(ada).await.unwrap());
    assert!(!store.remove_second_factor(ada).await.unwrap());
    assert!(!store.use_recovery_code(ada, b"two").await.unwrap(), "its codes went with it");
}

async fn one_stands_between_two_factors_for_a_while(given: Given) {
    ready(&given).await;
    let store = &given.store;
    store.put_person("ada@example.org", "Ada", NOW).await.unwrap();
    let step = SecondStep { person: "ada@example.org".into(), action: "sign_in".into() };
    store.begin_second_step(b"step", &step, NOW, at(1_000)).await.unwrap();
    assert_eq!(store.second_step(b"other", NOW).await.unwrap(), None);
    assert_eq!(store.second_step(b"step", at(999)).await.unwrap(), Some(step.clone()));
    assert_eq!(store.second_step(b"step", at(1_000)).await.unwrap(), None);
    assert!(store.end_second_step(b"step").await.unwrap());
    assert!(!store.end_second_step(b"step").await.unwrap(), "two who come at once do not both come in");
    assert_eq!(store.session(b"step", NOW).await.unwrap(), None, "the step opens nothing itself");
}

async fn brands_ask_for_a_second_factor(given: Given) {
    ready(&given).await;
    let store = &given.store;
    let (lumen, nobody) = (lumen(), BrandId::new("nobody"));
    assert!(!store.brand(&nobody).ask_second_factor(true, "ada@example.org", NOW).await.unwrap());
    assert!(!store.brand(&lumen).needs_second_factor().await.unwrap());
    assert!(store.brand(&lumen).ask_second_factor(true, "ada@example.org", NOW).await.unwrap());
    assert!(!store.brand(&lumen).ask_second_factor(true, "ada@example.org", NOW).await.unwrap());
    assert!(store.brand(&lumen).needs_second_factor().await.unwrap());
    assert!(!store.brand(&nobody).needs_second_factor().await.unwrap());
    assert_eq!(store.second_factor_brands().await.unwrap(), std::slice::from_ref(&lumen));
    assert!(store.brand(&lumen).ask_second_factor(false, "ada@example.org", NOW).await.unwrap());
    assert!(!store.brand(&lumen).needs_second_factor().await.unwrap());
}

async fn a_sign_in_elsewhere_is_taken_once(given: Given) {
    ready(&given).await;
    let store = &given.store;
    let attempt =
        IdentityAttempt { browser_hash: b"browser".to_vec(), nonce: "nonce".into(), verifier: "verifier".into() };
    store.begin_identity(b"state", &attempt, NOW, at(1_000)).await.unwrap();
    store.begin_identity(b"late", &attempt, NOW, at(1_000)).await.unwrap();
    assert!(store.take_identity(b"other", NOW).await.unwrap().is_none());
    assert!(store.take_identity(b"state", NOW).await.unwrap() == Some(attempt));
    assert!(store.take_identity(b"state", NOW).await.unwrap().is_none(), "a state works once");
    assert!(store.take_identity(b"late", at(1_000)).await.unwrap().is_none());
}

async fn one_subject_is_one_person(given: Given) {
    ready(&given).await;
    let (store, ada, bob) = (&given.store, "ada@example.org", "bob@example.org");
    for person in [ada, bob] {
        store.put_person(person, person, NOW).await.unwrap();
    }
    assert!(!store.link_identity("https://id.example", "1", "nobody@example.org", NOW).await.unwrap());
    assert!(store.link_identity("https://id.example", "1", ada, NOW).await.unwrap());
    assert!(!store.link_identity("https://id.example", "1", bob, NOW).await.unwrap(), "the subject is Ada");
    assert!(!store.link_identity("https://id.example", "2", ada, NOW).await.unwrap(), "Ada is another subject");
    assert!(store.link_identity("https://other.example", "1", bob, NOW).await.unwrap(), "each provider for itself");
    assert_eq!(store.identity("https://id.example", "1").await.unwrap().as_deref(), Some(ada));
    assert_eq!(store.identity("https://id.example", "2").await.unwrap(), None);
    assert_eq!(store.unlink_identities(ada).await.unwrap(), 1);
    assert!(store.link_identity("https://id.example", "2", ada, NOW).await.unwrap());
}

async fn a_session_lasts_until_it_ends(given: Given) {
    ready(&given).await;
    let store = &given.store;
    store.put_person("ada@example.org", "Ada", NOW).await.unwrap();
    assert!(store.open_session(b"one", "ada@example.org", "csrf", NOW, 1_000).await.unwrap());
    assert!(!store.open_session(b"two", "nobody", "csrf", NOW, 1_000).await.unwrap());
    assert_eq!(store.session(b"one", at(999)).await.unwrap().unwrap().person, "ada@example.org");
    assert_eq!(store.session(b"one", at(1_000)).await.unwrap(), None);
    store.touch_session(b"one", at(500), 1_000).await.unwrap();
    assert!(store.session(b"one", at(1_400)).await.unwrap().is_some());
    store.set_password("ada@example.org", "$argon2id$…").await.unwrap();
    assert_eq!(store.session(b"one", at(600)).await.unwrap(), None, "a new password ends what was open");
    store.open_session(b"three", "ada@example.org", "csrf", NOW, 1_000).await.unwrap();
    store.disable_person("ada@example.org", Some(NOW)).await.unwrap();
    assert_eq!(store.session(b"three", at(1)).await.unwrap(), None);
    assert!(!store.open_session(b"four", "ada@example.org", "csrf", NOW, 1_000).await.unwrap());
}

async fn a_link_signs_in_once(given: Given) {
    ready(&given).await;
    let store = &given.store;
    store.put_person("ada@example.org", "Ada", NOW).await.unwrap();
    store.put_sign_in_link(b"link", "ada@example.org", at(1_000)).await.unwrap();
    assert_eq!(store.use_sign_in_link(b"other", NOW).await.unwrap(), None);
    assert_eq!(store.use_sign_in_link(b"link", NOW).await.unwrap().as_deref(), Some("ada@example.org"));
    assert_eq!(store.use_sign_in_link(b"link", NOW).await.unwrap(), None);
    store.put_sign_in_link(b"late", "ada@example.org", at(1_000)).await.unwrap();
    assert_eq!(store.use_sign_in_link(b"late", at(1_000)).await.unwrap(), None);
}

async fn attempts_are_counted(given: Given) {
    ready(&given).await;
    let store = &given.store;
    for n in 0..5 {
        assert!(store.sign_in_attempt("ada", at(n)).await.unwrap());
    }
    assert!(!store.sign_in_attempt("ada", at(6)).await.unwrap());
    assert!(store.sign_in_attempt("bob", at(6)).await.unwrap());
    assert!(store.sign_in_attempt("ada", at(15 * 60_000)).await.unwrap(), "after a quarter of an hour");
    store.sign_in_succeeded("ada").await.unwrap();
    assert!(store.sign_in_attempt("ada", at(15 * 60_000 + 1)).await.unwrap());
}

async fn one_person_attends_to_a_viewer(given: Given) {
    ready(&given).await;
    apply(&given.store, &[message("1", 1)]).await;
    let (brand, viewer) = (lumen(), key("1"));
    let store = given.store.brand(&brand);
    assert_eq!(store.claim(&viewer, "ada", at(100), NOW).await.unwrap().person, "ada");
    assert_eq!(store.claim(&viewer, "bob", at(100), at(1)).await.unwrap().person, "ada");
    assert_eq!(store.claim(&viewer, "ada", at(200), at(2)).await.unwrap().until, at(200));
    assert_eq!(store.claim(&viewer, "bob", at(300), at(200)).await.unwrap().person, "bob", "hers has ended");
    store.let_go(&viewer, "ada").await.unwrap();
    assert_eq!(store.claims(at(201)).await.unwrap().len(), 1, "only one's own is let go");
    let umbra = BrandId::new("umbra");
    given.store.brand(&umbra).claim(&viewer, "eve", at(900), at(800)).await.unwrap();
    assert!(given.store.brand(&umbra).claims(at(801)).await.unwrap().is_empty(), "another brand's viewer");
}

async fn labels_keep_to_their_brand(given: Given) {
    ready(&given).await;
    apply(&given.store, &[message("1", 1), message("2", 1)]).await;
    let (brand, umbra) = (lumen(), BrandId::new("umbra"));
    let store = given.store.brand(&brand);
    assert_eq!(store.label(&[key("1"), key("nobody")], "vip", true, "ada", NOW).await.unwrap(), 1);
    assert_eq!(given.store.brand(&umbra).label(&[key("2")], "vip", true, "eve", NOW).await.unwrap(), 0);
    assert_eq!(store.labels(&key("1")).await.unwrap(), ["vip"]);
    assert_eq!(store.labelled("vip", 9).await.unwrap().len(), 1);
    assert!(given.store.brand(&umbra).labelled("vip", 9).await.unwrap().is_empty());
    assert_eq!(store.label(&[key("1")], "vip", false, "ada", NOW).await.unwrap(), 1);
    assert!(store.labels(&key("1")).await.unwrap().is_empty());
}

async fn a_persons_message_silences_automation(given: Given) {
    ready(&given).await;
    let cause = message("1", 1);
    apply(&given.store, std::slice::from_ref(&cause)).await;
    let automatic = intent_for(&cause);
    let reservation = reserve(&given.store, &automatic, NOW).await;
    let brand = lumen();
    let own = persons(&cause, "form-1");
    assert!(given.store.brand(&brand).write_as_person(&own, None, at(1)).await.unwrap());
    assert_eq!(given.store.start_send(&reservation, at(2), LEASE_MS).await.unwrap(), Start::Fenced);
    assert_eq!(send_status(&given.store, &automatic).await, Some(SendStatus::Cancelled));
    // It waits as a row: the responder finds it as due.
    let due = given.store.due_intents(at(2), 10, LEASE_MS).await.unwrap();
    assert!(due.contains(&own), "{due:?}");
    given.store.record_consent(&change("1", ConsentState::OptedOut, 3), at(3)).await.unwrap();
    match judge(&given.store, &own, at(4)).await {
        Judged::Decided(decision) => assert_eq!(decision.reasons, [Reason::OptedOut], "a person neither"),
        other => panic!("{other:?}"),
    }
    given.store.brand(&brand).lead(&key("1"), Control::Automation, "ada", at(5)).await.unwrap();
    assert!(!given.store.brand(&brand).viewer(&key("1"), 9).await.unwrap().unwrap().handed_over);
}

async fn a_person_may_write_twice(given: Given) {
    ready(&given).await;
    let cause = message("1", 1);
    apply(&given.store, std::slice::from_ref(&cause)).await;
    let brand = lumen();
    let store = given.store.brand(&brand);
    for form in ["form-1", "form-2", "form-1"] {
        assert!(store.write_as_person(&persons(&cause, form), None, NOW).await.unwrap());
    }
    let (first, second) = (persons(&cause, "form-1"), persons(&cause, "form-2"));
    reserve(&given.store, &first, NOW).await;
    reserve(&given.store, &second, NOW).await;
    assert!(matches!(judge(&given.store, &first, NOW).await, Judged::Already(_)), "posted twice it is one");
    let automatic = intent_for(&cause);
    match judge(&given.store, &automatic, NOW).await {
        Judged::Decided(decision) => assert_eq!(decision.reasons, [Reason::AlreadyAnswered]),
        other => panic!("{other:?}"),
    }
}

async fn held_is_answered_or_refused_once(given: Given) {
    ready(&given).await;
    let causes = [message("1", 1), message("2", 1)];
    apply(&given.store, &causes).await;
    let brand = lumen();
    let store = given.store.brand(&brand);
    for cause in &causes {
        let viewer = cause.viewer.clone().unwrap();
        given.store.record_consent(&change(viewer.as_str(), ConsentState::Ambiguous, 2), NOW).await.unwrap();
        assert!(matches!(judge(&given.store, &intent_for(cause), NOW).await, Judged::Decided(_)));
    }
    let held = store.held(9).await.unwrap();
    assert_eq!(held.len(), 2);
    assert_eq!(held[0].reasons, [Reason::PerhapsOptedOut]);
    let umbra = BrandId::new("umbra");
    assert!(given.store.brand(&umbra).held(9).await.unwrap().is_empty());
    let own = persons(&causes[0], "form-1");
    assert!(store.write_as_person(&own, Some(intent_for(&causes[0]).id), NOW).await.unwrap());
    let again = persons(&causes[0], "form-2");
    assert!(!store.write_as_person(&again, Some(intent_for(&causes[0]).id), NOW).await.unwrap());
    assert!(store.intent(again.id).await.unwrap().is_none(), "nothing is left of the second");
    assert!(store.refuse_held(&intent_for(&causes[1]), "ada", NOW).await.unwrap());
    assert!(!store.refuse_held(&intent_for(&causes[1]), "ada", NOW).await.unwrap());
    assert!(store.held(9).await.unwrap().is_empty());
    let decisions = store.decisions_of(&key("2"), 9).await.unwrap();
    assert_eq!(decisions[0].decision.reasons, [Reason::PersonRefused]);
}

async fn deeds_are_kept_and_forgotten_with_the_viewer(given: Given) {
    ready(&given).await;
    apply(&given.store, &[message("1", 1)]).await;
    let brand = lumen();
    let viewer = key("1");
    let deed = Deed { person: "ada", brand: Some(&brand), action: "reply", viewer: Some(&viewer), detail: "to Mia" };
    given.store.note_deed(&deed, NOW).await.unwrap();
    let kept = given.store.brand(&brand).audit(9).await.unwrap();
    assert_eq!((kept[0].action.as_str(), kept[0].detail.as_str()), ("reply", "to Mia"));
    assert!(given.store.audit(9).await.unwrap().is_empty());
    let key_of_the_forgotten = ForgetKey::new(SecretString::from("sixteen bytes or more")).unwrap();
    given.store.clone().with_forget_key(key_of_the_forgotten).forget(&brand, &viewer, "code", NOW).await.unwrap();
    let kept = given.store.brand(&brand).audit(9).await.unwrap();
    assert_eq!((kept[0].action.as_str(), kept[0].viewer.as_ref(), kept[0].detail.as_str()), ("reply", None, ""));
}

async fn a_lifted_switch_lets_be_judged_anew(given: Given) {
    ready(&given).await;
    let causes = [message("1", 1), message("2", 1)];
    apply(&given.store, &causes).await;
    let silenced = |_: &mut Case| (Decision::hold(vec![Reason::Silenced]), None);
    let switch = KillSwitch::Brand(lumen());
    given.store.set_kill_switch(&switch, "ada", "a drill", NOW).await.unwrap();
    for cause in &causes {
        given.store.judge(&intent_for(cause), terms(NOW), silenced).await.unwrap();
    }
    let other = KillSwitch::Brand(BrandId::new("umbra"));
    assert_eq!(given.store.lift_kill_switch(&other, true, at(1)).await.unwrap(), None);
    assert_eq!(given.store.lift_kill_switch(&switch, true, at(1)).await.unwrap(), Some(2));
    assert_eq!(given.store.due_intents(at(1), 9, LEASE_MS).await.unwrap().len(), 2);
    reserve(&given.store, &intent_for(&causes[0]), at(2)).await;
    // Without being asked to, what was held stays with people.
    given.store.judge(&intent_for(&causes[1]), terms(at(2)), silenced).await.unwrap();
    given.store.set_kill_switch(&switch, "ada", "a drill", at(2)).await.unwrap();
    assert_eq!(given.store.lift_kill_switch(&switch, false, at(3)).await.unwrap(), Some(0));
    assert_eq!(given.store.brand(&lumen()).held(9).await.unwrap().len(), 1);
}
