//! The one writer: many callers, one transaction.
//!
//! Nothing else may write to the file: SQLite lets a second connection in only if it happens to ask between two transactions, so that
//! under load it would ask in vain until it gives up.

use sqlx::sqlite::SqlitePool;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::{BusError, Lane, Message};

/// Changes that wait for the writer; a full queue makes callers wait.
const QUEUE: usize = 1024;
/// Changes in one transaction: bounds how long the first of them waits.
const GROUP: usize = 512;

pub(super) enum Change {
    Publish {
        lane: Lane,
        messages: Vec<Message>,
    },
    /// Messages are about to be handed out once more.
    Attempt {
        seqs: Vec<i64>,
    },
    Ack {
        seqs: Vec<i64>,
    },
    Bury {
        seq: i64,
        reason: String,
    },
    /// Dead letters are as new again.
    Revive {
        seqs: Vec<i64>,
    },
}

type Request = (Change, oneshot::Sender<Result<(), String>>);

pub(super) struct Writer {
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    task: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(pool: SqlitePool) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let task = tokio::spawn(run(pool, receiver));
        Self { requests: Mutex::new(Some(sender)), task: Mutex::new(Some(task)) }
    }

    /// Returns when the change is on disk.
    pub(super) async fn commit(&self, change: Change) -> Result<(), BusError> {
        let sender = self.requests.lock().await.clone().ok_or(BusError::Closed)?;
        let (done, wait) = oneshot::channel();
        sender.send((change, done)).await.map_err(|_| BusError::Closed)?;
        wait.await.map_err(|_| BusError::Closed)?.map_err(BusError::Unavailable)
    }

    /// Writes what waits, and ends.
    pub(super) async fn stop(&self) {
        self.requests.lock().await.take();
        if let Some(task) = self.task.lock().await.take() {
            let _ = task.await;
        }
    }
}

async fn run(pool: SqlitePool, mut requests: mpsc::Receiver<Request>) {
    let mut group = Vec::with_capacity(GROUP);
    while requests.recv_many(&mut group, GROUP).await > 0 {
        let result = write(&pool, &group).await.map_err(|error| error.to_string());
        for (_, done) in group.drain(..) {
            // A caller that has gone away does not need the answer.
            let _ = done.send(result.clone());
        }
    }
}

async fn write(pool: &SqlitePool, group: &[Request]) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    for (change, _) in group {
        match change {
            Change::Publish { lane, messages } => {
                for message in messages {
                    sqlx::query("INSERT INTO message (lane, id, traceparent, body) VALUES ($1, $2, $3, $4)")
                        .bind(lane.as_str())
                        .bind(&message.id)
                        .bind(&message.traceparent)
                        .bind(message.body.as_ref())
                        .execute(&mut *tx)
                        .await?;
                }
            }
            Change::Attempt { seqs } => {
                let sql = "UPDATE message SET attempts = attempts + 1 WHERE seq IN (SELECT value FROM json_each($1))";
                sqlx::query(sql).bind(json(seqs)).execute(&mut *tx).await?;
            }
            Change::Revive { seqs } => {
                let sql = "UPDATE message SET dead = NULL, attempts = 0 WHERE seq IN (SELECT value FROM json_each($1))";
                sqlx::query(sql).bind(json(seqs)).execute(&mut *tx).await?;
            }
            Change::Ack { seqs } => {
                for seq in seqs {
                    sqlx::query("DELETE FROM message WHERE seq = $1").bind(seq).execute(&mut *tx).await?;
                }
            }
            Change::Bury { seq, reason } => {
                let sql = "UPDATE message SET dead = $2 WHERE seq = $1";
                sqlx::query(sql).bind(seq).bind(reason).execute(&mut *tx).await?;
            }
        }
    }
    tx.commit().await
}

/// Numbers as `json_each` takes them.
pub(super) fn json(seqs: &[i64]) -> String {
    format!("{seqs:?}")
}
