//! What other systems read from end to end: the daily log, changes from a cursor on, and a span of the log.

use afterglow_crm::{daily_log_of, plain_cell, rows_to_csv, to_csv, to_json};
use afterglow_domain::{DAY_MS, DerivedId as _, InteractionId, Timestamp};
use afterglow_runtime::error_chain;
use axum::Json;
use axum::extract::Query;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::answers::{Changes, Log, Logged};
use super::{Failure, MOST, Opened, USUAL};

/// Where a list of lines ends.
const CURSOR: header::HeaderName = header::HeaderName::from_static("x-cursor");

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
