//! An account is connected by its owner's consent, its token is refreshed in time, and one that is taken back stops sends
//! and names the mend.

use std::time::{Duration, Instant};

use afterglow_domain::{AccountId, DAY_MS, Timestamp};
use afterglow_sim::account::Login;
use afterglow_store::Account;
use secrecy::ExposeSecret as _;

use crate::installation::{Installation, PATIENCE, client, in_both_forms, now};
use crate::processes::run;

in_both_forms!(owners_connect_their_accounts, tokens_are_kept_alive_and_a_dead_one_says_so);

/// Restarts the installation with apps, and says where its endpoint is.
async fn with_apps(installation: &mut Installation) {
    let ingest = if installation.services() == ["all"] { "all" } else { "ingest" };
    let url = "http://callback.example".to_owned(); // nobody follows it: the test plays the browser
    for (login, name) in [(Login::Instagram, "INSTAGRAM"), (Login::Facebook, "FACEBOOK")] {
        let app = installation.sim.accounts().iter().find(|account| account.login == login).unwrap().app.clone();
        installation.environment.push((format!("AFTERGLOW_META__{name}_APP_ID"), app.id.clone()));
        let secret = app.secret.expose_secret().to_owned();
        installation.environment.push((format!("AFTERGLOW_META__{name}_APP_SECRET"), secret));
    }
    installation.environment.push(("AFTERGLOW_INGEST__PUBLIC_URL".into(), url));
    installation.environment.push(("AFTERGLOW_INGEST__TOKENS_MS".into(), "100".into()));
    assert!(installation.take(ingest).terminate().await.success());
    installation.spawn(ingest);
    installation.ready().await;
}

/// Follows the link as the owner's browser does; gives the status and the page.
async fn agree(installation: &Installation, brand: &str, login: &str, choice: &str) -> (u16, String, String) {
    let made = run(&["account", "connect", "--brand", brand, "--login", login], &installation.environment, "");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let link = String::from_utf8(made.stdout).unwrap();
    let browser = afterglow_runtime::http_client(PATIENCE).unwrap(); // one that shows redirects
    let sent = browser.get(format!("{}{choice}", link.trim())).send().await.unwrap();
    assert_eq!(sent.status().as_u16(), 303, "{link}");
    let back = sent.headers()["location"].to_str().unwrap().to_owned();
    let back = back.split('#').next().unwrap().to_owned();
    let (status, page) = open(installation, &back).await;
    (status, page, back)
}

async fn open(installation: &Installation, back: &str) -> (u16, String) {
    let endpoint = installation.webhook_url().replace("/webhooks/meta", "");
    let answer = client().get(back.replace("http://callback.example", &endpoint)).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn stored(installation: &Installation, id: &AccountId) -> Account {
    installation.store.account(id).await.unwrap().unwrap()
}

/// Waits until the account is as it should be.
async fn until(installation: &Installation, id: &AccountId, what: &str, good: impl Fn(&Account) -> bool) {
    let begun = Instant::now();
    while !good(&stored(installation, id).await) {
        assert!(begun.elapsed() < PATIENCE, "{what}\n{}", installation.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn owners_connect_their_accounts(mut installation: Installation) {
    with_apps(&mut installation).await;
    for login in [Login::Instagram, Login::Facebook] {
        let account = installation.sim.accounts().iter().find(|account| account.login == login).unwrap().clone();
        let name = if login == Login::Instagram { "instagram" } else { "facebook" };
        let choice = format!("&sim_account={}", account.id);
        let before = stored(&installation, &account.id).await;

        let (status, page, back) = agree(&installation, account.brand.as_str(), name, &choice).await;
        assert_eq!(status, 200, "{page}\n{}", installation.logs());
        assert!(page.contains(&account.username), "{page}");
        let after = stored(&installation, &account.id).await;
        assert_ne!(before.token_sealed, after.token_sealed, "a token of its own");
        let lives = after.token_expires.map(|expires| expires.since(now()));
        match login {
            Login::Instagram => assert!(lives.is_some_and(|ms| ms > 59 * DAY_MS && ms <= 60 * DAY_MS), "{lives:?}"),
            Login::Facebook => assert_eq!(lives, None, "a Page's token names no end"),
        }
        // Neither the state nor the code works twice; nothing changes.
        let (status, page) = open(&installation, &back).await;
        assert_eq!((status, page.contains("was used")), (400, true), "{page}");
        assert_eq!(stored(&installation, &account.id).await.token_sealed, after.token_sealed);
        // The owner says no.
        let (status, page, _) = agree(&installation, account.brand.as_str(), name, "&sim_deny=1").await;
        assert_eq!((status, page.contains("denied")), (400, true), "{page}");
    }
    // Nobody gets another brand's account by connecting it.
    let accounts = installation.sim.accounts().to_vec();
    let other = accounts.iter().find(|account| account.brand != accounts[0].brand).unwrap();
    let (name, choice) = ("instagram", format!("&sim_account={}", accounts[0].id));
    let before = stored(&installation, &accounts[0].id).await;
    let (status, page, _) = agree(&installation, other.brand.as_str(), name, &choice).await;
    assert_eq!((status, page.contains("another brand")), (409, true), "{page}");
    assert_eq!(stored(&installation, &accounts[0].id).await, before);
    let (status, _) = open(&installation, "http://callback.example/connect/callback?code=x&state=guessed").await;
    assert_eq!(status, 400);
    assert!(!installation.logs().contains(accounts[0].app.secret.expose_secret()), "secrets stay out of logs");
    assert!(installation.sim.violations().is_empty(), "{:?}", installation.sim.violations());
}

async fn tokens_are_kept_alive_and_a_dead_one_says_so(mut installation: Installation) {
    with_apps(&mut installation).await;
    let account = installation.sim.accounts()[0].clone();
    let choice = format!("&sim_account={}", account.id);
    let (status, page, _) = agree(&installation, account.brand.as_str(), "instagram", &choice).await;
    assert_eq!(status, 200, "{page}");
    // 40 days later.
    let connected = stored(&installation, &account.id).await;
    installation.sim.with_world(|world| world.age_tokens(&account.id, 40 * DAY_MS));
    let expires = connected.token_expires.map(|expires| expires.minus(40 * DAY_MS));
    let aged = Account { token_expires: expires, ..connected.clone() };
    installation.store.connect_account(&aged, now()).await.unwrap();
    until(&installation, &account.id, "a token that is half through its time is refreshed", |stored| {
        stored.token_sealed != connected.token_sealed && stored.token_expires > expires.map(later)
    })
    .await;
    // Its owner takes it back: nothing is sent, and the reason names the mend.
    installation.sim.with_world(|world| world.revoke_tokens(&account.id));
    until(&installation, &account.id, "a dead token pauses its account", |stored| {
        let reason = stored.paused_reason.clone().unwrap_or_default();
        reason.contains("190/460") && reason.contains("afterglow account connect --brand")
    })
    .await;
    let (status, page, _) = agree(&installation, account.brand.as_str(), "instagram", &choice).await;
    assert_eq!(status, 200, "{page}");
    assert_eq!(stored(&installation, &account.id).await.paused_reason, None, "a new token is the mend");
    assert!(installation.sim.violations().is_empty(), "{:?}", installation.sim.violations());
}

fn later(at: Timestamp) -> Timestamp {
    at.plus(30 * DAY_MS)
}
