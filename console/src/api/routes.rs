//! The API's answers to each question.

use afterglow_crm::{daily_log_of, plain_cell, rows_to_csv, to_csv, to_json};
use afterglow_domain::{AccountId, DAY_MS, DerivedId as _, InteractionId, Timestamp, ViewerId, ViewerKey};
use afterglow_insights::{days_before, figures, funnel_of, series_of, sums_of, trials_of};
use afterglow_runtime::error_chain;
use afterglow_scorer::{explain, standing};
use afterglow_store::ViewerRow;
use axum::Json;
use axum::extract::{Path, Query};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use uuid::Uuid;

use super::answers::{Changes, Decided, Explained, Happened, Log, Logged, Viewer, Viewers};
use super::{Failure, Opened};
use crate::pages::{state_of, viewer_named};

/// Most rows of one answer.
const MOST: u32 = 1_000;
const USUAL: u32 = 100;
/// Interactions from which a score is explained, the latest.
const EXPLAINED: u32 = 5_000;

#[derive(OpenApi)]
#[openapi(
    info(title = "Afterglow", description = "Reads what a brand keeps of its viewers. Tokens: `afterglow api-token add`."),
    paths(
        triage, viewers, viewer, explained, interactions, log, decisions, daily_log, changes, kpis, experiments, hypotheses,
        stories
    ),
    modifiers(&Bearer)
)]
pub(super) struct Description;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        openapi.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

#[derive(Deserialize)]
pub(super) struct Page {
    cursor: Option<String>,
    limit: Option<u32>,
}

impl Page {
    fn limit(&self) -> u32 {
        self.limit.unwrap_or(USUAL).clamp(1, MOST)
    }
}

fn shown(opened: &Opened, row: &ViewerRow) -> Viewer {
    let rules = opened.console.rulebooks.at(&opened.brand);
    let state = state_of(row);
    let stands = standing(&state, &rules, opened.now).ok();
    Viewer {
        account: row.key.account.to_string(),
        viewer: row.key.viewer.to_string(),
        username: row.username.clone(),
        segment: stands.as_ref().map_or(row.segment, |stands| stands.segment).as_str().into(),
        score: state.score_at(opened.now, &rules.scoring),
        to_do: stands.as_ref().map(|stands| stands.action.as_str().into()),
        due: stands.as_ref().and_then(|stands| stands.due).map(Timestamp::to_rfc3339),
        tags: stands.map_or_else(|| row.tags.clone(), |stands| stands.tags),
        last_contact: row.last_contact.map(Timestamp::to_rfc3339),
        first_seen: row.first_seen.to_rfc3339(),
        last_seen: row.last_seen.to_rfc3339(),
    }
}

fn key(account: String, viewer: String) -> ViewerKey {
    ViewerKey { account: AccountId::new(account), viewer: ViewerId::new(viewer) }
}

/// Who waits for an answer, in the order in which they should have it.
#[utoipa::path(get, path = "/v1/brands/{brand}/triage", security(("token" = [])),
    params(("brand" = String, Path), ("limit" = Option<u32>, Query, description = "1 to 1000, usually 100")),
    responses((status = 200, body = Viewers), (status = 401), (status = 404)))]
pub(super) async fn triage(opened: Opened, Query(page): Query<Page>) -> Result<Json<Viewers>, Failure> {
    let rows = opened.store().waiting(page.limit()).await?;
    Ok(Json(Viewers { viewers: rows.iter().map(|row| shown(&opened, row)).collect(), next: None }))
}

/// Every viewer, page by page, by id. Those who come meanwhile are on the pages that follow, or on none.
#[utoipa::path(get, path = "/v1/brands/{brand}/viewers", security(("token" = [])),
    params(("brand" = String, Path), ("cursor" = Option<String>, Query), ("limit" = Option<u32>, Query)),
    responses((status = 200, body = Viewers), (status = 400), (status = 401), (status = 404)))]
pub(super) async fn viewers(opened: Opened, Query(page): Query<Page>) -> Result<Json<Viewers>, Failure> {
    let after = match &page.cursor {
        None => key(String::new(), String::new()),
        Some(cursor) => viewer_named(cursor).ok_or_else(|| Failure::Bad(format!("{cursor:?} is no cursor")))?,
    };
    let rows = opened.store().viewers_after(&after, page.limit()).await?;
    let full = rows.len() == usize::try_from(page.limit()).unwrap_or(usize::MAX);
    let next = rows.last().filter(|_| full).map(|row| format!("{}/{}", row.key.account, row.key.viewer));
    Ok(Json(Viewers { viewers: rows.iter().map(|row| shown(&opened, row)).collect(), next }))
}

