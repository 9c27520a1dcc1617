//! What programs read with a token.

use afterglow_console::Token;
use afterglow_domain::BrandId;
use axum::body::Body as HttpBody;
use axum::http::{Request, StatusCode};

use crate::doors::routes;
use crate::site::{NOW, Site};

#[tokio::test]
async fn programs_read_one_brand_with_a_token() {
    let site = Site::new().await;
    let token = Token::new().unwrap();
    let lumen = BrandId::new("lumen");
    let made = afterglow_store::ApiToken {
        brand: lumen.clone(),
        name: "warehouse".into(),
        created: NOW,
        created_by: "ada".into(),
    };
    assert!(site.store.put_api_token(&token.hash(), &made).await.unwrap());
    assert!(!site.store.put_api_token(b"other", &made).await.unwrap(), "one of a name");
    let ask = async |path: &str, secret: &str| {
        let request =
            Request::get(path).header("Host", "afterglow.svc").header("Authorization", format!("Bearer {secret}"));
        let (status, text, headers) = site.ask(request.body(HttpBody::empty()).unwrap()).await;
        (status, serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default(), headers)
    };
    let base = "/v1/brands/lumen";
    let (status, page, _) = ask(&format!("{base}/viewers?limit=1"), token.secret()).await;
    assert_eq!((status, page["viewers"][0]["viewer"].as_str()), (StatusCode::OK, Some("mila")));
    let next = page["next"].as_str().unwrap();
    let (_, page, _) = ask(&format!("{base}/viewers?cursor={next}"), token.secret()).await;
    assert!(page["viewers"].as_array().unwrap().is_empty() && page["next"].is_null());
    let one = format!("{base}/viewers/account-of-lumen/mila");
    let (_, explained, _) = ask(&format!("{one}/explain"), token.secret()).await;
    let sum: f64 = explained["contributions"].as_array().unwrap().iter().map(|c| c["now"].as_f64().unwrap()).sum();
    assert!((sum + explained["rest"].as_f64().unwrap() - explained["score"].as_f64().unwrap()).abs() < 1e-6);
    for (path, secret, expected) in [
        (one.as_str(), "guessed", StatusCode::UNAUTHORIZED),
        (one.as_str(), "owner@example.org", StatusCode::UNAUTHORIZED), // a session is no token
        ("/v1/brands/umbra/viewers", token.secret(), StatusCode::NOT_FOUND),
        ("/v1/brands/lumen/viewers/account-of-umbra/jonas", token.secret(), StatusCode::NOT_FOUND),
        ("/v1/brands/lumen/viewers/account-of-umbra/jonas/explain", token.secret(), StatusCode::NOT_FOUND),
        ("/v1/brands/lumen/viewers?cursor=nonsense", token.secret(), StatusCode::BAD_REQUEST),
        ("/v1/brands/lumen/daily-log?date=yesterday", token.secret(), StatusCode::BAD_REQUEST),
        ("/v1/nowhere", token.secret(), StatusCode::NOT_FOUND),
    ] {
        let (status, problem, headers) = ask(path, secret).await;
        assert_eq!(status, expected, "{path}");
        assert_eq!(headers["content-type"], "application/problem+json", "{path}");
        assert!(problem["title"].is_string() && problem["status"] == status.as_u16());
    }
    let (umbra, foreign) = (Token::new().unwrap(), afterglow_store::ApiToken { brand: BrandId::new("umbra"), ..made });
    assert!(site.store.put_api_token(&umbra.hash(), &foreign).await.unwrap());
    let of_a_brand =
        routes(include_str!("../../src/api/mod.rs")).into_iter().filter(|(path, _)| path.contains("/lumen/"));
    let paths: Vec<String> = of_a_brand.map(|(path, _)| path).collect();
    assert!(paths.len() > 10 && paths.iter().all(|path| !path.contains('{')), "{paths:?}");
    for path in &paths {
        assert_eq!(ask(path, umbra.secret()).await.0, StatusCode::NOT_FOUND, "{path}: another brand's token");
        assert_eq!(ask(path, "guessed").await.0, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(ask(path, token.secret()).await.0, StatusCode::OK, "{path}");
    }
    let (_, others, _) = ask("/v1/brands/lumen/viewers/account-of-umbra/jonas/interactions", token.secret()).await;
    assert_eq!(others.as_array().map(Vec::len), Some(0), "another brand's words");
    site.store.brand(&lumen).revoke_api_token("warehouse").await.unwrap();
    assert_eq!(ask(&one, token.secret()).await.0, StatusCode::UNAUTHORIZED, "at once");
}

/// `schemas/openapi.json` is what the code says; `AFTERGLOW_BLESS=1` writes it.
#[test]
fn the_description_is_the_one_committed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/openapi.json");
    let current = serde_json::to_string_pretty(&afterglow_console::openapi()).unwrap() + "\n";
    if std::env::var_os("AFTERGLOW_BLESS").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), current, "run the test with AFTERGLOW_BLESS=1");
}
