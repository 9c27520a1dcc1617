//! What a policy gate is told, read under the fence's lock; the facts are stored with the decision.

use afterglow_domain::{
    AccountFacts, BrandSettings, CONFIRMATION, Cause, Control, DerivedId, Facts, Intent, Interaction, LimitFacts,
    Moderated, PreviousStep, SequenceFacts, StopFacts, Timestamp, Written,
};
use uuid::Uuid;

use crate::codec::{InteractionColumns, consent, from_json, from_name, moment};
use crate::consent::leads;
use crate::drafts::{self, Draft};
use crate::engine::{Tx, on_tx, row};
use crate::{Store, StoreError, kill_switches};

/// An intent's case: the facts that are known, and what the text of an answer is made from. Whoever judges adds what the store
/// does not know: the play's text, the room that Meta's limits leave.
#[derive(Debug, Clone)]
pub struct Case {
    /// Without [`Facts::play`], and with [`Written::same_text`] not looked at yet.
    pub facts: Facts,
    /// The brand's settings, as they are now.
    pub settings: BrandSettings,
    /// The brand's name.
    pub brand_name: String,
    /// The viewer's name, where it is known.
    pub username: Option<String>,
    /// The interaction to be answered, if the log has it.
    pub cause: Option<Interaction>,
    /// The texts of [`Facts::written`], in the same order.
    pub said: Vec<String>,
    /// The draft of the answer, if there is one.
    pub draft: Option<Draft>,
}