/// One viewer.
#[utoipa::path(get, path = "/v1/brands/{brand}/viewers/{account}/{viewer}", security(("token" = [])),
    params(("brand" = String, Path), ("account" = String, Path), ("viewer" = String, Path)),
    responses((status = 200, body = Viewer), (status = 401), (status = 404)))]
pub(super) async fn viewer(
    opened: Opened,
    Path((_, account, viewer)): Path<(String, String, String)>,
) -> Result<Json<Viewer>, Failure> {
    let rows = opened.store().viewers_of(&[key(account, viewer)]).await?;
    let row = rows.first().ok_or(Failure::NotFound)?;
    Ok(Json(shown(&opened, row)))
}

/// Why a viewer stands where they stand: what each interaction adds, and what would change it.
#[utoipa::path(get, path = "/v1/brands/{brand}/viewers/{account}/{viewer}/explain", security(("token" = [])),
    params(("brand" = String, Path), ("account" = String, Path), ("viewer" = String, Path)),
    responses((status = 200, body = Explained), (status = 401), (status = 404)))]
pub(super) async fn explained(
    opened: Opened,
    Path((_, account, viewer)): Path<(String, String, String)>,
) -> Result<Json<Explained>, Failure> {
    let key = key(account, viewer);
    if opened.store().viewers_of(std::slice::from_ref(&key)).await?.is_empty() {
        return Err(Failure::NotFound);
    }
    let log = opened.store().interactions(&key, EXPLAINED).await?;
    let rules = opened.console.rulebooks.at(&opened.brand);
    let explanation = explain(&log, &rules, opened.now, 100)
        .map_err(|error| Failure::Bad(format!("a rule fails on what happened: {}", error_chain(&error))))?;
    Ok(Json(Explained::from(&explanation)))
}

/// What happened with a viewer, the latest first.
#[utoipa::path(get, path = "/v1/brands/{brand}/viewers/{account}/{viewer}/interactions", security(("token" = [])),
    params(("brand" = String, Path), ("account" = String, Path), ("viewer" = String, Path), ("limit" = Option<u32>, Query)),
    responses((status = 200, body = Vec<Happened>), (status = 401), (status = 404)))]
pub(super) async fn interactions(
    opened: Opened,
    Path((_, account, viewer)): Path<(String, String, String)>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Happened>>, Failure> {
    let log = opened.store().interactions(&key(account, viewer), page.limit()).await?;
    Ok(Json(log.iter().map(Happened::from).collect()))
}

/// The latest decisions, with their reasons, the latest first.
#[utoipa::path(get, path = "/v1/brands/{brand}/decisions", security(("token" = [])),
    params(("brand" = String, Path), ("limit" = Option<u32>, Query)),
    responses((status = 200, body = Vec<Decided>), (status = 401), (status = 404)))]
pub(super) async fn decisions(opened: Opened, Query(page): Query<Page>) -> Result<Json<Vec<Decided>>, Failure> {
    let records = opened.store().recent_decisions(page.limit()).await?;
    Ok(Json(records.iter().map(Decided::from).collect()))
}

#[derive(Deserialize)]
pub(super) struct LogAsked {
    date: Option<String>,
    format: Option<String>,
}

/// The daily log of a day in the brand's time zone: who cared, why, what is to be done.
#[utoipa::path(get, path = "/v1/brands/{brand}/daily-log", security(("token" = [])),
    params(("brand" = String, Path), ("date" = Option<String>, Query, description = "such as 2026-11-24; usually today"),
        ("format" = Option<String>, Query, description = "`json`, usually, or `csv`")),
    responses((status = 200), (status = 400), (status = 401), (status = 404)))]
pub(super) async fn daily_log(opened: Opened, Query(asked): Query<LogAsked>) -> Result<Response, Failure> {
    let log = daily_log_of(&opened.store(), asked.date.as_deref(), opened.now)
        .await
        .map_err(|error| Failure::Bad(error_chain(&error)))?;
    match asked.format.as_deref() {
        None | Some("json") => Ok(([(header::CONTENT_TYPE, "application/json")], to_json(&log)).into_response()),
        Some("csv") => Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], to_csv(&log)).into_response()),
        Some(other) => Err(Failure::Bad(format!("format is json or csv, not {other:?}"))),
    }
}

#[derive(Deserialize)]
pub(super) struct Following {
    cursor: Option<u64>,
    limit: Option<u32>,
    format: Option<String>,
}

/// What changed of viewers, in order, from behind a cursor: `CloudEvents`, as endpoints are posted them. Give the answer's `cursor`
/// back for what follows; nothing is missed and nothing comes twice. `format=ndjson`: one event a line, and the cursor in the header
/// `x-cursor`. 410 if the cursor's place is no longer kept: read every viewer, then go on from the answer's `head`.
#[utoipa::path(get, path = "/v1/brands/{brand}/changes", security(("token" = [])),
    params(("brand" = String, Path), ("cursor" = Option<u64>, Query, description = "0 or none: from the beginning"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, usually 100"), ("format" = Option<String>, Query)),
    responses((status = 200, body = Changes), (status = 400), (status = 401), (status = 404), (status = 410)))]
