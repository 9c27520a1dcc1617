//! Viewers: who waits, where each stands and why, and what was decided about them.

use afterglow_domain::{AccountId, Timestamp, ViewerId, ViewerKey};
use afterglow_runtime::error_chain;
use afterglow_scorer::{explain, standing};
use afterglow_store::ViewerRow;
use axum::Json;
use axum::extract::{Path, Query};
use serde::Deserialize;

use super::answers::{Decided, Explained, Happened, Viewer, Viewers};
use super::{Failure, MOST, Opened, USUAL};
use crate::pages::{state_of, viewer_named};

/// Interactions from which a score is explained, the latest.
const EXPLAINED: u32 = 5_000;

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
