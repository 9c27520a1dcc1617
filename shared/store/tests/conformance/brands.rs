use afterglow_domain::{AccountId, BrandId};
use afterglow_store::{Account, Brand, SealedToken, StoreError};

use crate::given::{ACCOUNT, Given, NOW, account, at, brand, on_both, ready};

on_both!(brands_and_accounts_are_changed_in_place, an_account_pauses_with_its_first_reason, what_is_refused_is_named);

async fn brands_and_accounts_are_changed_in_place(given: Given) {
    ready(&given).await;
    let mut settings = brand("lumen").settings;
    settings.sla.hot_minutes = 5;
    let changed = Brand { name: "Lumen".into(), settings, created: at(5), ..brand("lumen") };
    given.store.upsert_brand(&changed).await.unwrap();
    assert_eq!(given.store.brands().await.unwrap(), [Brand { created: NOW, ..changed }]);

    let id = AccountId::new(ACCOUNT);
    let before = given.store.account(&id).await.unwrap().unwrap();
    assert_eq!(before, account(ACCOUNT, "lumen"));
    given.store.upsert_account(&Account { token_sealed: None, username: None, ..before.clone() }).await.unwrap();
    assert_eq!(given.store.account(&id).await.unwrap().unwrap(), before, "a missing token does not delete the old one");
    let renewed = Account { token_sealed: Some(SealedToken(vec![9])), ..before };
    given.store.upsert_account(&renewed).await.unwrap();
    assert_eq!(given.store.accounts().await.unwrap(), std::slice::from_ref(&renewed));
    assert!(!format!("{renewed:?}").contains('9') || !format!("{:?}", renewed.token_sealed).contains('9'));
    assert_eq!(given.store.account(&AccountId::new("nobody")).await.unwrap(), None);
    let lumen = BrandId::new("lumen");
    assert_eq!(given.store.brand(&lumen).brand().await.unwrap().unwrap().name, "Lumen");
}

async fn an_account_pauses_with_its_first_reason(given: Given) {
    ready(&given).await;
    let id = AccountId::new(ACCOUNT);
    assert!(given.store.pause_account(&id, "restricted by Meta", NOW).await.unwrap());
    assert!(given.store.pause_account(&id, "second thought", NOW).await.unwrap());
    given.store.upsert_account(&account(ACCOUNT, "lumen")).await.unwrap();
    let paused = given.store.account(&id).await.unwrap().unwrap().paused_reason;
    assert_eq!(paused.as_deref(), Some("restricted by Meta"));
    assert!(given.store.resume_account(&id).await.unwrap());
    assert_eq!(given.store.account(&id).await.unwrap().unwrap().paused_reason, None);
    assert!(!given.store.pause_account(&AccountId::new("nobody"), "x", NOW).await.unwrap());
}

async fn what_is_refused_is_named(given: Given) {
    ready(&given).await;
    let orphan = given.store.upsert_account(&account("9", "no-such-brand")).await.unwrap_err();
    assert!(matches!(orphan, StoreError::Constraint { .. }), "{orphan:?}");
    assert!(!orphan.is_retryable());
    given.store.upsert_brand(&brand("other")).await.unwrap();
    let moved = given.store.upsert_account(&account(ACCOUNT, "other")).await.unwrap_err();
    assert!(matches!(&moved, StoreError::OtherBrand { account } if account == ACCOUNT), "{moved:?}");
}
