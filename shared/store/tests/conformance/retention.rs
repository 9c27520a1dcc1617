use afterglow_domain::{DAY_MS, Interaction, ViewerKey};
use afterglow_store::{ForgetKey, Kept, Store};
use secrecy::SecretString;
use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use crate::given::{Given, NOW, apply, at, intent_for, judge, key, lumen, message, on_both, ready};

on_both!(
    fragments_are_unreadable_without_their_key,
    each_kind_of_data_goes_when_its_time_is_over,
    idle_people_go_as_a_whole
);

fn keyed(store: &Store) -> Store {
    store.clone().with_forget_key(ForgetKey::new(SecretString::from("sixteen bytes or more")).unwrap())
}

/// A message with what Meta sent of it.
fn told(viewer: &str, n: i64) -> Interaction {
    let mut told = message(viewer, n);
    told.raw = Some(RawValue::from_string(format!(r#"{{"text":"{viewer}/{n}"}}"#)).unwrap());
    told
}

/// What a backup's restore does, and what a thief sees: SQL past the store.
async fn sql(given: &Given, text: &str) {
    if given.url.starts_with("postgres") {
        let mut connection = PgConnection::connect(&given.url).await.unwrap();
        sqlx::query(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = SqliteConnection::connect(&given.url).await.unwrap();
        sqlx::query(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    }
}

async fn fragments_of(store: &Store, viewer: &ViewerKey) -> Vec<Option<String>> {
    let interactions = store.brand(&lumen()).interactions(viewer, 10).await.unwrap();
    interactions.into_iter().map(|interaction| interaction.raw.map(|raw| raw.get().to_owned())).collect()
}

async fn fragments_are_unreadable_without_their_key(given: Given) {
    ready(&given).await;
    let store = keyed(&given.store);
    apply(&store, &[told("1", 1), told("1", 2), told("2", 1)]).await;
    let readable = fragments_of(&store, &key("1")).await;
    assert!(readable.len() == 2 && readable.iter().all(Option::is_some), "{readable:?}");
    sql(&given, "CREATE TABLE backup AS SELECT * FROM interaction").await;
    store.forget(&lumen(), &key("1"), "code", NOW).await.unwrap();
    sql(&given, "INSERT INTO interaction SELECT * FROM backup WHERE id NOT IN (SELECT id FROM interaction)").await;
    assert_eq!(fragments_of(&store, &key("1")).await, [None, None], "restored, and unreadable");
    assert!(fragments_of(&store, &key("2")).await[0].is_some(), "nobody else");
    // Who comes back has a key of their own, which opens nothing of before.
    let mut later = told("1", 3);
    (later.occurred, later.received) = (at(10), at(11));
    apply(&store, &[later]).await;
    let fragments = fragments_of(&store, &key("1")).await;
    assert_eq!(fragments.iter().filter(|fragment| fragment.is_some()).count(), 1, "{fragments:?}");
}

async fn each_kind_of_data_goes_when_its_time_is_over(given: Given) {
    ready(&given).await;
    let store = given.store.clone();
    let (mut old, mut young) = (told("1", 1), told("1", 2));
    (old.occurred, young.occurred) = (at(-40 * DAY_MS), at(-DAY_MS));
    apply(&store, &[old.clone(), young]).await;
    let judged = judge(&store, &intent_for(&old), NOW).await;
    assert!(matches!(judged, afterglow_store::Judged::Decided(_) | afterglow_store::Judged::Reserved(_)));
    let expire = async |kind, days: i64| {
        let mut rows = 0;
        for _ in 0..10_000 {
            match store.expire(&lumen(), kind, at(-days * DAY_MS), DAY_MS).await.unwrap() {
                Some(gone) => rows += gone,
                None => return rows,
            }
        }
        panic!("it never ends");
    };
    assert_eq!(expire(Kept::Fragments, 30).await, 1);
    let left = fragments_of(&store, &key("1")).await;
    assert_eq!(left.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false], "the interaction itself stays");
    assert_eq!(expire(Kept::Fragments, 30).await, 0);
    // What comes late and is too old goes all the same.
    let mut late = told("1", 3);
    late.occurred = at(-31 * DAY_MS);
    apply(&store, &[late]).await;
    assert_eq!(expire(Kept::Fragments, 29).await, 1);
    assert_eq!(expire(Kept::StoryFigures, 0).await, 0, "messages are no figures");
    assert_eq!(store.brand(&lumen()).interactions(&key("1"), 10).await.unwrap().len(), 3);
}

async fn idle_people_go_as_a_whole(given: Given) {
    ready(&given).await;
    let store = keyed(&given.store);
    let (mut idle, mut busy) = (told("1", 1), told("2", 1));
    (idle.occurred, busy.occurred) = (at(-800 * DAY_MS), at(-DAY_MS));
    apply(&store, &[idle.clone(), busy]).await;
    assert_eq!(store.idle_viewers(&lumen(), at(-730 * DAY_MS), 10).await.unwrap(), [key("1")]);
    assert!(store.remove_idle(&lumen(), &key("1"), NOW).await.unwrap() >= 2);
    assert!(store.idle_viewers(&lumen(), at(-730 * DAY_MS), 10).await.unwrap().is_empty());
    assert!(store.brand(&lumen()).viewer(&key("1"), 1).await.unwrap().is_none());
    assert!(store.brand(&lumen()).viewer(&key("2"), 1).await.unwrap().is_some());
    assert_eq!(apply(&store, &[idle]).await.accepted, 0, "a replay does not bring them back");
}
