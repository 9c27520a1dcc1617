//! One intent: judge, draft if need be, reserve, start, call, finish.

use std::time::Duration;

use afterglow_domain::{Decision, Intent, OutboundMessage, PlayFacts, Reason, Timestamp, Verdict};
use afterglow_meta::graph::{ErrorClass, GraphAccount, GraphError, Recipient, SendMessage, SendOutcome as Answer};
use afterglow_runtime::error_chain;
use afterglow_runtime::traces::SPANS;
use afterglow_store::{Case, Finished, JudgeTerms, Judged, Reservation, SendOutcome, Start, StoreError};
use afterglow_tokens::{Token, TokenError};
use backon::{ExponentialBuilder, Retryable as _};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::pace::Room;
use super::{Responder, drafting};
use crate::policy::POLICY_VERSION;
use crate::words::prepare;

/// How often a decision that was overtaken is made anew before the sweep takes it over.
const JUDGEMENTS: u32 = 4;
/// Pauses after a refusal "for now", by attempt; the last one holds for all further attempts.
const PAUSES_MS: [i64; 6] = [1_000, 5_000, 30_000, 120_000, 600_000, 1_800_000];

/// How old what is known of the viewer may be when Meta is called, in ms. It is a few ms; when the database answers late, or somebody
/// stopped the process in between, a stop may have been said meanwhile and wait to be recorded.
const KNOWN_MS: i64 = 500;
/// When it is judged anew then, in ms.
const JUDGED_ANEW_MS: i64 = 1_000;

/// When an intent that waits for room is anybody's again, in ms: its process must have died.
const EXPECTED_MS: i64 = 30_000;

/// What became of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    /// What was to be done now is done, and stands in the store.
    Settled,
    /// We are stopping; nothing was begun.
    NotNow,
}

/// Judges an intent, and sends if the verdict says so.
pub(super) async fn speak(
    responder: &Responder,
    intent: &Intent,
    stop: &CancellationToken,
) -> Result<Spoken, StoreError> {
    for _ in 0..JUDGEMENTS {
        // Room first: a reservation that waits for room is one that a stop may overtake for nothing.
        let Some(room_at) = room(responder, intent, stop).await? else { return Ok(Spoken::NotNow) };
        let waiting =
            if intent.step > 0 { responder.backlog.waiting(&*responder.bus, &responder.clock).await } else { 0 };
        // The token first: what can fail without a doubt fails before there can be one. With it, the send starts with the verdict.
        let token = responder.tokens.of(&intent.account).await;
        let now = (responder.clock)();
        let start = token.is_ok() && !stop.is_cancelled();
        let terms = JudgeTerms { policy_version: POLICY_VERSION, now, lease_ms: responder.lease_ms, start };
        let mut to_draft = None;
        let judge = |case: &mut Case| {
            let (decision, message) = judged(intent, case, &Beside { now, room_at, waiting }, responder);
            if decision.reasons.first() == Some(&Reason::DraftAwaited) {
                to_draft = Some(case.clone());
            }
            (decision, message)
        };
        let place = responder.store_turns.take_for(intent).await;
        let judged = responder.store.judge(intent, terms, judge).await?;
        drop(place);
        let reservation = match judged {
            Judged::Already(_) => return Ok(Spoken::Settled),
            Judged::Decided(decision) => {
                count(&decision);
                // The draft is written outside of any transaction; then everything is judged anew.
                match to_draft {
                    Some(case) if drafting::draft(responder, intent, &case, stop).await? => continue,
                    _ => return Ok(Spoken::Settled),
                }
            }
            Judged::Started(reservation) => {
                count(&Decision::send());
                call(responder, intent, &reservation, token, now).await;
                return Ok(Spoken::Settled);
            }
            Judged::Reserved(reservation) => reservation,
        };
        count(&Decision::send());
        if stop.is_cancelled() {
            return Ok(Spoken::NotNow); // the reservation runs out, and the sweep judges anew
        }
        let now = (responder.clock)();
        match responder.store.start_send(&reservation, now, responder.lease_ms).await? {
            Start::Go => {
                call(responder, intent, &reservation, token, now).await;
                return Ok(Spoken::Settled);
            }
            Start::Gone => return Ok(Spoken::Settled),
            Start::Fenced => {} // a stop or a hand-over came in between: judge anew, with what is known now
        }
    }
    Ok(Spoken::Settled)
}

