//! What a policy gate is told, read under the fence's lock; the facts are stored with the decision.

use afterglow_domain::{
    AccountFacts, BrandSettings, CONFIRMATION, Cause, ConsentState, Control, DerivedId, Facts, Intent, Interaction,
    LimitFacts, Moderated, PreviousStep, SequenceFacts, StopFacts, Timestamp,
};
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use uuid::Uuid;

use crate::codec::{InteractionColumns, consent, from_json, from_name, interaction_columns, moment};
use crate::consent::leads;
use crate::drafts::{self, Draft};
use crate::engine::{Tx, on_tx, row};
use crate::kill_switches::silencing;
use crate::said::{self, viewer_wrote};
use crate::{Store, StoreError};

/// An intent's case: the facts that are known, and what the text of an answer is made from. Whoever judges adds what the store
/// does not know: the play's text, the room that Meta's limits leave.
#[derive(Debug, Clone)]
pub struct Case {
    /// Without [`Facts::play`], and with [`afterglow_domain::Written::same_text`] not looked at yet.
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
    /// What else the viewer wrote lately that no hand-over, nor the end of one, has overtaken; the latest first, at most 16. Whoever
    /// reads it for the hand-over may be behind, or may have died.
    pub viewer_wrote: Vec<String>,
    /// The draft of the answer, if there is one.
    pub draft: Option<Draft>,
    /// An echo that names the send of this intent is in the log: it went out, whatever became of its row. (A database that was
    /// restored to an earlier moment has lost the row; the log was filled again since.)
    pub echoed: bool,
}

row! {
    struct FactColumns {
        clear_state: Option<String>,
        clear_ms: Option<i64>,
        ambiguous_ms: Option<i64>,
        stopped_ms: Option<i64>,
        epoch: i64,
        app_ms: Option<i64>,
        person_ms: Option<i64>,
        released_ms: Option<i64>,
        viewer_name: Option<String>,
        brand_name: Option<String>,
        moderated: bool,
        cause_moderated: bool,
        silenced: Option<String>,
        last_contact_ms: Option<i64>,
        connected: bool,
        paused_reason: Option<String>,
        has_token: bool,
        settings: Option<String>,
        document_version: Option<i64>,
        time_zone: Option<String>,
        attempts: i64,
        answered: bool,
        echoed: bool,
        viewer_wrote: Option<String>,
    }
}

/// What one statement tells of an intent: its facts, and its cause, if the log has it.
#[derive(Debug)]
struct Told {
    facts: FactColumns,
    cause: Option<InteractionColumns>,
}

impl<'r, R> FromRow<'r, R> for Told
where
    R: Row,
    &'static str: ColumnIndex<R>,
    FactColumns: FromRow<'r, R>,
    InteractionColumns: FromRow<'r, R>,
    Option<Uuid>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let cause = row.try_get::<Option<Uuid>, _>("id")?.map(|_| InteractionColumns::from_row(row)).transpose()?;
        Ok(Self { facts: FactColumns::from_row(row)?, cause })
    }
}

/// $1: the intent; $2: what its viewer would be remembered by if they were forgotten; $3: its send, as its echo names it.
///
/// The cause is asked for by its id alone: whose it is is looked at afterwards, for a database that does not know its tables'
/// sizes yet would look for the brand's whole log instead. An echo may seem ten minutes older than what it answers, by Meta's clock.
const FACTS: &str = concat!(
    "SELECT c.clear_state, c.clear_ms, c.ambiguous_ms, c.epoch, c.app_ms, c.person_ms, c.released_ms,
        CASE WHEN f.opted_out THEN f.at_ms END AS stopped_ms, v.last_contact_ms, v.username AS viewer_name,
        a.id IS NOT NULL AS connected, a.paused_reason, a.token_sealed IS NOT NULL AS has_token,
        b.name AS brand_name, b.settings, b.document_version, b.time_zone, i.attempts, ",
    silencing!("i"),
    " AS silenced,
        EXISTS (SELECT 1 FROM send s WHERE s.account = i.account AND s.viewer = i.viewer AND s.cause = i.cause
            AND s.step = i.step AND s.intent <> i.id AND s.status IN ('reserved', 'sending', 'sent', 'unknown')) AS answered,
        EXISTS (SELECT 1 FROM interaction e WHERE e.account = i.account AND e.viewer = i.viewer
            AND e.kind = 'message_sent' AND e.occurred_ms >= i.cause_ms - 600000 AND e.body LIKE '%' || $3 || '%') AS echoed,
        EXISTS (SELECT 1 FROM moderation m WHERE m.account = i.account AND m.viewer = i.viewer AND m.verdict = 'hide'
            AND m.cleared_ms IS NULL) AS moderated,
        EXISTS (SELECT 1 FROM moderation m WHERE m.interaction = i.cause AND m.cleared_ms IS NULL) AS cause_moderated, ",
    viewer_wrote!(),
    ", ",
    interaction_columns!("x"),
    " FROM intent i
    JOIN consent c ON c.account = i.account AND c.viewer = i.viewer
    LEFT JOIN forgotten f ON f.hash = $2
    LEFT JOIN viewer v ON v.account = i.account AND v.viewer = i.viewer AND v.brand = i.brand
    LEFT JOIN account a ON a.id = i.account AND a.brand = i.brand
    LEFT JOIN brand b ON b.id = i.brand
    LEFT JOIN interaction x ON x.id = i.cause
    WHERE i.id = $1"
);

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
pub(crate) async fn load(store: &Store, tx: &mut Tx, intent: &Intent, now: Timestamp) -> Result<Case, StoreError> {
    let Told { facts: row, cause } = told(store, tx, intent).await?;
    let mut consent = consent(row.clear_state.as_deref(), row.clear_ms, row.ambiguous_ms)?;
    if let Some(stopped) = moment(row.stopped_ms) {
        consent.apply(ConsentState::OptedOut, stopped); // said before they were forgotten
    }
    let cause = cause.map(InteractionColumns::decode).transpose()?.filter(|cause| {
        cause.brand == intent.brand && cause.account == intent.account && cause.viewer.as_ref() == Some(&intent.viewer)
    });
    let settings: BrandSettings =
        row.settings.map_or_else(|| Ok(BrandSettings::default()), |text| from_json("brand.settings", &text))?;
    let idle_ms = settings.handover.idle_ms();
    let viewer_wrote = said::words_of(row.viewer_wrote.as_deref(), idle_ms, now)?;
    let (written, said) = said::written(tx, intent).await?;
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
        account: row.connected.then_some(AccountFacts { has_token: row.has_token, paused: row.paused_reason }),
        play: None,
        limits: LimitFacts { limits: settings.limits.clone(), time_zone: row.time_zone.unwrap_or_default(), idle_ms },
        written,
        silenced: row.silenced,
        room_at: room(tx, intent, settings.limits.per_account_hour).await?,
        document_version: row.document_version.unwrap_or(0),
        attempts: row.attempts,
    };
    let brand_name = row.brand_name.unwrap_or_default();
    let (username, echoed) = (row.viewer_name, row.echoed);
    Ok(Case { facts, settings, brand_name, username, cause, said, viewer_wrote, draft, echoed })
}

async fn told(store: &Store, tx: &mut Tx, intent: &Intent) -> Result<Told, StoreError> {
    let remembered_by = store.forgotten_by(&intent.brand, &intent.viewer_key());
    Ok(on_tx!(tx, |connection| {
        sqlx::query_as(FACTS)
            .bind(intent.id.uuid())
            .bind(remembered_by)
            .bind(intent.send_id().to_string())
            .fetch_one(connection)
            .await?
    }))
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
