//! What others than Meta tell: openings of tracked links, and conversions. Neither causes a message.

use afterglow_domain::{BrandId, Kind, Source};
use afterglow_meta::sign;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::installation::{Installation, PATIENCE, in_both_forms, now};
use crate::processes::run;

in_both_forms!(
    links_and_conversions_count_once,
    a_stop_that_was_said_elsewhere_holds,
    a_note_of_a_crm_stands_in_the_log
);

const PHONE: &str =
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile Instagram 350.0";

#[expect(clippy::disallowed_methods, reason = "a plain client, as a stranger would use")]
fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// Posts as a shop's or CRM's system does: the status, and the answer.
async fn signed_post(url: &str, body: Value, secret: &str) -> (u16, Value) {
    let body = body.to_string();
    let signature = sign(&SecretString::from(secret), body.as_bytes());
    let request = client().post(url).header("X-Afterglow-Signature", signature);
    let answer = request.body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
}

async fn links_and_conversions_count_once(installation: Installation) {
    let account = installation.sim.accounts()[0].id.as_str().to_owned();
    let base = installation.webhook_url().replace("/webhooks/meta", "");
    let add = |target: &str, brand: &str| {
        let arguments =
            ["link", "add", target, "--brand", brand, "--account", &account, "--viewer", "4711", "--story", "s1"];
        run(&arguments, &installation.environment, "")
    };
    let made = add("https://shop.example/lamp?a=1", "brand-1");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let path = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    for (target, brand) in
        [("javascript:alert(1)", "brand-1"), ("https://x y", "brand-1"), ("https://shop.example", "brand-2")]
    {
        assert!(!add(target, brand).status.success(), "{target} {brand}");
    }

    let open = async |path: &str, agent: &str| {
        let answer = client().get(format!("{base}{path}")).header("User-Agent", agent).send().await.unwrap();
        let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), location)
    };
    let target = Some("https://shop.example/lamp?a=1".to_owned());
    // A link that was just made is looked for at most once a second.
    let begun = std::time::Instant::now();
    while open(&path, "facebookexternalhit/1.1").await.0 == 404 {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(open(&path, "facebookexternalhit/1.1").await, (302, target.clone()), "led on, and not counted");
    assert_eq!(open(&path, PHONE).await, (302, target));
    assert_eq!(open("/l/nothing?to=https://evil.example", PHONE).await, (404, None), "no open redirect");

    let code = path.trim_start_matches("/l/");
    let post = async |brand: &str, body: Value, secret: &str| {
        signed_post(&format!("{base}/v1/brands/{brand}/conversions"), body, secret).await
    };
    let sale =
        json!({ "external_id": "order-1", "goal": "purchase", "value_minor": 4900, "currency": "EUR", "link": code });
    let secret = "a secret of the shop's";
    let (status, first) = post("brand-1", sale.clone(), secret).await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(post("brand-1", sale.clone(), secret).await, (200, first), "the same, and counted once");
    for (brand, body, secret, status, says) in [
        ("brand-1", sale.clone(), "somebody else's", 403, "X-Afterglow-Signature"),
        ("brand-2", sale.clone(), secret, 403, "X-Afterglow-Signature"),
        ("brand-1", json!({ "external_id": "order-2" }), secret, 400, "missing field `goal`"),
        ("brand-1", json!({ "external_id": "order-2", "goal": "lead" }), secret, 422, "`link`"),
        ("brand-1", json!({ "external_id": "o", "goal": "lead", "link": "nothing" }), secret, 422, "no link"),
        ("brand-1", json!({ "external_id": "o", "goal": "lead", "account": "1" }), secret, 422, "no account"),
    ] {
        let (answer, problem) = post(brand, body, secret).await;
        assert!(answer == status && problem["detail"].as_str().unwrap().contains(says), "{answer} {problem}");
    }
    let begun = std::time::Instant::now();
    while installation.totals().await.accepted < 2 {
        assert!(begun.elapsed() < PATIENCE, "{}", installation.logs());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let totals = installation.at_rest().await;
    assert_eq!((totals.accepted, totals.duplicates), (2, 1));
    let brand = BrandId::new("brand-1");
    let all = installation.store.brand(&brand).interactions_between(now().minus(60_000), now().plus(1)).await.unwrap();
    let told: Vec<(Kind, Source, bool)> = all.iter().map(|i| (i.kind(), i.source, i.is_contact())).collect();
    assert!(told.contains(&(Kind::LinkClick, Source::Link, false)), "{told:?}");
    assert!(told.contains(&(Kind::Conversion, Source::Partner, false)), "{told:?}");
    assert!(
        all.iter().all(|i| i.viewer.as_ref().is_some_and(|viewer| viewer.as_str() == "4711")),
        "the link's own person"
    );
    assert_eq!(installation.sim.totals().requests, 0);
}

async fn a_stop_that_was_said_elsewhere_holds(installation: Installation) {
    let account = installation.sim.accounts()[0].id.as_str().to_owned();
    let base = installation.webhook_url().replace("/webhooks/meta", "");
    let post = async |body: Value, secret: &str| {
        signed_post(&format!("{base}/v1/brands/brand-1/consents"), body, secret).await
    };
    let secret = "a secret of the shop's";
    let said = json!({ "external_id": "crm-7", "account": account, "viewer": "4711", "state": "opted_out" });
    let (status, first) = post(said.clone(), secret).await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(post(said.clone(), secret).await, (200, first), "twice is once");
    let with = |name: &str, value: &str| {
        let mut body = said.clone();
        body[name] = json!(value);
        body
    };
    for (body, secret, status, says) in [
        (said.clone(), "somebody else's", 403, "X-Afterglow-Signature"),
        (with("state", "opted_in"), secret, 422, "START"),
        (with("account", "1"), secret, 422, "no account"),
        (with("viewer", ""), secret, 422, "viewer has 0 bytes"),
        (with("surprise", "x"), secret, 400, "unknown field"),
    ] {
        let (answer, problem) = post(body, secret).await;
        assert!(answer == status && problem["detail"].as_str().unwrap().contains(says), "{answer} {problem}");
    }
    let brand = BrandId::new("brand-1");
    let key = afterglow_domain::ViewerKey {
        account: afterglow_domain::AccountId::new(account),
        viewer: afterglow_domain::ViewerId::new("4711"),
    };
    let begun = std::time::Instant::now();
    while installation.store.brand(&brand).stops_of(&key).await.unwrap().len() != 1 {
        assert!(begun.elapsed() < PATIENCE, "{}", installation.logs());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn a_note_of_a_crm_stands_in_the_log(installation: Installation) {
    let account = installation.sim.accounts()[0].id.as_str().to_owned();
    let base = installation.webhook_url().replace("/webhooks/meta", "");
    let secret = "a secret of the shop's";
    let post =
        async |body: Value, secret: &str| signed_post(&format!("{base}/v1/brands/brand-1/notes"), body, secret).await;
    // Words that would be a stop, had the viewer said them.
    let said = json!({ "external_id": "n-1", "account": account, "viewer": "4712", "text": "stop", "author": "Mira" });
    let (status, first) = post(said.clone(), secret).await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(post(said.clone(), secret).await, (200, first), "twice is once");
    let with = |name: &str, value: &str| {
        let mut body = said.clone();
        body[name] = json!(value);
        body
    };
    for (body, secret, status, says) in [
        (said.clone(), "somebody else's", 403, "X-Afterglow-Signature"),
        (with("account", "1"), secret, 422, "no account"),
        (with("text", ""), secret, 422, "text has 0 bytes"),
        (with("occurred", "yesterday"), secret, 422, "expected a time"),
        (with("surprise", "x"), secret, 400, "unknown field"),
    ] {
        let (answer, problem) = post(body, secret).await;
        assert!(answer == status && problem["detail"].as_str().unwrap().contains(says), "{answer} {problem}");
    }
    let begun = std::time::Instant::now();
    while installation.totals().await.accepted < 1 {
        assert!(begun.elapsed() < PATIENCE, "{}", installation.logs());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    installation.at_rest().await;
    let brand = BrandId::new("brand-1");
    let scoped = installation.store.brand(&brand);
    let all = scoped.interactions_between(now().minus(60_000), now().plus(1)).await.unwrap();
    let [note] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((note.kind(), note.source, note.is_contact()), (Kind::Note, Source::Partner, false));
    let key = note.viewer_key().unwrap();
    assert!(scoped.stops_of(&key).await.unwrap().is_empty(), "a note is nobody's stop");
}
