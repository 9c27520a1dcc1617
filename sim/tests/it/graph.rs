//! The Graph API over HTTP.

use std::time::Duration;

use afterglow_sim::{Fault, Faults, Sim};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::receiver::Receiver;
use crate::{client, get, messages_url, options, send, story_reply};

#[tokio::test]
async fn a_send_is_answered_recorded_and_echoed() {
    let sim = Sim::start(options()).await.unwrap();
    let account = sim.accounts()[0].clone();
    let (receiver, url) = Receiver::start([]).await;
    sim.set_webhook_url(&url);
    story_reply(&sim, &account, "p", "m1");

    let response = send(&sim, &account, "p", "send-1").await.unwrap();
    assert_eq!(response.status(), 200);
    let app: Value = serde_json::from_str(response.headers()["x-app-usage"].to_str().unwrap()).unwrap();
    assert_eq!(app["call_count"], 1);
    let business = response.headers()["x-business-use-case-usage"].to_str().unwrap().to_owned();
    assert!(business.contains(account.id.as_str()), "{business}");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["recipient_id"], "p");

    sim.wait_idle().await;
    let taken = receiver.taken();
    assert_eq!(taken.len(), 1);
    let echo: Value = serde_json::from_slice(&taken[0].0).unwrap();
    let item = &echo["entry"][0]["messaging"][0];
    assert_eq!(item["sender"]["id"], account.id.as_str());
    assert_eq!(item["recipient"]["id"], "p");
    assert_eq!(item["message"]["mid"], body["message_id"]);
    assert_eq!(item["message"]["is_echo"], true);
    assert_eq!(item["message"]["metadata"], "send-1");
    assert_eq!(item["message"]["app_id"].to_string(), account.app.id);
    assert_eq!(sim.echoes().events, 1);
    assert_eq!(taken[0].1, afterglow_sim::webhooks::signature(&account.app.secret, &taken[0].0));

    let ledger = get(&sim, &account, "/sim/ledger").await;
    assert_eq!(ledger["totals"]["accepted"], 1);
    assert_eq!(ledger["messages"][0]["metadata"], "send-1");
    assert_eq!(ledger["messages"][0]["outcome"]["outcome"], "accepted");
    assert_eq!(get(&sim, &account, "/sim/violations").await, json!([]));
    sim.stop().await;
}

#[tokio::test]
async fn errors_have_metas_envelope_and_violations_are_shown() {
    let sim = Sim::start(options()).await.unwrap();
    let account = sim.accounts()[0].clone();
    let response = send(&sim, &account, "stranger", "s").await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(response.headers().contains_key("x-app-usage"));
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["error"]["code"], &body["error"]["error_subcode"]), (&json!(100), &json!(2_534_014)));
    assert_eq!(body["error"]["type"], "OAuthException");
    let violations = get(&sim, &account, "/sim/violations").await;
    assert_eq!(violations[0]["violation"], "never_contacted");
    assert_eq!(violations[0]["person"], "stranger");

    for (path, code) in [("/v25.0/nothing/here/at/all", 2500), ("/latest/me", 2500), ("/v25.0/12345", 100)] {
        assert_eq!(get(&sim, &account, path).await["error"]["code"], code, "{path}");
    }
    let bare: Value = client().get(format!("{}/v25.0/me", sim.graph_url())).send().await.unwrap().json().await.unwrap();
    assert_eq!(bare["error"]["code"], 190);
}

