//! The bus in one SQLite file, for one process.
//!
//! One writer task gathers what many callers publish and settle into one transaction (group commit). What is with a
//! consumer is known in memory alone: after a crash everything unacknowledged is ready again, its attempts counted. As all of it was
//! with the one process that died, and hardly any of it had a part in that, far more deaths than returns are needed until a message is
//! given up.

mod consumer;
mod writer;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use tokio::sync::Notify;

use self::consumer::EmbeddedConsumer;
use self::writer::{Change, Writer};
use crate::{Bus, BusError, Consumer, DeadLetter, Depth, Lane, Message, PublishError};

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    lane TEXT NOT NULL,
    id TEXT NOT NULL,
    traceparent TEXT,
    body BLOB NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    dead TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS message_ready ON message (lane, seq) WHERE dead IS NULL;
CREATE INDEX IF NOT EXISTS message_dead ON message (lane, seq) WHERE dead IS NOT NULL;";

/// The embedded bus.
pub struct EmbeddedBus {
    shared: Arc<Shared>,
    /// Held as long as the bus lives: SQLite would let two processes in, and both would deliver.
    _lock: std::fs::File,
}

struct Shared {
    pool: SqlitePool,
    writer: Writer,
    lanes: [LaneState; Lane::ALL.len()],
    closed: tokio::sync::watch::Sender<bool>,
}

/// Which messages of a lane are with consumers.
#[derive(Default)]
struct LaneState {
    /// One consumer at a time looks for messages.
    scan: tokio::sync::Mutex<()>,
    delivery: Mutex<LaneDelivery>,
    news: Notify,
}

#[derive(Default)]
struct LaneDelivery {
    /// The newest message that was ever handed out.
    cursor: i64,
    /// Older ones that came back.
    returned: BTreeSet<i64>,
    /// How often somebody gave one back, of those that are here still.
    given_back: HashMap<i64, u32>,
}

impl EmbeddedBus {
    /// Opens or creates the bus in `file`.
    pub async fn open(file: &Path) -> Result<Self, BusError> {
        let unavailable = |error: &dyn std::fmt::Display| BusError::Unavailable(format!("{}: {error}", file.display()));
        let lock_path = file.with_extension("lock");
        let lock = std::fs::File::create(&lock_path).map_err(|e| unavailable(&e))?;
        lock.try_lock().map_err(|_| BusError::InUse(file.display().to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A confirmed message survives a power cut, as with a broker that syncs.
            .synchronous(SqliteSynchronous::Full)
            // Messages are read once: half a MiB of them for each connection will do.
            .pragma("cache_size", "-512");
        let pool =
            SqlitePoolOptions::new().max_connections(4).connect_with(options).await.map_err(|e| unavailable(&e))?;
        sqlx::raw_sql(SCHEMA).execute(&pool).await.map_err(|e| unavailable(&e))?;
        let writer = Writer::start(pool.clone());
        let (closed, _) = tokio::sync::watch::channel(false);
        let shared = Arc::new(Shared { pool, writer, lanes: Default::default(), closed });
        Ok(Self { shared, _lock: lock })
    }
}

impl LaneState {
    fn delivery(&self) -> MutexGuard<'_, LaneDelivery> {
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often a message was given back.
    fn given_back(&self, seq: i64) -> u32 {
        self.delivery().given_back.get(&seq).copied().unwrap_or(0)
    }

    fn given_back_again(&self, seqs: &[i64]) {
        let mut delivery = self.delivery();
        for seq in seqs {
            *delivery.given_back.entry(*seq).or_default() += 1;
        }
    }

    /// These are settled.
    fn forget(&self, seqs: &[i64]) {
        let mut delivery = self.delivery();
        for seq in seqs {
            delivery.given_back.remove(seq);
        }
    }
}

impl Shared {
    fn lane(&self, lane: Lane) -> &LaneState {
        &self.lanes[lane as usize]
    }

    /// Makes messages ready again.
    fn put_back(&self, lane: Lane, seqs: impl IntoIterator<Item = i64>) {
        let state = self.lane(lane);
        state.delivery().returned.extend(seqs);
        state.news.notify_waiters();
    }
}

fn row_to_message(row: &SqliteRow) -> Result<Message, sqlx::Error> {
    Ok(Message {
        id: row.try_get("id")?,
        traceparent: row.try_get("traceparent")?,
        body: row.try_get::<Vec<u8>, _>("body")?.into(),
    })
}

fn unavailable(error: sqlx::Error) -> BusError {
    match error {
        sqlx::Error::PoolClosed => BusError::Closed,
        other => BusError::Unavailable(other.to_string()),
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    async fn publish(&self, lane: Lane, messages: Vec<Message>) -> Result<(), PublishError> {
        if *self.shared.closed.borrow() {
            return Err(PublishError::Unavailable("the bus is closed".into()));
        }
        let change = Change::Publish { lane, messages };
        self.shared.writer.commit(change).await.map_err(|e| PublishError::NotConfirmed(e.to_string()))?;
        self.shared.lane(lane).news.notify_waiters();
        Ok(())
    }

    async fn consume(&self, lane: Lane, prefetch: u16) -> Result<Box<dyn Consumer>, BusError> {
        Ok(Box::new(EmbeddedConsumer::new(Arc::clone(&self.shared), lane, prefetch)))
    }

    async fn depth(&self, lane: Lane) -> Result<Depth, BusError> {
        let sql = "SELECT count(*) FILTER (WHERE dead IS NULL), count(*) FILTER (WHERE dead IS NOT NULL)
                   FROM message WHERE lane = $1";
        let (ready, dead): (i64, i64) =
            sqlx::query_as(sql).bind(lane.as_str()).fetch_one(&self.shared.pool).await.map_err(unavailable)?;
        Ok(Depth { ready: ready.unsigned_abs(), dead: dead.unsigned_abs() })
    }

    async fn dead_letters(&self, lane: Lane, limit: u32) -> Result<Vec<DeadLetter>, BusError> {
        let sql = "SELECT id, traceparent, body, dead FROM message
                   WHERE lane = $1 AND dead IS NOT NULL ORDER BY seq LIMIT $2";
        let query = sqlx::query(sql).bind(lane.as_str()).bind(limit);
        let rows = query.fetch_all(&self.shared.pool).await.map_err(unavailable)?;
        let read = |row: &SqliteRow| Ok(DeadLetter { message: row_to_message(row)?, reason: row.try_get("dead")? });
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(unavailable)
    }

    async fn replay_dead_letters(&self, lane: Lane, limit: u32) -> Result<u32, BusError> {
        let sql = "SELECT seq FROM message WHERE lane = $1 AND dead IS NOT NULL ORDER BY seq LIMIT $2";
        let query = sqlx::query_scalar(sql).bind(lane.as_str()).bind(limit);
        let seqs: Vec<i64> = query.fetch_all(&self.shared.pool).await.map_err(unavailable)?;
        let count = u32::try_from(seqs.len()).unwrap_or(u32::MAX);
        self.shared.writer.commit(Change::Revive { seqs: seqs.clone() }).await?;
        self.shared.put_back(lane, seqs);
        Ok(count)
    }

    async fn close(&self) {
        self.shared.closed.send_replace(true);
        for lane in &self.shared.lanes {
            lane.news.notify_waiters();
        }
        self.shared.writer.stop().await;
        self.shared.pool.close().await;
    }
}
