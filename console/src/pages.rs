//! The pages. What belongs to a brand is read through `store.brand(…)` alone.

use std::sync::Arc;

use afterglow_domain::{
    AccountId, Body, BrandId, DAY_MS, Interaction, MessageEdit, Segment, Timestamp, ViewerId, ViewerKey, Window,
    WindowRule,
};
use afterglow_runtime::error_chain;
use afterglow_scorer::{ViewerState, segment_at};
use afterglow_store::{DecisionRecord, Overview, StoreError, ViewerRow};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::Console;
use crate::layout::{figures, moment, page, segment};
use crate::words;

type Shared = State<Arc<Console>>;

/// A page that cannot be shown.
pub(crate) enum Problem {
    NotFound,
    Store(StoreError),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Problem::Store(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Problem::NotFound => (StatusCode::NOT_FOUND, "There is nothing here."),
            Problem::Store(error) => {
                tracing::error!(error = %error_chain(&error), "a page cannot be read");
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The database does not answer. `afterglow doctor` says how to mend it.",
                )
            }
        };
        (status, page("Not shown", false, &[], &html! { h1 { (text) } })).into_response()
    }
}

pub(crate) async fn not_found() -> Problem {
    Problem::NotFound
}

pub(crate) async fn overview(State(console): Shared) -> Result<Markup, Problem> {
    let totals = console.store.totals().await?;
    let mut brands = Vec::new();
    for brand in console.store.brands().await? {
        let overview = console.store.brand(&brand.id).overview().await?;
        brands.push((brand, overview));
    }
    let main = html! {
        h1 { "Brands" }
        ul.brands {
            @for (brand, overview) in &brands {
                li {
                    h2 { a href=(format!("/b/{}", brand.id)) { (brand.name) } }
                    (brand_figures(overview))
                }
            }
        }
        @if brands.is_empty() { p { "No brand yet: " code { "afterglow brand add" } " makes one." } }
        h2 { "This installation" }
        (figures(&[
            ("Accepted", totals.accepted), ("Duplicates", totals.duplicates),
            ("Quarantined", totals.quarantined), ("Outbox", totals.outbox),
        ]))
    };
    Ok(page("Brands", true, &[], &main))
}

fn brand_figures(overview: &Overview) -> Markup {
    let viewers =
        |segment: Segment| overview.viewers.iter().filter(|(s, _)| *s == segment).map(|(_, n)| n).sum::<u64>();
    let intents = |name: &str| overview.intents.iter().filter(|(s, _)| s.as_str() == name).map(|(_, n)| n).sum::<u64>();
    figures(&[
        ("Hot", viewers(Segment::Hot)),
        ("Warm", viewers(Segment::Warm)),
        ("Cool", viewers(Segment::Cool)),
        ("Need a reply", overview.needs_reply),
        ("Sent", intents("sent")),
        ("Held for you", intents("held")),
        ("Dropped", intents("dropped")),
    ])
}

pub(crate) async fn brand(State(console): Shared, Path(brand): Path<String>) -> Result<Markup, Problem> {
    let (id, now) = (BrandId::new(brand), (console.clock)());
    let store = console.store.brand(&id);
    let brand = store.brand().await?.ok_or(Problem::NotFound)?;
    let (overview, decisions) = (store.overview().await?, store.recent_decisions(30).await?);
    let mut queue: Vec<(ViewerRow, ViewerState)> = Vec::new();
    for row in store.triage(100).await? {
        let state = state_of(&row);
        queue.push((row, state));
    }
    let rules = console.rulebooks.at(&brand);
    let segment_now =
        |state: &ViewerState| segment_at(state, &rules, now).map_or(Segment::Cool, |(segment, _)| segment);
    // What is stored is as of the last look; people fall back with time alone.
    queue.sort_by(|(a, x), (b, y)| segment_now(x).cmp(&segment_now(y)).then(b.score_rank.total_cmp(&a.score_rank)));
    let main = html! {
        h1 { (brand.name) }
        (brand_figures(&overview))
        h2 { "Triage" }
        div.scroll {
            table {
                caption { "Viewers, the most urgent first" }
                thead { tr { th scope="col" { "Viewer" } th scope="col" { "Segment" } th scope="col" { "Score" }
                    th scope="col" { "Waits since" } th scope="col" { "You may write" } } }
                tbody {
                    @for (row, state) in &queue {
                        tr {
                            td { a href=(viewer_path(&id, &row.key)) { (name(row)) } }
                            td { (segment(segment_now(state))) }
                            td.number { (format!("{:.1}", state.score_at(now, &rules.scoring))) }
                            td { @if let Some(since) = row.needs_reply_since { (moment(since, now)) } @else { span.soft { "–" } } }
                            td.nowrap { (window(row.last_contact, now)) }
                        }
                    }
                }
            }
        }
        h2 { "Latest decisions" }
        (decisions_table(&decisions, &id, now))
    };
    Ok(page(&brand.name, true, &[(format!("/b/{id}"), brand.name.clone())], &main))
}

