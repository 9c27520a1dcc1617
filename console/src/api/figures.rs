//! What is counted: figures, experiments, hypotheses, and what followed from each Story.

use afterglow_insights::{days_before, figures, funnel_of, series_of, sums_of, trials_of};
use axum::Json;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{Failure, Opened};

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
