//! A batch's viewers and wishes, from what is new. Pure.

use std::collections::HashMap;

use afterglow_bus::Lane;
use afterglow_domain::{Interaction, InteractionId, Timestamp};
use afterglow_store::{FoldInput, FoldOutput, OutboxMessage, ViewerFold, ViewerRow};

use crate::{ViewerState, Weights, intents_for, segment_at};

/// Trace contexts by interaction.
pub(crate) type Traces = HashMap<InteractionId, String>;

/// Folds what is new into the viewers given. A viewer whose stored state cannot be read is left out, and the store then
/// refuses the whole batch: better late than wrong.
pub(crate) fn fold(input: FoldInput<'_>, now: Timestamp, weights: &Weights, traces: &Traces) -> FoldOutput {
    let mut output = FoldOutput::default();
    for viewer in input.viewers {
        output.outbox.extend(viewer.new.iter().filter_map(|interaction| wish(interaction, now, traces)));
        match folded(viewer, weights) {
            Ok(row) => output.viewers.push(row),
            Err(error) => tracing::error!(%error, "a stored viewer state cannot be read or written"),
        }
    }
    output
}

fn folded(viewer: ViewerFold<'_>, weights: &Weights) -> serde_json::Result<ViewerRow> {
    let ViewerFold { key, brand, before, new } = viewer;
    let mut state: ViewerState = match &before {
        Some(row) => serde_json::from_str(&row.state)?,
        None => ViewerState::default(),
    };
    for interaction in new {
        state.apply(interaction, weights);
    }
    let (first_seen, last_seen) = state.seen.unwrap_or_default();
    Ok(ViewerRow {
        key,
        brand,
        username: state.username.as_ref().map(|(_, name)| name.clone()),
        segment: segment_at(&state, state.as_of()).0,
        score_rank: state.score.log2().unwrap_or(f64::from(i16::MIN)), // below any viewer with a score
        last_contact: state.contact,
        first_seen,
        last_seen,
        needs_reply_since: state.needs_reply_since(),
        rules_version: weights.version.into(),
        state: serde_json::to_string(&state)?,
    })
}

fn wish(interaction: &Interaction, now: Timestamp, traces: &Traces) -> Option<OutboxMessage> {
    let intent = intents_for(interaction, now)?;
    // An intent is plain data; were it not to serialise, the wish would be lost without a trace.
    let body = serde_json::to_vec(&intent)
        .inspect_err(|error| tracing::error!(intent = %intent.id, %error, "an intent cannot be written"))
        .ok()?;
    Some(OutboxMessage {
        lane: Lane::Intents.as_str().into(),
        message_id: intent.id.to_string(),
        key: intent.viewer_key().to_string(),
        traceparent: traces.get(&interaction.id).cloned(),
        body,
    })
}
