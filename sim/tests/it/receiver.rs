//! A receiver of webhooks that can be made to fail.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;

/// What the receiver does to a webhook.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    /// Answers with this status.
    Answer(u16),
    /// Takes it and never answers.
    Swallow,
}

#[derive(Default)]
struct Inner {
    /// How the next webhooks are met; when empty, as JSON deserves: 200, or 400.
    manners: VecDeque<Manner>,
    taken: Vec<(Bytes, String)>,
}

#[derive(Clone, Default)]
pub(crate) struct Receiver(Arc<Mutex<Inner>>);

impl Receiver {
    /// Listens on a free port; gives the address for webhooks.
    pub(crate) async fn start(manners: impl IntoIterator<Item = Manner>) -> (Self, String) {
        let receiver = Self::default();
        receiver.0.lock().unwrap().manners.extend(manners);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks", listener.local_addr().unwrap());
        let router = Router::new().route("/webhooks", post(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    /// Bodies and signatures, in the order of their arrival.
    pub(crate) fn taken(&self) -> Vec<(Bytes, String)> {
        self.0.lock().unwrap().taken.clone()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let is_json = serde_json::from_slice::<serde_json::Value>(&body).is_ok();
    let manner = {
        let mut inner = receiver.0.lock().unwrap();
        let signature = headers["x-hub-signature-256"].to_str().unwrap().to_owned();
        inner.taken.push((body, signature));
        inner.manners.pop_front()
    };
    match manner {
        Some(Manner::Answer(status)) => StatusCode::from_u16(status).unwrap(),
        Some(Manner::Swallow) => pending().await,
        None if is_json => StatusCode::OK,
        None => StatusCode::BAD_REQUEST,
    }
}
