//! Tracked links: `GET /l/{code}` leads on at once, and the opening becomes an interaction.
//!
//! The answer waits for nothing: links are held in memory, and openings are published by a task of their own. An opening
//! opens no window. What fetches a link to preview it is led on and not counted.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use afterglow_bus::{Bus, Lane, Message};
use afterglow_domain::{Body, Channel, Click, Clock, DerivedId as _, Interaction, InteractionId, Source, Timestamp};
use afterglow_runtime::{TraceContext, error_chain};
use afterglow_store::{Link, Store, StoreError};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use backon::{ExponentialBuilder, Retryable as _};
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Openings that wait to be published at most; beyond it they are counted as lost, and people are led on all the same.
const WAITING: usize = 10_000;
const TOGETHER: usize = 500;
/// Unknown codes must not become a way to keep the database busy.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// Parts of the names by which programs that preview or crawl introduce themselves.
const ROBOTS: [&str; 14] = [
    "bot",
    "crawl",
    "spider",
    "preview",
    "facebookexternalhit",
    "facebookcatalog",
    "meta-external",
    "whatsapp",
    "slurp",
    "curl",
    "wget",
    "python",
    "headless",
    "monitor",
];

/// Leads on and counts.
pub struct Links {
    store: Store,
    clock: Clock,
    known: RwLock<Arc<HashMap<String, Link>>>,
    read: Mutex<Instant>,
    openings: mpsc::Sender<Interaction>,
}

/// Publishes openings.
pub struct Openings(mpsc::Receiver<Interaction>);

impl Links {
    /// Reads the links.
    pub async fn load(store: Store, clock: Clock) -> Result<(Arc<Self>, Openings), StoreError> {
        let known = RwLock::new(Arc::new(list(&store).await?));
        let (openings, queue) = mpsc::channel(WAITING);
        let links = Self { store, clock, known, read: Mutex::new(Instant::now()), openings };
        Ok((Arc::new(links), Openings(queue)))
    }

    fn find(&self, code: &str) -> Option<Link> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner)).get(code).cloned()
    }

    /// The link, also one that was made since the list was read.
    pub(crate) async fn find_or_look(&self, code: &str) -> Option<Link> {
        if let Some(link) = self.find(code) {
            return Some(link);
        }
        let mut read = self.read.lock().await;
        if read.elapsed() >= AT_MOST_EVERY {
            *read = Instant::now();
            match list(&self.store).await {
                Ok(list) => *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list),
                Err(error) => tracing::warn!(error = %error_chain(&error), "the links cannot be read"),
            }
        }
        drop(read);
        self.find(code)
    }
}

async fn list(store: &Store) -> Result<HashMap<String, Link>, StoreError> {
    Ok(store.links().await?.into_iter().map(|link| (link.code.clone(), link)).collect())
}

/// The route.
pub fn links_router(links: Arc<Links>) -> Router {
    Router::new().route("/l/{code}", get(open)).with_state(links)
}

async fn open(
    State(links): State<Arc<Links>>,
    method: Method,
    Path(code): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(link) = links.find_or_look(&code).await else {
        return (StatusCode::NOT_FOUND, "This link is not known.\n").into_response();
    };
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let person = method == Method::GET && !is_robot(agent);
    let outcome = if !person {
        "robot"
    } else if links.openings.try_send(opening(&link, (links.clock)())).is_ok() {
        "counted"
    } else {
        "lost"
    };
    metrics::counter!("afterglow_link_openings_total", "outcome" => outcome).increment(1);
    let go = [
        (header::LOCATION, link.target.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (StatusCode::FOUND, go).into_response()
}

fn is_robot(agent: &str) -> bool {
    let agent = agent.to_ascii_lowercase();
    agent.is_empty() || ROBOTS.iter().any(|part| agent.contains(part))
}

fn opening(link: &Link, now: Timestamp) -> Interaction {
    // Each opening is one of its own.
    let nonce = TraceContext::random(now.millis().unsigned_abs()).trace_id();
    Interaction {
        id: InteractionId::derive(&["opening", &link.code, &nonce]),
        brand: link.brand.clone(),
        account: link.account.clone(),
        viewer: link.viewer.clone(),
        username: None,
        channel: Channel::Instagram,
        source: Source::Link,
        occurred: now,
        received: now,
        standby: false,
        body: Body::LinkClick(Click { link: link.code.clone() }),
        raw: None,
    }
}

impl Openings {
    /// Publishes openings until `stop`, and then what is left.
    pub async fn publish(mut self, bus: Arc<dyn Bus>, stop: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            let taken = stop.run_until_cancelled(self.0.recv_many(&mut batch, TOGETHER)).await;
            if taken.is_none() {
                self.0.close();
                while let Ok(opening) = self.0.try_recv() {
                    batch.push(opening);
                }
            }
            let message = |opening: &Interaction| {
                let body = opening.to_cloudevent().ok()?.into();
                Some(Message { id: opening.id.to_string(), traceparent: None, body })
            };
            let messages: Vec<Message> = batch.drain(..).filter_map(|opening| message(&opening)).collect();
            if !messages.is_empty() {
                let publish = || {
                    let (bus, messages) = (Arc::clone(&bus), messages.clone());
                    async move { bus.publish(Lane::Interactions, messages).await }
                };
                let times = if taken.is_some() { 1_000 } else { 5 };
                let patiently =
                    ExponentialBuilder::default().with_max_delay(Duration::from_secs(5)).with_max_times(times);
                if let Err(error) = publish.retry(patiently).await {
                    tracing::error!(lost = messages.len(), error = %error_chain(&error), "openings of links are lost");
                }
            }
            if taken.is_none_or(|taken| taken == 0) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_robots() {
        let person =
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/22B83 Instagram 350.0";
        for (agent, robot) in [
            (person, false),
            ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", true),
            ("Mozilla/5.0 (compatible; Googlebot/2.1)", true),
            ("WhatsApp/2.23", true),
            ("curl/8.5", true),
            ("", true),
        ] {
            assert_eq!(is_robot(agent), robot, "{agent}");
        }
    }
}
