//! The simulator through real sockets.
#![expect(clippy::unwrap_used, reason = "a test may panic, its helpers outside of `#[test]` too")]

mod graph;
mod receiver;
mod traffic;

use std::sync::Arc;
use std::time::{Duration, Instant};

use afterglow_domain::{Timestamp, ViewerId};
use afterglow_sim::account::{Account, Layout, accounts};
use afterglow_sim::webhooks::{PosterOptions, RetrySchedule};
use afterglow_sim::world::{Answer, Fact, What};
use afterglow_sim::{Sim, SimOptions, TimeSource};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Real time, counted from a fixed moment: the tests ask no wall clock.
fn clock() -> TimeSource {
    let begun = Instant::now();
    Arc::new(move || START.plus(i64::try_from(begun.elapsed().as_millis()).unwrap()))
}

fn options() -> SimOptions {
    let mut options = SimOptions::new(accounts(Layout { brands: 2, ..Layout::default() }, 1), clock());
    options.poster = PosterOptions {
        concurrency: 8,
        timeout: Duration::from_secs(5),
        retry: RetrySchedule { pauses: vec![Duration::from_millis(1); 20], factor: 1.0 },
    };
    options
}

#[expect(clippy::disallowed_methods, reason = "a plain client, as a stranger would use")]
fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap()
}

/// A Story reply that was delivered and acknowledged.
fn story_reply(sim: &Sim, account: &Account, person: &str, key: &str) {
    let fact = Fact {
        account: account.id.clone(),
        person: ViewerId::new(person),
        key: key.into(),
        at: START,
        what: What::StoryReply { text: "Love this!".into(), answer: Answer::Due },
    };
    sim.with_world(|world| {
        world.tell(std::slice::from_ref(&fact), START);
        world.acknowledge(&[fact], START);
    });
}

fn messages_url(sim: &Sim, account: &Account) -> String {
    format!("{}/v25.0/{}/messages", sim.graph_url(), account.id)
}

async fn send(sim: &Sim, account: &Account, person: &str, metadata: &str) -> reqwest::Result<reqwest::Response> {
    client()
        .post(messages_url(sim, account))
        .bearer_auth(account.access_token.expose_secret())
        .json(&json!({"recipient": {"id": person}, "message": {"text": "Thank you!", "metadata": metadata}}))
        .send()
        .await
}

async fn get(sim: &Sim, account: &Account, path: &str) -> Value {
    let url = format!("{}{path}", sim.graph_url());
    let response = client().get(url).bearer_auth(account.access_token.expose_secret()).send().await.unwrap();
    response.json().await.unwrap()
}
