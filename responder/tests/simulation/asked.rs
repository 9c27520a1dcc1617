//! Somebody asks for a person, and whoever reads what viewers write never comes to it: killed too often, say, or too slow.

use std::sync::atomic::Ordering;

use afterglow_domain::{Control, ControlChange, MINUTE_MS, Reason, Verdict};
use afterglow_scorer::Rulebooks;
use afterglow_sim::world::{Fact, What};

use crate::ground::Ground;
use crate::happened::{FOR_A_PERSON, answers_a_story};
use crate::history::patiently;

#[tokio::test]
async fn who_asked_for_a_person_is_not_answered_elsewhere() {
    let ground = Ground::new(None).await;
    ground.play();
    let rulebooks = Rulebooks::load(&ground.store).await.unwrap();
    let scope = ground.store.brand(&ground.account.brand);
    let answer = async |viewer: u64, n: u64, text: &str| {
        ground.now.fetch_add(2 * MINUTE_MS, Ordering::Relaxed);
        let intent = answers_a_story(&ground, &rulebooks, viewer, (n, text)).await;
        patiently(|| ground.replicas[0].speak(&intent)).await;
        (intent, scope.recent_decisions(1).await.unwrap().remove(0).decision)
    };
    let held = |decision: afterglow_domain::Decision| {
        decision.verdict == Verdict::Hold && decision.reasons.contains(&Reason::NeedsPerson)
    };
    let (asked, decision) = answer(0, 0, FOR_A_PERSON).await;
    assert!(held(decision), "as every message is read before it is answered");
    assert!(
        held(answer(0, 1, "Lovely!").await.1),
        "nobody came to hand the conversation over, and it is theirs all the same"
    );
    assert_eq!(answer(1, 2, "Lovely!").await.1.verdict, Verdict::Send, "who asked for nobody is answered");

    // Somebody took it, and gave it back: what was asked for was given.
    for (control, occurred) in [(Control::Person, ground.now().minus(1)), (Control::Automation, ground.now())] {
        let change = ControlChange {
            brand: asked.brand.clone(),
            account: asked.account.clone(),
            viewer: asked.viewer.clone(),
            control,
            reason: None,
            cause: asked.cause,
            occurred,
            received: occurred,
        };
        ground.store.record_control(&change, ground.now()).await.unwrap();
    }
    let (account, person) = (asked.account.clone(), asked.viewer.clone());
    let returned = Fact { account, person, key: "returned".into(), at: ground.now(), what: What::Returned };
    ground.wire.on_stage(|stage| stage.world.tell(&[returned], ground.now()));
    assert_eq!(answer(0, 3, "Lovely!").await.1.verdict, Verdict::Send);
    let violations = ground.wire.on_stage(|stage| stage.world.violations().to_vec());
    assert!(violations.is_empty(), "{violations:?}");
}
