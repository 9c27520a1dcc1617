//! Webhooks go missing; the sweep finds every message that they told of.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use afterglow_domain::{AccountId, Body, Kind, Source};
use afterglow_sim::Pace;
use afterglow_sim::world::What;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, PATIENCE, client, in_both_forms, now};

in_both_forms!(what_webhooks_missed_is_found, comments_that_webhooks_missed_are_found, a_lost_subscription_is_repaired);

async fn a_lost_subscription_is_repaired(mut installation: Installation) {
    let account = installation.sim.accounts()[0].clone();
    let url = format!("{}/v25.0/{}/subscribed_apps", installation.sim.graph_url(), account.id);
    let token = secrecy::ExposeSecret::expose_secret(&account.access_token).to_owned();
    let gone = client().delete(&url).bearer_auth(&token).send().await.unwrap();
    assert!(gone.status().is_success());
    let ingest = if installation.services() == ["all"] { "all" } else { "ingest" };
    installation.environment.push(("AFTERGLOW_INGEST__SUBSCRIPTIONS_MS".into(), "200".into()));
    assert!(installation.take(ingest).terminate().await.success());
    installation.spawn(ingest);
    installation.ready().await;
    let begun = Instant::now();
    loop {
        let text = client().get(&url).bearer_auth(&token).send().await.unwrap().text().await.unwrap();
        if ["\"messages\"", "\"comments\"", "\"messaging_seen\""].iter().all(|field| text.contains(field)) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{text}\n{}", installation.logs());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(installation.sim.violations().is_empty(), "{:?}", installation.sim.violations());
}

async fn what_webhooks_missed_is_found(mut installation: Installation) {
    let ingest = if installation.services() == ["all"] { "all" } else { "ingest" };
    for (name, value) in [("AFTERGLOW_INGEST__SWEEP_MS", "300"), ("AFTERGLOW_INGEST__SWEEP_GRACE_MS", "0")] {
        installation.environment.push((name.into(), value.into()));
    }
    assert!(installation.take(ingest).terminate().await.success());
    installation.spawn(ingest);
    installation.ready().await;

    // One webhook in ten never comes, though what it tells of happened.
    let plan = installation.plan(31, 100);
    let (mut posted, mut missed): (Vec<_>, HashMap<AccountId, Vec<String>>) = (Vec::new(), HashMap::new());
    for (n, webhook) in plan.into_iter().enumerate() {
        if n % 10 != 3 {
            posted.push(webhook);
            continue;
        }
        installation.sim.with_world(|world| world.tell(&webhook.outgoing.facts, now()));
        for fact in &webhook.outgoing.facts {
            if matches!(fact.what, What::StoryReply { .. } | What::Contact { text: Some(_) } | What::HumanWrote { .. })
            {
                missed.entry(fact.account.clone()).or_default().push(fact.key.clone());
            }
        }
    }
    assert!(missed.values().map(Vec::len).sum::<usize>() >= 2, "the scenario misses messages: {missed:?}");
    let sim = installation.sim.clone();
    sim.run_traffic(&installation.webhook_url(), posted, Pace::Fast, &CancellationToken::new()).await;
    let begun = Instant::now();
    for (account, mids) in &missed {
        while installation.store.known_messages(account, mids.clone()).await.unwrap().len() < mids.len() {
            assert!(begun.elapsed() < PATIENCE, "not all is found\n{}", installation.logs());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    eprintln!("{} messages missed, all found in {:?}", missed.values().map(Vec::len).sum::<usize>(), begun.elapsed());
    installation.at_rest().await;
    assert!(sim.violations().is_empty(), "{:?}", sim.violations());
    assert!(installation.unanswered().is_empty(), "{:?}", installation.unanswered());
    let mut reconciled = 0;
    for account in sim.accounts() {
        let brand = installation.store.brand(&account.brand);
        let all = brand.interactions_between(now().minus(3_600_000), now()).await.unwrap();
        reconciled += all.iter().filter(|i| i.source == Source::Reconcile && i.kind() != Kind::MessageSent).count();
    }
    assert!(reconciled >= 1, "marked as what they are");
}

/// Ids of the comments in the log.
async fn comments_known(installation: &Installation) -> HashSet<String> {
    let mut known = HashSet::new();
    for account in installation.sim.accounts() {
        let brand = installation.store.brand(&account.brand);
        for interaction in brand.interactions_between(now().minus(3_600_000), now()).await.unwrap() {
            if let Body::Comment(comment) | Body::LiveComment(comment) = &interaction.body {
                assert!(comment.text.as_ref().is_some_and(|text| !text.is_empty()) && comment.media_id.is_some());
                known.insert(comment.comment_id.clone());
            }
        }
    }
    known
}

async fn comments_that_webhooks_missed_are_found(mut installation: Installation) {
    let ingest = if installation.services() == ["all"] { "all" } else { "ingest" };
    for (name, value) in [("AFTERGLOW_INGEST__SWEEP_MS", "300"), ("AFTERGLOW_INGEST__SWEEP_GRACE_MS", "0")] {
        installation.environment.push((name.into(), value.into()));
    }
    assert!(installation.take(ingest).terminate().await.success());
    installation.spawn(ingest);
    installation.ready().await;

    // One webhook in twenty never comes; of those that tell of comments, one in three.
    let (mut posted, mut missed, mut comments) = (Vec::new(), HashSet::new(), 0);
    for (n, webhook) in installation.plan(32, 300).into_iter().enumerate() {
        let told = webhook.outgoing.facts.iter().filter(|fact| matches!(fact.what, What::Comment { live: false, .. }));
        let told: Vec<String> = told.map(|fact| fact.key.clone()).collect();
        comments += usize::from(!told.is_empty());
        if (told.is_empty() || comments % 3 != 1) && n % 20 != 7 {
            posted.push(webhook);
            continue;
        }
        installation.sim.with_world(|world| world.tell(&webhook.outgoing.facts, now()));
        missed.extend(told);
    }
    assert!(missed.len() >= 3, "the scenario misses comments: {missed:?}");
    let sim = installation.sim.clone();
    sim.run_traffic(&installation.webhook_url(), posted, Pace::Fast, &CancellationToken::new()).await;
    let begun = Instant::now();
    while !missed.is_subset(&comments_known(&installation).await) {
        assert!(begun.elapsed() < PATIENCE, "not all is found\n{}", installation.logs());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    eprintln!("{} comments missed, all found in {:?}", missed.len(), begun.elapsed());
    installation.at_rest().await;
    assert!(sim.violations().is_empty(), "{:?}", sim.violations());
}
