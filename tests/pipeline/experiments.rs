//! Other words are tried on viewers, and silence on some: with real processes.

use std::collections::BTreeMap;
use std::time::Instant;

use afterglow_domain::{BrandId, DAY_MS, HOLDOUT, Kind, Timestamp, ViewerKey};
use afterglow_sim::Pace;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, PATIENCE, get, in_both_forms, now};
use crate::processes::run;

in_both_forms!(each_viewer_gets_their_arms_words_and_who_is_held_out_gets_none);

fn afterglow(installation: &Installation, arguments: &[&str]) -> String {
    let output = run(arguments, &installation.environment, "");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    text
}

fn document(brand: &BrandId) -> String {
    let starts = now().minus(DAY_MS).to_rfc3339();
    format!(
        "brand: {brand}
plays:
  - {{ name: thanks, on: {{ kinds: [story_reply] }}, rollout: on, say: thanks }}
experiments:
  - name: words
    hypothesis: A question is answered more often than thanks.
    metric: reply
    play: thanks
    starts: {starts}
    holdout: 30
    arms:
      - {{ name: thanks, share: 35 }}
      - {{ name: question, say: question, share: 35 }}
snippets:
  thanks: {{ text: Thank you }}
  question: {{ text: What did you like }}
"
    )
}

/// Waits until the scorer works by version 2 of the brand's rules.
async fn until_read(installation: &Installation, brand: &BrandId) {
    let scorer = if installation.services() == ["all"] { "all" } else { "scorer" };
    let begun = Instant::now();
    loop {
        let (_, text) = get(&installation.ops_url(scorer, "/metrics")).await.unwrap_or_default();
        if text.contains(&format!("afterglow_rules_version{{brand=\"{brand}\"}} 2\n")) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "the rules are not picked up\n{}", installation.logs());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn traffic(installation: &Installation, seed: u64) {
    let plan = installation.plan(seed, 250);
    let sim = installation.sim.clone();
    sim.run_traffic(&installation.webhook_url(), plan, Pace::Fast, &CancellationToken::new()).await;
    installation.at_rest().await;
}

async fn each_viewer_gets_their_arms_words_and_who_is_held_out_gets_none(mut installation: Installation) {
    installation.ready().await;
    let account = installation.sim.accounts().iter().find(|account| account.autoresponder).unwrap().clone();
    let brand = account.brand.clone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("brand.yaml");
    std::fs::write(&file, document(&brand)).unwrap();
    afterglow(&installation, &["brand", "apply", file.to_str().unwrap()]);
    until_read(&installation, &brand).await;
    for seed in [301, 302, 303] {
        traffic(&installation, seed).await;
    }
    let scoped = installation.store.brand(&brand);
    let row = scoped.brand().await.unwrap().unwrap();
    let experiment = &row.settings.experiments[0];
    let exposed = scoped.exposed("words").await.unwrap();
    let mut arms = BTreeMap::<&str, usize>::new();
    // What the log holds: assigning anew, from the beginning, gives what was recorded, with the first moment.
    let mut first = BTreeMap::<ViewerKey, Timestamp>::new();
    for interaction in scoped.interactions_between(Timestamp::default(), now().plus(DAY_MS)).await.unwrap() {
        if interaction.kind() == Kind::StoryReply && experiment.runs_at(interaction.occurred) {
            let at = first.entry(interaction.viewer_key().unwrap()).or_insert(interaction.occurred);
            *at = interaction.occurred.min(*at);
        }
    }
    let ledger = installation.sim.with_world(|world| world.ledger(usize::MAX));
    for one in &exposed {
        let expected = experiment.arm_of(&one.viewer).map_or(HOLDOUT, |arm| arm.name.as_str());
        assert_eq!(one.arm, expected);
        *arms.entry(expected).or_default() += 1;
        assert!(first.get(&one.viewer).is_some_and(|at| *at <= one.at), "{one:?}");
        let told = ledger.messages.iter().filter(|entry| {
            entry.person.as_ref() == Some(&one.viewer.viewer) && entry.account == one.viewer.account.as_str()
        });
        let texts: Vec<&str> = told.filter_map(|entry| entry.text.as_deref()).collect();
        let strange = match one.arm.as_str() {
            "thanks" => texts.iter().any(|text| text.contains("What did you like")),
            "question" => texts.iter().any(|text| text.contains("Thank you")),
            _ => texts.iter().any(|text| text.contains("Thank you") || text.contains("What did you like")),
        };
        assert!(!strange, "{} in arm {} was told {texts:?}", one.viewer.viewer, one.arm);
    }
    assert!(arms.len() == 3 && arms.values().all(|n| *n > 0), "{arms:?}");
    let said =
        |words: &str| ledger.messages.iter().any(|entry| entry.text.as_deref().is_some_and(|t| t.contains(words)));
    assert!(said("Thank you") && said("What did you like"), "both were said");
    // The same webhooks once more, of which every one is known: nothing changes.
    traffic(&installation, 303).await;
    let again = scoped.exposed("words").await.unwrap();
    let known: Vec<_> = exposed.iter().map(|one| (&one.viewer, &one.arm, one.at)).collect();
    for (viewer, arm, at) in known {
        let same = again.iter().find(|one| one.viewer == *viewer).unwrap();
        assert!(same.arm == *arm && same.at <= at, "{same:?}");
    }
    let shown: serde_json::Value = serde_json::from_str(&afterglow(
        &installation,
        &["experiment", "show", "--brand", brand.as_str(), "words", "--json"],
    ))
    .unwrap();
    let taken: u64 = shown["arms"].as_array().unwrap().iter().map(|arm| arm["viewers"].as_u64().unwrap()).sum();
    assert_eq!(taken, again.len() as u64);
    assert_eq!(shown["lifts"][0]["lift"], serde_json::Value::Null, "nobody's time is over: unknown, not 0");
    assert!(installation.sim.violations().is_empty(), "{:?}", installation.sim.violations());
}
