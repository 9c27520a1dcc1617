//! A process that is stopped in its tracks keeps what it was given, until its connection ends.

use std::time::Instant;

use afterglow_domain::{ConsentState, ViewerId, ViewerKey};

use crate::deeds::{post_all, stop, story_reply};
use crate::installation::{Installation, PATIENCE, in_production_form};
use crate::processes::signal;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_recorded_though_who_would_record_it_is_frozen() {
    in_production_form(case).await;
}

async fn case(installation: Installation) {
    let account = installation.sim.accounts()[0].clone();
    let people: Vec<String> = (100..110).map(|n: u32| n.to_string()).collect();
    signal(installation.pid("responder"), "STOP");
    // It is given them all, and does nothing.
    post_all(&installation, people.iter().map(|person| stop(&account, person)).collect()).await;
    let scope = installation.store.brand(&account.brand);
    let begun = Instant::now();
    for person in &people {
        let key = ViewerKey { account: account.id.clone(), viewer: ViewerId::new(person.as_str()) };
        loop {
            let viewer = scope.viewer(&key, 1).await.unwrap();
            if viewer.is_some_and(|viewer| viewer.consent.state() == Some(ConsentState::OptedOut)) {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{person}: a stop waits\n{}", installation.logs());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    signal(installation.pid("responder"), "CONT");
    let again = people.iter().map(|person| story_reply(&account, person, "Lovely!")).collect();
    post_all(&installation, again).await;
    installation.at_rest().await;
    assert!(installation.sim.violations().is_empty(), "{:?}", installation.sim.violations());
    assert_eq!(installation.unconfirmed(), 0, "each is told that it was heard, once");
}
