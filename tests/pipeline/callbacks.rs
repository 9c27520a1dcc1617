//! Meta tells that somebody removed the app, or wants their data deleted.

use afterglow_meta::sign_request;
use afterglow_sim::Pace;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, client, get, in_both_forms};
use crate::processes::run;

in_both_forms!(whoever_leaves_is_let_go);

async fn whoever_leaves_is_let_go(installation: Installation) {
    let base = installation.webhook_url().replace("/webhooks/meta", "");
    let (webhooks, never) = (installation.webhook_url(), CancellationToken::new());
    let account = installation.sim.accounts()[0].clone();
    let secret = &account.app.secret;
    let post = async |path: &str, signed: String| {
        let form = [("signed_request", signed)];
        client().post(format!("{base}{path}")).form(&form).send().await.unwrap()
    };
    let payload = |user: &str| json!({ "algorithm": "HMAC-SHA256", "issued_at": 1, "user_id": user }).to_string();

    let plan = installation.plan(41, 80);
    installation.sim.run_traffic(&webhooks, plan, Pace::Fast, &never).await;
    installation.at_rest().await;
    let brand = installation.store.brand(&account.brand);
    let person = brand.triage(1).await.unwrap().remove(0).key;

    let forged = sign_request(&secrecy::SecretString::from("somebody else's"), &payload(person.viewer.as_str()));
    assert_eq!(post("/meta/data-deletion", forged).await.status().as_u16(), 403);
    let answer = post("/meta/data-deletion", sign_request(secret, &payload(person.viewer.as_str()))).await;
    assert_eq!(answer.status().as_u16(), 200);
    let answer: Value = answer.json().await.unwrap();
    let code = answer["confirmation_code"].as_str().unwrap();
    assert!(answer["url"].as_str().unwrap().ends_with(&format!("/meta/data-deletion/{code}")), "{answer}");
    assert!(brand.viewer(&person, 1).await.unwrap().is_none(), "forgotten");
    let (status, page) = get(&format!("{base}/meta/data-deletion/{code}")).await.unwrap();
    assert!(status == 200 && page.contains("Your data was deleted") && !page.contains(person.viewer.as_str()));
    assert_eq!(get(&format!("{base}/meta/data-deletion/nothing")).await.unwrap().0, 404);

    let rotated = run(&["keys", "rotate"], &installation.environment, "");
    assert!(String::from_utf8(rotated.stdout).unwrap().starts_with("2 secrets sealed anew, 0 could"));
    let left = post("/meta/deauthorize", sign_request(secret, &payload(account.id.as_str()))).await;
    assert_eq!(left.status().as_u16(), 200);
    let listed = run(&["account", "list"], &installation.environment, "");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let ours: Value = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .find(|line: &Value| line["id"] == account.id.as_str())
        .unwrap();
    assert!(ours["has_token"] == false && ours["paused"].as_str().unwrap().contains("connect it again"), "{ours}");

    // It receives on, and sends nothing: what would be said waits for a person.
    let before = (installation.totals().await.accepted, installation.sim.totals().requests);
    let plan: Vec<_> = installation
        .plan(42, 60)
        .into_iter()
        .filter(|w| w.outgoing.facts.iter().all(|f| f.account == account.id))
        .collect();
    installation.sim.run_traffic(&webhooks, plan, Pace::Fast, &never).await;
    let totals = installation.at_rest().await;
    assert!(totals.accepted > before.0);
    let held = totals.all.intents.iter().any(|(status, n)| status.as_str() == "held" && *n > 0);
    assert!(held, "{totals:?}");
}