/// Takes room and waits for it, if it is near. Says when to ask again, if it is not; `None` if we are stopping.
async fn room(
    responder: &Responder,
    intent: &Intent,
    stop: &CancellationToken,
) -> Result<Option<Timestamp>, StoreError> {
    if intent.due.is_some_and(|due| (responder.clock)() < due) {
        return Ok(Some(Timestamp::default())); // it will only be noted
    }
    let at = match responder.pace.room(&intent.account).await? {
        Room::At(at) => at,
        Room::AskAgain(at) => return Ok(Some(at)),
    };
    let now = (responder.clock)();
    let wait = Duration::from_millis(at.since(now).max(0).unsigned_abs());
    if wait.is_zero() {
        return Ok(Some(Timestamp::default()));
    }
    responder.store.expect_intent(intent, now.plus(EXPECTED_MS)).await?;
    let waited = stop.run_until_cancelled((responder.sleep)(wait)).await;
    Ok(waited.map(|()| Timestamp::default()))
}

/// What the judgement is told beside the store's facts.
struct Beside {
    now: Timestamp,
    room_at: Timestamp,
    /// Interactions that wait to be taken in.
    waiting: u64,
}

fn judged(
    intent: &Intent,
    case: &mut Case,
    beside: &Beside,
    responder: &Responder,
) -> (Decision, Option<OutboundMessage>) {
    let Beside { now, room_at, waiting } = *beside;
    let desk = responder.desks.of(&intent.brand, case.facts.document_version, &case.settings);
    prepare(intent, case, desk.as_deref());
    let facts = &mut case.facts;
    facts.room_at = facts.room_at.max((room_at > now).then_some(room_at));
    if let Some(sequence) = &mut facts.sequence {
        sequence.waiting = waiting;
    }
    let decision = (responder.gate)(intent, facts, now, &responder.policy);
    let speaks = decision.verdict == Verdict::Send;
    (decision, facts.play.as_ref().filter(|_| speaks).map(PlayFacts::message))
}

fn count(decision: &Decision) {
    let reason = decision.reasons.first().map_or("none_given", |reason| reason.as_str());
    let verdict = decision.verdict.as_str();
    metrics::counter!("afterglow_decisions_total", "verdict" => verdict, "reason" => reason).increment(1);
}

/// Calls Meta, for a send that is started by what was known at `known`. Whatever comes back is written down; nothing here calls twice.
async fn call(
    responder: &Responder,
    intent: &Intent,
    reservation: &Reservation,
    token: Result<Token, TokenError>,
    known: Timestamp,
) {
    let now = (responder.clock)();
    let outcome = match token {
        _ if now.since(known) > KNOWN_MS => {
            tracing::warn!(send = %reservation.send, late_ms = now.since(known), "the database answers late: judged anew");
            SendOutcome::RetryAt { due: now.plus(JUDGED_ANEW_MS), reason: Reason::Backlog }
        }
        Ok(token) => ask(responder, &token, reservation, intent).await,
        Err(error) => without_token(responder, &error, reservation).await,
    };
    metrics::counter!("afterglow_sends_total", "outcome" => name(&outcome)).increment(1);
    let _place = responder.store_turns.take_for(intent).await;
    finish(responder, reservation, &outcome).await;
}

async fn ask(responder: &Responder, token: &Token, reservation: &Reservation, intent: &Intent) -> SendOutcome {
    let account = GraphAccount { id: &reservation.account, login: token.login, token: &token.secret };
    let metadata = intent.metadata();
    let recipient = match &intent.comment_id {
        Some(comment) => Recipient::Comment(comment),
        None => Recipient::Person(&reservation.viewer),
    };
    let tag = intent.human_agent((responder.clock)());
    let OutboundMessage { text, quick_replies, .. } = &reservation.message;
    let message = SendMessage { recipient, text, quick_replies, metadata: &metadata, tag };
    let begun = tokio::time::Instant::now();
    let span = tracing::trace_span!(target: SPANS, "send", otel.kind = "client", attempt = reservation.attempt);
    let report = responder.graph.send(&account, &message).instrument(span).await;
    metrics::histogram!("afterglow_send_seconds").record(begun.elapsed().as_secs_f64());
    responder.pace.heed(&reservation.account, &report.usage);
    let now = (responder.clock)();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a delay")]
    metrics::histogram!("afterglow_answer_seconds").record(now.since(intent.cause_occurred).max(0) as f64 / 1000.0);
    match report.outcome {
        Answer::Sent { message_id, .. } => SendOutcome::Sent { message_id },
        Answer::Unknown { why } => SendOutcome::Unknown { error: why },
        Answer::Refused(error) => refused(responder, reservation, token, &error, now).await,
    }
}

