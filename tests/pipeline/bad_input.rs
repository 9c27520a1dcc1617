//! Bad input gets a clear answer and loses nothing.

use afterglow_domain::DAY_MS;
use afterglow_meta::sign;
use serde_json::Value;

use crate::installation::{Installation, client, in_both_forms, now};
use crate::processes::run;

in_both_forms!(refused_or_kept, quarantine_is_replayed_once_it_can_be_understood);

const STORY_REPLY: &str = include_str!("../../shared/meta/tests/fixtures/meta-docs__ig-story-reply.json");
/// The account that the fixture names.
const ACCOUNT: &str = "17841405726653026";

async fn post(installation: &Installation, body: impl Into<Vec<u8>>, signature: Option<&str>) -> (u16, String) {
    let body = body.into();
    let secret = &installation.sim.accounts()[1].app.secret;
    let good = sign(secret, &body);
    let mut request = client().post(installation.webhook_url()).body(body);
    if let Some(signature) = signature {
        request = request.header("X-Hub-Signature-256", if signature == "good" { &good } else { signature });
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn refused_or_kept(installation: Installation) {
    let event = |text: &str| format!(r#"{{"object":"instagram","entry":[{text}]}}"#);
    let forged = format!("sha256={}", "0".repeat(64));
    let huge = vec![b' '; 5 * 1024 * 1024];
    for (body, signature, status, kept) in [
        (STORY_REPLY.as_bytes().to_vec(), None, 401, 0),
        (STORY_REPLY.as_bytes().to_vec(), Some(forged.as_str()), 403, 0),
        (STORY_REPLY.as_bytes().to_vec(), Some("sha1=00"), 403, 0),
        (b"not json".to_vec(), Some(forged.as_str()), 403, 0),
        (huge, Some("good"), 413, 0),
        (b"not json".to_vec(), Some("good"), 400, 1),
        (STORY_REPLY.as_bytes().to_vec(), Some("good"), 200, 1), // nobody's account
        (event(r#"{"id":"1","changes":[{"field":"new","value":{}}]}"#).into_bytes(), Some("good"), 200, 1),
        (br#"{"object":"whatsapp","entry":[{"id":"1"}]}"#.to_vec(), Some("good"), 200, 1),
        (b"[]".to_vec(), Some("good"), 200, 1),
    ] {
        let before = installation.totals().await.quarantined;
        let (answer, text) = post(&installation, body.clone(), signature).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(answer, status, "{shown}");
        assert!(text.is_empty() || status == 413, "no detail: {text}");
        let totals = installation.at_rest().await;
        assert_eq!(totals.quarantined - before, kept, "{shown}");
        assert_eq!(totals.accepted, 0);
    }
}

async fn quarantine_is_replayed_once_it_can_be_understood(mut installation: Installation) {
    // Too late for an answer, and too young for retention to take it away before that is judged.
    let days_ago = now().minus(2 * DAY_MS).millis().to_string();
    let sent = STORY_REPLY.replace("1569262485349", &days_ago).replace("1569262486134", &days_ago);
    assert_eq!(post(&installation, sent.clone(), Some("good")).await.0, 200);
    installation.at_rest().await;
    let environment = installation.environment.clone();
    let list = || {
        let output = run(&["quarantine", "list", "--json"], &environment, "");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let waiting = list();
    assert_eq!(waiting.len(), 1);
    assert_eq!(
        (waiting[0]["reason"].as_str(), waiting[0]["account"].as_str()),
        (Some("unknown_account"), Some(ACCOUNT))
    );
    let id = waiting[0]["id"].as_str().unwrap();
    let shown = run(&["quarantine", "show", id], &environment, "");
    let (shown, sent): (Value, Value) =
        (serde_json::from_slice(&shown.stdout).unwrap(), serde_json::from_str(&sent).unwrap());
    assert_eq!(shown["entry"][0]["messaging"], sent["entry"][0]["messaging"]);

    // The embedded bus belongs to one process.
    let embedded = installation.services() == ["all"];
    if embedded {
        assert!(installation.take("all").terminate().await.success());
    }
    let still = run(&["quarantine", "replay", id], &environment, "");
    assert_eq!(still.status.code(), Some(1), "still nobody's account");
    assert_eq!(list().len(), 1);
    let brand = installation.sim.accounts()[0].brand.clone();
    let added = run(&["account", "add", ACCOUNT, "--brand", brand.as_str(), "--without-token"], &environment, "");
    assert!(added.status.success());
    let replayed = run(&["quarantine", "replay", "--all"], &environment, "");
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    if embedded {
        installation.spawn("all");
        installation.ready().await;
    }
    let begun = std::time::Instant::now();
    while installation.totals().await.accepted < 1 {
        assert!(begun.elapsed() < crate::installation::PATIENCE, "{}", installation.logs());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let totals = installation.at_rest().await;
    assert_eq!((totals.accepted, totals.quarantined), (1, 0));
    assert!(list().is_empty());
    assert_eq!(installation.sim.totals().requests, 0, "an old reply is not answered");
}
