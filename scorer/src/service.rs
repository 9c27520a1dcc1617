//! Takes interactions from the bus and folds them into the store.
//!
//! A delivery is acknowledged when the transaction that holds it is committed, and not before. What cannot be read, or
//! can never be stored, becomes a dead letter with the reason; what can be stored later waits, unacknowledged.

use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use afterglow_bus::{Bus, BusError, Delivery, Lane, Settler};
use afterglow_domain::{Clock, Interaction, Timestamp};
use afterglow_runtime::error_chain;
use afterglow_runtime::traces::{SPANS, follow, link};
use afterglow_store::{Applied, FoldInput, OutboxRow, Store, StoreError};
use backon::{ExponentialBuilder, Retryable as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::fold::{Traces, fold};
use crate::reader::{Reader, ToRead};
use crate::rulebooks::Rulebooks;
use crate::{overheard, relay, review};

/// The scorer's loop.
pub struct Scorer {
    /// Where state lives.
    pub store: Store,
    /// Where interactions come from and intents go.
    pub bus: Arc<dyn Bus>,
    /// The time.
    pub clock: Clock,
    /// The rules in force.
    pub rulebooks: Rulebooks,
    /// How often it is looked for documents that were applied.
    pub rules_refresh: Duration,
    /// Interactions in one transaction at most, ≥ 1.
    pub batch_max: usize,
    /// How long a batch waits to fill.
    pub batch_wait: Duration,
    /// Batches that are worked on at once, ≥ 1. A viewer's interactions always go to the same worker, so that two workers never
    /// wait for one viewer's lock.
    pub workers: u16,
    /// The ids of the apps through which we speak.
    pub our_apps: Vec<String>,
    /// How long an edit, reaction or unsend waits for its message, in ms, before it goes to quarantine.
    pub park_ms: i64,
}

/// Webhooks beside the first that a batch's span names.
const LINKS: usize = 127;
/// Batches whose wishes may wait to be published.
const BATCHES_TO_PUBLISH: usize = 8;
/// How long what exceeds a brand's quota is gathered: in few large batches it takes little from those who keep to theirs.
const GATHER_OVERFLOW: Duration = Duration::from_millis(200);

/// Wishes that are in the store and are to be published.
type Written = mpsc::Sender<Vec<OutboxRow>>;

/// Where a batch goes once it is in the store.
#[derive(Clone)]
struct After {
    /// Where it came from.
    lane: Lane,
    written: Written,
    to_read: ToRead,
}

/// One step of the loop, for simulations: folds interactions in, and gives the wishes that are to be published.
pub async fn take_in(
    store: &Store,
    rulebooks: &Rulebooks,
    interactions: &[Interaction],
    now: Timestamp,
) -> Result<Applied, StoreError> {
    rulebooks.know(store, interactions.iter().map(|interaction| &interaction.brand)).await?;
    let fold = |input: FoldInput<'_>| fold(input, now, rulebooks, &Traces::new());
    store.apply_interactions(interactions, now, relay::LEASE_MS, fold).await
}

/// The loop cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ScorerError {
    /// Interactions cannot be taken from the bus.
    #[error("cannot take interactions from the bus")]
    Consume(#[source] BusError),
}

/// Deliveries that could be read, and what was read of each.
struct Batch<'a> {
    deliveries: &'a [Delivery],
    interactions: Arc<[Interaction]>,
}