row! {
    struct FactColumns {
        clear_state: Option<String>,
        clear_ms: Option<i64>,
        ambiguous_ms: Option<i64>,
        epoch: i64,
        app_ms: Option<i64>,
        person_ms: Option<i64>,
        released_ms: Option<i64>,
        username: Option<String>,
        brand_name: Option<String>,
        moderated: bool,
        cause_moderated: bool,
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

const FACTS: &str = "SELECT c.clear_state, c.clear_ms, c.ambiguous_ms, c.epoch, c.app_ms, c.person_ms, c.released_ms,
        v.last_contact_ms, v.username, a.id AS account, a.paused_reason, a.token_sealed IS NOT NULL AS has_token,
        b.name AS brand_name, b.settings, b.document_version, b.time_zone, i.attempts,
        EXISTS (SELECT 1 FROM send s WHERE s.account = i.account AND s.viewer = i.viewer AND s.cause = i.cause
            AND s.step = i.step AND s.intent <> i.id AND s.status IN ('reserved', 'sending', 'sent', 'unknown')) AS answered,
        EXISTS (SELECT 1 FROM moderation m WHERE m.account = i.account AND m.viewer = i.viewer AND m.verdict = 'hide'
            AND m.cleared_ms IS NULL) AS moderated,
        EXISTS (SELECT 1 FROM moderation m WHERE m.interaction = i.cause AND m.cleared_ms IS NULL) AS cause_moderated
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
    FROM interaction WHERE id = $1";

const WEEK_MS: i64 = 7 * 86_400_000;

// A week before the intent was made is further back than any limit looks when it is judged later.
const WRITTEN: &str = "SELECT COALESCE(started_ms, reserved_ms) AS at_ms, text FROM send
    WHERE account = $1 AND viewer = $2 AND status IN ('reserved', 'sending', 'sent', 'unknown')
        AND COALESCE(started_ms, reserved_ms) >= $3 AND intent <> $4
    ORDER BY 1 DESC LIMIT 200";

const FILLING: &str = "SELECT reserved_ms FROM send
    WHERE account = $1 AND intent <> $2 AND status IN ('reserved', 'sending', 'sent', 'unknown')
    ORDER BY reserved_ms DESC LIMIT 1 OFFSET $3";

const PREVIOUS: &str = "SELECT i.status, COALESCE(s.started_ms, s.finished_ms) AS said_ms
    FROM intent i LEFT JOIN send s ON s.intent = i.id AND s.status IN ('sending', 'sent', 'unknown') WHERE i.id = $1";

/// What of the viewer's own doing bears on a sequence. What a sweep found counts like what a webhook told.
const DONE: &str = "SELECT
        MAX(CASE WHEN kind IN ('message', 'story_reply', 'quick_reply', 'postback', 'comment', 'live_comment')
            THEN occurred_ms END) AS answered_ms,
        MAX(CASE WHEN kind IN ('message', 'story_reply', 'story_mention', 'quick_reply', 'postback', 'reaction', 'referral')
            AND NOT standby THEN occurred_ms END) AS opened_ms,
        MAX(CASE WHEN kind = 'conversion' THEN occurred_ms END) AS converted_ms
    FROM interaction
    WHERE account = $1 AND viewer = $2 AND brand = $3 AND occurred_ms >= $4
        AND (kind = 'conversion' OR source IN ('webhook', 'reconcile'))";

const SUPERSEDED: &str = "SELECT COUNT(*) FROM intent
    WHERE account = $1 AND viewer = $2 AND brand = $3 AND play = $4 AND step = $5 AND cause_ms > $6";

/// A confirmation of this stop, or of an earlier one that nobody took back since.
const CONFIRMED: &str = "SELECT COUNT(*) FROM send
    WHERE account = $1 AND viewer = $2 AND play = $3 AND intent <> $4
        AND status IN ('reserved', 'sending', 'sent', 'unknown')
        AND reserved_ms >= COALESCE((SELECT MAX(l.occurred_ms) FROM consent_log l
            WHERE l.account = $1 AND l.viewer = $2 AND l.state = 'opted_in'), 0)";

/// Reads the case of an intent whose fence is locked and whose row exists.
pub(crate) async fn load(store: &Store, tx: &mut Tx, intent: &Intent) -> Result<Case, StoreError> {
    let id: Uuid = intent.id.uuid();
    let row: FactColumns = on_tx!(&mut *tx, |connection| sqlx::query_as(FACTS).bind(id).fetch_one(connection).await?);
    let said = consent(row.clear_state.as_deref(), row.clear_ms, row.ambiguous_ms)?;
    let consent = store.with_outlived_stop(tx, said, &intent.brand, &intent.account, &intent.viewer).await?;
    let cause = cause(tx, intent).await?;
    let settings: BrandSettings =
        row.settings.map_or_else(|| Ok(BrandSettings::default()), |text| from_json("brand.settings", &text))?;
    let (written, said) = written(tx, intent).await?;
    let leader = leads(row.app_ms, row.person_ms, row.released_ms);
    let drafted = settings.play(intent.play.as_str()).is_some_and(|play| play.draft.is_some());
    let draft = if drafted { drafts::of(tx, intent.id).await? } else { None };
    let facts = Facts {
        consent: consent.state(),
        handed_over: leader.is_handed_over(),
        person_spoke: moment(row.person_ms).filter(|_| leader == Control::Person),
        epoch: row.epoch,
        last_contact: moment(row.last_contact_ms),
        sequence: sequence(tx, intent).await?,
        stop: stop(tx, intent).await?,
        needs_person: None,
        moderated: match (row.moderated, row.cause_moderated) {
            (true, _) => Some(Moderated::Viewer),
            (false, true) => Some(Moderated::Cause),
            (false, false) => None,
        },
        cause: cause.as_ref().map(Cause::of),
        answered: row.answered,
        account: row.account.map(|_| AccountFacts { has_token: row.has_token, paused: row.paused_reason }),
        play: None,
        limits: LimitFacts {
            limits: settings.limits.clone(),
            time_zone: row.time_zone.unwrap_or_default(),
            idle_ms: settings.handover.idle_ms(),
        },
        written,
        silenced: kill_switches::silenced(tx, &intent.brand, &intent.viewer_key(), &intent.play).await?,
        room_at: room(tx, intent, settings.limits.per_account_hour).await?,
        document_version: row.document_version.unwrap_or(0),
        attempts: row.attempts,
    };
    let brand_name = row.brand_name.unwrap_or_default();
    Ok(Case { facts, settings, brand_name, username: row.username, cause, said, draft })
}

async fn cause(tx: &mut Tx, intent: &Intent) -> Result<Option<Interaction>, StoreError> {
    let id = intent.cause.uuid();
    let columns: Option<InteractionColumns> =
        on_tx!(tx, |connection| sqlx::query_as(CAUSE).bind(id).fetch_optional(connection).await?);
    let cause = columns.map(InteractionColumns::decode).transpose()?;
    // Not asked for above: a database that does not know its tables' sizes yet would look for the brand's whole log instead.
    let is_of = |cause: &Interaction| {
        cause.brand == intent.brand && cause.account == intent.account && cause.viewer.as_ref() == Some(&intent.viewer)
    };
    Ok(cause.filter(is_of))
}

/// What was said to the viewer lately, or may have been, by any play: when, and in which words.
async fn written(tx: &mut Tx, intent: &Intent) -> Result<(Vec<Written>, Vec<String>), StoreError> {
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

/// How a sequence stands, for a step behind its first.
async fn sequence(tx: &mut Tx, intent: &Intent) -> Result<Option<SequenceFacts>, StoreError> {
    let Some(before) = intent.step.checked_sub(1).filter(|_| intent.person.is_none()) else { return Ok(None) };
    let previous = Intent::derive_id(&intent.play, intent.cause, before);
    let previous: Option<(String, Option<i64>)> = on_tx!(&mut *tx, |connection| {
        sqlx::query_as(PREVIOUS).bind(previous.uuid()).fetch_optional(connection).await?
    });
    let previous = previous.map(|(status, said)| {
        Ok::<_, StoreError>(PreviousStep { status: from_name("intent.status", &status)?, said: moment(said) })
    });
    let (answered, opened, converted): (Option<i64>, Option<i64>, Option<i64>) = on_tx!(&mut *tx, |connection| {
        sqlx::query_as(DONE)
            .bind(intent.account.as_str())
            .bind(intent.viewer.as_str())
            .bind(intent.brand.as_str())
            .bind(intent.cause_occurred.millis())
            .fetch_one(connection)
            .await?
    });
    let later: i64 = on_tx!(tx, |connection| {
        sqlx::query_scalar(SUPERSEDED)
            .bind(intent.account.as_str())
            .bind(intent.viewer.as_str())
            .bind(intent.brand.as_str())
            .bind(intent.play.as_str())
            .bind(i64::from(intent.step))
            .bind(intent.cause_occurred.millis())
            .fetch_one(connection)
            .await?
    });
    Ok(Some(SequenceFacts {
        previous: previous.transpose()?,
        answered: moment(answered),
        opened: moment(opened),
        converted: converted.is_some(),
        superseded: later > 0,
        waiting: 0,
    }))
}

/// How the confirmation of a stop stands, if this is one.
async fn stop(tx: &mut Tx, intent: &Intent) -> Result<Option<StopFacts>, StoreError> {
    if !intent.is_confirmation() {
        return Ok(None);
    }
    let sent: i64 = on_tx!(tx, |connection| {
        sqlx::query_scalar(CONFIRMED)
            .bind(intent.account.as_str())
            .bind(intent.viewer.as_str())
            .bind(CONFIRMATION)
            .bind(intent.id.uuid())
            .fetch_one(connection)
            .await?
    });
    Ok(Some(StopFacts { confirmed: sent > 0 }))
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
