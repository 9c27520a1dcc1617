//! What is to be done about comments at Meta: hide, show again, delete. Each is tried until Meta says yes, or no for good; doing
//! it twice does no harm.

use std::sync::Arc;

use afterglow_meta::graph::{ErrorClass, GraphAccount, ReadError};
use afterglow_runtime::error_chain;
use afterglow_store::{FlagAction, FlagTask, StoreError};
use afterglow_tokens::TokenError;
use tokio_util::sync::CancellationToken;

use super::Responder;

/// Comments in one go.
const LIMIT: u32 = 50;
/// How long one is this process's, in ms.
const LEASE_MS: i64 = 60_000;
/// How often it is tried before a person is shown why it does not work.
const ATTEMPTS: i64 = 12;

pub(super) async fn run(responder: &Arc<Responder>, stop: &CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(responder.sweep_every)).await.is_some() {
        if let Err(error) = work(responder, stop).await {
            tracing::warn!(error = %error_chain(&error), "comments wait to be hidden or shown");
        }
    }
}

async fn work(responder: &Responder, stop: &CancellationToken) -> Result<(), StoreError> {
    loop {
        let tasks = responder.store.due_flags((responder.clock)(), LIMIT, LEASE_MS).await?;
        let full = tasks.len() == LIMIT as usize;
        for task in tasks {
            let Some(done) = stop.run_until_cancelled(act(responder, &task)).await else { return Ok(()) };
            let name = task.wanted.as_str();
            match done {
                Ok(()) => {
                    metrics::counter!("afterglow_moderation_total", "action" => name, "outcome" => "done").increment(1);
                    responder.store.flag_done(&task).await?;
                }
                Err(refusal) => {
                    metrics::counter!("afterglow_moderation_total", "action" => name, "outcome" => "failed")
                        .increment(1);
                    let again = !refusal.for_good && task.attempts < ATTEMPTS;
                    let pause_ms = 5_000_i64.saturating_mul(1 << task.attempts.clamp(0, 12)).min(3_600_000);
                    let due = again.then(|| (responder.clock)().plus(pause_ms));
                    tracing::warn!(account = %task.account, action = name, why = refusal.why, again, "a comment stays");
                    responder.store.flag_failed(&task, &refusal.why, due).await?;
                }
            }
        }
        if !full {
            return Ok(());
        }
    }
}

struct Refusal {
    why: String,
    for_good: bool,
}

async fn act(responder: &Responder, task: &FlagTask) -> Result<(), Refusal> {
    let token = responder.tokens.of(&task.account).await.map_err(|error: TokenError| Refusal {
        for_good: false, // it may be connected again
        why: error_chain(&error),
    })?;
    let account = GraphAccount { id: &task.account, login: token.login, token: &token.secret };
    let done = match task.wanted {
        FlagAction::None => Ok(()),
        FlagAction::Hide => responder.graph.hide_comment(&account, &task.comment_id, true).await,
        FlagAction::Show => responder.graph.hide_comment(&account, &task.comment_id, false).await,
        FlagAction::Delete => responder.graph.delete_comment(&account, &task.comment_id).await,
    };
    done.map_err(|error| {
        let for_good = match &error {
            ReadError::Refused(refused) => {
                matches!(refused.class, ErrorClass::BadRequest | ErrorClass::Unknown | ErrorClass::Permission)
            }
            ReadError::Unavailable(_) | ReadError::Strange => false,
        };
        Refusal { why: error_chain(&error), for_good }
    })
}
