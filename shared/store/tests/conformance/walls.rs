use afterglow_domain::{AccountId, BrandId, Control, ControlChange, DerivedId, Interaction, InteractionId};
use afterglow_store::{Overview, StoreError};

use crate::given::{
    Given, NOW, account, apply, brand, change, control, intent_for, judge, key, lumen, message, on_both, ready, terms,
    unless_told_to_stop,
};

on_both!(one_brand_cannot_see_another, one_brand_cannot_touch_another);

/// `lumen` has an interaction, a viewer, a decision and a consent; `umbra` has the same viewer id at its own account.
pub(crate) async fn two_brands(given: &Given) -> Interaction {
    ready(given).await;
    given.store.upsert_brand(&brand("umbra")).await.unwrap();
    given.store.upsert_account(&account("2", "umbra")).await.unwrap();
    let ours = message("1", 1);
    let theirs = Interaction {
        id: InteractionId::derive(&["message", "2", "mid"]),
        brand: BrandId::new("umbra"),
        account: AccountId::new("2"),
        ..ours.clone()
    };
    apply(&given.store, &[ours.clone(), theirs.clone()]).await;
    judge(&given.store, &intent_for(&ours), NOW).await;
    judge(&given.store, &intent_for(&theirs), NOW).await;
    given.store.record_consent(&change("1", afterglow_domain::ConsentState::OptedIn, 1), NOW).await.unwrap();
    ours
}

async fn one_brand_cannot_see_another(given: Given) {
    two_brands(&given).await;
    let (lumen, umbra, nobody) = (lumen(), BrandId::new("umbra"), BrandId::new("' OR 1=1 --"));
    let theirs = afterglow_domain::ViewerKey { account: AccountId::new("2"), viewer: key("1").viewer };
    for (brand, own, other) in [(&lumen, key("1"), theirs.clone()), (&umbra, theirs.clone(), key("1"))] {
        let scope = given.store.brand(brand);
        let triage = scope.triage(10).await.unwrap();
        assert!(triage.len() == 1 && triage[0].brand == *brand && triage[0].key == own);
        assert_eq!(scope.accounts().await.unwrap().len(), 1);
        let recent = scope.recent_decisions(10).await.unwrap();
        assert_eq!(recent.len(), 1);
        assert_eq!(scope.decisions_before(recent[0].seq + 1, 10).await.unwrap(), recent);
        assert!(scope.decisions_before(recent[0].seq, 10).await.unwrap().is_empty());
        assert_eq!(scope.decisions_before(i64::MAX, 10).await.unwrap(), recent, "another brand's are not among them");
        assert_eq!(scope.decisions_of(&other, 10).await.unwrap(), []);
        assert_eq!(scope.interactions(&other, 10).await.unwrap().len(), 0);
        assert!(scope.viewer(&other, 10).await.unwrap().is_none());
        let detail = scope.viewer(&own, 10).await.unwrap().unwrap();
        assert!(detail.interactions.iter().all(|interaction| interaction.brand == *brand));
        assert_eq!((detail.interactions.len(), detail.decisions.len()), (1, 1));
        let overview = scope.overview().await.unwrap();
        assert_eq!((overview.viewers[0].1, overview.intents[0].1, overview.sends[0].1), (1, 1, 1));
    }
    let scope = given.store.brand(&nobody);
    assert_eq!(scope.overview().await.unwrap(), Overview::default());
    assert!(scope.brand().await.unwrap().is_none() && scope.triage(10).await.unwrap().is_empty());
    assert!(scope.viewer(&key("1"), 10).await.unwrap().is_none());
    assert_eq!(given.store.totals().await.unwrap().all.viewers[0].1, 2);
}

async fn one_brand_cannot_touch_another(given: Given) {
    let ours = two_brands(&given).await;
    let umbra = BrandId::new("umbra");
    for viewer in ["1", "new"] {
        let handed = given
            .store
            .record_control(&ControlChange { brand: umbra.clone(), ..control(viewer, Control::Person, 1) }, NOW)
            .await;
        assert!(matches!(handed, Err(StoreError::OtherBrand { .. })), "{handed:?}");
        let forged = afterglow_domain::ConsentChange {
            brand: umbra.clone(),
            ..change(viewer, afterglow_domain::ConsentState::OptedOut, 9)
        };
        let recorded = given.store.record_consent(&forged, NOW).await;
        assert!(matches!(recorded, Err(StoreError::OtherBrand { .. })), "{recorded:?}");
    }
    let forged = afterglow_domain::Intent { brand: umbra, ..intent_for(&ours) };
    let judged = given.store.judge(&forged, terms(NOW), unless_told_to_stop).await;
    assert!(matches!(judged, Err(StoreError::OtherBrand { .. })), "{judged:?}");
}
