//! The ledger of decisions, and the log of what people did.

use afterglow_domain::{Reason, ViewerKey};
use axum::extract::Query;
use maud::{Markup, html};
use serde::Deserialize;

use super::{decisions_table, viewer_path};
use crate::access::InBrand;
use crate::layout::{brand_page, moment};
use crate::problem::Problem;

const SHOWN: u32 = 200;

#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    q: String,
}

pub(crate) async fn decisions(room: InBrand, Query(asked): Query<Asked>) -> Result<Markup, Problem> {
    let mut decisions = room.store().recent_decisions(2_000).await?;
    let q = asked.q.trim().to_lowercase();
    let wanted = q.replace(' ', "_");
    // A reason's whole name is that reason: `opted_out` is not `not_opted_out`.
    let whole = serde_json::from_value::<Reason>(wanted.as_str().into()).is_ok();
    let meant = |reason: &Reason| if whole { reason.as_str() == wanted } else { reason.as_str().contains(&wanted) };
    decisions.retain(|d| {
        let named = d.username.as_deref().is_some_and(|name| name.to_lowercase().contains(&q));
        let reasoned = d.decision.reasons.iter().any(meant);
        (asked.verdict.is_empty() || d.decision.verdict.as_str() == asked.verdict)
            && (q.is_empty()
                || named
                || reasoned
                || d.play.as_str().to_lowercase().contains(&q)
                || d.viewer.as_str() == q)
    });
    decisions.truncate(SHOWN as usize);
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
        p.soft { "The latest 2,000 are searched; " code { "afterglow decisions list" } " reaches all." }
        (decisions_table(&decisions, room.id(), room.now))
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