#[tokio::test]
async fn the_token_may_come_in_the_query_and_me_is_its_account() {
    let sim = Sim::start(options()).await.unwrap();
    let account = sim.accounts()[1].clone();
    story_reply(&sim, &account, "p", "m1");
    let token = account.access_token.expose_secret();
    let response = client()
        .post(format!("{}/v25.0/me/messages?access_token={token}", sim.graph_url()))
        .json(&json!({"recipient": {"id": "p"}, "message": {"text": "hi"}}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let me = get(&sim, &account, "/v25.0/me?fields=user_id,username").await;
    assert_eq!(me, json!({"id": account.id, "user_id": account.id, "username": account.username}));
    assert_eq!(sim.ledger().messages[0].account, account.id.as_str());
}

#[tokio::test]
async fn conversations_are_read_back() {
    let sim = Sim::start(options()).await.unwrap();
    let account = sim.accounts()[0].clone();
    story_reply(&sim, &account, "p", "m1");
    let sent: Value = send(&sim, &account, "p", "s1").await.unwrap().json().await.unwrap();
    let path = format!(
        "/v25.0/{}/conversations?platform=instagram&user_id=p&fields=messages{{id,created_time,from,to,message}}",
        account.id
    );
    let list = get(&sim, &account, &path).await;
    let messages = list["data"][0]["messages"]["data"].as_array().unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0]["id"], sent["message_id"], "the newest first");
    assert_eq!(messages[0]["message"], "Thank you!");
    assert_eq!(messages[0]["from"]["id"], account.id.as_str());
    assert_eq!(messages[1]["created_time"], "2027-01-15T08:00:00+0000");
    let mid = sent["message_id"].as_str().unwrap();
    assert_eq!(get(&sim, &account, &format!("/v25.0/{mid}")).await["message"], "Thank you!");
    let other = sim.accounts()[1].clone();
    assert_eq!(get(&sim, &other, &format!("/v25.0/{mid}")).await["error"]["code"], 100, "brands are walls");
    let nobody = format!("/v25.0/{}/conversations?user_id=nobody", other.id);
    assert_eq!(get(&sim, &other, &nobody).await["data"], json!([]));
    let third = get(&sim, &account, &path).await;
    assert_eq!(third["error"]["code"], 613, "two reads a second");
    assert_eq!(sim.violations()[0].violation.name(), "over_rate");
}

#[tokio::test]
async fn subscriptions() {
    let sim = Sim::start(options()).await.unwrap();
    let account = sim.accounts()[0].clone();
    let path = format!("/v25.0/{}/subscribed_apps", account.id);
    let url = format!("{}{path}", sim.graph_url());
    let token = account.access_token.expose_secret();
    assert!(get(&sim, &account, &path).await["data"][0]["subscribed_fields"].as_array().unwrap().len() > 10);
    client().delete(&url).bearer_auth(token).send().await.unwrap().error_for_status().unwrap();
    assert_eq!(get(&sim, &account, &path).await["data"], json!([]));
    let wrong = client().post(format!("{url}?subscribed_fields=nonsense")).bearer_auth(token).send().await.unwrap();
    assert_eq!(wrong.status(), 400);
    let right = client().post(format!("{url}?subscribed_fields=messages,comments")).bearer_auth(token).send().await;
    assert_eq!(right.unwrap().json::<Value>().await.unwrap(), json!({"success": true}));
    let fields = get(&sim, &account, &path).await["data"][0]["subscribed_fields"].clone();
    assert_eq!(fields, json!(["comments", "messages"]));
}

