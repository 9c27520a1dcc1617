//! Sends of which it is not known whether they went out: the echo settles them (the scorer sees it), else the
//! conversation is read, else a person is asked. None is ever repeated.

use std::sync::Arc;
use std::time::Duration;

use afterglow_meta::graph::{ErrorClass, GraphAccount, ReadError};
use afterglow_runtime::error_chain;
use afterglow_store::{Resolution, StoreError, UnknownSend};
use afterglow_tokens::{Reads, read_room};
use tokio_util::sync::CancellationToken;

use super::Responder;

const LIMIT: u32 = 50;
/// Messages of a conversation that are read back: ours is among the latest.
const MESSAGES: u32 = 20;
/// A clock ahead of ours must not hide a message.
const SKEW_MS: i64 = 60_000;
/// How long an outage of Meta's may keep a send's fate open before a person is asked all the same.
const OUTAGE: Duration = Duration::from_hours(12);

pub(super) async fn run(responder: &Arc<Responder>, stop: &CancellationToken) {
    while stop
        .run_until_cancelled(tokio::time::sleep(responder.sweep_every.max(Duration::from_millis(200))))
        .await
        .is_some()
    {
        if let Err(error) = settle(responder, stop).await {
            tracing::warn!(error = %error_chain(&error), "sends of unknown fate wait");
        }
    }
}

pub(super) async fn settle(responder: &Responder, stop: &CancellationToken) -> Result<(), StoreError> {
    let waiting = responder.store.unknown_sends(LIMIT).await?;
    #[expect(clippy::cast_precision_loss, reason = "at most the limit")]
    metrics::gauge!("afterglow_sends_of_unknown_fate").set(waiting.len() as f64);
    for send in waiting {
        let now = (responder.clock)();
        let age = Duration::from_millis(u64::try_from(now.since(send.started.unwrap_or_default())).unwrap_or(0));
        if age < responder.echo_patience {
            continue;
        }
        let Some(seen) = stop.run_until_cancelled(look(responder, &send)).await else { return Ok(()) };
        let resolution = match seen {
            Seen::There(message_id) => Resolution::Found { message_id },
            // Meta may be slow to show what it has taken.
            Seen::NotThere | Seen::Refused if age < responder.fate_patience => continue,
            // An outage says nothing; but nobody should wait for ever.
            Seen::NoAnswer if age < OUTAGE => continue,
            Seen::NotThere | Seen::Refused | Seen::NoAnswer => Resolution::NotFound,
        };
        tracing::info!(send = %send.send, found = matches!(resolution, Resolution::Found { .. }), "a fate is settled");
        responder.store.resolve_unknown(send.send, &resolution, (responder.clock)()).await?;
    }
    Ok(())
}

/// What the conversation says of a message.
enum Seen {
    There(String),
    NotThere,
    /// It cannot be read, and will not be.
    Refused,
    /// It cannot be read now.
    NoAnswer,
}

/// Looks for the message in the conversation.
async fn look(responder: &Responder, send: &UnknownSend) -> Seen {
    let token = match responder.tokens.of(&send.account).await {
        Ok(token) => token,
        Err(error) if error.is_lasting() => return Seen::Refused,
        Err(_) => return Seen::NoAnswer,
    };
    let sleep = |wait| (responder.sleep)(wait);
    let room = read_room(&responder.store, Reads::Conversations, &send.account, &responder.clock, sleep).await;
    if let Err(error) = room {
        tracing::warn!(send = %send.send, error = %error_chain(&error), "no room for a read can be had");
        return Seen::NoAnswer;
    }
    let account = GraphAccount { id: &send.account, login: token.login, token: &token.secret };
    let messages = match responder.graph.recent_messages(&account, &send.viewer, MESSAGES).await {
        Ok(messages) => messages,
        Err(error) => {
            tracing::warn!(send = %send.send, error = %error_chain(&error), "a conversation cannot be read");
            return match error {
                ReadError::Refused(error) if error.class != ErrorClass::RetryLater => Seen::Refused,
                ReadError::Refused(_) | ReadError::Unavailable(_) | ReadError::Strange => Seen::NoAnswer,
            };
        }
    };
    let since = send.started.unwrap_or_default().minus(SKEW_MS);
    let candidates: Vec<String> = messages
        .into_iter()
        .filter(|message| {
            message.from.as_deref() == Some(send.account.as_str())
                && message.text.as_deref() == Some(send.text.as_str())
                && message.created >= since
        })
        .map(|message| message.id)
        .collect();
    // The same words may have been said before: a message that is another send's proves nothing of this one.
    let claimed = match responder.store.claimed_messages(candidates.clone()).await {
        Ok(claimed) => claimed,
        Err(error) => {
            tracing::warn!(send = %send.send, error = %error_chain(&error), "messages cannot be told apart");
            return Seen::NoAnswer;
        }
    };
    let mut ours: Vec<String> = candidates.into_iter().filter(|id| !claimed.contains(id)).collect();
    // Two sends of the same words and one message: it may be either's, and taken for the wrong one's it would hide that the
    // other never went out. Only as many messages as there are sends prove all of them.
    match responder.store.rival_sends(send, since.minus(SKEW_MS)).await {
        Ok(rivals) if u64::try_from(ours.len()).is_ok_and(|found| found > rivals) => {}
        Ok(_) => return Seen::NotThere,
        Err(error) => {
            tracing::warn!(send = %send.send, error = %error_chain(&error), "sends cannot be told apart");
            return Seen::NoAnswer;
        }
    }
    ours.pop().map_or(Seen::NotThere, Seen::There)
}
