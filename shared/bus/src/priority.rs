//! Two lanes as one: the second when the first is empty, and now and then all the same.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{Bus, BusError, Consumer, Delivery, Lane, Settler, Tag};

/// Batches of the first lane in a row before the second has its turn: what waits there is never forgotten.
const IN_A_ROW: u32 = 8;
/// While the first lane is busy, a batch of the second is so many times smaller: whatever comes on the first one meanwhile
/// waits for it.
const SMALLER: usize = 4;
/// How long the lane whose turn it is may take to answer before the other is asked as well: a look into a file takes longer
/// than one into a buffer.
const HEAD_START: Duration = Duration::from_millis(1);

/// Takes messages of two lanes, each batch from one of them. At most `prefetch` of each are unsettled.
pub async fn consume_by_priority(
    bus: &dyn Bus,
    [first, lane]: [Lane; 2],
    prefetch: u16,
) -> Result<Box<dyn Consumer>, BusError> {
    let (first, second) = (bus.consume(first, prefetch).await?, bus.consume(lane, prefetch).await?);
    Ok(Box::new(PriorityConsumer { first, second, lane, held: Vec::new(), in_a_row: 0 }))
}

struct PriorityConsumer {
    first: Box<dyn Consumer>,
    second: Box<dyn Consumer>,
    /// The second one's.
    lane: Lane,
    /// Taken from the first lane for the next batch: kept here, so that a cancelled `next_batch` loses nothing.
    held: Vec<Delivery>,
    /// Batches of the first lane since the last one of the second.
    in_a_row: u32,
}

impl PriorityConsumer {
    /// A batch of the first lane, of which something is there.
    async fn fill(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        let until = Instant::now() + wait;
        while self.held.len() < max {
            let room = max - self.held.len();
            match tokio::time::timeout_at(until, self.first.next_batch(room, Duration::ZERO)).await {
                Ok(more) => self.held.extend(more?),
                Err(_) => break,
            }
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        let rest = self.held.split_off(self.held.len().min(max));
        Ok(std::mem::replace(&mut self.held, rest))
    }

    /// Waits for either lane; a batch of the second, or nothing when the first has something.
    async fn wait(&mut self, max: usize) -> Result<Option<Vec<Delivery>>, BusError> {
        // While the first lane is busy, batches of the second are small.
        let small = if self.in_a_row > 0 { max.div_ceil(SMALLER) } else { max };
        let first = async { Ok((self.first.next_batch(max, Duration::ZERO).await?, Vec::new())) };
        let second = async { Ok((Vec::new(), self.second.next_batch(small, Duration::ZERO).await?)) };
        let (of_first, of_second) =
            if self.in_a_row < IN_A_ROW { preferring(first, second).await } else { preferring(second, first).await }?;
        self.held.extend(of_first);
        Ok((!of_second.is_empty()).then_some(of_second))
    }
}

/// What either gives, the one that is preferred if it gives it soon.
async fn preferring<T>(preferred: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    tokio::pin!(preferred);
    if let Ok(given) = tokio::time::timeout(HEAD_START, &mut preferred).await {
        return given;
    }
    tokio::select! { biased; given = preferred => given, given = other => given }
}

#[async_trait]
impl Consumer for PriorityConsumer {
    async fn next_batch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        if self.held.is_empty()
            && let Some(batch) = self.wait(max).await?
        {
            self.in_a_row = u32::from(self.in_a_row >= IN_A_ROW); // busy until now, or not
            return Ok(batch);
        }
        self.fill(max, wait).await
    }

    fn settler(&self) -> Arc<dyn Settler> {
        Arc::new(PrioritySettler { first: self.first.settler(), second: self.second.settler(), second_lane: self.lane })
    }
}

/// Settles each delivery on the lane it came from.
struct PrioritySettler {
    first: Arc<dyn Settler>,
    second: Arc<dyn Settler>,
    second_lane: Lane,
}

impl PrioritySettler {
    fn by_lane(&self, tags: &[Tag]) -> [(&Arc<dyn Settler>, Vec<Tag>); 2] {
        let (second, first) = tags.iter().copied().partition(|tag: &Tag| tag.lane == self.second_lane);
        [(&self.first, first), (&self.second, second)]
    }
}

#[async_trait]
impl Settler for PrioritySettler {
    async fn ack(&self, tags: &[Tag]) -> Result<(), BusError> {
        for (settler, tags) in self.by_lane(tags).into_iter().filter(|(_, tags)| !tags.is_empty()) {
            settler.ack(&tags).await?;
        }
        Ok(())
    }

    async fn retry(&self, tags: &[Tag]) -> Result<(), BusError> {
        for (settler, tags) in self.by_lane(tags).into_iter().filter(|(_, tags)| !tags.is_empty()) {
            settler.retry(&tags).await?;
        }
        Ok(())
    }

    async fn dead_letter(&self, delivery: &Delivery, reason: &str) -> Result<(), BusError> {
        let of_second = delivery.tag.lane == self.second_lane;
        let settler = if of_second { &self.second } else { &self.first };
        settler.dead_letter(delivery, reason).await
    }
}
