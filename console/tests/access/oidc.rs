//! Signing in at an identity provider that is strict, and at one that lies.

use std::time::Duration;

use afterglow_console::{Oidc, OidcError, OidcOptions};
use axum::http::StatusCode;

use crate::provider::{BACK, Fault, Provider, Subject};
use crate::{ADA, Answer, OWNER, Site};

/// What the browser holds when the provider has sent it back: its cookie, and the path with its query.
async fn away(site: &Site) -> (String, String) {
    let begun = site.get("", "/sign-in/oidc").await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
    let kept = begun.cookie("afterglow_oidc").unwrap();
    let http = afterglow_runtime::http_client(Duration::from_secs(5)).unwrap();
    let answer = http.get(begun.location()).send().await.unwrap();
    assert_eq!(answer.status(), 303, "the provider takes what it is asked");
    let back = answer.headers()["location"].to_str().unwrap().to_owned();
    (format!("afterglow_oidc={kept}"), back.strip_prefix("http://localhost").unwrap().to_owned())
}

async fn through(site: &Site) -> Answer {
    let (cookies, path) = away(site).await;
    site.get(&cookies, &path).await
}

fn options(provider: &Provider, create: bool) -> OidcOptions {
    OidcOptions { create, ..provider.options() }
}

#[tokio::test]
async fn a_verified_address_is_its_person_and_the_subject_from_then_on() {
    let provider = Provider::start().await;
    let site = Site::new(Some(provider.options())).await;
    assert!(site.get("", "/sign-in").await.text.contains("Sign in with Example"));
    let (cookies, path) = away(&site).await;
    let answer = site.get(&cookies, &path).await;
    assert_eq!(answer.status, StatusCode::OK, "{} {:?}", answer.text, provider.refused());
    assert_eq!(answer.headers["refresh"], "0; url=/", "a strict cookie is not shown after a foreign redirect");
    let session = answer.cookie("afterglow_session").unwrap();
    assert_eq!(site.get(&format!("afterglow_session={session}"), "/b/lumen").await.status, StatusCode::OK);
    assert_eq!(site.deeds(ADA).await[0].0, "sign_in_by_oidc");
    let again = site.get(&cookies, &path).await;
    assert!(again.status == StatusCode::UNAUTHORIZED && again.cookie("afterglow_session").is_none(), "once");
    provider.is(Subject { id: "s-1", email: "married@example.org", verified: true });
    assert!(through(&site).await.cookie("afterglow_session").is_some(), "an address may change");
    provider.is(Subject { id: "s-2", email: ADA, verified: true });
    assert_eq!(through(&site).await.status, StatusCode::FORBIDDEN, "an address may be given to somebody else");
}

#[tokio::test]
async fn who_is_not_known_or_not_verified_does_not_come_in() {
    let provider = Provider::start().await;
    let site = Site::new(Some(provider.options())).await;
    for (email, verified) in [(ADA, false), ("stranger@example.org", true), ("", true), (OWNER, false)] {
        provider.is(Subject { id: "s-9", email, verified });
        let answer = through(&site).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{email} {verified}");
        assert!(answer.cookie("afterglow_session").is_none());
    }
    assert!(site.store.person("stranger@example.org").await.unwrap().is_none(), "nobody is made by coming");
    site.store.disable_person(ADA, Some(site.now())).await.unwrap();
    provider.is(Subject { id: "s-1", email: ADA, verified: true });
    assert!(
        through(&site).await.cookie("afterglow_session").is_none(),
        "who may not come in does not, this way either"
    );
}

#[tokio::test]
async fn where_it_is_wished_a_stranger_becomes_a_person_who_may_nothing() {
    let provider = Provider::start().await;
    let site = Site::new(Some(options(&provider, true))).await;
    provider.is(Subject { id: "s-3", email: "Stranger@example.org", verified: true });
    let session = through(&site).await.cookie("afterglow_session").unwrap();
    let cookies = format!("afterglow_session={session}");
    assert_eq!(site.get(&cookies, "/b/lumen").await.status, StatusCode::NOT_FOUND);
    assert!(!site.get(&cookies, "/").await.text.contains("LUMEN"));
    assert!(site.store.person("stranger@example.org").await.unwrap().unwrap().roles.is_empty());
}

