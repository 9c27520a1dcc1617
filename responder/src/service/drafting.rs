//! Answers drafted by a model. A draft is kept before anything is done with it, costs no more than the brand's day allows, and
//! goes to the gate like everything else.

use afterglow_domain::{Intent, Timestamp};
use afterglow_drafts::{Ask, Budget, Disposition, DraftError, Review, Spent};
use afterglow_runtime::error_chain;
use afterglow_store::{Case, Draft, DraftCost, DraftOutcome, StoreError};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::Responder;

/// Writes the draft of an intent's answer; `false` if we are stopping.
pub(super) async fn draft(
    responder: &Responder,
    intent: &Intent,
    case: &Case,
    stop: &CancellationToken,
) -> Result<bool, StoreError> {
    let now = (responder.clock)();
    let Some(drafted) = stop.run_until_cancelled(written(responder, intent, case, now)).await else { return Ok(false) };
    let draft = drafted?;
    let outcome = match draft.outcome {
        DraftOutcome::ToRead => "to_read",
        DraftOutcome::Passes => "passes",
        DraftOutcome::Failed => "failed",
    };
    metrics::counter!("afterglow_drafts_total", "outcome" => outcome).increment(1);
    responder.store.keep_draft(intent, &draft, (responder.clock)()).await?;
    Ok(true)
}

fn failed(why: &str) -> Draft {
    Draft {
        outcome: DraftOutcome::Failed,
        text: String::new(),
        confidence: 0,
        detail: json!({ "failed": why }).to_string(),
    }
}

async fn written(responder: &Responder, intent: &Intent, case: &Case, now: Timestamp) -> Result<Draft, StoreError> {
    let Some(drafter) = &responder.drafter else { return Ok(failed("no endpoint for drafts is set (drafts.url)")) };
    let Some(viewer_text) = case.cause.as_ref().and_then(|cause| cause.body.text()) else {
        return Ok(failed("there are no words to answer"));
    };
    let rules = &case.settings.drafts;
    let ask = Ask {
        brand: &case.brand_name,
        language: intent.language.unwrap_or(case.settings.language),
        facts: &rules.facts,
        viewer_text,
    };
    let most = cost(drafter.most_for(&ask));
    let ceiling = DraftCost { tokens: rules.daily_tokens, micros: rules.daily_micros };
    let day = now.day_in(&case.facts.limits.time_zone);
    if !responder.store.reserve_draft(&intent.brand, &day, most, ceiling).await? {
        return Ok(failed("the brand's budget for today has no room for one more draft"));
    }
    // What bounds it was taken already.
    let budget = Budget { tokens: u64::MAX, micros: u64::MAX };
    let unread_from =
        case.settings.play(intent.play.as_str()).and_then(|play| play.draft).and_then(|draft| draft.unread_from);
    let review = unread_from.map_or(Review::Always, Review::Below);
    let clock = || (responder.clock)().millis();
    let attempt = drafter.draft(&ask, budget, Spent::default(), review, clock).await;
    let spent = cost(attempt.spent);
    let unused = DraftCost {
        tokens: most.tokens.saturating_sub(spent.tokens),
        micros: most.micros.saturating_sub(spent.micros),
    };
    responder.store.give_back_draft(&intent.brand, &day, unused).await?;
    Ok(match attempt.outcome {
        Ok(draft) => Draft {
            outcome: match draft.disposition {
                Disposition::Hold => DraftOutcome::ToRead,
                Disposition::Pass => DraftOutcome::Passes,
            },
            text: draft.text,
            confidence: draft.confidence,
            detail: json!({ "reasons": draft.reasons }).to_string(),
        },
        Err(error) => {
            let why = error_chain(&error);
            if !matches!(error, DraftError::NotInFacts | DraftError::NothingToDraft(_)) {
                tracing::warn!(intent = %intent.id, why, "no draft");
            }
            failed(&why)
        }
    })
}

const fn cost(spent: Spent) -> DraftCost {
    DraftCost { tokens: spent.tokens, micros: spent.micros }
}
