//! Who waits, in the order in which they should have an answer.

use std::collections::HashMap;

use afterglow_domain::{Segment, ViewerKey};
use afterglow_scorer::{Standing, standing};
use afterglow_store::{Role, ViewerRow};
use axum::extract::Query;
use axum::http::Uri;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;

use super::brands::brand_figures;
use super::{name_of, state_of, viewer_named, viewer_path, window};
use crate::access::{Fields, InBrand};
use crate::layout::{brand_page, csrf, due, segment};
use crate::problem::Problem;

/// Rows of one page.
const ROWS: u32 = 50;

#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    show: String,
    #[serde(default)]
    q: String,
}

struct Row {
    viewer: ViewerRow,
    score: f64,
    standing: Option<Standing>,
    labels: Vec<String>,
    attended: Option<String>,
}

pub(crate) async fn show(room: InBrand, uri: Uri, Query(asked): Query<Asked>) -> Result<Markup, Problem> {
    let store = room.store();
    let viewers = match (asked.q.trim(), asked.show.as_str()) {
        ("", "hot") => store.of_segment(Segment::Hot, ROWS).await?,
        ("", "warm") => store.of_segment(Segment::Warm, ROWS).await?,
        ("", "cool") => store.of_segment(Segment::Cool, ROWS).await?,
        ("", label) if label.starts_with('#') => store.labelled(label.trim_start_matches('#'), ROWS).await?,
        ("", _) => store.waiting(ROWS).await?,
        (label, _) if label.starts_with('#') => store.labelled(label.trim_start_matches('#'), ROWS).await?,
        (name, _) => store.named_like(name.trim_start_matches('@'), ROWS).await?,
    };
    let rows = rows(&room, viewers).await?;
    let overview = room.console.overviews.of(&room.console.store, room.id(), room.now).await?;
    let base = format!("/b/{}", room.id());
    let tabs = [("", "Waiting"), ("hot", "Hot"), ("warm", "Warm"), ("cool", "Cool")];
    let main = html! {
        h1 { "Triage" }
        div.bar {
            nav.tabs aria-label="Which viewers" { @for (show, name) in tabs {
                a href=(if show.is_empty() { base.clone() } else { format!("{base}?show={show}") })
                    aria-current=[(asked.q.is_empty() && asked.show == show).then_some("page")] { (name) }
            } }
            form.inline role="search" method="get" action=(base) {
                label.hidden for="search" { "Search by name or #label" }
                input #search name="q" type="search" value=(asked.q) placeholder="Name or #label  ( / )";
                button type="submit" { "Search" }
            }
        }
        form method="post" action=(format!("{base}/label")) {
            (csrf(&room.visitor))
            input type="hidden" name="back" value=(uri);
            section #live hx-get=(uri) hx-trigger="changed from:body, every 30s" hx-select="#live" hx-swap="outerHTML" {
                (brand_figures(&overview))
                (table(&room, &rows))
            }
            @if room.may(Role::Agent) {
                div.bar {
                    label for="label" { "Label for those marked" }
                    input #label name="label" maxlength="40" placeholder="vip  ( t )";
                    button type="submit" name="do" value="on" { "Put on" }
                    button type="submit" name="do" value="off" { "Take off" }
                }
            }
        }
        p.soft { "Keys: " kbd { "j" } " " kbd { "k" } " next and previous, " kbd { "Enter" } " open, " kbd { "r" } " reply, "
            kbd { "h" } " take over, " kbd { "e" } " explain, " kbd { "x" } " mark, " kbd { "t" } " label those marked, " kbd { "/" } " search." }
    };
    Ok(brand_page("Triage", &room, "", true, &main))
}

async fn rows(room: &InBrand, viewers: Vec<ViewerRow>) -> Result<Vec<Row>, Problem> {
    let store = room.store();
    let claims: HashMap<ViewerKey, String> =
        store.claims(room.now).await?.into_iter().map(|claim| (claim.viewer, claim.person)).collect();
    let rules = room.console.rulebooks.at(&room.brand);
    let keys: Vec<ViewerKey> = viewers.iter().map(|viewer| viewer.key.clone()).collect();
    let mut labels = store.labels_of(&keys).await?;
    let row = |viewer: ViewerRow| {
        let state = state_of(&viewer);
        Row {
            score: state.score_at(room.now, &rules.scoring),
            standing: standing(&state, &rules, room.now).ok(),
            labels: labels.remove(&viewer.key).unwrap_or_default(),
            attended: claims.get(&viewer.key).cloned(),
            viewer,
        }
    };
    Ok(viewers.into_iter().map(row).collect())
}

fn table(room: &InBrand, rows: &[Row]) -> Markup {
    let now = room.now;
    html! {
        div.scroll tabindex="0" role="region" aria-label="Viewers" { table.cards {
            caption { (rows.len()) " viewers, the most urgent first" }
            thead { tr { th scope="col" { span.hidden { "Mark" } } th scope="col" { "Viewer" } th scope="col" { "Segment" }
                th scope="col" { "To do" } th scope="col" { "Answer due" } th scope="col" { "Score" }
                th scope="col" { "You may write" } th scope="col" { "Labels" } th scope="col" { "With" } } }
            tbody { @for row in rows {
                @let key = &row.viewer.key;
                @let name = name_of(&row.viewer);
                tr data-row=(key) {
                    td { input type="checkbox" name="viewer" value=(format!("{}/{}", key.account, key.viewer)) aria-label=(format!("Mark {name}")); }
                    td { a href=(viewer_path(room.id(), key)) { (name) } }
                    td { (segment(row.standing.as_ref().map_or(row.viewer.segment, |standing| standing.segment))) }
                    td.nowrap { @if let Some(standing) = &row.standing { (standing.action.as_str()) } }
                    td.nowrap { (due(row.standing.as_ref().and_then(|standing| standing.due), now)) }
                    td.number { (format!("{:.1}", row.score)) }
                    td.nowrap { (window(row.viewer.last_contact, now)) }
                    td { @for tag in row.standing.iter().flat_map(|standing| &standing.tags) { span.tag { (tag) } " " }
                        @for label in &row.labels { span.tag.own { "#" (label) } " " } }
                    td { @if let Some(person) = &row.attended { (person) } @else { span.soft { "–" } } }
                }
            } }
        } }
        @if rows.is_empty() { p { "Nobody waits." } }
    }
}

/// Puts a label on those marked, or takes it off.
pub(crate) async fn label(room: InBrand, fields: Fields) -> Result<Redirect, Problem> {
    room.require(Role::Agent)?;
    let label = fields.get("label").trim_start_matches('#').to_lowercase();
    if label.is_empty() || label.chars().count() > 40 {
        return Err(Problem::Bad("A label has 1 to 40 characters. Nothing was changed.".into()));
    }
    let viewers: Vec<ViewerKey> = fields.all("viewer").filter_map(viewer_named).collect();
    if viewers.is_empty() {
        return Err(Problem::Bad("Nobody is marked. Nothing was changed.".into()));
    }
    room.store().label(&viewers, &label, fields.get("do") != "off", room.who(), room.now).await?;
    Ok(Redirect::to(&back(&room, fields.get("back"))))
}

/// Where a form wants to go on: within the brand alone.
pub(crate) fn back(room: &InBrand, wanted: &str) -> String {
    let base = format!("/b/{}", room.id());
    let within = wanted.strip_prefix(&base).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    if within { wanted.to_owned() } else { base }
}
