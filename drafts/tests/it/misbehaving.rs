//! Endpoints that hang, break, lie and drown.

use std::{sync::atomic::Ordering, time::Duration};

use afterglow_drafts::{
    Ask, BreakerSettings, Budget, BudgetExceeded, Disposition, DraftError, DraftReason, Drafter, EndpointError,
    EndpointSettings, Review, SettingsError, Spent,
};
use afterglow_moderation::Language;
use axum::{body::Body, response::Response};
use futures_util::stream;
use serde_json::json;

use crate::server::{PLENTY, PRICES, Server, ask, completion, drafter, facts, json_body, reply, serve};

const PATIENT: BreakerSettings = BreakerSettings { failures: 100, open_ms: 1_000, open_max_ms: 10_000 };

async fn outcome_of(server: &Server) -> (Result<afterglow_drafts::Draft, DraftError>, Spent) {
    let attempt = ask(&drafter(server, PATIENT), "How much is the Sol lamp?").await;
    (attempt.outcome, attempt.spent)
}

#[tokio::test]
async fn an_honest_answer_becomes_a_draft_that_waits_for_a_person() {
    let server = serve(|_| async { reply("The Sol lamp costs €49 and comes in green.") }).await;
    let (draft, spent) = outcome_of(&server).await;
    let draft = draft.unwrap();
    assert_eq!(draft.text, "This is an automated reply.\nThe Sol lamp costs €49 and comes in green.");
    assert_eq!(draft.disposition, Disposition::Hold);
    assert_eq!(draft.confidence, 100);
    assert_eq!(
        draft.reasons,
        [DraftReason::RestsOn(vec![1]), DraftReason::KnownWords { known: 8, of: 8 }, DraftReason::EveryDraftIsRead]
    );
    assert_eq!(spent, PRICES.cost(300, 20));
}

#[tokio::test]
async fn a_brand_may_let_sure_drafts_pass() {
    let server = serve(|_| async { reply("Wonderful glowing sunset, costs €49.") }).await;
    let drafter = drafter(&server, PATIENT);
    let facts = facts();
    let ask = Ask { brand: "Lumen", language: Language::Dutch, facts: &facts, viewer_text: "price?" };
    for (floor, disposition) in [(20, Disposition::Pass), (90, Disposition::Hold)] {
        let attempt = drafter.draft(&ask, PLENTY, Spent::default(), Review::Below(floor), || 0).await;
        let draft = attempt.outcome.unwrap();
        assert_eq!((draft.confidence, draft.disposition), (40, disposition));
        assert!(draft.text.starts_with("Dit is een automatisch antwoord.\n"));
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_left() {
    let server = serve(|_| async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        reply("too late")
    })
    .await;
    let (outcome, spent) = outcome_of(&server).await;
    assert!(matches!(outcome, Err(DraftError::Endpoint(EndpointError::Timeout))), "{outcome:?}");
    assert!(spent.tokens > 400, "what it may have computed is counted: {spent:?}");
}

#[tokio::test]
async fn a_body_that_drips_for_ever_is_left() {
    let server = serve(|_| async {
        let drops = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Ok::<_, std::io::Error>(" "), ()))
        });
        json_body(Body::from_stream(drops))
    })
    .await;
    let (outcome, _) = outcome_of(&server).await;
    assert!(matches!(outcome, Err(DraftError::Endpoint(EndpointError::Timeout))), "{outcome:?}");
}

#[tokio::test]
async fn ten_megabytes_are_not_read() {
    let server = serve(|_| async { json_body(vec![b' '; 10 << 20]) }).await;
    let (outcome, _) = outcome_of(&server).await;
    let limit = EndpointSettings::new("", "").max_body_bytes;
    assert!(
        matches!(&outcome, Err(DraftError::Endpoint(EndpointError::TooLarge { limit: l })) if *l == limit),
        "{outcome:?}"
    );
}

fn status(code: u16) -> Response {
    Response::builder().status(code).body(Body::from("{}")).unwrap()
}