pub(super) async fn changes(opened: Opened, Query(asked): Query<Following>) -> Result<Response, Failure> {
    let cursor = asked.cursor.unwrap_or(0);
    let tail = opened.store().feed_tail().await?;
    if cursor > tail.head {
        return Err(Failure::Bad(format!("cursor {cursor} is beyond the latest change, {}", tail.head)));
    }
    // From the beginning is never gone: who begins anew takes what is kept.
    if cursor > 0 && cursor < tail.floor {
        return Err(Failure::Gone { cursor, head: tail.head });
    }
    let limit = asked.limit.unwrap_or(USUAL).clamp(1, MOST);
    let page = opened.store().changes_after(cursor, limit).await?;
    let next = page.changes.last().map_or(cursor, |last| last.sequence);
    if asked.format.as_deref() == Some("ndjson") {
        let lines: String = page.changes.iter().flat_map(|change| [change.body.as_str(), "\n"]).collect();
        let headers = [(header::CONTENT_TYPE, "application/x-ndjson".to_owned()), (CURSOR, next.to_string())];
        return Ok((headers, lines).into_response());
    }
    let parse = |change: &afterglow_store::NumberedChange| serde_json::from_str(&change.body).unwrap_or_default();
    let events = page.changes.iter().map(parse).collect();
    Ok(Json(Changes { events, cursor: next, head: page.head }).into_response())
}

#[derive(Deserialize)]
pub(super) struct Span {
    from: Option<String>,
    until: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
    format: Option<String>,
}

/// What happened with everybody in a span of time, in its order: for exports. (Who follows along takes `changes`: what is told late
/// stands before a cursor that has passed.) Give the answer's `next` back as `cursor` for what follows; `format=ndjson` and `csv`
/// bear it in the header `x-cursor`.
#[utoipa::path(get, path = "/v1/brands/{brand}/interactions", security(("token" = [])),
    params(("brand" = String, Path), ("from" = Option<String>, Query, description = "such as 2026-11-24T00:00:00Z; usually a day ago"),
        ("until" = Option<String>, Query, description = "usually now"), ("cursor" = Option<String>, Query),
        ("limit" = Option<u32>, Query, description = "1 to 1000, usually 100"),
        ("format" = Option<String>, Query, description = "`json`, usually, `ndjson` or `csv`")),
    responses((status = 200, body = Log), (status = 400), (status = 401), (status = 404)))]
pub(super) async fn log(opened: Opened, Query(asked): Query<Span>) -> Result<Response, Failure> {
    let moment = |text: &Option<String>, usually: Timestamp| match text {
        None => Ok(usually),
        Some(text) => {
            let wrong = || Failure::Bad(format!("{text:?} is no time: expected one such as 2026-11-24T00:00:00Z"));
            Timestamp::parse(text).ok_or_else(wrong)
        }
    };
    let from = (moment(&asked.from, opened.now.minus(DAY_MS))?, InteractionId::from_uuid(Uuid::nil()));
    let until = moment(&asked.until, opened.now)?;
    let after = match &asked.cursor {
        None => from,
        Some(cursor) => place(cursor).ok_or_else(|| Failure::Bad(format!("{cursor:?} is no cursor")))?,
    };
    let limit = asked.limit.unwrap_or(USUAL).clamp(1, MOST);
    let interactions = opened.store().interactions_after(after, until, limit).await?;
    let full = interactions.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next = interactions.last().filter(|_| full).map(|last| format!("{}/{}", last.occurred.millis(), last.id));
    let logged: Vec<Logged> = interactions.iter().map(Logged::from).collect();
    let unwritable = |error: String| Failure::Bad(format!("what happened cannot be written: {error}"));
    let (kind, lines) = match asked.format.as_deref() {
        None | Some("json") => return Ok(Json(Log { interactions: logged, next }).into_response()),
        Some("ndjson") => {
            let lines: Result<Vec<String>, _> = logged.iter().map(serde_json::to_string).collect();
            let lines = lines.map_err(|error| unwritable(error.to_string()))?;
            ("application/x-ndjson", lines.into_iter().flat_map(|line| [line, "\n".into()]).collect::<String>())
        }
        Some("csv") => {
            let plain = |row: Logged| Logged { text: row.text.as_deref().map(plain_cell), ..row };
            let rows: Vec<Logged> = logged.into_iter().map(plain).collect();
            ("text/csv; charset=utf-8", rows_to_csv(&rows).map_err(|error| unwritable(error.to_string()))?)
        }
        Some(other) => return Err(Failure::Bad(format!("format is json, ndjson or csv, not {other:?}"))),
    };
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (CURSOR, next.unwrap_or_default())], lines).into_response())
}

