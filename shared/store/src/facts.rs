//! What a policy gate is told, read under the fence's lock and stored with the decision.

use afterglow_domain::{
    AccountFacts, BrandSettings, Cause, DerivedId, Facts, Intent, LimitFacts, PlayFacts, Rollout, Timestamp, Written,
};
use uuid::Uuid;

use crate::codec::{InteractionColumns, consent, from_json, moment};
use crate::engine::{Tx, on_tx, row};
use crate::{Store, StoreError, kill_switches};

row! {
    struct FactColumns {
        clear_state: Option<String>,
        clear_ms: Option<i64>,
        ambiguous_ms: Option<i64>,
        epoch: i64,
        handed_over: bool,
        last_contact_ms: Option<i64>,
        account: Option<String>,
        paused_reason: Option<String>,
        has_token: bool,
        settings: Option<String>,
        document_version: Option<i64>,
        time_zone: Option<String>,
        attempts: i64,
        answered: bool,
    }
}

const FACTS: &str = "SELECT c.clear_state, c.clear_ms, c.ambiguous_ms, c.epoch, c.handed_over,
        v.last_contact_ms, a.id AS account, a.paused_reason, a.token_sealed IS NOT NULL AS has_token,
        b.settings, b.document_version, b.time_zone, i.attempts,
        EXISTS (SELECT 1 FROM send s WHERE s.account = i.account AND s.cause = i.cause AND s.intent <> i.id
            AND s.status IN ('reserved', 'sending', 'sent', 'unknown')) AS answered
    FROM intent i
    JOIN consent c ON c.account = i.account AND c.viewer = i.viewer
    LEFT JOIN viewer v ON v.account = i.account AND v.viewer = i.viewer AND v.brand = i.brand
    LEFT JOIN account a ON a.id = i.account AND a.brand = i.brand
    LEFT JOIN brand b ON b.id = i.brand
    WHERE i.id = $1";

const CAUSE: &str = "SELECT id, brand, account, viewer, username, channel, source, occurred_ms, received_ms, standby,
        body, raw,
        (SELECT k.key FROM viewer_key k
            WHERE k.account = interaction.account AND k.viewer = interaction.viewer) AS raw_key
    FROM interaction WHERE id = $1 AND brand = $2 AND account = $3 AND viewer = $4";

const WEEK_MS: i64 = 7 * 86_400_000;

// A week before the intent was made is further back than any limit looks when it is judged later.
const WRITTEN: &str = "SELECT COALESCE(started_ms, reserved_ms) AS at_ms, text FROM send
    WHERE account = $1 AND viewer = $2 AND status IN ('reserved', 'sending', 'sent', 'unknown')
        AND COALESCE(started_ms, reserved_ms) >= $3 AND intent <> $4
    ORDER BY 1 DESC LIMIT 200";

const FILLING: &str = "SELECT reserved_ms FROM send
    WHERE account = $1 AND intent <> $2 AND status IN ('reserved', 'sending', 'sent', 'unknown')
    ORDER BY reserved_ms DESC LIMIT 1 OFFSET $3";

/// Reads the facts for an intent whose fence is locked and whose row exists.
pub(crate) async fn load(store: &Store, tx: &mut Tx, intent: &Intent) -> Result<Facts, StoreError> {
    let id: Uuid = intent.id.uuid();
    let row: FactColumns = on_tx!(&mut *tx, |connection| sqlx::query_as(FACTS).bind(id).fetch_one(connection).await?);
    let said = consent(row.clear_state.as_deref(), row.clear_ms, row.ambiguous_ms)?;
    let said = store.with_outlived_stop(tx, said, &intent.brand, &intent.account, &intent.viewer).await?;
    let cause: Option<InteractionColumns> = on_tx!(tx, |connection| {
        sqlx::query_as(CAUSE)
            .bind(intent.cause.uuid())
            .bind(intent.brand.as_str())
            .bind(intent.account.as_str())
            .bind(intent.viewer.as_str())
            .fetch_optional(connection)
            .await?
    });
    let cause = cause.map(InteractionColumns::decode).transpose()?.map(|interaction| Cause::of(&interaction));
    let settings: BrandSettings =
        row.settings.map_or_else(|| Ok(BrandSettings::default()), |text| from_json("brand.settings", &text))?;
    let play = match &intent.person {
        Some(message) => Some(PlayFacts { rollout: Rollout::On, text: message.text.clone() }),
        None => PlayFacts::of(&settings, &intent.play),
    };
    let silenced = kill_switches::silenced(tx, &intent.brand, &intent.viewer_key(), &intent.play).await?;
    let written = written(tx, intent, play.as_ref().map_or("", |play| play.text.as_str())).await?;
    Ok(Facts {
        consent: said.state(),
        handed_over: row.handed_over,
        epoch: row.epoch,
        last_contact: moment(row.last_contact_ms),
        cause,
        answered: row.answered,
        account: row.account.map(|_| AccountFacts { has_token: row.has_token, paused: row.paused_reason }),
        play,
        limits: LimitFacts { limits: settings.limits.clone(), time_zone: row.time_zone.unwrap_or_default() },
        written,
        silenced,
        room_at: room(tx, intent, settings.limits.per_account_hour).await?,
        document_version: row.document_version.unwrap_or(0),
        attempts: row.attempts,
    })
}

/// What was said to the viewer lately, or may have been, by any play.
async fn written(tx: &mut Tx, intent: &Intent, text: &str) -> Result<Vec<Written>, StoreError> {
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
    let written = |(at, said): (i64, String)| Written { at: Timestamp::from_millis(at), same_text: said == text };
    Ok(rows.into_iter().map(written).collect())
}

/// When the account has room for another message within the brand's limit for an hour; `None` if it has.
async fn room(tx: &mut Tx, intent: &Intent, per_hour: u32) -> Result<Option<Timestamp>, StoreError> {
    if per_hour == 0 {
        return Ok(None);
    }
    // The one that fills the last place: when it is an hour old there is room.
    let filling: Option<i64> = on_tx!(tx, |connection| {
        sqlx::query_scalar(FILLING)
            .bind(intent.account.as_str())
            .bind(intent.id.uuid())
            .bind(i64::from(per_hour) - 1)
            .fetch_optional(connection)
            .await?
    });
    Ok(filling.map(|at| Timestamp::from_millis(at + 3_600_000)))
}
