//! The pages. What belongs to a brand is read through its room alone.

pub(crate) mod brands;
pub(crate) mod experiments;
pub(crate) mod funnel;
pub(crate) mod held;
pub(crate) mod insights;
pub(crate) mod ledger;
pub(crate) mod live;
pub(crate) mod moderation;
pub(crate) mod ops;
pub(crate) mod people;
pub(crate) mod rollout;
pub(crate) mod rules;
pub(crate) mod snippets;
pub(crate) mod stories;
pub(crate) mod switches;
pub(crate) mod triage;
pub(crate) mod viewer;
pub(crate) mod what_if;
pub(crate) mod writing;

use afterglow_domain::{
    AccountId, BrandId, ConsentState, DAY_MS, HUMAN_AGENT_MS, Timestamp, ViewerId, ViewerKey, Window, WindowRule,
};
use afterglow_scorer::ViewerState;
use afterglow_store::{DecisionRecord, ViewerDetail, ViewerRow};
use maud::{Markup, html};

use crate::layout::moment;
use crate::words;

pub(crate) fn state_of(row: &ViewerRow) -> ViewerState {
    serde_json::from_str(&row.state)
        .inspect_err(|error| tracing::error!(viewer = %row.key, %error, "a viewer's state cannot be read"))
        .unwrap_or_default()
}

pub(crate) fn name_of(row: &ViewerRow) -> String {
    row.username.clone().unwrap_or_else(|| row.key.viewer.to_string())
}

pub(crate) fn viewer_path(brand: &BrandId, key: &ViewerKey) -> String {
    format!("/b/{brand}/v/{}/{}", key.account, key.viewer)
}

/// A viewer as forms name them: account and viewer, with a slash between. Neither of Meta's ids has one.
pub(crate) fn viewer_named(text: &str) -> Option<ViewerKey> {
    let (account, viewer) = text.split_once('/')?;
    Some(ViewerKey { account: AccountId::new(account), viewer: ViewerId::new(viewer) })
}

/// How long a message may still be written, or why not.
pub(crate) fn window(last_contact: Option<Timestamp>, now: Timestamp) -> Markup {
    let Some(opened) = last_contact else { return html! { span.soft { "no: they did not write" } } };
    let window = Window { rule: WindowRule::Standard, opened };
    html! {
        @if window.is_open(now, 0) { (words::span(DAY_MS - now.since(opened))) " left" }
        @else { span.soft { "no: the window closed " (words::ago(opened.plus(DAY_MS), now)) } }
    }
}

/// The same on the viewer's own page, where everything is known that shuts it or lets one write once.
pub(crate) fn may_write_until(detail: &ViewerDetail, human_agent: bool, now: Timestamp) -> Markup {
    if detail.consent.state() == Some(ConsentState::OptedOut) {
        return html! { strong.late { "no: they said stop" } };
    }
    let Some(cause) = writing::answerable(&detail.interactions) else {
        return html! { span.soft { "no: they did not write" } };
    };
    let (rule, opened) = (cause.opens(), cause.occurred);
    let window = Window { rule, opened };
    let left = words::span(window.closes(0).since(now));
    html! {
        @match (rule, window.is_open(now, 0)) {
            (WindowRule::Standard, true) => { (left) " left, since their last " (cause.kind().as_str().replace('_', " ")) }
            (WindowRule::PrivateReply, true) => { (left) " left for one private reply to their comment" }
            (_, true) => { (left) " left" }
            (WindowRule::Standard, false) if human_agent && now.since(opened) < HUMAN_AGENT_MS => {
                (words::span(HUMAN_AGENT_MS - now.since(opened))) " left for people alone (Human Agent); automation's time is over"
            }
            (_, false) => span.soft { "no: the window closed " (words::ago(window.closes(0), now)) },
        }
    }
}

pub(crate) fn decisions_table(decisions: &[DecisionRecord], brand: &BrandId, now: Timestamp) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Decisions" { table {
            caption { "What was decided, and why; latest first" }
            thead { tr { th scope="col" { "When" } th scope="col" { "Viewer" } th scope="col" { "Play" }
                th scope="col" { "About" } th scope="col" { "Decision" } th scope="col" { "Because" } } }
            tbody { @for d in decisions {
                @let key = ViewerKey { account: d.account.clone(), viewer: d.viewer.clone() };
                tr {
                    td.nowrap { (moment(d.at, now)) }
                    td { a href=(viewer_path(brand, &key)) { (d.username.as_deref().unwrap_or(d.viewer.as_str())) } }
                    td { (d.play) }
                    td { (d.cause_kind.as_str().replace('_', " ")) }
                    td.nowrap { (d.decision.verdict.as_str())
                        @if let Some((_, status, _)) = &d.send { span.soft { " · " (format!("{status:?}").to_lowercase()) } } }
                    td { (d.decision.reasons.iter().map(|r| words::reason(*r)).collect::<Vec<_>>().join("; ")) }
                }
            } }
        } }
        @if decisions.is_empty() { p.soft { "Nothing yet." } }
    }
}
