//! A consumer of the feed, by one of its three ways, which may be killed at any moment: what it has written down it has taken.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afterglow_rig::now;
use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use futures_util::StreamExt as _;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use serde_json::Value;

/// The queue that is bound to the exchange.
pub(super) const QUEUE: &str = "bench.changes";

/// A way out of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Way {
    /// Is posted changes
    Webhook,
    /// Follows the cursor
    Pull,
    /// Has a queue on the broker
    Amqp,
}

/// Not for people: a process that `feed` starts, and kills
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// By which way
    way: Way,
    /// What was taken, a line each
    #[arg(long)]
    log: PathBuf,
    /// Where to listen, or where to ask
    #[arg(long)]
    at: String,
    /// Opens the API
    #[arg(long, env = "AFTERGLOW_BENCH_TOKEN", default_value = "", hide_env_values = true)]
    token: String,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let ledger = Ledger::open(&arguments.log)?;
    match arguments.way {
        Way::Webhook => webhook(ledger, &arguments.at).await,
        Way::Pull => pull(ledger, &arguments.at, &arguments.token).await,
        Way::Amqp => amqp(ledger, &arguments.at).await,
    }
}

async fn webhook(ledger: Ledger, at: &str) -> anyhow::Result<()> {
    let ledger = Arc::new(Mutex::new(ledger));
    let take = move |body: Bytes| {
        let kept = ledger.lock().unwrap_or_else(PoisonError::into_inner).keep(&body).is_ok();
        std::future::ready(if kept { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR })
    };
    let listener = tokio::net::TcpListener::bind(at).await?;
    Ok(axum::serve(listener, Router::new().route("/", post(take))).await?)
}

async fn pull(mut ledger: Ledger, at: &str, token: &str) -> anyhow::Result<()> {
    let client = afterglow_runtime::http_client(Duration::from_secs(30))?;
    loop {
        let url = format!("{at}?format=ndjson&limit=1000&cursor={}", ledger.last);
        let asked = client.get(url).bearer_auth(token).send().await.and_then(reqwest::Response::error_for_status);
        let text = match asked {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(_) => String::new(), // it is away, or not there yet
        };
        for line in text.lines() {
            ledger.keep(line.as_bytes())?;
        }
        if text.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn amqp(mut ledger: Ledger, at: &str) -> anyhow::Result<()> {
    let connection = Connection::connect(at, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(500, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut taken = channel.basic_consume(QUEUE.into(), "".into(), options, FieldTable::default()).await?;
    while let Some(delivery) = taken.next().await {
        let delivery = delivery?;
        ledger.keep(&delivery.data)?;
        channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await?;
    }
    Ok(())
}

/// What was taken: the number, the id, the body's hash and the moment of each.
struct Ledger {
    file: File,
    last: u64,
}

impl Ledger {
    /// Goes on where a former process was killed: a line that it could not end was not answered either.
    fn open(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let file = File::options().create(true).append(true).open(path)?;
        file.set_len(whole as u64)?;
        let last = text[..whole].lines().filter_map(|line| line.split(' ').next()?.parse().ok()).max();
        Ok(Self { file, last: last.unwrap_or(0) })
    }

    fn keep(&mut self, body: &[u8]) -> anyhow::Result<()> {
        let event: Value = serde_json::from_slice(body)?;
        let sequence: u64 = event["sequence"].as_str().context("a change has its number")?.parse()?;
        let id = event["id"].as_str().context("a change has its id")?;
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let line = format!("{sequence} {id} {:x} {}\n", hasher.finish(), now().millis());
        self.file.write_all(line.as_bytes())?;
        self.last = self.last.max(sequence);
        Ok(())
    }
}

/// What a consumer took in all its lives.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Id and hash of each number; `None` where it never came.
    pub(super) changes: Vec<Option<(String, String)>>,
    /// When each was taken first, in epoch milliseconds.
    pub(super) at: Vec<i64>,
    pub(super) repeats: u64,
}

impl Taken {
    /// Reads what was taken of the numbers from `from` to `to`.
    ///
    /// # Errors
    /// If a number came under two ids or with two bodies, or an id for two numbers.
    pub(super) fn read(path: &Path, from: u64, to: u64) -> anyhow::Result<Self> {
        let count = usize::try_from(to.saturating_sub(from) + 1)?;
        let mut taken = Self { changes: vec![None; count], at: vec![0; count], repeats: 0 };
        for line in std::fs::read_to_string(path)?.lines() {
            let parts: Vec<&str> = line.split(' ').collect();
            let [sequence, id, hash, at] = parts[..] else { continue }; // being written
            let Some(index) = sequence.parse::<u64>()?.checked_sub(from) else { continue };
            let Some(place) = taken.changes.get_mut(usize::try_from(index)?) else { continue };
            if let Some((known, body)) = place {
                ensure!(known == id && body == hash, "{sequence} came twice and was not the same");
                taken.repeats += 1;
            } else {
                *place = Some((id.to_owned(), hash.to_owned()));
                taken.at[usize::try_from(index)?] = at.parse()?;
            }
        }
        let ids: HashSet<&str> = taken.changes.iter().flatten().map(|(id, _)| id.as_str()).collect();
        ensure!(ids.len() == taken.changes.iter().flatten().count(), "an id stands for two changes");
        Ok(taken)
    }

    pub(super) fn missing(&self) -> usize {
        self.changes.iter().filter(|change| change.is_none()).count()
    }
}