impl Scorer {
    /// Works until `stop`, then finishes the batches in hand.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ScorerError> {
        let scorer = Arc::new(self);
        let stop = stop.child_token();
        let clock = Arc::clone(&scorer.clock);
        let (to_read, reader) =
            Reader::new(scorer.store.clone(), Arc::clone(&scorer.bus), clock, scorer.rulebooks.clone());
        // A loop for each lane: what exceeds a brand's quota is never in front of what does not. One that fails takes the
        // other along.
        let lane = async |lane, (workers, wait), to_read| {
            let ended = scorer.work(lane, (workers, wait), to_read, &stop).await;
            stop.cancel();
            ended
        };
        let within = lane(Lane::Interactions, (usize::from(scorer.workers.max(1)), scorer.batch_wait), to_read.clone());
        // The reader ends with the last of those who leave it something, so nothing of `to_read` is kept here.
        let beyond = lane(Lane::Overflow, (1, scorer.batch_wait.max(GATHER_OVERFLOW)), to_read);
        let reading = reader.run(&stop);
        let relay = relay::run(scorer.store.clone(), &*scorer.bus, Arc::clone(&scorer.clock), stop.clone());
        let orphans = crate::orphans::run(&scorer.store, &scorer.clock, scorer.park_ms, &stop);
        let reviews = review::run(&scorer.store, &scorer.clock, &scorer.rulebooks, &stop);
        let statistics = crate::statistics::run(&scorer.store, &stop);
        let rules = scorer.rulebooks.keep_fresh(&scorer.store, &scorer.clock, scorer.rules_refresh, &stop);
        let (within, beyond, (), (), (), (), (), ()) =
            tokio::join!(within, beyond, reading, relay, orphans, reviews, statistics, rules);
        within.and(beyond)
    }

    /// Takes one lane, with so many workers, and waits so long for a batch to fill.
    async fn work(
        self: &Arc<Self>,
        lane: Lane,
        (workers, wait): (usize, Duration),
        to_read: ToRead,
        stop: &CancellationToken,
    ) -> Result<(), ScorerError> {
        // Twice the batch, so that the next one arrives while this one commits.
        let held = self.batch_max.saturating_mul(workers);
        let prefetch = u16::try_from(held.saturating_mul(2)).unwrap_or(u16::MAX);
        let mut consumer = self.bus.consume(lane, prefetch).await.map_err(ScorerError::Consume)?;
        let settler = consumer.settler();
        // Publishing waits for the broker's disk; the next batch does not wait for it.
        let (written, to_publish) = mpsc::channel(BATCHES_TO_PUBLISH);
        let publishing = relay::publish_all(&self.store, &*self.bus, to_publish);
        let work = async {
            let after = After { lane, written, to_read };
            let mut tasks = JoinSet::new();
            let shards: Vec<_> = (0..workers)
                .map(|_| {
                    let (shard, queue) = mpsc::channel(self.batch_max);
                    let (scorer, settler) = (Arc::clone(self), Arc::clone(&settler));
                    tasks.spawn(scorer.take_all(queue, settler, after.clone(), stop.clone()));
                    shard
                })
                .collect();
            drop(after);
            let dispatched = async {
                while let Some(batch) = stop.run_until_cancelled(consumer.next_batch(held, wait)).await {
                    match batch {
                        Ok(batch) => dispatch(batch, &shards, &*settler).await,
                        Err(BusError::Closed) => break,
                        Err(error) => return Err(ScorerError::Consume(error)),
                    }
                }
                Ok(())
            };
            let ended = dispatched.await;
            drop(shards); // the workers end when they have nothing left
            tasks.join_all().await;
            ended
        };
        let (worked, ()) = tokio::join!(work, publishing);
        worked
    }

    /// One worker: takes what is there of its queue, up to a batch, until nobody puts anything in.
    async fn take_all(
        self: Arc<Self>,
        mut queue: mpsc::Receiver<(Delivery, Interaction)>,
        settler: Arc<dyn Settler>,
        after: After,
        stop: CancellationToken,
    ) {
        let mut next = Vec::with_capacity(self.batch_max);
        while queue.recv_many(&mut next, self.batch_max).await > 0 {
            let (deliveries, interactions): (Vec<_>, Vec<_>) = next.drain(..).unzip();
            let batch = Batch { deliveries: &deliveries, interactions: interactions.into() };
            let refused = self.apply(&batch, &*settler, &after, &stop).await;
            if refused.is_some() && deliveries.len() > 1 {
                // One of them can never be stored; the others must not wait for it.
                for (delivery, interaction) in deliveries.iter().zip(&*batch.interactions) {
                    let deliveries = std::slice::from_ref(delivery);
                    let one = Batch { deliveries, interactions: Arc::new([interaction.clone()]) };
                    if let Some(error) = self.apply(&one, &*settler, &after, &stop).await {
                        bury(delivery, &error_chain(&error), &*settler).await;
                    }
                }
            } else if let (Some(error), [delivery]) = (refused, deliveries.as_slice()) {
                bury(delivery, &error_chain(&error), &*settler).await;
            }
        }
    }

    /// Applies, acknowledges and publishes. Gives back the error of a batch that can never be stored; a batch cut off by
    /// `stop` stays unacknowledged, and comes again.
    async fn apply(
        &self,
        batch: &Batch<'_>,
        settler: &dyn Settler,
        after: &After,
        stop: &CancellationToken,
    ) -> Option<StoreError> {
        let interactions = &batch.interactions;
        if interactions.is_empty() {
            return None;
        }
        let each = interactions.iter().zip(batch.deliveries);
        let traces =
            each.filter_map(|(interaction, delivery)| Some((interaction.id, delivery.message.traceparent.clone()?)));
        let traces: Arc<Traces> = Arc::new(traces.collect());
        let attempt = || {
            let (store, now, rulebooks) = (self.store.clone(), (self.clock)(), self.rulebooks.clone());
            let (interactions, traces) = (Arc::clone(interactions), Arc::clone(&traces));
            async move {
                rulebooks.know(&store, interactions.iter().map(|interaction| &interaction.brand)).await?;
                let fold = |input: FoldInput<'_>| fold(input, now, &rulebooks, &traces);
                store.apply_interactions(&interactions, now, relay::LEASE_MS, fold).await
            }
        };
        let patiently = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(20))
            .with_max_delay(Duration::from_secs(5))
            .with_jitter()
            .without_max_times();
        let applying = attempt.retry(patiently).when(StoreError::is_retryable).notify(|error, after| {
            metrics::counter!("afterglow_scorer_retries_total").increment(1);
            tracing::warn!(error = %error_chain(error), ?after, "the store does not take a batch; trying again");
        });
        match stop.run_until_cancelled(applying.instrument(batch_span(batch.deliveries))).await? {
            Ok(applied) => {
                // Before anything that follows is published. What `stop` cuts off here comes again.
                let recording = overheard::record(&self.store, &self.clock, interactions, &self.our_apps);
                stop.run_until_cancelled(recording).await?;
                after.to_read.leave(interactions);
                self.done(batch, applied, settler, after).await;
                None
            }
            Err(error) => Some(error),
        }
    }

    async fn done(&self, batch: &Batch<'_>, applied: Applied, settler: &dyn Settler, after: &After) {
        let tags: Vec<_> = batch.deliveries.iter().map(|delivery| delivery.tag).collect();
        if let Err(error) = settler.ack(&tags).await {
            tracing::warn!(%error, "a batch comes again: it could not be acknowledged");
        }
        measure(after.lane, &batch.interactions, &applied, (self.clock)());
        if !applied.outbox.is_empty() {
            // Were nobody there to publish, the relay would find the rows when their lease has run out.
            let _ = after.written.send(applied.outbox).await;
        }
    }
}

