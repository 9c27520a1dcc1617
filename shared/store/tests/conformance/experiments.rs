//! Who is taken in by experiments, and what they did.

use afterglow_domain::{AccountId, BrandId, Exposure, Timestamp, ViewerKey};
use afterglow_store::{FoldOutput, ForgetKey, HypothesisStatus, NewHypothesis, Outcomes};
use secrecy::SecretString;

use crate::given::{Given, LEASE_MS, NOW, account, at, brand, counting, key, lumen, message, on_both, ready};

on_both!(
    the_first_time_counts_in_any_order,
    what_they_did_is_noted,
    exposures_are_a_brands_own_and_forgotten,
    hypotheses_are_noted_once_and_move,
    stories_are_labelled,
);

fn exposure(viewer: ViewerKey, arm: &str, at: Timestamp) -> Exposure {
    let brand = if viewer.account.as_str() == "2" { BrandId::new("umbra") } else { lumen() };
    Exposure { brand, experiment: "words".into(), viewer, arm: arm.into(), shape: "s".into(), at }
}

/// Takes a message of a viewer in, with exposures beside it.
async fn take(given: &Given, viewer: &str, n: i64, exposures: Vec<Exposure>) {
    let fold = |input: afterglow_store::FoldInput<'_>| FoldOutput { exposures, ..counting(input) };
    given.store.apply_interactions(&[message(viewer, n)], NOW, LEASE_MS, fold).await.unwrap();
}

async fn the_first_time_counts_in_any_order(given: Given) {
    ready(&given).await;
    let brand = lumen();
    let store = given.store.brand(&brand);
    take(&given, "1", 1, vec![exposure(key("1"), "a", at(50)), exposure(key("1"), "a", at(40))]).await;
    take(&given, "1", 2, vec![exposure(key("1"), "a", at(90))]).await;
    take(&given, "2", 3, vec![exposure(key("2"), "holdout", at(20))]).await;
    let seen = |rows: Vec<afterglow_store::Exposed>| {
        rows.into_iter().map(|one| (one.viewer, one.arm, one.at)).collect::<Vec<_>>()
    };
    let expected = vec![(key("2"), "holdout".to_owned(), at(20)), (key("1"), "a".to_owned(), at(40))];
    assert_eq!(seen(store.exposed("words").await.unwrap()), expected);
    // What comes late, and was earlier, is the first.
    take(&given, "1", 4, vec![exposure(key("1"), "a", at(10))]).await;
    let expected = vec![(key("1"), "a".to_owned(), at(10)), (key("2"), "holdout".to_owned(), at(20))];
    assert_eq!(seen(store.exposed("words").await.unwrap()), expected);
    assert_eq!(store.experiments_seen().await.unwrap().into_iter().collect::<Vec<_>>(), [("words".to_owned(), 2)]);
    assert!(store.exposed("others").await.unwrap().is_empty());
}

async fn what_they_did_is_noted(given: Given) {
    ready(&given).await;
    let brand = lumen();
    let store = given.store.brand(&brand);
    take(&given, "1", 1, vec![exposure(key("1"), "a", at(5))]).await;
    let mut exposed = store.exposures_of(&[key("1"), key("2")]).await.unwrap();
    assert_eq!((exposed.len(), exposed[0].outcomes), (1, Outcomes::default()));
    exposed[0].outcomes = Outcomes { replied: Some(at(9)), stopped: Some(at(11)), ..Outcomes::default() };
    store.note_outcomes(&exposed).await.unwrap();
    assert_eq!(store.exposed("words").await.unwrap(), exposed);
}

