//! What a viewer and an account said to each other lately.

use afterglow_domain::{Body, DerivedId as _, Intent, Timestamp, Written};

use crate::StoreError;
use crate::codec::from_json;
use crate::engine::{Tx, on_tx};

/// A column `viewer_wrote` for a statement that names an intent `i` and its viewer's fence `c`: what the viewer wrote beside the
/// cause and neither a hand-over nor its end has overtaken, as JSON. A day is looked at, as long as a conversation stays open.
macro_rules! viewer_wrote {
    () => {
        "(SELECT '[' || string_agg('[' || w.occurred_ms || ',' || w.body || ']', ',') || ']' FROM (
            SELECT r.occurred_ms, r.body FROM interaction r
            WHERE r.account = i.account AND r.viewer = i.viewer AND r.brand = i.brand AND r.id <> i.cause
                AND r.occurred_ms >= i.created_ms - 86400000 AND r.source IN ('webhook', 'reconcile')
                AND r.kind IN ('message', 'story_reply', 'comment', 'live_comment')
                AND (c.app_ms IS NULL OR r.occurred_ms > c.app_ms)
                AND (c.person_ms IS NULL OR r.occurred_ms > c.person_ms)
                AND (c.released_ms IS NULL OR r.occurred_ms > c.released_ms)
            ORDER BY r.occurred_ms DESC LIMIT 16) w) AS viewer_wrote"
    };
}
pub(crate) use viewer_wrote;

const WEEK_MS: i64 = 7 * 86_400_000;

// A week before the intent was made is further back than any limit looks when it is judged later.
const WRITTEN: &str = "SELECT COALESCE(started_ms, reserved_ms) AS at_ms, text FROM send
    WHERE account = $1 AND viewer = $2 AND status IN ('reserved', 'sending', 'sent', 'unknown')
        AND COALESCE(started_ms, reserved_ms) >= $3 AND intent <> $4
    ORDER BY 1 DESC LIMIT 200";

/// The words of what a viewer wrote. What would have been given back by time alone, had a person been asked for in it, is left out.
pub(crate) fn words_of(json: Option<&str>, idle_ms: i64, now: Timestamp) -> Result<Vec<String>, StoreError> {
    let Some(json) = json else { return Ok(Vec::new()) };
    let wrote: Vec<(i64, Body)> = from_json("interaction.body", json)?;
    let lately = |at: i64| now.since(Timestamp::from_millis(at)) < idle_ms;
    let words = |(at, body): (i64, Body)| body.written().filter(|_| lately(at)).map(str::to_owned);
    Ok(wrote.into_iter().filter_map(words).collect())
}

/// What was said to the viewer lately, or may have been, by any play: when, and in which words.
pub(crate) async fn written(tx: &mut Tx, intent: &Intent) -> Result<(Vec<Written>, Vec<String>), StoreError> {
    let since = intent.created.minus(WEEK_MS).millis();
    let rows: Vec<(i64, String)> = on_tx!(tx, |connection| {
        sqlx::query_as(WRITTEN)
            .bind(intent.account.as_str())
            .bind(intent.viewer.as_str())
            .bind(since)
            .bind(intent.id.uuid())
            .fetch_all(connection)
            .await?
    });
    let written = |(at, said): (i64, String)| (Written { at: Timestamp::from_millis(at), same_text: false }, said);
    Ok(rows.into_iter().map(written).unzip())
}
