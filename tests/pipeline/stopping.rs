//! An orderly end in mid-load: exit 0, and the next process goes on where this one stopped.

use afterglow_sim::Pace;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, in_both_forms};

in_both_forms!(sigterm_drains_and_exits_0);

async fn sigterm_drains_and_exits_0(mut installation: Installation) {
    let url = installation.webhook_url();
    let plan = installation.plan(5, 800);
    let expected: u64 = plan.iter().map(|webhook| u64::from(webhook.expect.interactions)).sum();
    let half = plan.len() / 2;
    let never = CancellationToken::new();
    let traffic = installation.sim.run_traffic(&url, plan[..half].to_vec(), Pace::Fast, &never);
    traffic.await;
    // The queues are still full of it: whatever each one has in hand it finishes.
    for service in installation.services() {
        let process = installation.take(service);
        let status = process.terminate().await;
        assert!(status.success(), "{service} ended with {status}");
    }
    for service in installation.stopped() {
        installation.spawn(service);
    }
    installation.ready().await;
    installation.sim.run_traffic(&url, plan[half..].to_vec(), Pace::Fast, &never).await;
    let totals = installation.at_rest().await;
    assert_eq!(totals.accepted, expected + installation.sim.echoes().events);
    assert!(installation.sim.violations().is_empty(), "{:?}", installation.sim.violations());
    assert!(installation.unanswered().is_empty(), "{:?}", installation.unanswered());
}