#[tokio::test]
async fn wrong_answers_are_named() {
    type Answer = Box<dyn Fn() -> Response + Send + Sync>;
    type Check = fn(&DraftError) -> bool;
    let finish = |reason: &str, content: &str| {
        json!({ "choices": [{ "message": { "content": content }, "finish_reason": reason }] }).to_string()
    };
    let form = r#"{"answered": true, "facts": [1], "reply": "The Sol lamp costs €49."}"#;
    let cases: Vec<(&str, Answer, Check)> = vec![
        (
            "html",
            Box::new(|| Response::builder().header("content-type", "text/html").body("<html>".into()).unwrap()),
            |e| matches!(e, DraftError::Endpoint(EndpointError::NotJson { content_type }) if content_type == "text/html"),
        ),
        ("html that says it is JSON", Box::new(|| json_body("<html>")), |e| {
            matches!(e, DraftError::Endpoint(EndpointError::Shape(_)))
        }),
        ("other JSON", Box::new(|| json_body(r#"{"error": "no"}"#)), |e| {
            matches!(e, DraftError::Endpoint(EndpointError::Shape(_)))
        }),
        ("no choices", Box::new(|| json_body(r#"{"choices": []}"#)), |e| {
            matches!(e, DraftError::Endpoint(EndpointError::NoChoice))
        }),
        ("null content", Box::new(|| json_body(r#"{"choices": [{"message": {"content": null}}]}"#)), |e| {
            matches!(e, DraftError::Endpoint(EndpointError::NoChoice))
        }),
        ("500", Box::new(|| status(500)), |e| matches!(e, DraftError::Endpoint(EndpointError::Status { status: 500 }))),
        ("401", Box::new(|| status(401)), |e| matches!(e, DraftError::Endpoint(EndpointError::Status { status: 401 }))),
        (
            "302",
            Box::new(|| Response::builder().status(302).header("location", "/v1/other").body(Body::empty()).unwrap()),
            |e| matches!(e, DraftError::Endpoint(EndpointError::Status { status: 302 })),
        ),
        ("429", Box::new(|| status(429)), |e| {
            matches!(e, DraftError::Endpoint(EndpointError::TooMany { retry_after_ms: None }))
        }),
        ("prose", Box::new(|| completion("The Sol lamp costs €49.")), |e| matches!(e, DraftError::Form(_))),
        ("no text", Box::new(|| completion(r#"{"answered": true, "reply": "  "}"#)), |e| {
            matches!(e, DraftError::Form(_))
        }),
        (
            "cut off",
            Box::new(move || json_body(finish("length", form))),
            |e| matches!(e, DraftError::Unfinished { finish_reason } if finish_reason == "length"),
        ),
        ("filtered", Box::new(move || json_body(finish("content_filter", ""))), |e| {
            matches!(e, DraftError::Unfinished { .. })
        }),
        ("not in facts", Box::new(|| completion(r#"{"answered": false}"#)), |e| matches!(e, DraftError::NotInFacts)),
        ("a lie", Box::new(|| reply("The Sol lamp costs €39.")), |e| matches!(e, DraftError::Refused(_))),
    ];
    for (name, answer, check) in cases {
        let answer = std::sync::Arc::new(answer);
        let server = serve(move |_| {
            let response = answer();
            async move { response }
        })
        .await;
        let (outcome, _) = outcome_of(&server).await;
        assert!(outcome.as_ref().is_err_and(check), "{name}: {outcome:?}");
    }
}

#[tokio::test]
async fn lies_about_usage_and_facts_are_not_believed() {
    for (prompt, output) in [(0, 0), (u64::MAX, 0), (1 << 40, 1_u64 << 40)] {
        let server = serve(move |_| async move {
            let content = r#"```json
{"answered": true, "facts": [9], "reply": "The Sol lamp costs €49."}
```"#;
            let usage = json!({ "prompt_tokens": prompt, "completion_tokens": output });
            json_body(json!({ "choices": [{ "message": { "content": content } }], "usage": usage }).to_string())
        })
        .await;
        let (outcome, spent) = outcome_of(&server).await;
        let draft = outcome.unwrap();
        assert_eq!(draft.reasons.first(), Some(&DraftReason::NamesNoFact));
        assert_eq!(draft.confidence, 50);
        assert!(spent.tokens > 1_000 && spent.tokens < 5_000, "{spent:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_is_left_alone_and_tried_again() {
    let server = serve(|_| async { status(500) }).await;
    let drafter = drafter(&server, BreakerSettings { failures: 2, open_ms: 1_000, open_max_ms: 10_000 });
    let facts = facts();
    let ask = Ask { brand: "Lumen", language: Language::English, facts: &facts, viewer_text: "price?" };
    for (now, expected_calls, open) in [
        (0, 1, false),
        (1, 2, false),
        (2, 2, true),
        (1_000, 2, true),
        (1_001, 3, false),
        (3_000, 3, true),
        (3_001, 4, false),
    ] {
        let attempt = drafter.draft(&ask, PLENTY, Spent::default(), Review::Always, || now).await;
        assert_eq!(matches!(attempt.outcome, Err(DraftError::Breaker(_))), open, "at {now}: {:?}", attempt.outcome);
        assert_eq!(server.calls.load(Ordering::SeqCst), expected_calls, "at {now}");
        assert_eq!(attempt.spent == Spent::default(), open, "no call costs nothing");
    }
}

#[tokio::test]
async fn retry_after_is_kept_to() {
    let server =
        serve(|_| async { Response::builder().status(429).header("retry-after", "7").body(Body::empty()).unwrap() })
            .await;
    let drafter = drafter(&server, PATIENT);
    let facts = facts();
    let ask = Ask { brand: "Lumen", language: Language::English, facts: &facts, viewer_text: "price?" };
    let first = drafter.draft(&ask, PLENTY, Spent::default(), Review::Always, || 0).await;
    assert!(matches!(first.outcome, Err(DraftError::Endpoint(EndpointError::TooMany { retry_after_ms: Some(7_000) }))));
    assert_eq!(first.spent, Spent::default());
    for (now, open) in [(6_999, true), (7_000, false)] {
        let attempt = drafter.draft(&ask, PLENTY, Spent::default(), Review::Always, || now).await;
        assert_eq!(matches!(attempt.outcome, Err(DraftError::Breaker(_))), open, "at {now}");
    }
}

#[tokio::test]
async fn nothing_is_asked_that_must_not_be() {
    let server = serve(|_| async { reply("The Sol lamp costs €49.") }).await;
    let drafter = drafter(&server, PATIENT);
    let facts = facts();
    let ask = Ask { brand: "Lumen", language: Language::English, facts: &facts, viewer_text: "price?" };
    let long = "a".repeat(5_000);
    let draft = |ask, budget, spent| drafter.draft(ask, budget, spent, Review::Always, || 0);

    let most = drafter.most_for(&ask);
    let budget = Budget { tokens: 10_000, micros: u64::MAX };
    let outcome = draft(&ask, budget, Spent { tokens: 9_000, micros: 0 }).await.outcome;
    assert!(matches!(outcome, Err(DraftError::Budget(BudgetExceeded::Tokens { left: 1_000, .. }))), "{outcome:?}");
    let budget = Budget { tokens: u64::MAX, micros: 1_000 };
    let outcome = draft(&ask, budget, Spent { tokens: 0, micros: 1_000 }).await.outcome;
    assert!(matches!(outcome, Err(DraftError::Budget(BudgetExceeded::Money { left: 0, .. }))), "{outcome:?}");
    let without_facts = Ask { facts: &[], ..ask };
    let empty = Ask { viewer_text: " ", ..ask };
    let too_long = Ask { viewer_text: &long, ..ask };
    let outcome = draft(&without_facts, PLENTY, Spent::default()).await.outcome;
    assert!(matches!(outcome, Err(DraftError::NothingToDraft("fact"))), "{outcome:?}");
    let outcome = draft(&empty, PLENTY, Spent::default()).await.outcome;
    assert!(matches!(outcome, Err(DraftError::NothingToDraft("message"))), "{outcome:?}");
    let outcome = draft(&too_long, PLENTY, Spent::default()).await.outcome;
    assert!(matches!(outcome, Err(DraftError::AskTooLarge { what: "message", .. })), "{outcome:?}");
    assert_eq!(server.calls.load(Ordering::SeqCst), 0);
    let exactly = Budget { tokens: most.tokens, micros: most.micros };
    let attempt = draft(&ask, exactly, Spent::default()).await;
    assert!(attempt.outcome.is_ok() && attempt.spent.tokens <= most.tokens, "{attempt:?}");
}

#[tokio::test]
async fn a_closed_port_is_a_failed_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let drafter = Drafter::new(EndpointSettings::new(base_url, "m"), PRICES, PATIENT).unwrap();
    let outcome = ask(&drafter, "price?").await.outcome;
    assert!(matches!(outcome, Err(DraftError::Endpoint(EndpointError::Connection(_)))), "{outcome:?}");
}

#[test]
fn viewers_words_do_not_cross_a_network_in_the_clear() {
    for (url, allowed) in [
        ("https://api.example.com/v1", true),
        ("http://localhost:8080/v1", true),
        ("http://[::1]:8080/v1", true),
        ("http://api.example.com/v1", false),
        ("http://127.0.0.1.example.com/v1", false),
        ("ftp://127.0.0.1/v1", false),
        ("nonsense", false),
    ] {
        let made = Drafter::new(EndpointSettings::new(url, "m"), PRICES, PATIENT);
        assert_eq!(made.is_ok(), allowed, "{url}");
        assert!(made.err().is_none_or(|e| matches!(e, SettingsError::Plain | SettingsError::Url(_))));
    }
}
