use std::collections::BTreeMap;

use afterglow_domain::{AccountId, BrandId, ConsentState, Interaction};
use afterglow_store::{ForgetKey, SendOutcome, Start, Store, StoreError, StoreOptions};
use secrecy::SecretString;
use serde_json::Value;

use crate::given::{
    ACCOUNT, Given, LEASE_MS, NOW, account, apply, brand, change, intent_for, key, lumen, message, on_both, ready,
    reserve,
};
use crate::given::{terms, unless_told_to_stop};

on_both!(a_brand_moves_whole, half_a_row_or_anothers_is_refused, a_brand_goes_with_all_but_its_stops);

fn forgetting() -> ForgetKey {
    ForgetKey::new(SecretString::from("a key for these tests")).unwrap()
}

/// Viewers with all that can be kept of them, and another brand that has nothing to do with it.
async fn filled(given: &Given) -> Store {
    ready(given).await;
    let store = given.store.clone().with_forget_key(forgetting());
    store.upsert_brand(&brand("other")).await.unwrap();
    store.upsert_account(&account("17841400000000002", "other")).await.unwrap();
    for n in 0..25 {
        let viewer = format!("v{n:02}");
        let mut said = message(&viewer, n);
        said.raw = Some(serde_json::value::RawValue::from_string(format!("{{\"n\":{n}}}")).unwrap());
        apply(&store, &[said.clone(), message(&viewer, n + 100)]).await;
        let reservation = reserve(&store, &intent_for(&said), NOW).await;
        assert_eq!(store.start_send(&reservation, NOW, LEASE_MS).await.unwrap(), Start::Go);
        let sent = SendOutcome::Sent { message_id: format!("m{n}") };
        store.finish_send(reservation.send, &sent, NOW).await.unwrap();
    }
    store.record_consent(&change("v03", ConsentState::OptedOut, 1), NOW).await.unwrap();
    store.forget(&lumen(), &key("v04"), "a receipt", NOW).await.unwrap();
    store
}

async fn exported(store: &Store) -> BTreeMap<&'static str, Vec<Value>> {
    let mut all = BTreeMap::new();
    for table in Store::carried_tables() {
        let rows: &mut Vec<Value> = all.entry(table).or_default();
        loop {
            // Pages of seven: the way from one to the next is tried as well.
            let page = store.export_rows(&lumen(), table, rows.last(), 7).await.unwrap();
            if page.is_empty() {
                break;
            }
            rows.extend(page);
        }
    }
    all
}

