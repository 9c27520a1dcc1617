//! Intents that are due again, leases that ran out.

use std::sync::Arc;

use afterglow_runtime::error_chain;
use afterglow_store::StoreError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Responder;
use super::speak::speak;

/// How long a due intent is this process's to judge; then another may.
const LEASE_MS: i64 = 30_000;

pub(super) async fn run(responder: &Arc<Responder>, stop: &CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(responder.sweep_every)).await.is_some() {
        if let Err(error) = sweep(responder, stop).await {
            tracing::warn!(error = %error_chain(&error), "due intents wait");
        }
    }
}

pub(super) async fn sweep(responder: &Arc<Responder>, stop: &CancellationToken) -> Result<(), StoreError> {
    let expired = responder.store.expire_leases((responder.clock)()).await?;
    if expired.unknown > 0 {
        tracing::warn!(sends = expired.unknown, "sends of which the caller vanished: their fate is looked for");
    }
    let limit = u32::from(responder.concurrency);
    let of_each = u32::try_from(responder.turns.part()).unwrap_or(limit);
    // The oldest first; and when more is due than can be taken at once, some of each account in turn.
    let mut due = responder.store.due_intents((responder.clock)(), limit, LEASE_MS).await?;
    let mut backlog = due.len() == usize::from(responder.concurrency);
    let (mut under_way, mut last) = (JoinSet::new(), None);
    loop {
        for intent in due {
            let (responder, stop) = (Arc::clone(responder), stop.clone());
            under_way.spawn(async move {
                let turn = stop.run_until_cancelled(responder.turns.take(&intent.account)).await;
                let Some(turn) = turn else { return }; // it is due again when its lease has run out
                if let Err(error) = speak(&responder, &intent, &stop).await {
                    tracing::warn!(intent = %intent.id, error = %error_chain(&error), "a due intent waits");
                }
                drop(turn);
            });
        }
        // Some may wait for room at Meta: the next round does not wait for all of them.
        while under_way.len() > usize::from(responder.concurrency) / 2 && under_way.join_next().await.is_some() {}
        if !backlog || stop.is_cancelled() {
            break;
        }
        let now = (responder.clock)();
        let began_anew = last.is_none();
        (due, last) = responder.store.due_intents_in_turn(now, (limit, of_each), last.as_ref(), LEASE_MS).await?;
        backlog = !(began_anew && due.is_empty());
    }
    while under_way.join_next().await.is_some() {}
    Ok(())
}
