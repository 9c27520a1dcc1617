//! Who comes in, from where, to whose pages, and what they may.

use afterglow_console::Token;
use afterglow_domain::{AccountId, BrandId, ViewerId};
use axum::body::Body as HttpBody;
use axum::http::{Request, StatusCode};

use crate::site::{AGENT, NOW, Site, VIEWER};

#[tokio::test]
async fn brands_are_walls() {
    let site = Site::new().await;
    let home = site.page("/").await;
    assert!(home.contains("LUMEN") && home.contains("UMBRA"), "the operator of the whole sees all brands");
    let lumen = site.page("/b/lumen?show=hot").await;
    assert!(lumen.contains("mila") && !lumen.contains("jonas") && !lumen.contains("UMBRA"));
    for path in ["/b/umbra/v/account-of-lumen/mila", "/b/lumen/v/account-of-umbra/jonas", "/b/nobody", "/nowhere"] {
        assert_eq!(site.get(path, "localhost").await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn nobody_reads_it_from_elsewhere() {
    let site = Site::new().await;
    let (status, text, headers) = site.get("/b/lumen", "evil.example:8080").await;
    assert!(status == StatusCode::FORBIDDEN && !text.contains("mila"));
    assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let (_, _, headers) = site.get("/", "127.0.0.1:8080").await;
    assert_eq!(headers["cache-control"], "no-store");
    for name in
        ["content-security-policy", "x-content-type-options", "referrer-policy", "x-frame-options", "cache-control"]
    {
        assert!(headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn nobody_comes_in_without_a_session() {
    let site = Site::new().await;
    for who in ["", "nobody", "AGENT@example.org"] {
        let (status, text, headers) = site.get_as(who, "/b/lumen", "localhost").await;
        assert_eq!((status, headers["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, "/sign-in"));
        assert!(!text.contains("mila"));
    }
    let (status, _, _) = site.post_as("nobody", &format!("{VIEWER}/reply"), "text=hi&csrf=").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

/// The routes in a source text, with what they take: `get`, `post`.
pub(crate) fn routes(source: &str) -> Vec<(String, &str)> {
    let values = [
        ("{brand}", "lumen"),
        ("{account}", "account-of-lumen"),
        ("{viewer}", "mila"),
        ("{intent}", "00000000-0000-8000-8000-000000000000"),
        ("{interaction}", "00000000-0000-8000-8000-000000000000"),
        ("{id}", "00000000-0000-8000-8000-000000000000"),
        ("{version}", "1"),
        ("{lane}", "interactions"),
    ];
    let parts = source.split(".route(\"").skip(1).filter_map(|part| part.split_once("\", "));
    let filled = |path: &str| values.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
    parts.map(|(path, rest)| (filled(path), rest.lines().next().unwrap_or_default())).collect()
}

/// Every route of a brand, with another brand's session: none of them is there.
#[tokio::test]
async fn brands_are_walls_on_every_route() {
    let site = Site::new().await;
    let walled = |path: &str| ["/b/", "/ops", "/people"].iter().any(|beginning| path.starts_with(beginning));
    let routes: Vec<_> =
        routes(include_str!("../../src/lib.rs")).into_iter().filter(|(path, _)| walled(path)).collect();
    assert!(routes.len() > 30, "{routes:?}");
    for (path, takes) in &routes {
        assert!(!path.contains('{'), "{path}: give it a value");
        if takes.contains("get(") {
            let (status, text, _) = site.get_as("other@example.org", path, "localhost").await;
            assert!(status == StatusCode::NOT_FOUND && !text.contains("mila"), "{path}: {status}");
        }
        if takes.contains("post(") {
            let form = "csrf=the-csrf-token&text=hi&form=1&viewer=account-of-lumen/mila&label=vip&do=on&reason=why";
            let (status, _, _) = site.post_as("other@example.org", path, form).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        }
    }
    // By one's own brand's address one does not reach another's viewer either.
    let (status, _, _) = site
        .post_as("other@example.org", "/b/umbra/v/account-of-lumen/mila/reply", "csrf=the-csrf-token&text=hi&form=1")
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let lumen = BrandId::new("lumen");
    assert!(site.store.brand(&lumen).audit(9).await.unwrap().is_empty(), "nothing was done");
}

#[tokio::test]
async fn a_form_from_elsewhere_does_nothing() {
    let site = Site::new().await;
    let path = format!("{VIEWER}/take-over");
    assert_eq!(site.post_as(AGENT, &path, "").await.0, StatusCode::CONFLICT);
    assert_eq!(site.post_as(AGENT, &path, "csrf=guessed").await.0, StatusCode::CONFLICT);
    let request = Request::post(&path).header("Host", "localhost").header("Sec-Fetch-Site", "cross-site");
    let request = request.header("Cookie", format!("afterglow_session={AGENT}"));
    let (status, _, _) = site.ask(request.body(HttpBody::from("csrf=the-csrf-token")).unwrap()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (lumen, key) = (
        BrandId::new("lumen"),
        afterglow_domain::ViewerKey { account: AccountId::new("account-of-lumen"), viewer: ViewerId::new("mila") },
    );
    assert!(!site.store.brand(&lumen).viewer(&key, 9).await.unwrap().unwrap().handed_over);
    assert_eq!(site.post_as(AGENT, &path, "csrf=the-csrf-token").await.0, StatusCode::SEE_OTHER);
    assert!(site.store.brand(&lumen).viewer(&key, 9).await.unwrap().unwrap().handed_over);
}

#[tokio::test]
async fn roles_bound_what_one_may() {
    let site = Site::new().await;
    let form = "csrf=the-csrf-token&text=hello&form=1&reason=why&do=on&document=x";
    for (who, path, expected) in [
        ("analyst@example.org", format!("{VIEWER}/reply"), StatusCode::FORBIDDEN),
        ("analyst@example.org", "/b/lumen/switches".into(), StatusCode::FORBIDDEN),
        (AGENT, "/b/lumen/switches".into(), StatusCode::FORBIDDEN),
        (AGENT, "/b/lumen/rules".into(), StatusCode::FORBIDDEN),
        (AGENT, "/people".into(), StatusCode::NOT_FOUND),
        (AGENT, format!("{VIEWER}/reply"), StatusCode::SEE_OTHER),
        ("owner@example.org", "/b/lumen/switches".into(), StatusCode::SEE_OTHER),
    ] {
        assert_eq!(site.post_as(who, &path, form).await.0, expected, "{who} {path}");
    }
    let (_, page, _) = site.get_as("analyst@example.org", VIEWER, "localhost").await;
    assert!(page.contains("mila") && !page.contains("/reply"), "who only looks is shown no form");
}

#[tokio::test]
async fn one_signs_in_by_a_password_or_a_link_once() {
    let site = Site::new().await;
    let hash = afterglow_console::hash_password("correct horse battery").unwrap();
    site.store.set_password(AGENT, &hash).await.unwrap();
    let (status, page, _) = site.post_as("", "/sign-in", "person=agent@example.org&password=wrong").await;
    assert!(status == StatusCode::UNAUTHORIZED && page.contains("value=\"agent@example.org\""));
    let (status, _, headers) =
        site.post_as("", "/sign-in", "person=Agent@example.org&password=correct+horse+battery").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let cookie = headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
    let secret = cookie.split(['=', ';']).nth(1).unwrap();
    assert_eq!(site.get_as(secret, "/b/lumen", "localhost").await.0, StatusCode::OK);
    for _ in 0..5 {
        site.post_as("", "/sign-in", "person=agent@example.org&password=wrong").await;
    }
    let (status, _, _) = site.post_as("", "/sign-in", "person=agent@example.org&password=correct+horse+battery").await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "not even the right one");
    let token = Token::new().unwrap();
    site.store.put_sign_in_link(&token.hash(), AGENT, NOW.plus(1)).await.unwrap();
    let path = format!("/sign-in/link/{}", token.secret());
    assert_eq!(site.get_as("", &path, "localhost").await.0, StatusCode::OK, "looking uses nothing up");
    assert_eq!(site.post_as("", &path, "").await.0, StatusCode::SEE_OTHER);
    assert_eq!(site.post_as("", &path, "").await.0, StatusCode::UNAUTHORIZED);
}