/// Without what each installation numbers by itself.
fn unnumbered(mut all: BTreeMap<&'static str, Vec<Value>>) -> BTreeMap<&'static str, Vec<Value>> {
    for row in all.values_mut().flatten() {
        row.as_object_mut().unwrap().remove("seq");
        // A truth is a number in one engine, and a whole number has a point in the other.
        for value in row.as_object_mut().unwrap().values_mut() {
            match value {
                Value::Bool(truth) => *value = f64::from(u8::from(*truth)).into(),
                Value::Number(number) => *value = number.as_f64().unwrap().into(),
                Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => {}
            }
        }
    }
    all
}

async fn a_brand_moves_whole(given: Given) {
    let store = filled(&given).await;
    let all = exported(&store).await;
    let rows: usize = all.values().map(Vec::len).sum();
    assert_eq!(u64::try_from(rows).unwrap(), store.count_rows_of(&lumen()).await.unwrap());
    assert_eq!((all["viewer"].len(), all["interaction"].len(), all["send"].len()), (24, 48, 24));
    assert!(all["account"][0]["token_sealed"].is_null(), "a token stays where it was sealed");

    // Into SQLite, whichever engine it came from.
    let folder = tempfile::tempdir().unwrap();
    let there = Store::open(None, folder.path(), StoreOptions::default()).await.unwrap().with_forget_key(forgetting());
    there.migrate().await.unwrap();
    for round in 0..2 {
        let mut new = 0;
        for table in Store::carried_tables() {
            for page in all[table].chunks(5) {
                new += there.import_rows(&lumen(), table, page).await.unwrap();
            }
        }
        assert_eq!(new, if round == 0 { rows as u64 } else { 0 }, "twice is once");
    }
    there.import_forgotten(&store.export_forgotten("", 9).await.unwrap()).await.unwrap();
    assert_eq!(unnumbered(exported(&there).await), unnumbered(all));
    assert_eq!(there.forgetting_fingerprint(), store.forgetting_fingerprint());

    let lumen = lumen();
    let (here, moved) = (store.brand(&lumen), there.brand(&lumen));
    for viewer in ["v00", "v03", "v24"] {
        let [before, after] =
            [here.viewer(&key(viewer), 99).await.unwrap(), moved.viewer(&key(viewer), 99).await.unwrap()];
        let [before, after] = [before.unwrap(), after.unwrap()];
        assert_eq!((after.row, after.consent), (before.row, before.consent));
        let log = |all: &[Interaction]| all.iter().map(|i| i.to_cloudevent().unwrap()).collect::<Vec<_>>();
        assert_eq!(
            log(&after.interactions),
            log(&before.interactions),
            "with Meta's fragments, which open under the viewer's key"
        );
    }
    assert!(moved.viewer(&key("v04"), 9).await.unwrap().is_none());
    assert_eq!(apply(&there, &[message("v04", 1)]).await.accepted, 0, "who was forgotten stays so");
    let paused = there.account(&AccountId::new(ACCOUNT)).await.unwrap().unwrap().paused_reason.unwrap();
    assert!(paused.contains("connect it again"), "{paused}");
}

async fn half_a_row_or_anothers_is_refused(given: Given) {
    let store = filled(&given).await;
    let all = exported(&store).await;
    let mut strange = all["viewer"][0].clone();
    strange["unheard_of"] = 1.into();
    let mut anothers = all["viewer"][0].clone();
    anothers["brand"] = "other".into();
    let mut stolen = all["account"][0].clone();
    stolen["id"] = "17841400000000002".into();
    for (table, row) in [("viewer", strange), ("viewer", anothers), ("session", all["brand"][0].clone())] {
        let refused = store.import_rows(&lumen(), table, &[row]).await.unwrap_err();
        assert!(matches!(refused, StoreError::Codec { .. }), "{refused:?}");
    }
    let refused = store.import_rows(&lumen(), "account", &[stolen]).await.unwrap_err();
    assert!(matches!(refused, StoreError::OtherBrand { .. }), "{refused:?}");
}

async fn a_brand_goes_with_all_but_its_stops(given: Given) {
    let store = filled(&given).await;
    let last = store.remember_stops(&lumen(), None, NOW, 10).await.unwrap();
    assert_eq!(last, Some(key("v03")));
    assert_eq!(store.remember_stops(&lumen(), last.as_ref(), NOW, 10).await.unwrap(), None);
    let (mut removed, mut steps) = (0, 0);
    loop {
        let more = store.remove_rows_of(&lumen(), 20).await.unwrap();
        if more == 0 {
            break;
        }
        (removed, steps) = (removed + more, steps + 1);
    }
    assert!(removed > 200 && steps > 10, "{removed} rows in {steps} steps");
    assert_eq!(store.count_rows_of(&lumen()).await.unwrap(), 0);
    assert!(store.brand(&BrandId::new("other")).brand().await.unwrap().is_some(), "another brand is as it was");

    // The day the brand comes back.
    store.upsert_brand(&brand("lumen")).await.unwrap();
    store.upsert_account(&account(ACCOUNT, "lumen")).await.unwrap();
    let mut again = message("v03", 900);
    again.occurred = NOW.plus(1_000);
    apply(&store, std::slice::from_ref(&again)).await;
    let intent = intent_for(&again);
    let judged = store.judge(&intent, terms(NOW.plus(2_000)), unless_told_to_stop).await.unwrap();
    assert!(
        matches!(&judged, afterglow_store::Judged::Decided(d) if d.verdict == afterglow_domain::Verdict::Drop),
        "{judged:?}"
    );
}
