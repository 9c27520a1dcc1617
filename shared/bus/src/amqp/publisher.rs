//! One task publishes for everybody.
//!
//! The client library writes to its socket from a thread of its own, which every publish wakes. Callers that publish one
//! message each would pay that for each message; gathered by one task, those that are waiting at the same moment go out
//! in one wake, and the broker confirms many at a time (docs/performance.md).

use futures_util::future::{join_all, try_join_all};
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{Channel, PublisherConfirm};
use tokio::sync::{mpsc, oneshot};

use super::properties;
use crate::{Lane, Message, PublishError};

/// Calls that wait to be written at most; a full queue makes callers wait, and their deadline answers for them.
const WAITING: usize = 4096;
/// Calls written in one go at most, so that the first of them does not wait for the last.
const TOGETHER: usize = 256;

/// What one caller wants published.
pub(super) struct Call {
    pub(super) exchange: ShortString,
    pub(super) lane: Lane,
    pub(super) messages: Vec<Message>,
    /// Why the messages are dead letters, if they are.
    pub(super) reason: Option<String>,
}

struct Job {
    call: Call,
    done: oneshot::Sender<Result<(), PublishError>>,
}

/// The way to the publishing task of one connection. The task ends when the last handle is gone.
pub(super) struct Publisher(mpsc::Sender<Job>);

impl Publisher {
    /// Starts the task on a channel that confirms.
    pub(super) fn start(channel: Channel) -> Self {
        let (sender, queue) = mpsc::channel(WAITING);
        tokio::spawn(run(channel, queue));
        Self(sender)
    }

    /// Publishes and waits for every confirm.
    pub(super) async fn publish(&self, call: Call) -> Result<(), PublishError> {
        let gone = || PublishError::NotConfirmed("the connection was lost".into());
        let (done, confirmed) = oneshot::channel();
        self.0.send(Job { call, done }).await.map_err(|_| gone())?;
        confirmed.await.map_err(|_| gone())?
    }
}

async fn run(channel: Channel, mut queue: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(TOGETHER);
    loop {
        // Whoever is about to publish gets to say so before this goes out.
        if queue.is_empty() {
            tokio::task::yield_now().await;
        }
        if queue.recv_many(&mut jobs, TOGETHER).await == 0 {
            return;
        }
        let together = std::mem::replace(&mut jobs, Vec::with_capacity(TOGETHER));
        tokio::spawn(write_and_confirm(channel.clone(), together));
    }
}

/// Writes all messages before it waits for the first: a publish of the client library ends only when the socket has taken
/// it, which costs two wakes each if they are awaited in turn.
async fn write_and_confirm(channel: Channel, jobs: Vec<Job>) {
    let written = join_all(jobs.iter().map(|job| write(&channel, &job.call))).await;
    for (Job { done, .. }, confirms) in jobs.into_iter().zip(written) {
        let outcome = match confirms {
            Ok(confirms) => confirmed(confirms).await,
            Err(error) => Err(error),
        };
        let _ = done.send(outcome); // the caller may have given up
    }
}

async fn write(channel: &Channel, call: &Call) -> Result<Vec<PublisherConfirm>, PublishError> {
    // Mandatory: a message that no queue takes comes back, and is an error instead of a loss.
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    // Polled in order for the first time, and so written in order.
    let written = call.messages.iter().map(|message| {
        let (exchange, key) = (call.exchange.clone(), call.lane.as_str().into());
        let properties = properties(message, call.reason.as_deref());
        channel.basic_publish(exchange, key, options, &message.body, properties)
    });
    let written = try_join_all(written).await;
    written.map_err(not_confirmed)
}

async fn confirmed(confirms: Vec<PublisherConfirm>) -> Result<(), PublishError> {
    for confirm in confirms {
        let confirmation = confirm.await.map_err(not_confirmed)?;
        if !confirmation.is_ack() {
            return Err(PublishError::NotConfirmed("the broker refused a message".into()));
        }
        if confirmation.take_message().is_some() {
            return Err(PublishError::NotConfirmed("no queue takes the message".into()));
        }
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_confirmed(error: lapin::Error) -> PublishError {
    PublishError::NotConfirmed(error.to_string())
}
