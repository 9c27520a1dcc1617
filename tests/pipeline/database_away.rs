//! The responder loses its database for seconds: nothing is said meanwhile, and nobody's answer is given up.

use std::time::{Duration, Instant};

use afterglow_rig::{Link, Weather};
use afterglow_sim::Pace;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, get, in_production_form};

/// How long it is away.
const AWAY: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_given_up_while_the_database_is_away() {
    in_production_form(case).await;
}

async fn case(mut installation: Installation) {
    let url = installation.environment.iter_mut().find(|(name, _)| name == "DATABASE_URL").unwrap();
    let direct = url.1.clone();
    let (head, name) = direct.rsplit_once('/').unwrap();
    let (scheme, server) = head.rsplit_once('@').unwrap();
    let link = Link::to(server.parse().unwrap()).await.unwrap();
    url.1 = format!("{scheme}@{}/{name}", link.address());
    assert!(installation.take("responder").terminate().await.success());
    installation.spawn("responder");
    installation.ready().await;

    link.set(Weather::Cut);
    let plan = installation.plan(31, 300);
    let report =
        installation.sim.run_traffic(&installation.webhook_url(), plan, Pace::Fast, &CancellationToken::new()).await;
    assert_eq!(report.not_accepted, 0, "{report:?}");
    let begun = Instant::now();
    while begun.elapsed() < AWAY {
        let (alive, _) = get(&installation.ops_url("responder", "/healthz")).await.unwrap();
        assert_eq!(alive, 200, "a process is not killed because its database is away");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(installation.sim.totals().accepted, 0, "nothing is said without the database");
    link.set(Weather::Fair);

    installation.at_rest().await;
    assert!(installation.sim.totals().accepted > 0, "people are answered when it is back");
    let unanswered = installation.unanswered();
    assert!(unanswered.is_empty(), "{unanswered:?}\n{}", installation.logs());
    assert!(installation.sim.violations().is_empty(), "{:?}", installation.sim.violations());
}