pub(crate) async fn viewer(
    State(console): Shared,
    Path((brand, account, viewer)): Path<(String, String, String)>,
) -> Result<Markup, Problem> {
    let (id, now) = (BrandId::new(brand), (console.clock)());
    let store = console.store.brand(&id);
    let brand = store.brand().await?.ok_or(Problem::NotFound)?;
    let key = ViewerKey { account: AccountId::new(account), viewer: ViewerId::new(viewer) };
    let detail = store.viewer(&key, 100).await?.ok_or(Problem::NotFound)?;
    let state = state_of(&detail.row);
    let rules = console.rulebooks.at(&brand);
    let (current, because) = segment_at(&state, &rules, now).unwrap_or((detail.row.segment, "a rule fails"));
    let main = html! {
        h1 { (name(&detail.row)) " " (segment(current)) }
        p { "Because " code { (because) } }
        p { "Score " strong { (format!("{:.2}", state.score_at(now, &rules.scoring))) }
            " · " (window(detail.row.last_contact, now)) }
        @if let Some(consent) = detail.consent.state() { p { "Consent: " strong { (consent.as_str().replace('_', " ")) } } }
        @if detail.handed_over { p { strong { "A person or another app leads this conversation." } } }
        h2 { "What happened" }
        div.scroll { table {
            caption { "Latest first" }
            thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Words" } } }
            tbody { @for interaction in &detail.interactions { tr {
                td.nowrap { (moment(interaction.occurred, now)) }
                td { (interaction.kind().as_str().replace('_', " ")) }
                td { (said(interaction, &detail.interactions)) }
            } } }
        } }
        h2 { "What was decided" }
        (decisions_table(&detail.decisions, &id, now))
    };
    let crumbs = [(format!("/b/{id}"), brand.name), (viewer_path(&id, &key), name(&detail.row))];
    Ok(page(&name(&detail.row), false, &crumbs, &main))
}

pub(crate) async fn quarantine(State(console): Shared) -> Result<Markup, Problem> {
    let (rows, now) = (console.store.quarantine_list(200).await?, (console.clock)());
    let main = html! {
        h1 { "Quarantine" }
        p { "What could not be understood, kept with its bytes. "
            code { "afterglow quarantine replay ID" } " puts it through the same door again." }
        div.scroll { table {
            caption { "Oldest first, at most 200" }
            thead { tr { th scope="col" { "Received" } th scope="col" { "Reason" } th scope="col" { "Detail" }
                th scope="col" { "Account" } th scope="col" { "Bytes" } th scope="col" { "Id" } } }
            tbody { @for row in &rows { tr {
                td.nowrap { (moment(row.item.received, now)) }
                td.nowrap { (row.item.reason.as_str().replace('_', " ")) }
                td { (row.item.detail) }
                td { (row.item.account.as_deref().unwrap_or("–")) }
                td.number { (row.item.payload.len()) }
                td { code { (row.item.id) } }
            } } }
        } }
        @if rows.is_empty() { p { "Nothing waits." } }
    };
    Ok(page("Quarantine", false, &[("/ops/quarantine".into(), "Quarantine".into())], &main))
}

fn decisions_table(decisions: &[DecisionRecord], brand: &BrandId, now: Timestamp) -> Markup {
    html! {
        div.scroll { table {
            caption { "What was decided, and why; latest first" }
            thead { tr { th scope="col" { "When" } th scope="col" { "Viewer" } th scope="col" { "About" }
                th scope="col" { "Decision" } th scope="col" { "Because" } } }
            tbody { @for d in decisions {
                @let key = ViewerKey { account: d.account.clone(), viewer: d.viewer.clone() };
                tr {
                    td.nowrap { (moment(d.at, now)) }
                    td { a href=(viewer_path(brand, &key)) { (d.username.as_deref().unwrap_or(d.viewer.as_str())) } }
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

fn state_of(row: &ViewerRow) -> ViewerState {
    serde_json::from_str(&row.state)
        .inspect_err(|error| tracing::error!(viewer = %row.key, %error, "a viewer's state cannot be read"))
        .unwrap_or_default()
}

fn name(row: &ViewerRow) -> String {
    row.username.clone().unwrap_or_else(|| row.key.viewer.to_string())
}

fn viewer_path(brand: &BrandId, key: &ViewerKey) -> String {
    format!("/b/{brand}/v/{}/{}", key.account, key.viewer)
}

/// How long a message may still be written, or why not.
fn window(last_contact: Option<Timestamp>, now: Timestamp) -> Markup {
    let Some(opened) = last_contact else { return html! { span.soft { "no: they did not write" } } };
    let window = Window { rule: WindowRule::Standard, opened };
    html! {
        @if window.is_open(now, 0) { (words::span(DAY_MS - now.since(opened))) " left" }
        @else { span.soft { "no: the window closed " (words::ago(opened.plus(DAY_MS), now)) } }
    }
}

/// What was said, as it stands now: edited, or taken back.
fn said(interaction: &Interaction, all: &[Interaction]) -> Markup {
    let amended = |other: &&Interaction| other.body.amends().is_some() && other.body.amends() == interaction.body.mid();
    let mut edit: Option<&MessageEdit> = None;
    for other in all.iter().filter(amended) {
        match &other.body {
            // What a person took back is not shown again.
            Body::Unsend(_) => return html! { span.soft { "taken back" } },
            Body::MessageEdit(newer) if edit.is_none_or(|edit| newer.num_edit > edit.num_edit) => edit = Some(newer),
            _ => {}
        }
    }
    let text = edit.and_then(|edit| edit.text.as_deref()).or_else(|| words_of(interaction));
    html! {
        @if let Some(text) = text { q { (text) } } @else { span.soft { "–" } }
        @if edit.is_some() { " " span.soft { "(edited)" } }
    }
}

fn words_of(interaction: &Interaction) -> Option<&str> {
    match &interaction.body {
        Body::Message(m) | Body::StoryReply(m) | Body::StoryMention(m) | Body::QuickReply(m) | Body::MessageSent(m) => {
            m.text.as_deref()
        }
        Body::Comment(c) | Body::LiveComment(c) => c.text.as_deref(),
        _ => None,
    }
}
