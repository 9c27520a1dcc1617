//! A model that does whatever a viewer tells it: each line of `injections.tsv` is what the viewer wrote, and what the
//! obedient model answered. None may become a draft.

use afterglow_drafts::{BreakerSettings, DraftError};

use crate::server::{ask, completion, drafter, reply, serve};

fn corpus() -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("injections.tsv").lines();
    lines.map(|line| line.split_once('\t').unwrap_or_else(|| panic!("no tab in {line:?}"))).collect()
}

#[tokio::test]
async fn no_injection_becomes_a_draft() {
    let corpus = corpus();
    assert!(corpus.len() >= 30);
    for (injection, obeyed) in corpus {
        let obeyed = if obeyed == "POEM" { "Light of lights.\n".repeat(80) } else { obeyed.to_owned() };
        let server = serve(move |_| {
            let obeyed = obeyed.clone();
            async move { reply(&obeyed) }
        })
        .await;
        let attempt = ask(&drafter(&server, BreakerSettings::default()), injection).await;
        assert!(matches!(&attempt.outcome, Err(DraftError::Refused(_))), "{injection}: {:?}", attempt.outcome);
    }
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