async fn exposures_are_a_brands_own_and_forgotten(given: Given) {
    ready(&given).await;
    given.store.upsert_brand(&brand("umbra")).await.unwrap();
    given.store.upsert_account(&account("2", "umbra")).await.unwrap();
    let theirs = ViewerKey { account: AccountId::new("2"), viewer: key("1").viewer };
    take(&given, "1", 1, vec![exposure(key("1"), "a", at(5)), exposure(theirs.clone(), "b", at(6))]).await;
    let (lumen, umbra) = (lumen(), BrandId::new("umbra"));
    let arms = async |brand: &BrandId| {
        let exposed = given.store.brand(brand).exposed("words").await.unwrap();
        exposed.into_iter().map(|one| one.arm).collect::<Vec<_>>()
    };
    assert_eq!((arms(&lumen).await, arms(&umbra).await), (vec!["a".to_owned()], vec!["b".to_owned()]));
    assert!(given.store.brand(&umbra).exposures_of(&[key("1")]).await.unwrap().is_empty());
    // One brand cannot write into another's.
    let mut ours = given.store.brand(&lumen).exposed("words").await.unwrap();
    ours[0].outcomes.bought = Some(at(7));
    given.store.brand(&umbra).note_outcomes(&ours).await.unwrap();
    assert_eq!(given.store.brand(&lumen).exposed("words").await.unwrap()[0].outcomes, Outcomes::default());
    let forgetting = ForgetKey::new(SecretString::from("sixteen bytes or more")).unwrap();
    given.store.clone().with_forget_key(forgetting).forget(&lumen, &key("1"), "code", NOW).await.unwrap();
    assert_eq!((arms(&lumen).await, arms(&umbra).await), (vec![], vec!["b".to_owned()]));
}

async fn hypotheses_are_noted_once_and_move(given: Given) {
    ready(&given).await;
    given.store.upsert_brand(&brand("umbra")).await.unwrap();
    let (lumen, umbra) = (lumen(), BrandId::new("umbra"));
    let (ours, theirs) = (given.store.brand(&lumen), given.store.brand(&umbra));
    let new = NewHypothesis {
        id: "h1",
        text: "Frame 2 asks too much",
        evidence: "exits 40 % (40 of 100)",
        pattern: Some("exits:2"),
        by: "mila",
    };
    assert!(ours.note_hypothesis(&new, at(1)).await.unwrap());
    assert!(!ours.note_hypothesis(&new, at(2)).await.unwrap(), "known by its id");
    let again = NewHypothesis { id: "h2", ..new };
    assert!(!ours.note_hypothesis(&again, at(2)).await.unwrap(), "known by what it came from");
    assert!(theirs.note_hypothesis(&again, at(2)).await.unwrap(), "another brand's is its own");
    let own = NewHypothesis { id: "h3", pattern: None, ..new };
    assert!(ours.note_hypothesis(&own, at(3)).await.unwrap());
    assert!(ours.note_hypothesis(&NewHypothesis { id: "h4", ..own }, at(4)).await.unwrap(), "of two without a pattern");
    let moved = ours.move_hypothesis("h1", HypothesisStatus::Testing, (Some("words"), None), at(5)).await;
    assert!(moved.unwrap());
    let decided = ours.move_hypothesis("h1", HypothesisStatus::Decided, (None, Some("It did not.")), at(6)).await;
    assert!(decided.unwrap());
    assert!(!theirs.move_hypothesis("h1", HypothesisStatus::Open, (None, None), at(7)).await.unwrap());
    let all = ours.hypotheses().await.unwrap();
    assert_eq!(all.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["h4", "h3", "h1"]);
    let first = &all[2];
    assert_eq!((first.status, first.created, first.changed), (HypothesisStatus::Decided, at(1), at(6)));
    assert_eq!((first.experiment.as_deref(), first.result.as_deref()), (Some("words"), Some("It did not.")));
}

async fn stories_are_labelled(given: Given) {
    ready(&given).await;
    given.store.upsert_brand(&brand("umbra")).await.unwrap();
    let (lumen, umbra) = (lumen(), BrandId::new("umbra"));
    let (ours, theirs) = (given.store.brand(&lumen), given.store.brand(&umbra));
    ours.label_story("s", Some("teaser"), "mila", at(1)).await.unwrap();
    theirs.label_story("s", Some("value"), "jo", at(1)).await.unwrap();
    ours.label_story("s", Some("cta"), "mila", at(2)).await.unwrap();
    assert_eq!(ours.story_labels().await.unwrap()["s"], "cta");
    ours.label_story("s", None, "mila", at(3)).await.unwrap();
    assert!(ours.story_labels().await.unwrap().is_empty());
    assert_eq!(theirs.story_labels().await.unwrap()["s"], "value");
}
