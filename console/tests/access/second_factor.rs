//! Second factors, with an app that does as RFC 6238 says.

use afterglow_domain::{BrandId, Timestamp};
use axum::http::StatusCode;
use totp_rs::{Builder, Secret, Totp};

use crate::{ADA, Answer, OWNER, Site, between};

/// Somebody's phone.
struct App(Totp);

impl App {
    fn code(&self, now: Timestamp) -> String {
        self.0.generate(u64::try_from(now.millis() / 1000).unwrap()).to_string()
    }
}

/// Signs Ada in by password and sets her second factor up; her session, her app and her recovery codes.
async fn set_up(site: &Site) -> (String, App, Vec<String>) {
    let session = site.password(ADA).await.cookie("afterglow_session").unwrap();
    let cookies = format!("afterglow_session={session}");
    let page = site.get(&cookies, "/me").await.text;
    assert!(page.contains("<svg class=\"qr\""), "an app can take it in");
    let typed = between(&page, "<code id=\"secret\">", "<").replace(' ', "");
    let app = App(Builder::new()
        .with_secret(Secret::try_from_base32(&typed).unwrap())
        .with_account_name(ADA)
        .build()
        .unwrap());
    let (csrf, offer) =
        (between(&page, "name=\"csrf\" value=\"", "\""), between(&page, "name=\"offer\" value=\"", "\""));
    let wrong = site.post(&cookies, "/me/second-factor", &format!("csrf={csrf}&do=on&offer={offer}&code=000000")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains(&between(&page, "<code id=\"secret\">", "<").to_owned()), "the same secret stays");
    assert!(!site.store.person(ADA).await.unwrap().unwrap().has_totp, "nothing is set up unless it works");
    let form = format!("csrf={csrf}&do=on&offer={offer}&code={}", app.code(site.now()));
    let done = site.post(&cookies, "/me/second-factor", &form).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    let list = between(&done.text, "<ul class=\"codes\">", "</ul>");
    let codes = list.split("<code>").skip(1).map(|part| part.split('<').next().unwrap().to_owned()).collect();
    (session, app, codes)
}

async fn show(site: &Site, step: &str, code: &str) -> Answer {
    site.post(&format!("afterglow_step={step}"), "/sign-in/second", &format!("code={code}")).await
}

#[tokio::test]
async fn nobody_comes_in_without_the_second_factor() {
    let site = Site::new(None).await;
    let (session, app, _) = set_up(&site).await;
    assert_eq!(site.get(&format!("afterglow_session={session}"), "/b/lumen").await.status, StatusCode::OK);
    let first = site.password(ADA).await;
    assert_eq!((first.location(), first.cookie("afterglow_session")), ("/sign-in/second", None));
    let step = first.cookie("afterglow_step").unwrap();
    let inside = site.get(&format!("afterglow_session={step}"), "/b/lumen").await;
    assert_eq!(inside.status, StatusCode::SEE_OTHER, "the step between opens nothing");
    // The code that set it up is seen by whoever looked over her shoulder.
    assert_eq!(show(&site, &step, &app.code(site.now())).await.status, StatusCode::UNAUTHORIZED, "used already");
    site.later(30_000);
    let code = app.code(site.now());
    assert_eq!(show(&site, "guessed", &code).await.status, StatusCode::UNAUTHORIZED);
    let second = show(&site, &step, &code).await;
    let session = second.cookie("afterglow_session").unwrap();
    assert_eq!(site.get(&format!("afterglow_session={session}"), "/b/lumen").await.status, StatusCode::OK);
    assert_eq!(site.deeds(ADA).await[0], ("sign_in".to_owned(), "with a second factor".to_owned()));
    let step = site.password(ADA).await.cookie("afterglow_step").unwrap();
    assert_eq!(show(&site, &step, &code).await.status, StatusCode::UNAUTHORIZED, "a code works once");
    site.later(11 * 60_000);
    let late = show(&site, &step, &app.code(site.now())).await;
    assert!(late.status == StatusCode::UNAUTHORIZED && late.text.contains("Too much time has passed"));
}

#[tokio::test]
async fn a_link_asks_for_the_second_factor_too() {
    let site = Site::new(None).await;
    set_up(&site).await;
    let token = afterglow_console::Token::new().unwrap();
    site.store.put_sign_in_link(&token.hash(), ADA, site.now().plus(60_000)).await.unwrap();
    let first = site.post("", &format!("/sign-in/link/{}", token.secret()), "").await;
    assert_eq!((first.location(), first.cookie("afterglow_session")), ("/sign-in/second", None));
}

