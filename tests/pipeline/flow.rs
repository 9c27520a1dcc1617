//! What goes in comes out, once, and only where it should.

use afterglow_domain::IntentStatus;
use afterglow_sim::Pace;
use afterglow_sim::traffic::Truth;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, get, in_both_forms};

in_both_forms!(everything_adds_up, the_operator_sees_it_live);

async fn everything_adds_up(installation: Installation) {
    let plan = installation.plan(11, 600);
    let truth = Truth::of(plan.iter().cloned());
    let (sim, url) = (&installation.sim, installation.webhook_url());
    let report = sim.run_traffic(&url, plan, Pace::Fast, &CancellationToken::new()).await;
    assert_eq!((report.not_accepted, report.events_in_doubt), (0, 0), "{report:?}");
    let totals = installation.at_rest().await;
    let echoes = sim.echoes();

    assert_eq!(report.events, truth.events);
    assert_eq!(
        totals.accepted,
        truth.interactions + echoes.events,
        "each interaction once; echoes are interactions too"
    );
    assert_eq!(totals.duplicates, truth.duplicates);
    assert_eq!(totals.quarantined, truth.quarantined);

    assert!(sim.violations().is_empty(), "{:?}", sim.violations());
    assert!(installation.unanswered().is_empty(), "{:?}\n{}", installation.unanswered(), installation.logs());
    let sent = totals.all.intents.iter().find(|(s, _)| *s == IntentStatus::Sent).map_or(0, |(_, n)| *n);
    assert!(sent > 20, "the scenario has answers to give: {totals:?}");
    assert_eq!(sent, sim.totals().accepted, "what we call sent is what Meta delivered");
    assert!(!truth.stops.is_empty(), "the scenario has stops");
    assert_eq!(installation.unconfirmed(), 0, "whoever says stop is told that it was heard");
}

async fn the_operator_sees_it_live(mut installation: Installation) {
    for service in installation.services() {
        for (path, expected) in [("/healthz", "ok"), ("/readyz", "ready"), ("/metrics", "afterglow_bus_messages")] {
            let (status, text) = get(&installation.ops_url(service, path)).await.unwrap();
            assert!(status == 200 && text.contains(expected), "{service}{path}: {status} {text}");
        }
    }
    let url = installation.webhook_url();
    let asked = format!("{url}?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=");
    assert_eq!(get(&format!("{asked}t0ken")).await.unwrap(), (200, "1158201444".into()));
    assert_eq!(get(&format!("{asked}wrong")).await.unwrap(), (403, String::new()));

    let plan = installation.plan(3, 60);
    installation.sim.run_traffic(&url, plan, Pace::Fast, &CancellationToken::new()).await;
    installation.at_rest().await;
    let first = installation.services()[0];
    let (_, text) = get(&installation.ops_url(first, "/metrics")).await.unwrap();
    assert!(text.contains("afterglow_ingest_webhooks_total{outcome=\"accepted\"}"), "{text}");
    let token = installation.sim.accounts()[0].access_token.clone();
    let secret = installation.sim.accounts()[0].app.secret.clone();
    for service in installation.services() {
        let log = installation.take(service).log_text();
        for hidden in [&token, &secret] {
            assert!(!log.contains(secrecy::ExposeSecret::expose_secret(hidden)), "a secret in the log of {service}");
        }
    }
}