#[tokio::test]
async fn what_the_provider_says_wrong_is_refused() {
    let provider = Provider::start().await;
    let site = Site::new(Some(provider.options())).await;
    for fault in [
        Fault::OtherNonce,
        Fault::NoNonce,
        Fault::OtherKey,
        Fault::Unsigned,
        Fault::SignedBySecret,
        Fault::Expired,
        Fault::OtherAudience,
        Fault::OtherIssuer,
        Fault::NoToken,
    ] {
        provider.lies(fault);
        let answer = through(&site).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{fault:?}");
        assert!(answer.cookie("afterglow_session").is_none() && answer.cookie("afterglow_step").is_none(), "{fault:?}");
    }
    provider.lies(Fault::None);
    assert!(through(&site).await.cookie("afterglow_session").is_some(), "and what is right is taken");
    assert!(provider.refused().is_empty(), "the client did nothing wrong: {:?}", provider.refused());
}

#[tokio::test]
async fn nobody_ends_what_another_browser_began() {
    let provider = Provider::start().await;
    let site = Site::new(Some(provider.options())).await;
    let (cookies, path) = away(&site).await;
    // An attacker's own answer, in a victim's browser; the code is not used up on the way.
    for stranger in ["", "afterglow_oidc=guessed"] {
        let (_, theirs) = away(&site).await;
        assert_eq!(site.get(stranger, &theirs).await.status, StatusCode::UNAUTHORIZED);
    }
    let mixed = path.replace("iss=http", "iss=https");
    let (others, elsewhere) = away(&site).await;
    assert_ne!(elsewhere, path);
    assert_eq!(site.get(&others, &elsewhere.replace("iss=http", "iss=https")).await.status, StatusCode::UNAUTHORIZED);
    assert_ne!(mixed, path);
    assert!(site.get(&cookies, &path).await.cookie("afterglow_session").is_some());
    let (cookies, path) = away(&site).await;
    site.later(11 * 60_000);
    assert_eq!(site.get(&cookies, &path).await.status, StatusCode::UNAUTHORIZED, "too long ago");
    let (cookies, path) = away(&site).await;
    let state = path.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let denied = site.get(&cookies, &format!("/sign-in/oidc/back?error=access_denied&state={state}")).await;
    assert!(denied.status == StatusCode::UNAUTHORIZED && denied.text.contains("did not let you in"));
}

#[tokio::test]
async fn a_code_is_worth_nothing_without_its_verifier() {
    let provider = Provider::start().await;
    let site = Site::new(Some(provider.options())).await;
    let (_, theirs) = away(&site).await;
    let (cookies, mine) = away(&site).await;
    let code = |path: &str| path.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let injected = mine.replace(&code(&mine), &code(&theirs));
    assert_eq!(site.get(&cookies, &injected).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(provider.refused(), ["PKCE"]);
}

#[tokio::test]
async fn a_second_factor_is_asked_for_here_too() {
    let provider = Provider::start().await;
    let site = Site::new(Some(provider.options())).await;
    site.store.put_second_factor(ADA, b"sealed", 1, &[], b"none").await.unwrap();
    let answer = through(&site).await;
    assert!(answer.cookie("afterglow_session").is_none() && answer.cookie("afterglow_step").is_some());
    assert_eq!(answer.headers["refresh"], "0; url=/sign-in/second");
}

#[tokio::test]
async fn a_provider_is_encrypted_and_answers_or_is_said_not_to() {
    let provider = Provider::start().await;
    let clock: afterglow_domain::Clock = std::sync::Arc::new(|| crate::NOW);
    let of = |issuer: &str| {
        Oidc::new(OidcOptions { issuer: issuer.into(), ..provider.options() }, std::sync::Arc::clone(&clock))
    };
    assert!(matches!(of("http://id.example").err(), Some(OidcError::NotEncrypted)));
    assert!(matches!(of("nonsense").err(), Some(OidcError::Address(..))));
    let said = Oidc::new(provider.options(), std::sync::Arc::clone(&clock)).unwrap().check().await.unwrap();
    assert!(said.contains("1 keys") && said.contains(BACK), "{said}");
    let away = OidcOptions { issuer: "http://127.0.0.1:9".into(), ..provider.options() };
    assert!(matches!(Oidc::new(away.clone(), clock).unwrap().check().await, Err(OidcError::Discovery(_))));
    let site = Site::new(Some(away)).await;
    let answer = site.get("", "/sign-in/oidc").await;
    assert!(answer.status == StatusCode::BAD_GATEWAY && !answer.text.contains("s3cret"));
    assert_eq!(Site::new(None).await.get("", "/sign-in/oidc").await.status, StatusCode::NOT_FOUND);
}