#[tokio::test]
async fn guesses_are_few() {
    let site = Site::new(None).await;
    let (_, app, codes) = set_up(&site).await;
    site.later(30_000);
    let step = site.password(ADA).await.cookie("afterglow_step").unwrap();
    let good = app.code(site.now());
    let wrong = if good == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        assert_eq!(show(&site, &step, wrong).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(show(&site, &step, &good).await.status, StatusCode::TOO_MANY_REQUESTS, "not even the right one");
    assert_eq!(show(&site, &step, &codes[0]).await.status, StatusCode::TOO_MANY_REQUESTS, "nor a recovery code");
    let step = site.password(ADA).await.cookie("afterglow_step").unwrap();
    assert_eq!(show(&site, &step, &good).await.status, StatusCode::TOO_MANY_REQUESTS, "nor with the password anew");
    site.later(16 * 60_000);
    let step = site.password(ADA).await.cookie("afterglow_step").unwrap();
    assert!(show(&site, &step, &app.code(site.now())).await.cookie("afterglow_session").is_some());
}

#[tokio::test]
async fn a_recovery_code_works_once() {
    let site = Site::new(None).await;
    let (_, _, codes) = set_up(&site).await;
    assert_eq!(codes.len(), 10);
    let step = site.password(ADA).await.cookie("afterglow_step").unwrap();
    let sloppy = codes[3].replace('-', "+").to_uppercase();
    assert!(show(&site, &step, &sloppy).await.cookie("afterglow_session").is_some());
    assert_eq!(site.deeds(ADA).await[0].1, "with a recovery code");
    let step = site.password(ADA).await.cookie("afterglow_step").unwrap();
    assert_eq!(show(&site, &step, &codes[3]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(site.store.recovery_codes(ADA).await.unwrap(), 9);
}

#[tokio::test]
async fn it_is_taken_away_by_its_owner_with_a_code_or_by_an_owner() {
    let site = Site::new(None).await;
    let (session, app, _) = set_up(&site).await;
    let cookies = format!("afterglow_session={session}");
    let csrf = between(&site.get(&cookies, "/me").await.text, "name=\"csrf\" value=\"", "\"").to_owned();
    let off = async |code: &str| {
        site.post(&cookies, "/me/second-factor", &format!("csrf={csrf}&do=off&code={code}")).await.status
    };
    let has = async || site.store.person(ADA).await.unwrap().unwrap().has_totp;
    assert_eq!(off("").await, StatusCode::UNAUTHORIZED, "a session alone does not");
    assert!(has().await);
    site.later(30_000);
    assert_eq!(off(&app.code(site.now())).await, StatusCode::SEE_OTHER);
    assert!(!has().await);
    set_up(&site).await;
    let form = format!("csrf=the-csrf&person={ADA}&do=reset");
    assert_eq!(site.post(&cookies, "/people", &form).await.status, StatusCode::UNAUTHORIZED, "her session ended");
    assert!(has().await);
    assert_eq!(site.post("afterglow_session=owners", "/people", &form).await.status, StatusCode::SEE_OTHER);
    assert!(!has().await);
    assert_eq!(site.deeds(OWNER).await[0], ("people".to_owned(), format!("second factor of {ADA} taken away")));
    assert!(site.password(ADA).await.cookie("afterglow_session").is_some());
}

#[tokio::test]
async fn a_brand_may_ask_for_it() {
    let site = Site::new(None).await;
    let before = site.password(ADA).await.cookie("afterglow_session").unwrap();
    let lumen = BrandId::new("lumen");
    let owner = "afterglow_session=owners";
    let refused = site.post(owner, "/people", "csrf=the-csrf&do=ask&brand=lumen").await;
    assert!(refused.status == StatusCode::UNPROCESSABLE_ENTITY && refused.text.contains("lock yourself out"));
    site.store.brand(&lumen).ask_second_factor(true, OWNER, site.now()).await.unwrap();
    let page = site.get(&format!("afterglow_session={before}"), "/b/lumen").await;
    assert!(page.status == StatusCode::FORBIDDEN && page.text.contains("/me"), "and is told where to set one up");
    for path in ["/people", "/ops"] {
        assert_eq!(site.get(owner, path).await.status, StatusCode::FORBIDDEN, "{path} reaches into the brand");
    }
    let brands = site.get(owner, "/").await.text;
    assert!(brands.contains("LUMEN") && !brands.contains("Need a reply"), "nor are its figures shown");
    let (session, _, _) = set_up(&site).await;
    assert_eq!(site.get(&format!("afterglow_session={session}"), "/b/lumen").await.status, StatusCode::OK);
    let old = site.get(&format!("afterglow_session={before}"), "/b/lumen").await;
    assert_eq!(old.location(), "/sign-in", "a session from before is no way round it");
}
