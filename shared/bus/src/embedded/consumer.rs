//! Hands messages out, and takes back what is not settled.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row as _;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::writer::json;
use super::{Change, Shared, row_to_message, unavailable};
use crate::{BusError, Consumer, DELIVERY_LIMIT, Delivery, Lane, Settler, Tag};

/// How often a message may have been with a process that died. A killed process leaves hundreds behind that it had not begun; one that was
/// killed every half second while it had more to do than it could gave all of these up at twenty.
const DEATHS_LIMIT: u32 = 1_000;

pub(super) struct EmbeddedConsumer {
    held: Arc<Held>,
    prefetch: usize,
    /// A look for messages under way: kept here, so that a cancelled `next_batch` loses nothing.
    fetch: Option<JoinHandle<Result<Vec<Delivery>, BusError>>>,
    ready: Vec<Delivery>,
}

/// What is with one consumer. Dropped with the last handle to it, and then everything goes back.
struct Held {
    shared: Arc<Shared>,
    lane: Lane,
    seqs: Mutex<HashSet<i64>>,
}

impl Held {
    fn seqs(&self) -> std::sync::MutexGuard<'_, HashSet<i64>> {
        self.seqs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of `tags` that are still ours, taken out.
    fn take(&self, tags: &[Tag]) -> Vec<i64> {
        let mut held = self.seqs();
        let taken = tags.iter().filter_map(|tag| held.take(&i64::try_from(tag.number).ok()?)).collect();
        drop(held);
        self.shared.lane(self.lane).news.notify_waiters(); // room within the prefetch
        taken
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let seqs = std::mem::take(&mut *self.seqs());
        self.shared.put_back(self.lane, seqs);
    }
}

impl EmbeddedConsumer {
    pub(super) fn new(shared: Arc<Shared>, lane: Lane, prefetch: u16) -> Self {
        let held = Arc::new(Held { shared, lane, seqs: Mutex::default() });
        Self { held, prefetch: usize::from(prefetch.max(1)), fetch: None, ready: Vec::new() }
    }

    /// Looks for up to `max` messages; empty if there are none now.
    async fn look(&mut self, max: usize) -> Result<(), BusError> {
        if self.fetch.is_none() {
            let room = self.prefetch.saturating_sub(self.held.seqs().len()).min(max);
            if room == 0 {
                return Ok(());
            }
            self.fetch = Some(tokio::spawn(fetch(Arc::clone(&self.held), room)));
        }
        let Some(task) = self.fetch.as_mut() else { return Ok(()) };
        let result = task.await;
        self.fetch = None;
        self.ready.extend(result.map_err(|_| BusError::Closed)??);
        Ok(())
    }
}

#[async_trait]
impl Consumer for EmbeddedConsumer {
    async fn next_batch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        let shared = Arc::clone(&self.held.shared);
        let mut deadline: Option<Instant> = None;
        loop {
            if *shared.closed.borrow() {
                return Err(BusError::Closed);
            }
            // Registered before looking, so that what is published in between wakes us.
            let news = shared.lane(self.held.lane).news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if self.ready.len() < max {
                self.look(max - self.ready.len()).await?;
            }
            if self.ready.len() >= max {
                break;
            }
            if self.ready.is_empty() {
                news.await;
            } else {
                let until = *deadline.get_or_insert_with(|| Instant::now() + wait);
                if tokio::time::timeout_at(until, news).await.is_err() {
                    break;
                }
            }
        }
        let batch = self.ready.len().min(max);
        Ok(self.ready.drain(..batch).collect())
    }

    fn settler(&self) -> Arc<dyn Settler> {
        Arc::new(EmbeddedSettler(Arc::clone(&self.held)))
    }
}

async fn fetch(held: Arc<Held>, room: usize) -> Result<Vec<Delivery>, BusError> {
    let (shared, lane) = (&held.shared, held.lane);
    let state = shared.lane(lane);
    let _scan = state.scan.lock().await;
    let (cursor, returned) = {
        let mut delivery = state.delivery();
        let returned: Vec<i64> = delivery.returned.iter().copied().take(room).collect();
        for seq in &returned {
            delivery.returned.remove(seq);
        }
        (delivery.cursor, returned)
    };
    // From here on the messages are ours to give back, whatever happens.
    held.seqs().extend(returned.iter().copied());
    let sql = "SELECT seq, id, traceparent, body, attempts + 1 AS attempts FROM message WHERE dead IS NULL AND seq IN (
                 SELECT value FROM json_each($1) UNION ALL
                 SELECT seq FROM (SELECT seq FROM message WHERE lane = $2 AND dead IS NULL AND seq > $3 ORDER BY seq LIMIT $4))";
    let query = sqlx::query(sql)
        .bind(json(&returned))
        .bind(lane.as_str())
        .bind(cursor)
        .bind(i64::try_from(room - returned.len()).unwrap_or(0));
    let rows = query.fetch_all(&shared.pool).await.map_err(unavailable)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let seqs: Vec<i64> = rows.iter().map(|row| row.try_get("seq")).collect::<Result<_, _>>().map_err(unavailable)?;
    shared.writer.commit(Change::Attempt { seqs: seqs.clone() }).await?;
    let mut deliveries = Vec::with_capacity(rows.len());
    for (seq, row) in seqs.into_iter().zip(rows) {
        let attempt: u32 = row.try_get("attempts").map_err(unavailable)?;
        {
            let mut delivery = state.delivery();
            delivery.cursor = delivery.cursor.max(seq);
        }
        let given_back = state.given_back(seq);
        if given_back >= DELIVERY_LIMIT || attempt > DEATHS_LIMIT {
            held.seqs().remove(&seq);
            state.forget(&[seq]);
            let times = if given_back >= DELIVERY_LIMIT { DELIVERY_LIMIT } else { DEATHS_LIMIT };
            let reason = format!("delivered {times} times without success");
            shared.writer.commit(Change::Bury { seq, reason }).await?;
            continue;
        }
        held.seqs().insert(seq);
        let tag = Tag { generation: 0, number: seq.unsigned_abs(), part: 0 };
        deliveries.push(Delivery { message: row_to_message(&row).map_err(unavailable)?, attempt, tag });
    }
    deliveries.sort_by_key(|delivery| delivery.tag.number);
    Ok(deliveries)
}

struct EmbeddedSettler(Arc<Held>);

#[async_trait]
impl Settler for EmbeddedSettler {
    async fn ack(&self, tags: &[Tag]) -> Result<(), BusError> {
        let seqs = self.0.take(tags);
        let result = self.0.shared.writer.commit(Change::Ack { seqs: seqs.clone() }).await;
        if result.is_err() {
            self.0.shared.put_back(self.0.lane, seqs);
        } else {
            self.0.shared.lane(self.0.lane).forget(&seqs);
        }
        result
    }

    async fn retry(&self, tags: &[Tag]) -> Result<(), BusError> {
        let seqs = self.0.take(tags);
        self.0.shared.lane(self.0.lane).given_back_again(&seqs);
        self.0.shared.put_back(self.0.lane, seqs);
        Ok(())
    }

    async fn dead_letter(&self, delivery: &Delivery, reason: &str) -> Result<(), BusError> {
        for seq in self.0.take(&[delivery.tag]) {
            let change = Change::Bury { seq, reason: reason.to_owned() };
            if let Err(error) = self.0.shared.writer.commit(change).await {
                self.0.shared.put_back(self.0.lane, [seq]);
                return Err(error);
            }
            self.0.shared.lane(self.0.lane).forget(&[seq]);
        }
        Ok(())
    }
}
