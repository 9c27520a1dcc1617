//! kill -9 of each process in turn, in mid-load: nothing is lost, nothing is sent twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use afterglow_domain::{BrandId, Reason, ViewerId};
use afterglow_sim::Pace;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, in_both_forms};

in_both_forms!(whoever_is_killed_nobody_is_lost_and_nobody_hears_twice);

async fn whoever_is_killed_nobody_is_lost_and_nobody_hears_twice(mut installation: Installation) {
    let url = installation.webhook_url();
    let (sim, services) = (Arc::clone(&installation.sim), installation.services());
    let rounds = 6 / services.len();
    let (mut expected, mut seed) = (0, 100);
    for _ in 0..rounds {
        for service in &services {
            seed += 1; // other people, other words
            let plan = installation.plan(seed, 300);
            expected += plan.iter().map(|webhook| u64::from(webhook.expect.interactions)).sum::<u64>();
            let never = CancellationToken::new();
            let killed = installation.take(service);
            let traffic = sim.run_traffic(&url, plan, Pace::Fast, &never);
            tokio::pin!(traffic);
            // In the middle: as soon as the store has seen some more of it.
            let before = installation.store.totals().await.unwrap().accepted;
            let mut killed = Some(killed);
            let mut done = false;
            while killed.is_some() {
                tokio::select! {
                    _ = &mut traffic, if !done => done = true,
                    () = tokio::time::sleep(Duration::from_millis(5)) => {}
                }
                let accepted = installation.store.totals().await.unwrap().accepted;
                if accepted > before + 60 || done {
                    killed.take().unwrap().kill();
                }
            }
            installation.spawn(service);
            if !done {
                traffic.await;
            }
            installation.ready().await;
        }
    }
    let totals = installation.at_rest().await;
    assert_eq!(totals.accepted, expected + sim.echoes().events, "each interaction is in the log, once");
    assert!(sim.violations().is_empty(), "{:?}", sim.violations());

    // A process that dies between "may I?" and the call leaves a send of which nobody can know; a person is asked.
    let mut asked: HashSet<ViewerId> = HashSet::new();
    for brand in sim.accounts().iter().map(|account| account.brand.clone()).collect::<HashSet<BrandId>>() {
        for record in installation.store.brand(&brand).recent_decisions(10_000).await.unwrap() {
            if record.decision.reasons == [Reason::FateUnknown] {
                asked.insert(record.viewer);
            }
        }
    }
    let lost: Vec<_> = installation.unanswered().into_iter().filter(|reply| !asked.contains(&reply.person)).collect();
    for reply in &lost {
        // What the ledger knows of them: the first thing anybody who looks into it needs.
        let key = afterglow_domain::ViewerKey { account: reply.account.clone(), viewer: reply.person.clone() };
        for account in sim.accounts() {
            let scope = installation.store.brand(&account.brand);
            for record in scope.decisions_of(&key, 50).await.unwrap() {
                eprintln!("{} {:?} {:?} {:?}", record.at, record.cause, record.decision, record.send);
            }
            for happened in scope.interactions(&key, 50).await.unwrap() {
                eprintln!(
                    "{} {:?} {} standby {}",
                    happened.occurred,
                    happened.id,
                    happened.kind().as_str(),
                    happened.standby
                );
            }
        }
    }
    assert!(lost.is_empty(), "{lost:?}\n{totals:?}\n{}", installation.logs());
}
