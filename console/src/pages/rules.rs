//! A brand's document: looked at, checked in place, compared, tried on what happened, and put in force.

use afterglow_rules::Document;
use afterglow_store::{BrandDocument, Deed, DocumentApplied, NewDocument, Role};
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::json;
use similar::TextDiff;

use super::what_if::what_if;
use super::{rollout, switches};
use crate::access::{Fields, InBrand};
use crate::layout::{brand_page, csrf, moment};
use crate::problem::Problem;

/// What came of a look at a document that is not in force.
#[derive(Default)]
struct Tried {
    problems: Vec<String>,
    good: Vec<String>,
    diff: String,
    chart: Option<Markup>,
}

pub(crate) async fn show(room: InBrand) -> Result<Markup, Problem> {
    let (text, version) = in_force(&room).await?;
    page(&room, &text, version, &Tried::default()).await
}

/// The document in force, and its version; a brand that never had one is shown its settings as one.
pub(crate) async fn in_force(room: &InBrand) -> Result<(String, i64), Problem> {
    if let Some(document) = room.store().documents().await?.into_iter().next() {
        return Ok((document.text, document.version));
    }
    let mut written = serde_json::to_value(&room.brand.settings).unwrap_or_default();
    written["brand"] = json!(room.id());
    written["name"] = json!(room.brand.name);
    written["time_zone"] = json!(room.brand.time_zone);
    Ok((format!("{written:#}"), room.brand.document_version))
}

async fn page(room: &InBrand, text: &str, version: i64, tried: &Tried) -> Result<Markup, Problem> {
    let history = room.store().documents().await?;
    let (accounts, set) = (room.store().accounts().await?, room.console.store.kill_switches().await?);
    let may = room.may(Role::Manager);
    let path = format!("/b/{}/rules", room.id());
    let main = html! {
        h1 { "Rules and plays" }
        @if !tried.problems.is_empty() {
            div #result.problem role="alert" { p { "Nothing was put in force:" } ul { @for problem in &tried.problems { li { (problem) } } } }
        }
        @if !tried.good.is_empty() { div #result role="status" { @for good in &tried.good { p.good { (good) } } } }
        @if let Some(chart) = &tried.chart { (chart) }
        @if !tried.diff.is_empty() { h2 { "Difference to what is in force" } pre.diff tabindex="0" { (tried.diff) } }
        form.stack method="post" action=(path) {
            (csrf(&room.visitor))
            input type="hidden" name="version" value=(version);
            label for="document" { "Brand document, YAML. Version " (version) " is where you began." }
            textarea.code #document name="document" rows="24" spellcheck="false" readonly[!may] { (text) }
            @if may { div.bar {
                button type="submit" name="do" value="check" { "Check" }
                button type="submit" name="do" value="diff" { "Compare" }
                button type="submit" name="do" value="whatif" { "Try on the last 14 days" }
                label for="note" { "Note" }
                input #note name="note" maxlength="200";
                button.primary type="submit" name="do" value="apply" { "Put in force" }
            } }
            p.soft { "Plays have a rollout: " code { "off" } ", " code { "shadow" } " (judged, never sent), " code { "pilot 20%" } ", " code { "on" } "." }
        }
        (rollout::of_plays(room, version))
        (switches::of_brand(room, &accounts, &set))
        (versions(room, &history, may))
    };
    Ok(brand_page("Rules", room, "/rules", false, &main))
}

fn versions(room: &InBrand, history: &[BrandDocument], may: bool) -> Markup {
    html! {
        h2 { "History" }
        div.scroll tabindex="0" role="region" aria-label="Versions" { table {
            caption { "Versions, the latest first" }
            thead { tr { th scope="col" { "Version" } th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "Note" } th scope="col" { "" } } }
            tbody { @for (place, document) in history.iter().enumerate() { tr {
                td.number { (document.version) }
                td.nowrap { (moment(document.applied, room.now)) }
                td { (document.applied_by) }
                td { (document.note) }
                td { @if place > 0 && may {
                    form.inline method="post" action=(format!("/b/{}/rules/{}", room.id(), document.version)) {
                        (csrf(&room.visitor))
                        button type="submit" { "Back to version " (document.version) }
                    }
                } }
            } } }
        } }
        @if history.is_empty() { p.soft { "No document was put in force yet." } }
    }
}

