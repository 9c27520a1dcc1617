//! The ledger of decisions, and the log of what people did.

use afterglow_domain::{Reason, ViewerKey};
use afterglow_store::DecisionRecord;
use axum::extract::Query;
use maud::{Markup, html};
use serde::Deserialize;

use super::{decisions_table, viewer_path};
use crate::access::InBrand;
use crate::layout::{brand_page, moment};
use crate::problem::Problem;

const SHOWN: u32 = 200;
/// Decisions read at once.
const CHUNK: u32 = 2_000;
/// How many one request looks at; the page leads on to those before.
const LOOKED_AT: usize = 20_000;

#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    q: String,
    /// Only what was decided before this one.
    before: Option<i64>,
}

/// What was found, and before which decision to go on.
struct Found {
    decisions: Vec<DecisionRecord>,
    older: Option<i64>,
}

/// Looks through the ledger, the latest first, until a page is full or enough was looked at for one request.
async fn search(room: &InBrand, asked: &Asked) -> Result<Found, Problem> {
    let q = asked.q.trim().to_lowercase();
    let wanted = q.replace(' ', "_");
    // A reason's whole name is that reason: `opted_out` is not `not_opted_out`.
    let whole = serde_json::from_value::<Reason>(wanted.as_str().into()).is_ok();
    let meant = |reason: &Reason| if whole { reason.as_str() == wanted } else { reason.as_str().contains(&wanted) };
    let fits = |d: &DecisionRecord| {
        let named = d.username.as_deref().is_some_and(|name| name.to_lowercase().contains(&q));
        let reasoned = d.decision.reasons.iter().any(meant);
        (asked.verdict.is_empty() || d.decision.verdict.as_str() == asked.verdict)
            && (q.is_empty()
                || named
                || reasoned
                || d.play.as_str().to_lowercase().contains(&q)
                || d.viewer.as_str() == q)
    };
    let (mut decisions, mut before, mut looked) = (Vec::new(), asked.before.unwrap_or(i64::MAX), 0);
    while looked < LOOKED_AT {
        let chunk = room.store().decisions_before(before, CHUNK).await?;
        looked += chunk.len();
        let last = chunk.len() < CHUNK as usize;
        for decision in chunk {
            before = decision.seq;
            if fits(&decision) {
                decisions.push(decision);
            }
            if decisions.len() == SHOWN as usize {
                return Ok(Found { decisions, older: Some(before) });
            }
        }
        if last {
            return Ok(Found { decisions, older: None });
        }
    }
    Ok(Found { decisions, older: Some(before) })
}

/// The same search, further back.
fn further(room: &InBrand, asked: &Asked, before: i64) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("verdict", &asked.verdict).append_pair("q", &asked.q);
    query.append_pair("before", &before.to_string());
    format!("/b/{}/decisions?{}", room.id(), query.finish())
}

pub(crate) async fn decisions(room: InBrand, Query(asked): Query<Asked>) -> Result<Markup, Problem> {
    let Found { decisions, older } = search(&room, &asked).await?;
    let main = html! {
        h1 { "Decisions" }
        form.bar role="search" method="get" action=(format!("/b/{}/decisions", room.id())) {
            label for="verdict" { "Decision" }
            select #verdict name="verdict" {
                @for verdict in ["", "send", "defer", "hold", "drop"] {
                    option value=(verdict) selected[verdict == asked.verdict] { (if verdict.is_empty() { "any" } else { verdict }) }
                }
            }
            label for="q" { "Viewer, play or reason" }
            input #q name="q" type="search" value=(asked.q);
            button type="submit" { "Search" }
        }
        (decisions_table(&decisions, room.id(), room.now))
        @if let Some(older) = older { p { a href=(further(&room, &asked, older)) { "Search further back" } } }
    };
    Ok(brand_page("Decisions", &room, "/decisions", false, &main))
}

pub(crate) async fn audit(room: InBrand) -> Result<Markup, Problem> {
    let rows = room.store().audit(SHOWN).await?;
    let main = html! {
        h1 { "Audit" }
        div.scroll tabindex="0" role="region" aria-label="Audit" { table {
            caption { "Who did what; latest first" }
            thead { tr { th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" }
                th scope="col" { "To whom" } th scope="col" { "Detail" } } }
            tbody { @for row in &rows { tr {
                td.nowrap { (moment(row.at, room.now)) }
                td { (row.person) }
                td { (row.action.replace('_', " ")) }
                td { @if let Some((account, viewer)) = &row.viewer {
                    @let key: ViewerKey = super::viewer::key(account.clone(), viewer.clone());
                    a href=(viewer_path(room.id(), &key)) { (viewer) }
                } }
                td { (row.detail) }
            } } }
        } }
        @if rows.is_empty() { p.soft { "Nothing yet." } }
    };
    Ok(brand_page("Audit", &room, "/audit", false, &main))
}
