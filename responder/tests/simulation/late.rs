//! A database that answers late: what is known of a viewer grows old before Meta is called, and is asked for anew.

use std::sync::atomic::Ordering;

use afterglow_domain::{Reason, Verdict};
use afterglow_scorer::Rulebooks;

use crate::ground::Ground;
use crate::happened::answers_a_story;
use crate::history::patiently;

#[tokio::test]
async fn what_is_known_too_long_is_decided_anew() {
    let ground = Ground::new(None).await;
    ground.play();
    let rulebooks = Rulebooks::load(&ground.store).await.unwrap();
    let intent = answers_a_story(&ground, &rulebooks, 0, (0, "Lovely!")).await;
    let sent = || ground.wire.on_stage(|stage| stage.world.totals().accepted);
    let scope = ground.store.brand(&ground.account.brand);

    ground.late.store(501, Ordering::Relaxed);
    patiently(|| ground.replicas[0].speak(&intent)).await;
    assert_eq!(sent(), 0, "somebody may have said stop in that time");
    let last = scope.recent_decisions(1).await.unwrap().remove(0);
    assert_eq!(
        (last.decision.verdict, last.decision.reasons.as_slice()),
        (Verdict::Defer, [Reason::Backlog].as_slice())
    );

    ground.late.store(0, Ordering::Relaxed);
    patiently(|| ground.replicas[0].speak(&intent)).await;
    assert_eq!(sent(), 1, "and nobody is forgotten");
}