pub(crate) async fn change(room: InBrand, fields: Fields) -> Result<Response, Problem> {
    room.require(Role::Manager)?;
    let (text, begun) = (fields.text("document"), fields.get("version").parse::<i64>().unwrap_or(-1));
    let mut tried = Tried::default();
    let document = match Document::parse(&text) {
        Ok(document) if document.brand != room.id().as_str() => {
            tried.problems.push(format!(
                "this document is for {:?}, and this page for {:?}",
                document.brand,
                room.id().as_str()
            ));
            return Ok(page(&room, &text, begun, &tried).await?.into_response());
        }
        Ok(document) => document,
        Err(error) => {
            tried.problems = error.0.iter().map(|problem| format!("line {problem}")).collect();
            return Ok(page(&room, &text, begun, &tried).await?.into_response());
        }
    };
    let (current, version) = in_force(&room).await?;
    let warnings = document.warnings(&text);
    tried.good.extend(warnings.iter().map(|warning| format!("line {warning}")));
    match fields.get("do") {
        "diff" => tried.diff = diff(&current, &text),
        "whatif" => tried.chart = Some(what_if(&room, &document).await?),
        "apply" => match put_in_force(&room, &text, &document, begun, fields.get("note")).await? {
            DocumentApplied::Applied(_) => {
                return Ok(Redirect::to(&format!("/b/{}/rules", room.id())).into_response());
            }
            DocumentApplied::Conflict { current: now } => {
                tried.problems.push(format!(
                    "version {now} came into force while you wrote on version {begun}. Below is how yours differs from it: \
                     take over what you need, and put it in force again"
                ));
                tried.diff = diff(&current, &text);
                return Ok(page(&room, &text, version, &tried).await?.into_response());
            }
        },
        _ => tried.good.push("The document is good. It is not in force yet.".into()),
    }
    Ok(page(&room, &text, begun, &tried).await?.into_response())
}

/// Puts an earlier version in force again, as a new one.
pub(crate) async fn back_to(
    room: InBrand,
    Path((_, version)): Path<(String, i64)>,
    _: Fields,
) -> Result<Redirect, Problem> {
    room.require(Role::Manager)?;
    let earlier = room.store().document(version).await?.ok_or(Problem::NotFound)?;
    let document = Document::parse(&earlier.text)
        .map_err(|error| Problem::Bad(format!("Version {version} is no longer good: {error}. Nothing was changed.")))?;
    let (_, current) = in_force(&room).await?;
    put_in_force(&room, &earlier.text, &document, current, &format!("back to version {version}")).await?;
    Ok(Redirect::to(&format!("/b/{}/rules", room.id())))
}

pub(crate) async fn put_in_force(
    room: &InBrand,
    text: &str,
    document: &Document,
    expected: i64,
    note: &str,
) -> Result<DocumentApplied, Problem> {
    let settings = document.settings();
    let new = NewDocument {
        brand: room.id(),
        name: document.name.as_deref().unwrap_or(&document.brand),
        time_zone: &document.time_zone,
        text,
        settings: &settings,
        by: room.who(),
        note,
        expected: Some(expected),
    };
    let applied = room.console.store.apply_document(&new, room.now).await?;
    if let DocumentApplied::Applied(version) = applied {
        let detail = format!("version {version} {note}");
        let deed =
            Deed { person: room.who(), brand: Some(room.id()), action: "rules", viewer: None, detail: detail.trim() };
        room.console.store.note_deed(&deed, room.now).await?;
    }
    Ok(applied)
}

fn diff(old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new).unified_diff().header("in force", "yours").to_string();
    if diff.is_empty() { "No difference.".into() } else { diff }
}
