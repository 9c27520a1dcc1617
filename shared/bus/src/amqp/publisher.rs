//! One task publishes for everybody.
//!
//! The client library writes to its socket from a thread of its own, which every publish wakes. Callers that publish one
//! message each would pay that for each message; gathered by one task, those that are waiting at the same moment go out
//! in one wake, interactions among them as one message (`bundle`), and the broker confirms many at a time
//! (docs/performance.md).

use futures_util::future::join_all;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{Channel, PublisherConfirm};
use tokio::sync::{mpsc, oneshot};

use super::{bundle, properties};
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

/// What is written as one message of the broker's.
struct Shipment<'a> {
    call: &'a Call,
    messages: Vec<&'a Message>,
    /// The jobs that have something in it, by their places.
    jobs: Vec<usize>,
}

/// What is to be written for `jobs`: interactions of all of them together, everything else message by message.
fn shipments(jobs: &[Job]) -> Vec<Shipment<'_>> {
    let mut shipments = Vec::new();
    for lane in Lane::ALL {
        let of_lane = jobs.iter().enumerate().filter(|(_, job)| job.call.lane == lane);
        // A dead letter keeps its own reason, and so travels alone.
        let (together, alone): (Vec<_>, Vec<_>) =
            of_lane.partition(|(_, job)| bundle::travels_together(lane) && job.call.reason.is_none());
        for (at, job) in alone {
            let each = job.call.messages.iter();
            shipments.extend(each.map(|message| Shipment { call: &job.call, messages: vec![message], jobs: vec![at] }));
        }
        let Some((_, first)) = together.first() else { continue };
        let messages: Vec<&Message> = together.iter().flat_map(|(_, job)| &job.call.messages).collect();
        let mut of_job = together.iter().flat_map(|(at, job)| std::iter::repeat_n(*at, job.call.messages.len()));
        for messages in bundle::split(&messages) {
            let mut jobs: Vec<usize> = of_job.by_ref().take(messages.len()).collect();
            jobs.dedup();
            shipments.push(Shipment { call: &first.call, messages, jobs });
        }
    }
    shipments
}

/// Writes all messages before it waits for the first: a publish of the client library ends only when the socket has taken
/// it, which costs two wakes each if they are awaited in turn.
async fn write_and_confirm(channel: Channel, jobs: Vec<Job>) {
    let shipments = shipments(&jobs);
    // Polled in order for the first time, and so written in order.
    let written = join_all(shipments.iter().map(|shipment| write(&channel, shipment))).await;
    let of_shipments: Vec<Vec<usize>> = shipments.into_iter().map(|shipment| shipment.jobs).collect();
    let mut left = vec![0_usize; jobs.len()];
    of_shipments.iter().flatten().for_each(|job| left[*job] += 1);
    let mut waiting: Vec<Option<oneshot::Sender<_>>> = jobs.into_iter().map(|job| Some(job.done)).collect();
    // Nothing to publish is published.
    let nothing = waiting.iter_mut().zip(&left).filter(|(_, left)| **left == 0).filter_map(|(done, _)| done.take());
    nothing.for_each(|done| drop(done.send(Ok(()))));
    for (jobs, written) in of_shipments.into_iter().zip(written) {
        let outcome = match written {
            Ok(confirm) => confirmed(confirm).await,
            Err(error) => Err(not_confirmed(error)),
        };
        for job in jobs {
            left[job] -= 1;
            if left[job] == 0 || outcome.is_err() {
                // The caller may have given up, or been told already of what went wrong.
                let _ = waiting[job].take().map(|done| done.send(outcome.clone()));
            }
        }
    }
}

async fn write(channel: &Channel, shipment: &Shipment<'_>) -> lapin::Result<PublisherConfirm> {
    // Mandatory: a message that no queue takes comes back, and is an error instead of a loss.
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let Call { exchange, lane, reason, .. } = shipment.call;
    let (exchange, key) = (exchange.clone(), lane.as_str().into());
    if let [message] = shipment.messages.as_slice() {
        let properties = properties(message, reason.as_deref());
        return channel.basic_publish(exchange, key, options, &message.body, properties).await;
    }
    let body = bundle::write(&shipment.messages);
    channel.basic_publish(exchange, key, options, &body, bundle::properties()).await
}

async fn confirmed(confirm: PublisherConfirm) -> Result<(), PublishError> {
    let confirmation = confirm.await.map_err(not_confirmed)?;
    if !confirmation.is_ack() {
        return Err(PublishError::NotConfirmed("the broker refused a message".into()));
    }
    if confirmation.take_message().is_some() {
        return Err(PublishError::NotConfirmed("no queue takes the message".into()));
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_confirmed(error: lapin::Error) -> PublishError {
    PublishError::NotConfirmed(error.to_string())
}