/// Gives each delivery to its viewer's worker; what cannot be read becomes a dead letter.
async fn dispatch(batch: Vec<Delivery>, shards: &[mpsc::Sender<(Delivery, Interaction)>], settler: &dyn Settler) {
    for delivery in batch {
        match Interaction::from_cloudevent(&delivery.message.body) {
            Ok(interaction) => {
                let Some(shard) = shards.get(shard_of(&interaction, shards.len())) else { continue };
                // A worker that is gone is one that stops: what it did not take comes again.
                let _ = shard.send((delivery, interaction)).await;
            }
            Err(error) => bury(&delivery, &format!("not an interaction: {error}"), settler).await,
        }
    }
}

/// Which of `shards` workers takes it. It matters within one process alone, so any hash will do.
fn shard_of(interaction: &Interaction, shards: usize) -> usize {
    let mut hasher = std::hash::DefaultHasher::new();
    match &interaction.viewer {
        Some(viewer) => (&interaction.account, viewer).hash(&mut hasher),
        None => interaction.id.hash(&mut hasher),
    }
    usize::try_from(hasher.finish() % shards.max(1) as u64).unwrap_or(0)
}

/// A span for a batch: a child of the first webhook that led to it, with links to the others.
fn batch_span(batch: &[Delivery]) -> tracing::Span {
    let span = tracing::trace_span!(target: SPANS, "fold", otel.kind = "consumer", interactions = batch.len());
    if span.is_disabled() {
        return span;
    }
    let mut traced = batch.iter().filter_map(|delivery| delivery.message.traceparent.as_deref());
    follow(&span, traced.next());
    traced.take(LINKS).for_each(|traceparent| link(&span, traceparent));
    span
}

fn measure(lane: Lane, batch: &[Interaction], applied: &Applied, now: Timestamp) {
    metrics::counter!("afterglow_scorer_interactions_total", "outcome" => "accepted").increment(applied.accepted);
    metrics::counter!("afterglow_scorer_interactions_total", "outcome" => "duplicate").increment(applied.duplicates);
    metrics::counter!("afterglow_scorer_intents_total").increment(applied.outbox.len() as u64);
    #[expect(clippy::cast_precision_loss, reason = "a few hundred interactions, an age in milliseconds")]
    {
        metrics::histogram!("afterglow_scorer_batch_size").record(batch.len() as f64);
        if let Some(oldest) = batch.iter().map(|interaction| interaction.received).min() {
            metrics::histogram!("afterglow_scorer_lag_seconds", "lane" => lane.as_str())
                .record(now.since(oldest).max(0) as f64 / 1000.0);
        }
    }
}

async fn bury(delivery: &Delivery, reason: &str, settler: &dyn Settler) {
    metrics::counter!("afterglow_dead_letters_total", "lane" => Lane::Interactions.as_str()).increment(1);
    tracing::error!(message = delivery.message.id, reason, "an interaction becomes a dead letter");
    if let Err(error) = settler.dead_letter(delivery, reason).await {
        tracing::warn!(%error, "it comes again: the dead letter could not be written");
    }
}
