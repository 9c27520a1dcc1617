//! Meta's answers go wrong in every way, and some echoes never come.

use std::collections::HashSet;

use afterglow_domain::{IntentStatus, Reason};
use afterglow_sim::{Faults, Pace};
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, in_both_forms};

in_both_forms!(in_doubt_nobody_hears_twice_and_nobody_is_forgotten);

async fn in_doubt_nobody_hears_twice_and_nobody_is_forgotten(installation: Installation) {
    let sim = &installation.sim;
    let faults = Faults {
        seed: 4,
        false_failure: 0.08,
        hang_after_accepting: 0.04,
        reset_after_accepting: 0.08,
        html_body: 0.05,
        empty_body: 0.05,
        unavailable: 0.08,
        reset_before_accepting: 0.08,
        slow: 0.05,
        slow_ms: 500,
        hang_ms: 3_000,
        echo_lost: 0.3,
    };
    sim.set_faults(faults).unwrap();
    let plan = installation.plan(21, 500);
    sim.run_traffic(&installation.webhook_url(), plan, Pace::Fast, &CancellationToken::new()).await;
    let totals = installation.at_rest().await;

    assert!(sim.violations().is_empty(), "{:?}", sim.violations());
    let faults = sim.totals().faults;
    assert!(faults.len() >= 6 && faults.values().sum::<u64>() > 15, "the scenario has faults: {faults:?}");
    let delivered = sim.totals().accepted;
    let sent = totals.all.intents.iter().find(|(status, _)| *status == IntentStatus::Sent).map_or(0, |(_, n)| *n);
    // What did not go out waits for a person, with the reason.
    let mut asked = HashSet::new();
    for account in sim.accounts() {
        for record in installation.store.brand(&account.brand).recent_decisions(10_000).await.unwrap() {
            if record.decision.reasons == [Reason::FateUnknown] {
                asked.insert(record.viewer);
            }
        }
    }
    assert!(!asked.is_empty(), "the scenario has messages that never went out");
    // Echo or conversation proves every message that went out, but for two of the same words of which one did: a person is
    // asked about both.
    assert!(sent <= delivered, "{sent} are taken for sent, {delivered} were");
    assert!(delivered - sent <= asked.len() as u64, "{delivered} went out, {sent} are known to, {} asked", asked.len());
    assert!(delivered - sent <= 2, "{delivered} went out, {sent} are known to");
    let forgotten: Vec<_> =
        installation.unanswered().into_iter().filter(|reply| !asked.contains(&reply.person)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}\n{}", installation.logs());
}
