//! A batch's viewers and wishes, from what is new. Pure.

use std::collections::HashMap;

use afterglow_bus::Lane;
use afterglow_domain::{Intent, InteractionId, Segment, Timestamp};
use afterglow_rules::{EvaluationError, Rulebook};
use afterglow_store::{FoldInput, FoldOutput, OutboxMessage, ViewerFold, ViewerRow};

use crate::plays::{Before, Wishes, wishes_for};
use crate::rulebooks::Rulebooks;
use crate::standing::{next_change, standing};
use crate::state::ViewerState;

/// Trace contexts by interaction.
pub(crate) type Traces = HashMap<InteractionId, String>;

/// Folds what is new into the viewers given. A viewer whose stored state cannot be read is left out, and the store then
/// refuses the whole batch: better late than wrong.
pub(crate) fn fold(input: FoldInput<'_>, now: Timestamp, rulebooks: &Rulebooks, traces: &Traces) -> FoldOutput {
    let mut output = FoldOutput::default();
    for viewer in input.viewers {
        let rulebook = rulebooks.of(&viewer.brand);
        match folded(viewer, &rulebook, now) {
            Ok((row, wishes)) => {
                output.viewers.push(row);
                output.outbox.extend(wishes.intents.iter().filter_map(|intent| message(intent, traces)));
                output.exposures.extend(wishes.exposures);
            }
            Err(error) => tracing::error!(%error, "a stored viewer state cannot be read or written"),
        }
    }
    output
}

fn folded(viewer: ViewerFold<'_>, rulebook: &Rulebook, now: Timestamp) -> serde_json::Result<(ViewerRow, Wishes)> {
    let ViewerFold { key, brand, before, new } = viewer;
    let mut state: ViewerState = match &before {
        Some(row) => serde_json::from_str(&row.state)?,
        None => ViewerState::default(),
    };
    let mut wishes = Wishes::default();
    for interaction in new {
        // A rule that fails holds its play back, is counted, and stops nothing else.
        let stood = Before::of(&state, rulebook, interaction.occurred).unwrap_or_else(|error| failed(&error, None));
        state.apply(interaction, &rulebook.scoring);
        let new_ones = wishes_for(interaction, stood.as_ref(), &state, rulebook, now);
        let Wishes { intents, exposures } = new_ones.unwrap_or_else(|error| failed(&error, Wishes::default()));
        wishes.intents.extend(intents);
        wishes.exposures.extend(exposures);
    }
    let last = before.map(|row| (row.segment, row.tags));
    let blank = ViewerRow {
        key,
        brand,
        username: None,
        state: String::new(),
        segment: Segment::Cool,
        score_rank: 0.0,
        last_contact: None,
        first_seen: now,
        last_seen: now,
        needs_reply_since: None,
        rules_version: String::new(),
        tags: Vec::new(),
        due: None,
        triage: None,
        review: None,
    };
    let as_of = state.as_of();
    Ok((row_of(&state, rulebook, last, as_of, blank)?, wishes))
}

/// The row of a state, as of `at`. If a rule fails, segment and tags stay as they were last.
pub(crate) fn row_of(
    state: &ViewerState,
    rulebook: &Rulebook,
    last: Option<(Segment, Vec<String>)>,
    at: Timestamp,
    row: ViewerRow,
) -> serde_json::Result<ViewerRow> {
    let (first_seen, last_seen) = state.seen.unwrap_or_default();
    let stands = standing(state, rulebook, at);
    let (segment, tags, due, triage) = match stands {
        Ok(stands) => (stands.segment, stands.tags, stands.due, stands.triage),
        Err(error) => {
            let (segment, tags) = failed(&error, last.unwrap_or((Segment::Cool, Vec::new())));
            let due = state.needs_reply_since().map(|since| since.plus(rulebook.sla.target_ms(segment)));
            (segment, tags, due, due)
        }
    };
    Ok(ViewerRow {
        username: state.username.as_ref().map(|(_, name)| name.clone()),
        segment,
        score_rank: state.rank(&rulebook.scoring),
        last_contact: state.contact,
        first_seen,
        last_seen,
        needs_reply_since: state.needs_reply_since(),
        rules_version: rulebook.version.to_string(),
        state: serde_json::to_string(&state)?,
        tags,
        due,
        triage,
        review: next_change(state, rulebook, at),
        ..row
    })
}

fn failed<T>(error: &EvaluationError, instead: T) -> T {
    metrics::counter!("afterglow_rule_failures_total").increment(1);
    tracing::error!(%error, "a rule fails: what it would decide stays as it was");
    instead
}

fn message(intent: &Intent, traces: &Traces) -> Option<OutboxMessage> {
    // An intent is plain data; were it not to serialise, the wish would be lost without a trace.
    let body = serde_json::to_vec(intent)
        .inspect_err(|error| tracing::error!(intent = %intent.id, %error, "an intent cannot be written"))
        .ok()?;
    Some(OutboxMessage {
        lane: Lane::Intents.as_str().into(),
        message_id: intent.id.to_string(),
        key: intent.viewer_key().to_string(),
        traceparent: traces.get(&intent.cause).cloned(),
        body,
    })
}
