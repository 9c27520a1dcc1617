//! A model that does whatever a viewer tells it: each line of `injections.tsv` is what the viewer wrote, and what the
//! obedient model answered. None may become a draft.

use afterglow_drafts::{Ask, BreakerSettings, Disposition, DraftError, Review, Spent, guard};
use afterglow_moderation::Language;

use crate::server::{PLENTY, ask, completion, drafter, facts, reply, serve};

fn corpus() -> Vec<(&'static str, &'static str)> {
    pairs(include_str!("injections.tsv"))
}

fn pairs(text: &'static str) -> Vec<(&'static str, &'static str)> {
    text.lines().map(|line| line.split_once('\t').unwrap_or_else(|| panic!("no tab in {line:?}"))).collect()
}

/// Untruths that hold nothing to compare, written when the guard was done. They are why a person reads every draft by
/// default, and why a brand that does not want that should set its floor high.
#[tokio::test]
async fn untruths_in_plain_words_pass_the_guard() {
    let beyond = pairs(include_str!("beyond.tsv"));
    let facts = facts();
    let refused = beyond.iter().filter(|(viewer, draft)| guard(draft, &facts, viewer).is_err()).count();
    println!("the guard refuses {refused} of {} untruths in plain words", beyond.len());
    assert!(refused < beyond.len(), "then the guard's documentation says too little of it");
    for (floor, most) in [(50, 3), (80, 1), (100, 0)] {
        let mut passed = Vec::new();
        for &(viewer_text, draft) in &beyond {
            let server = serve(move |_| async move { reply(draft) }).await;
            let ask = Ask { brand: "Lumen", language: Language::English, facts: &facts, viewer_text };
            let drafter = drafter(&server, BreakerSettings::default());
            let attempt = drafter.draft(&ask, PLENTY, Spent::default(), Review::Below(floor), || 0).await;
            if attempt.outcome.is_ok_and(|draft| draft.disposition == Disposition::Pass) {
                passed.push(draft);
            }
        }
        println!("with a floor of {floor}, {} would not be read: {passed:?}", passed.len());
        assert!(passed.len() <= most, "{floor}: {passed:?}");
    }
}

#[tokio::test]
async fn no_injection_becomes_a_draft() {
    let corpus = corpus();
    assert!(corpus.len() >= 30);
    let mut passed = Vec::new();
    for (injection, obeyed) in corpus {
        let obeyed = if obeyed == "POEM" { "Light of lights.\n".repeat(80) } else { obeyed.to_owned() };
        let server = serve(move |_| {
            let obeyed = obeyed.clone();
            async move { reply(&obeyed) }
        })
        .await;
        let attempt = ask(&drafter(&server, BreakerSettings::default()), injection).await;
        if !matches!(&attempt.outcome, Err(DraftError::Refused(_))) {
            passed.push(format!("{injection}: {:?}", attempt.outcome));
        }
    }
    assert!(passed.is_empty(), "{}", passed.join("\n"));
}

/// The words of a viewer reach the model as data: inside one JSON string of the second message, and nowhere else.
#[tokio::test]
async fn what_viewers_write_is_sent_as_data() {
    for (injection, _) in corpus() {
        let server = serve(move |body| async move {
            let sent: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let messages = sent["messages"].as_array().unwrap();
            assert_eq!(messages.len(), 2);
            assert!(!messages[0]["content"].as_str().unwrap().contains(injection));
            let data: serde_json::Value = serde_json::from_str(messages[1]["content"].as_str().unwrap()).unwrap();
            assert_eq!(data["viewer_message"], injection);
            completion("{\"answered\": false}")
        })
        .await;
        let attempt = ask(&drafter(&server, BreakerSettings::default()), injection).await;
        assert!(matches!(attempt.outcome, Err(DraftError::NotInFacts)), "{injection}: {:?}", attempt.outcome);
    }
}
