//! Keys and app secrets are replaced while traffic runs: nothing is lost, and what was sealed or signed with the former ones is
//! needed no more.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use afterglow_meta::sign;
use afterglow_sim::Pace;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, PATIENCE, client, in_both_forms};
use crate::processes::run;

in_both_forms!(keys_are_replaced_under_load, app_secrets_are_replaced_under_load);

fn afterglow(installation: &Installation, arguments: &[&str]) -> (Option<i32>, String) {
    let output = tokio::task::block_in_place(|| run(arguments, &installation.environment, ""));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), text)
}

fn done(installation: &Installation, arguments: &[&str]) -> String {
    let (code, text) = afterglow(installation, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {text}");
    text.trim().to_owned()
}

/// Gives all services other settings, one service after the other, as an operator rolls them out.
async fn roll(installation: &mut Installation, name: &str, value: &str) {
    installation.environment.retain(|(known, _)| known != name);
    installation.environment.push((name.into(), value.into()));
    for service in installation.services() {
        assert!(installation.take(service).terminate().await.success());
        installation.spawn(service);
        installation.ready().await;
    }
}

/// Posts a plan while something else happens; how many webhooks were never taken.
fn traffic(installation: &Installation, seed: u64) -> tokio::task::JoinHandle<u64> {
    let (sim, url, plan) = (installation.sim.clone(), installation.webhook_url(), installation.plan(seed, 300));
    tokio::spawn(async move {
        let report = sim.run_traffic(&url, plan, Pace::Fast, &CancellationToken::new()).await;
        report.not_accepted
    })
}

/// A consumer that keeps which posts bear a good signature of `secret`, and how many bear none.
async fn consumer(secret: Arc<Mutex<String>>) -> (String, Arc<Mutex<(u64, u64)>>) {
    let counts = Arc::new(Mutex::new((0, 0)));
    let kept = Arc::clone(&counts);
    let take = move |headers: HeaderMap, body: Bytes| {
        let good = standardwebhooks::Webhook::new(&secret.lock().unwrap()).unwrap().verify(&body, &headers).is_ok();
        let mut counts = kept.lock().unwrap();
        *if good { &mut counts.0 } else { &mut counts.1 } += 1;
        std::future::ready(StatusCode::OK)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(take))).await });
    (url, counts)
}

