//! Live Stories and their figures, as Meta shows them: for 24 hours, and not for fewer than five viewers.

use afterglow_domain::DAY_MS;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde_json::{Value, json};

use super::conversations::graph_time;
use super::{Graph, Reads, lock, query};
use crate::account::Login;
use crate::world::Refusal;

/// Metrics of a Story (Meta, "IG Media / Insights", v25.0, as read in 2026).
const METRICS: [&str; 10] = [
    "follows",
    "navigation",
    "profile_activity",
    "profile_visits",
    "reach",
    "replies",
    "reposts",
    "shares",
    "total_interactions",
    "views",
];
/// Those that only Facebook Login has.
const FACEBOOK_METRICS: [&str; 2] = ["facebook_views", "total_views"];

/// `GET /{version}/{node}/stories`.
pub(super) async fn list(
    State(graph): State<Graph>,
    Path((version, node)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let now = (graph.clock)();
    let account = match graph.called(&version, &node, (&headers, &uri), Reads::Other) {
        Ok(account) => account,
        Err(refusal) => return graph.refuse(refusal, None),
    };
    let stories = lock(&graph.world).stories(&account.id);
    let live = stories.iter().filter(|story| now.since(story.posted) < DAY_MS);
    let data: Vec<Value> = live.map(|story| json!({ "id": story.id, "timestamp": graph_time(story.posted) })).collect();
    graph.ok(&json!({ "data": data }), &account)
}

/// `GET /{version}/{node}/insights?metric=&breakdown=`.
pub(super) async fn insights(
    State(graph): State<Graph>,
    Path((version, node)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let now = (graph.clock)();
    let account = match graph.called(&version, "me", (&headers, &uri), Reads::Other) {
        Ok(account) => account,
        Err(refusal) => return graph.refuse(refusal, None),
    };
    let stories = lock(&graph.world).stories(&account.id);
    let live = stories.iter().find(|story| story.id == node && now.since(story.posted) < DAY_MS);
    let Some(story) = live else { return graph.refuse(Refusal::NO_OBJECT, Some(&account)) };
    let (metric, breakdown) = (query(&uri, "metric").unwrap_or_default(), query(&uri, "breakdown"));
    let broken_down = |name: &str| name == "navigation" || name == "profile_activity";
    // Meta: a breakdown with a metric that has none fails the whole call, without saying why.
    if breakdown.is_some() && !metric.split(',').all(broken_down) {
        return graph.refuse(Refusal::FALSE_FAILURE, Some(&account));
    }
    let known =
        |name: &str| METRICS.contains(&name) || account.login == Login::Facebook && FACEBOOK_METRICS.contains(&name);
    if !metric.split(',').all(known) {
        return graph.refuse(Refusal::BAD_PARAMETER, Some(&account)); // one unknown metric, and none is told
    }
    if story.viewers < 5 {
        return graph.refuse(Refusal::TOO_FEW_VIEWERS, Some(&account));
    }
    let item = |name: &str| match name {
        "navigation" => json!({ "name": name, "period": "lifetime", "total_value": { "value": story.viewers,
            "breakdowns": [{ "dimension_keys": ["story_navigation_action_type"],
                "results": [{ "dimension_values": ["tap_forward"], "value": story.viewers }] }] } }),
        "profile_activity" => json!({ "name": name, "period": "lifetime", "total_value": { "value": 0 } }),
        "reach" | "views" => json!({ "name": name, "period": "lifetime", "values": [{ "value": story.viewers }] }),
        _ => json!({ "name": name, "period": "lifetime", "values": [{ "value": 0 }] }),
    };
    let data: Vec<Value> = metric.split(',').filter(|name| !name.is_empty()).map(item).collect();
    graph.ok(&json!({ "data": data }), &account)
}
