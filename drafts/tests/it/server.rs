//! A chat endpoint on a free local port, answering as a test wants.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use afterglow_drafts::{Ask, Attempt, BreakerSettings, Budget, Drafter, EndpointSettings, Prices, Review, Spent};
use afterglow_moderation::Language;
use axum::{Router, body::Bytes, response::Response, routing::post};
use serde_json::json;

pub(crate) const PRICES: Prices = Prices { input: 150_000, output: 600_000 };
pub(crate) const PLENTY: Budget = Budget { tokens: u64::MAX, micros: u64::MAX };

pub(crate) fn facts() -> Vec<String> {
    [
        "The Sol lamp costs €49 and comes in green and blue.",
        "We ship to Belgium and Germany within 3 working days.",
        "Our shop: https://lumen.example/shop, e-mail hello@lumen.example, telephone +31 20 555 0100.",
    ]
    .map(str::to_owned)
    .to_vec()
}

pub(crate) struct Server {
    pub(crate) base_url: String,
    pub(crate) calls: Arc<AtomicUsize>,
}

/// Serves `answer` to every call until the runtime ends.
pub(crate) async fn serve<F, Fut>(answer: F) -> Server
where
    F: Fn(Bytes) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response> + Send + 'static,
{
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let handler = move |body: Bytes| {
        counted.fetch_add(1, Ordering::SeqCst);
        answer(body)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let app = Router::new().route("/v1/chat/completions", post(handler));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Server { base_url, calls }
}

pub(crate) fn drafter(server: &Server, breaker: BreakerSettings) -> Drafter {
    let settings = EndpointSettings {
        timeout: Duration::from_millis(400),
        ..EndpointSettings::new(server.base_url.clone(), "test-model")
    };
    Drafter::new(settings, PRICES, breaker).unwrap()
}

pub(crate) async fn ask(drafter: &Drafter, viewer_text: &str) -> Attempt {
    let facts = facts();
    let ask = Ask { brand: "Lumen", language: Language::English, facts: &facts, viewer_text };
    drafter.draft(&ask, PLENTY, Spent::default(), Review::Always, || 0).await
}

pub(crate) fn json_body(body: impl Into<axum::body::Body>) -> Response {
    Response::builder().header("content-type", "application/json").body(body.into()).unwrap()
}

/// A well-formed completion with this content.
pub(crate) fn completion(content: &str) -> Response {
    let answer = json!({
        "choices": [{ "message": { "role": "assistant", "content": content }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 300, "completion_tokens": 20 },
    });
    json_body(answer.to_string())
}

/// A completion that keeps to the form, with this reply.
pub(crate) fn reply(text: &str) -> Response {
    completion(&json!({ "answered": true, "facts": [1], "reply": text }).to_string())
}