/// A place in the log, as it was given out.
fn place(cursor: &str) -> Option<(Timestamp, InteractionId)> {
    let (at, id) = cursor.split_once('/')?;
    Some((Timestamp::from_millis(at.parse().ok()?), InteractionId::from_uuid(id.parse().ok()?)))
}

/// Where a list of lines ends.
const CURSOR: header::HeaderName = header::HeaderName::from_static("x-cursor");

#[derive(Deserialize)]
pub(super) struct Period {
    since: Option<String>,
    until: Option<String>,
    by: Option<String>,
}

/// A brand's figures between two days of its time zone, both included; usually the last 28. `by`: all, account, play, snippet or operator.
/// A figure is a share with what it is a share of, a time that most did not exceed, or unknown with the reason.
#[utoipa::path(get, path = "/v1/brands/{brand}/kpis", security(("token" = [])),
    params(("brand" = String, Path), ("since" = Option<String>, Query), ("until" = Option<String>, Query), ("by" = Option<String>, Query)),
    responses((status = 200, body = Object), (status = 400), (status = 401), (status = 404)))]
pub(super) async fn kpis(opened: Opened, Query(asked): Query<Period>) -> Result<Response, Failure> {
    let until = asked.until.unwrap_or_else(|| opened.now.day_in(&opened.brand.time_zone));
    let no_day = || Failure::Bad("since and until are days, YYYY-MM-DD".into());
    let usual = days_before(&until, 27).ok_or_else(no_day)?;
    let since = asked.since.unwrap_or(usual);
    days_before(&since, 0).ok_or_else(no_day)?;
    let by = asked.by.as_deref().unwrap_or("all");
    if !["all", "account", "play", "snippet", "operator"].contains(&by) {
        return Err(Failure::Bad(format!("by={by}: expected all, account, play, snippet or operator")));
    }
    let items = sums_of(&opened.store(), by, (&since, &until)).await?;
    let items: std::collections::BTreeMap<_, _> = items.iter().map(|(item, sums)| (item, figures(sums))).collect();
    Ok(Json(serde_json::json!({ "since": since, "until": until, "by": by, "items": items })).into_response())
}

/// What a brand tries on viewers, in the order of its document: for each arm the viewers, those whose time is over and what they did;
/// between which bounds the differences lie; what may be said of them; and what is unknown, with the reason.
#[utoipa::path(get, path = "/v1/brands/{brand}/experiments", security(("token" = [])),
    params(("brand" = String, Path)),
    responses((status = 200, body = Object), (status = 401), (status = 404)))]
pub(super) async fn experiments(opened: Opened) -> Result<Response, Failure> {
    let trials = trials_of(&opened.store(), &opened.brand, opened.now).await?;
    Ok(Json(serde_json::json!({ "experiments": trials })).into_response())
}

/// What a brand believes and has not proved, the latest first: open, testing or decided.
#[utoipa::path(get, path = "/v1/brands/{brand}/hypotheses", security(("token" = [])),
    params(("brand" = String, Path)),
    responses((status = 200, body = Object), (status = 401), (status = 404)))]
pub(super) async fn hypotheses(opened: Opened) -> Result<Response, Failure> {
    let hypotheses = opened.store().hypotheses().await?;
    Ok(Json(serde_json::json!({ "hypotheses": hypotheses })).into_response())
}

/// From a Story to a sale: each Story that began between two days of the brand's time zone, both included (usually the last 7, at most 31),
/// with its frame in the day's series, Meta's figures or why they are unknown, and what followed; and each day's series.
#[utoipa::path(get, path = "/v1/brands/{brand}/stories", security(("token" = [])),
    params(("brand" = String, Path), ("since" = Option<String>, Query), ("until" = Option<String>, Query)),
    responses((status = 200, body = Object), (status = 400), (status = 401), (status = 404)))]
pub(super) async fn stories(opened: Opened, Query(asked): Query<Period>) -> Result<Response, Failure> {
    let until = asked.until.unwrap_or_else(|| opened.now.day_in(&opened.brand.time_zone));
    let bad = || Failure::Bad("since and until are days, YYYY-MM-DD, at most 31".into());
    let (usual, first) = (days_before(&until, 6).ok_or_else(bad)?, days_before(&until, 30).ok_or_else(bad)?);
    let since = asked.since.unwrap_or(usual);
    if since < first {
        return Err(bad());
    }
    let stories = funnel_of(&opened.store(), &opened.brand, (&since, &until), opened.now).await?.ok_or_else(bad)?;
    let series = series_of(&stories);
    let told = serde_json::json!({ "since": since, "until": until, "stories": stories, "series": series });
    Ok(Json(told).into_response())
}
