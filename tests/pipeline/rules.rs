//! Brand documents: applied while everything runs, tried on what happened, and the states they lead to made anew.

use std::time::Instant;

use afterglow_domain::Segment;
use afterglow_sim::Pace;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, PATIENCE, get, in_both_forms};
use crate::processes::run;

in_both_forms!(documents_are_picked_up_and_states_are_made_anew, a_plays_rollout_decides_who_is_answered);

/// Runs a command and gives what it printed.
fn afterglow(installation: &Installation, arguments: &[&str]) -> (bool, String) {
    let output = run(arguments, &installation.environment, "");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

async fn traffic(installation: &Installation, seed: u64, events: u64) {
    let plan = installation.plan(seed, events);
    let sim = installation.sim.clone();
    sim.run_traffic(&installation.webhook_url(), plan, Pace::Fast, &CancellationToken::new()).await;
    installation.at_rest().await;
}

/// Waits until the scorer works by this version of every brand's rules.
async fn until_read(installation: &Installation, version: usize) {
    let scorer = if installation.services() == ["all"] { "all" } else { "scorer" };
    let begun = Instant::now();
    loop {
        let (_, text) = get(&installation.ops_url(scorer, "/metrics")).await.unwrap_or_default();
        let read = |brand: &str| text.contains(&format!("afterglow_rules_version{{brand=\"{brand}\"}} {version}\n"));
        if installation
            .sim
            .accounts()
            .iter()
            .filter(|account| account.autoresponder)
            .all(|account| read(account.brand.as_str()))
        {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "the rules are not picked up\n{}", installation.logs());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn document(brand: &str, rules: &str) -> String {
    format!("brand: {brand}\ntime_zone: Europe/Amsterdam\n{rules}")
}

async fn documents_are_picked_up_and_states_are_made_anew(mut installation: Installation) {
    installation.ready().await;
    traffic(&installation, 71, 150).await;
    let brand = installation.sim.accounts()[0].brand.clone();
    let name = brand.as_str();
    let (good, text) = afterglow(&installation, &["replay", "--brand", name, "--json"]);
    assert!(good && text.contains("\"differences\":0"), "live = replayed: {text}");

    // Other half-lives and rules: everybody is looked at anew, without a word from them.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("brand.yaml");
    let path = file.to_str().unwrap();
    let rules = "scoring: { half_life_hours: 12 }\nsegments:\n  hot: { when: \"false\" }\n  warm: { when: score > 0.0 }\n\
                 tags:\n  - { name: anybody, when: \"true\" }\n";
    std::fs::write(&file, document(name, rules)).unwrap();
    let (good, text) = afterglow(&installation, &["whatif", "--rules", path, "--json"]);
    assert!(good && text.contains("hot → warm"), "{text}");
    let (good, text) = afterglow(&installation, &["brand", "apply", path, "--note", "calmer"]);
    assert!(good && text.contains("\"version\":2"), "{text}");
    let begun = Instant::now();
    loop {
        let triage = installation.store.brand(&brand).triage(1000).await.unwrap();
        let done = |row: &&afterglow_store::ViewerRow| row.rules_version == "2" && row.tags == ["anybody"];
        if !triage.is_empty() && triage.iter().filter(done).count() == triage.len() {
            assert!(triage.iter().all(|row| row.segment != Segment::Hot), "the new rules know no Hot");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "not everybody was looked at\n{}", installation.logs());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (good, text) = afterglow(&installation, &["replay", "--brand", name, "--json"]);
    assert!(good && text.contains("\"differences\":0") && text.contains("\"waiting\":0"), "{text}");
    let row = installation.store.brand(&brand).triage(1).await.unwrap().remove(0);
    let (account, viewer) = (row.key.account.as_str(), row.key.viewer.as_str());
    let explain = ["viewer", "explain", "--brand", name, "--account", account, "--viewer", viewer];
    let (good, text) = afterglow(&installation, &explain);
    assert!(good && text.contains("by rules of version 2: score > 0.0") && text.contains("one more"), "{text}");

    // A fault is named with its place, and nothing is applied; an older version comes back as a new one.
    std::fs::write(&file, document(name, "segments: { hot: { when: scor > 1.0 } }\n")).unwrap();
    let (good, text) = afterglow(&installation, &["brand", "apply", path]);
    assert!(!good && text.contains(":3:") && text.contains("nothing called `scor`"), "{text}");
    std::fs::write(&file, document(name, "sla: { hot_minutes: 5 }\n")).unwrap();
    let (good, text) = afterglow(&installation, &["brand", "apply", path, "--expect", "0"]);
    assert!(!good && text.contains("version 2 is in force"), "{text}");
    assert!(afterglow(&installation, &["brand", "apply", path, "--expect", "2"]).0);
    let (good, text) = afterglow(&installation, &["brand", "diff", path]);
    assert!(good && text.is_empty(), "{text}");
    let (good, text) = afterglow(&installation, &["brand", "rollback", name]);
    assert!(good && text.contains("\"version\":4"), "{text}");
    let (_, text) = afterglow(&installation, &["brand", "history", name]);
    assert!(text.contains("back to version 2") && text.contains("calmer"), "{text}");
    assert!(installation.sim.violations().is_empty(), "{:?}", installation.sim.violations());
}

async fn a_plays_rollout_decides_who_is_answered(mut installation: Installation) {
    installation.ready().await;
    let folder = tempfile::tempdir().unwrap();
    let mut sent = Vec::new();
    for (n, rollout) in ["shadow", "pilot 30%", "on"].into_iter().enumerate() {
        for account in installation.sim.accounts().iter().filter(|account| account.autoresponder) {
            let rules = format!(
                "plays:\n  - {{ name: thanks, on: {{ kinds: [story_reply] }}, rollout: {rollout}, say: thanks }}\n\
                 snippets: {{ thanks: {{ text: Thank you }} }}\n"
            );
            let file = folder.path().join(format!("{}.yaml", account.brand));
            std::fs::write(&file, document(account.brand.as_str(), &rules)).unwrap();
            let (good, text) = afterglow(&installation, &["brand", "apply", file.to_str().unwrap()]);
            assert!(good, "{text}");
        }
        until_read(&installation, n + 2).await;
        let asked = || installation.sim.with_world(|world| world.ledger(usize::MAX).messages.len());
        let before = asked();
        traffic(&installation, 80 + n as u64, 120).await;
        sent.push(asked() - before);
    }
    assert_eq!(sent[0], 0, "a shadow says nothing");
    assert!(sent[1] > 0 && sent[1] < sent[2], "a pilot answers some: {sent:?}");
    let answering = installation.sim.accounts().iter().find(|account| account.autoresponder).unwrap();
    let brand = answering.brand.clone();
    let decisions = installation.store.brand(&brand).recent_decisions(10_000).await.unwrap();
    let said = |reason: afterglow_domain::Reason| decisions.iter().filter(|d| d.decision.reasons[0] == reason).count();
    assert!(said(afterglow_domain::Reason::Shadow) > 0, "and the ledger shows what it would have said");
    assert!(installation.sim.violations().is_empty(), "{:?}", installation.sim.violations());
}