async fn keys_are_replaced_under_load(mut installation: Installation) {
    const RING: &str = "AFTERGLOW_KEYS__RING";
    for (name, value) in [
        ("AFTERGLOW_FEED__ALLOWED_NETWORKS", "127.0.0.0/8"),
        ("AFTERGLOW_FEED__PLAIN_HTTP", "true"),
        ("AFTERGLOW_FEED__POLL_MS", "50"),
    ] {
        installation.environment.push((name.into(), value.into()));
    }
    let file = || std::fs::read_to_string(installation.data_dir().join("keys")).unwrap().trim().to_owned();
    let given = installation.environment.iter().find(|(name, _)| name == RING);
    let old = given.map_or_else(file, |(_, ring)| ring.clone());
    let new = done(&installation, &["keys", "generate", "--name", "newer"]);
    let embedded = installation.services() == ["all"];
    roll(&mut installation, RING, &old).await; // and the feed's settings
    if !embedded {
        installation.spawn("crm");
        installation.ready().await;
    }
    let brand = installation.sim.accounts()[0].brand.clone();
    let secret = Arc::new(Mutex::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned()));
    let (url, counts) = consumer(Arc::clone(&secret)).await;
    let of = ["crm", "--brand", brand.as_str()];
    done(&installation, &[&["feed", "endpoint", "add"], &of[..], &["--url", &url, "--per-minute", "600000"]].concat());
    // A secret that is being replaced: two are sealed now.
    *secret.lock().unwrap() = done(&installation, &[&["feed", "endpoint", "rotate-secret"], &of[..]].concat());

    // With the new key alone nothing opens yet, and the command says so, and breaks nothing.
    let ring = std::mem::replace(
        &mut installation.environment.iter_mut().find(|(name, _)| name == RING).unwrap().1,
        new.clone(),
    );
    let (code, text) = afterglow(&installation, &["keys", "rotate"]);
    assert!(code == Some(1) && text.contains("0 secrets sealed anew, 4 could not be opened"), "{text}");
    installation.environment.iter_mut().find(|(name, _)| name == RING).unwrap().1 = ring;

    let load = traffic(&installation, 91);
    roll(&mut installation, RING, &format!("{new},{old}")).await;
    let rotated = done(&installation, &["keys", "rotate"]);
    assert!(
        rotated.contains("4 secrets sealed anew, 0 could not be opened"),
        "two tokens, two of an endpoint: {rotated}"
    );
    roll(&mut installation, RING, &new).await;
    assert_eq!(load.await.unwrap(), 0, "every webhook was taken");
    installation.at_rest().await;
    let before = (installation.sim.totals().requests, counts.lock().unwrap().0);

    // The old key is in nobody's hands, and everything goes on.
    assert_eq!(traffic(&installation, 92).await.unwrap(), 0);
    installation.at_rest().await;
    let begun = Instant::now();
    while counts.lock().unwrap().0 <= before.1
        || installation.store.brand(&brand).feed_waiting("crm").await.unwrap().0 > 0
    {
        assert!(begun.elapsed() < PATIENCE, "nothing is delivered\n{}", installation.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(installation.sim.totals().requests > before.0, "tokens are opened, and messages go out");
    let (good, bad) = *counts.lock().unwrap();
    assert!(good > 0 && bad == 0, "{good} signed as told, {bad} not");
    assert_eq!(installation.unanswered().len(), 0);
    assert_eq!(installation.unconfirmed(), 0);
    installation.sim.with_world(|world| assert!(world.violations().is_empty(), "{:?}", world.violations()));
    // Raw fragments are sealed with keys of their viewers', which the ring has nothing to do with.
    let store = &installation.store;
    let (scoped, always) = (store.brand(&brand), afterglow_domain::Timestamp::from_millis(0));
    let happened = scoped.interactions_between(always, crate::installation::now()).await.unwrap();
    let raw = happened.iter().filter(|one| one.raw.is_some()).count();
    assert!(raw > 0, "none of {} fragments is readable", happened.len());
    assert!(done(&installation, &["keys", "rotate"]).contains("4 secrets sealed anew, 0 could"), "it can be repeated");
}

async fn app_secrets_are_replaced_under_load(mut installation: Installation) {
    const SECRETS: &str = "AFTERGLOW_META__APP_SECRETS";
    let old = installation.environment.iter().find(|(name, _)| name == SECRETS).unwrap().1.clone();
    let new = "the secret after the reset 0123456789";
    let body = r#"{"object":"instagram","entry":[]}"#;
    let post = async |installation: &Installation, secret: &str| {
        let signature = sign(&SecretString::from(secret), body.as_bytes());
        let request = client().post(installation.webhook_url()).header("x-hub-signature-256", signature).body(body);
        request.send().await.unwrap().status().as_u16()
    };
    let of_old = old.split(',').next().unwrap().to_owned();
    assert_eq!((post(&installation, &of_old).await, post(&installation, new).await), (200, 403));
    // Both are given before the reset; Meta signs with the old one until then, and with the new one from then on.
    let load = traffic(&installation, 93);
    roll(&mut installation, SECRETS, &format!("{new},{old}")).await;
    assert_eq!((post(&installation, &of_old).await, post(&installation, new).await), (200, 200));
    assert_eq!(load.await.unwrap(), 0, "what is signed with the old one is taken meanwhile");
    let totals = installation.at_rest().await;
    assert!(totals.accepted > 0);
    roll(&mut installation, SECRETS, new).await;
    assert_eq!((post(&installation, &of_old).await, post(&installation, new).await), (403, 200));
    assert_eq!(installation.at_rest().await.accepted, totals.accepted);
}