/// What a certain refusal means for the intent, and for the account.
async fn refused(
    responder: &Responder,
    reservation: &Reservation,
    token: &Token,
    error: &GraphError,
    now: Timestamp,
) -> SendOutcome {
    let failed =
        |reason| SendOutcome::Failed { code: error.code, subcode: error.subcode, text: error.message.clone(), reason };
    let later = |reason| SendOutcome::RetryAt { due: now.plus(pause_ms(reservation.attempt)), reason };
    match error.class {
        ErrorClass::RetryLater => {
            responder.pace.pause(&reservation.account, 1_000);
            later(Reason::RateLimited)
        }
        ErrorClass::Busy => later(Reason::MetaBusy),
        ErrorClass::WindowClosed => failed(Reason::WindowClosed),
        ErrorClass::AlreadyAnswered => failed(Reason::AlreadyAnswered),
        ErrorClass::NotOwner => failed(Reason::HandedOver),
        ErrorClass::BadRequest => failed(Reason::BadText),
        ErrorClass::OptedOut => failed(Reason::OptedOut),
        // `send` never reports a doubt as a refusal; were it to, nothing would be sent again.
        ErrorClass::ViewerUnreachable | ErrorClass::Unknown | ErrorClass::InDoubt => failed(Reason::RefusedByMeta),
        ErrorClass::TokenInvalid | ErrorClass::Permission | ErrorClass::AccountRestricted => {
            pause_account(responder, reservation, token, error).await;
            // Judged again at once, the pause holds it for a person instead of losing it.
            SendOutcome::RetryAt { due: now, reason: Reason::AccountPaused }
        }
    }
}

/// Nothing is sent from the account until somebody has mended it.
async fn pause_account(responder: &Responder, reservation: &Reservation, token: &Token, error: &GraphError) {
    let code = match error.subcode {
        Some(subcode) => format!("code {}/{subcode}", error.code.unwrap_or_default()),
        None => format!("code {}", error.code.unwrap_or_default()),
    };
    let reason = if error.class == ErrorClass::TokenInvalid {
        // A pause that begins so is lifted by a new token.
        format!("the access token is refused ({code}): connect the account again, `afterglow account connect --help`")
    } else {
        format!("Meta refuses: {code}; mend it at Meta, then `afterglow account resume`")
    };
    responder.tokens.forget(&reservation.account);
    metrics::counter!("afterglow_accounts_paused_total").increment(1);
    tracing::warn!(account = %reservation.account, reason, "Meta refuses this account's sends");
    // Not if it was connected anew meanwhile: then the next attempt speaks with the new token.
    if let Err(error) = responder.store.pause_for_token(&reservation.account, &token.sealed, &reason).await {
        tracing::error!(account = %reservation.account, error = %error_chain(&error), "cannot pause an account");
    }
}

/// Nothing was asked of Meta: the token cannot be had.
async fn without_token(responder: &Responder, error: &TokenError, reservation: &Reservation) -> SendOutcome {
    tracing::error!(account = %reservation.account, error = %error_chain(error), "no access token for a send");
    let now = (responder.clock)();
    if error.is_lasting() {
        let reason = error_chain(error);
        if let Err(error) = responder.store.pause_account(&reservation.account, &reason, now).await {
            tracing::error!(account = %reservation.account, error = %error_chain(&error), "cannot pause an account");
        }
    }
    SendOutcome::RetryAt { due: now.plus(pause_ms(reservation.attempt)), reason: Reason::NoToken }
}

/// Writes down what became of a send, as long as it takes; the lease bounds it, for then the sweep calls it unknown.
async fn finish(responder: &Responder, reservation: &Reservation, outcome: &SendOutcome) {
    let attempt = || {
        let (store, send, outcome, now) =
            (responder.store.clone(), reservation.send, outcome.clone(), (responder.clock)());
        async move { store.finish_send(send, &outcome, now).await }
    };
    let patiently = ExponentialBuilder::default().with_min_delay(Duration::from_millis(10)).with_max_times(12);
    match attempt.retry(patiently).when(StoreError::is_retryable).await {
        Ok(Finished::Done) => {}
        Ok(Finished::Already(status)) => {
            tracing::info!(send = %reservation.send, ?status, "a send was settled by its echo first");
        }
        Ok(Finished::Gone) => tracing::error!(send = %reservation.send, "a send has vanished from the store"),
        Err(error) => {
            tracing::error!(send = %reservation.send, error = %error_chain(&error), "a send's outcome is not written");
        }
    }
}

fn pause_ms(attempt: i64) -> i64 {
    let at = usize::try_from(attempt.max(1) - 1).unwrap_or(usize::MAX);
    PAUSES_MS[at.min(PAUSES_MS.len() - 1)]
}

const fn name(outcome: &SendOutcome) -> &'static str {
    match outcome {
        SendOutcome::Sent { .. } => "sent",
        SendOutcome::Failed { .. } => "failed",
        SendOutcome::RetryAt { .. } => "deferred",
        SendOutcome::Unknown { .. } => "unknown",
    }
}