/// Sends one message under one fault; says how the answer looked, and whether the message was delivered.
async fn under(fault: Fault) -> (String, bool) {
    let mut faults = Faults { hang_ms: 300, slow_ms: 50, ..Faults::default() };
    match fault {
        Fault::FalseFailure => faults.false_failure = 1.0,
        Fault::HangAfterAccepting => faults.hang_after_accepting = 1.0,
        Fault::ResetAfterAccepting => faults.reset_after_accepting = 1.0,
        Fault::HtmlBody => faults.html_body = 1.0,
        Fault::EmptyBody => faults.empty_body = 1.0,
        Fault::Unavailable => faults.unavailable = 1.0,
        Fault::ResetBeforeAccepting => faults.reset_before_accepting = 1.0,
        Fault::Slow => faults.slow = 1.0,
    }
    let sim = Sim::start(options()).await.unwrap();
    let account = sim.accounts()[0].clone();
    story_reply(&sim, &account, "p", "m1");
    let set = client().post(format!("{}/sim/faults", sim.graph_url())).json(&faults).send().await.unwrap();
    assert_eq!(set.status(), 200);
    let begun = std::time::Instant::now();
    let answer = match send(&sim, &account, "p", "s1").await {
        Err(error) => {
            assert!(!error.is_timeout(), "{error:?}");
            "broken".into()
        }
        Ok(response) => {
            let status = response.status();
            let text = response.text().await.unwrap();
            let shape = match serde_json::from_str::<Value>(&text) {
                Ok(body) if body["error"].is_object() => format!("error {}", body["error"]["code"]),
                Ok(_) => "json".into(),
                Err(_) if text.is_empty() => "empty".into(),
                Err(_) => "html".into(),
            };
            format!("{} {shape}", status.as_u16())
        }
    };
    let waited = begun.elapsed();
    match fault {
        Fault::Slow => assert!(waited >= Duration::from_millis(50)),
        Fault::HangAfterAccepting => assert!(waited >= Duration::from_millis(300)),
        _ => {}
    }
    let totals = sim.totals();
    assert_eq!(totals.faults[fault.as_str()], 1);
    assert_eq!(totals.not_reached, u64::from(fault.loses_request()));
    sim.stop().await;
    (answer, totals.accepted == 1)
}

#[tokio::test]
async fn faults_do_what_they_say() {
    for (fault, answer, delivered) in [
        (Fault::FalseFailure, "500 error 1", true),
        (Fault::HangAfterAccepting, "broken", true),
        (Fault::ResetAfterAccepting, "broken", true),
        (Fault::HtmlBody, "502 html", true),
        (Fault::EmptyBody, "200 empty", true),
        (Fault::Unavailable, "503 error 2", false),
        (Fault::ResetBeforeAccepting, "broken", false),
        (Fault::Slow, "200 json", true),
    ] {
        assert_eq!(under(fault).await, (answer.into(), delivered), "{fault:?}");
    }
}

#[tokio::test]
async fn faults_are_checked_and_echoes_can_be_lost() {
    let sim = Sim::start(options()).await.unwrap();
    let wrong = json!({"slow": 0.9, "html_body": 0.9});
    let answer = client().post(format!("{}/sim/faults", sim.graph_url())).json(&wrong).send().await.unwrap();
    assert_eq!(answer.status(), 422);
    sim.set_faults(Faults { echo_lost: 1.0, ..Faults::default() }).unwrap();
    let (receiver, url) = Receiver::start([]).await;
    sim.set_webhook_url(&url);
    let account = sim.accounts()[0].clone();
    story_reply(&sim, &account, "p", "m1");
    assert_eq!(send(&sim, &account, "p", "s1").await.unwrap().status(), 200);
    sim.wait_idle().await;
    assert!(receiver.taken().is_empty());
}

#[tokio::test]
async fn a_hundred_a_second_and_no_more() {
    let sim = Sim::start(options()).await.unwrap();
    let account = sim.accounts()[0].clone();
    let client = client();
    let sends: Vec<_> = (0..400)
        .map(|n| {
            story_reply(&sim, &account, &format!("p{n}"), &format!("m{n}"));
            let request = client
                .post(messages_url(&sim, &account))
                .bearer_auth(account.access_token.expose_secret())
                .json(&json!({"recipient": {"id": format!("p{n}")}, "message": {"text": "hi"}}));
            tokio::spawn(request.send())
        })
        .collect();
    for send in sends {
        send.await.unwrap().unwrap();
    }
    // However long the machine took, no second held more than a hundred.
    let mut times: Vec<i64> = Vec::new();
    for entry in sim.ledger().messages {
        if matches!(entry.outcome, afterglow_sim::world::Outcome::Accepted { .. }) {
            times.push(entry.started.millis());
        }
    }
    times.sort_unstable();
    assert!(times.len() >= 100);
    assert!(times.windows(101).all(|w| w[100] - w[0] >= 1000));
    assert_eq!(sim.totals().accepted + sim.totals().refused["613/2534040"], 400);
}
