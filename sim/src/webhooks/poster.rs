//! Posts webhooks as Meta does: signed, a bounded number at a time, again and again until one is answered 200.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use afterglow_domain::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Outgoing, RetrySchedule, signature};
use crate::graph_server::lock;
use crate::world::World;
use crate::{SimError, TimeSource};

/// How webhooks are posted.
#[derive(Debug, Clone)]
pub struct PosterOptions {
    /// Requests under way at one time.
    pub concurrency: usize,
    /// How long Meta waits for an answer ("within 5 or less seconds": Messenger webhooks page, read in 2026).
    pub timeout: Duration,
    /// When it tries again.
    pub retry: RetrySchedule,
}

impl Default for PosterOptions {
    fn default() -> Self {
        Self { concurrency: 32, timeout: Duration::from_secs(5), retry: RetrySchedule::default() }
    }
}

/// The answer to one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// With this status.
    Status(u16),
    /// In time, not at all, or the connection broke: the receiver may or may not have taken it.
    Nothing,
}

/// What became of one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Events inside.
    pub events: u32,
    /// Attempts made.
    pub attempts: u32,
    /// Of these, attempts without an answer: what they carried may have been taken.
    pub in_doubt: u32,
    /// The last answer; `None` if cancelled before the first attempt.
    pub last: Option<Answered>,
    /// When it was answered 200 (or 400, where that is right).
    pub taken: Option<Timestamp>,
    /// From the beginning of the first attempt until it was taken, pauses between attempts included.
    pub took: Duration,
}

/// Posts webhooks.
#[derive(Debug, Clone)]
pub struct Poster(Arc<Inner>);

struct Inner {
    client: reqwest::Client,
    permits: Semaphore,
    options: PosterOptions,
    world: Arc<Mutex<World>>,
    clock: TimeSource,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poster").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Poster {
    pub(crate) fn new(options: PosterOptions, world: Arc<Mutex<World>>, clock: TimeSource) -> Result<Self, SimError> {
        let client = http_client(options.timeout)?;
        let permits = Semaphore::new(options.concurrency.max(1));
        Ok(Self(Arc::new(Inner { client, permits, options, world, clock })))
    }

    /// Delivers one webhook. The world learns its facts before the first attempt, and that they were acknowledged when
    /// the answer is in.
    pub async fn deliver(&self, url: &str, webhook: &Outgoing, cancel: &CancellationToken) -> Delivery {
        let inner = &*self.0;
        let mut delivery = Delivery {
            events: webhook.events,
            attempts: 0,
            in_doubt: 0,
            last: None,
            taken: None,
            took: Duration::ZERO,
        };
        let signature = signature(&webhook.secret, &webhook.body);
        let mut first = None;
        loop {
            let Some((begun, answered)) = self.attempt(url, webhook, &signature, first.is_none(), cancel).await else {
                return delivery;
            };
            let first = *first.get_or_insert(begun);
            delivery.attempts += 1;
            delivery.in_doubt += u32::from(answered == Answered::Nothing);
            delivery.last = Some(answered);
            let taken = match answered {
                Answered::Status(status) => (200..300).contains(&status) || (status == 400 && webhook.unparseable),
                Answered::Nothing => false,
            };
            if taken {
                let now = (inner.clock)();
                lock(&inner.world).acknowledge(&webhook.facts, now);
                (delivery.taken, delivery.took) = (Some(now), first.elapsed());
                return delivery;
            }
            let Some(pause) = inner.options.retry.pause(delivery.attempts) else { return delivery };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = cancel.cancelled() => return delivery,
            }
        }
    }

    /// One attempt, and when it began; `None` when cancelled before it did. An attempt under way is not cut off: it ends by its time-out.
    async fn attempt(
        &self,
        url: &str,
        webhook: &Outgoing,
        signature: &str,
        first: bool,
        cancel: &CancellationToken,
    ) -> Option<(Instant, Answered)> {
        let inner = &*self.0;
        let _permit = tokio::select! {
            biased;
            () = cancel.cancelled() => return None,
            permit = inner.permits.acquire() => permit.ok()?,
        };
        if first {
            let now = (inner.clock)();
            lock(&inner.world).tell(&webhook.facts, now);
        }
        let begun = Instant::now();
        let request = inner
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("x-hub-signature-256", signature)
            .body(webhook.body.clone())
            .send();
        let Ok(response) = request.await else { return Some((begun, Answered::Nothing)) };
        let status = response.status().as_u16();
        // Read to the end, so that the connection can be used again; the status is what counts.
        let _ = response.bytes().await;
        Some((begun, Answered::Status(status)))
    }
}

/// Meta's HTTP client: a time-out for the whole exchange, no redirects, no proxy. One place builds it, and not the
/// program's own builder: the judge shares no code with the judged.
#[expect(clippy::disallowed_methods, reason = "the judge shares no code with the judged")]
fn http_client(timeout: Duration) -> Result<reqwest::Client, SimError> {
    // Someone else in the process may have chosen a provider already; theirs serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(SimError::Client)
}
