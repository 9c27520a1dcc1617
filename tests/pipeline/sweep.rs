//! Webhooks go missing; the sweep finds every message that they told of.

use std::collections::HashMap;
use std::time::Instant;

use afterglow_domain::{AccountId, Kind, Source};
use afterglow_sim::Pace;
use afterglow_sim::world::What;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, PATIENCE, client, in_both_forms, now};

in_both_forms!(what_webhooks_missed_is_found, a_lost_subscription_is_repaired);

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
