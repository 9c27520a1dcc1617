//! From a Story to a sale: each Story, each day's series, and when Stories are posted.

use std::collections::BTreeMap;

use afterglow_insights::{
    Heat, StoryFunnel, StoryLabel, StorySeries, days_before, funnel_of, funnel_to_csv, heat_of, series_of,
};
use afterglow_store::{Deed, Role};
use axum::extract::Query;
use axum::http::header;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use crate::access::{Fields, InBrand};
use crate::layout::{brand_page, csrf};
use crate::problem::Problem;

/// Days that are shown, where nobody asks for others, and at most.
const DAYS: i64 = 7;
const DAYS_MAX: i64 = 31;
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    days: Option<i64>,
    #[serde(default)]
    format: String,
}

pub(crate) async fn show(room: InBrand, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let length = asked.days.unwrap_or(DAYS).clamp(1, DAYS_MAX);
    let until = room.now.day_in(&room.brand.time_zone);
    let since = days_before(&until, length - 1).unwrap_or_else(|| until.clone());
    let stories = funnel_of(&room.store(), &room.brand, (&since, &until), room.now).await?.unwrap_or_default();
    if asked.format == "csv" {
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
            (header::CONTENT_DISPOSITION, "attachment; filename=\"stories.csv\""),
        ];
        return Ok((headers, funnel_to_csv(&stories)).into_response());
    }
    let path = format!("/b/{}/insights/stories", room.id());
    let main = html! {
        h1 { "From a Story to a sale" }
        form.bar method="get" action=(path) {
            label for="days" { "Days" }
            input #days name="days" type="number" min="1" max=(DAYS_MAX) value=(length);
            button type="submit" { "Show" }
            button type="submit" name="format" value="csv" { "CSV" }
            a href=(format!("/b/{}/insights", room.id())) { "All figures" }
        }
        p.soft { (since) " to " (until) ". What Meta withholds, or did not tell, is unknown, not 0. Exits and completion are shares of views. "
            "Who wrote or bought belongs to the Story that they replied to, tapped or clicked last: for 7 and for 30 days." }
        (each(&room, &stories))
        @if stories.is_empty() { p { "No Story was heard of in these days." } }
        (series(&series_of(&stories)))
        (cadence(&stories))
        (heat(&stories, &room.brand.time_zone))
    };
    Ok(brand_page("Stories' funnel", &room, "/insights", false, &main).into_response())
}

fn each(room: &InBrand, stories: &[StoryFunnel]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Stories" { table {
            caption { "Stories, by day and frame" }
            thead { tr { @for head in ["Day", "Frame", "Story", "For", "Figures", "Reach", "Views", "Exits", "Completion", "Replies", "Taps", "Link clicks", "Wrote then", "Bought then"] {
                th scope="col" { (head) } } } }
            tbody { @for story in stories { tr {
                td.nowrap { (story.day) }
                td.number { (story.frame) }
                th scope="row" { code { (story.story) } }
                td { (labelled(room, story)) }
                td { (story.stage.title()) }
                @for figure in [story.reach, story.views, story.exits, story.completion] { td { (figure.to_string()) } }
                td.number { (story.followed.replies) }
                td.number { (story.followed.taps) }
                td.number { (story.followed.clicks) }
                td.number { (story.followed.dms) }
                td.number { (story.followed.sold) }
            } } }
        } }
    }
}

/// What a Story is for, and how to say it.
fn labelled(room: &InBrand, story: &StoryFunnel) -> Markup {
    html! {
        @if room.may(Role::Manager) {
            form.inline method="post" action=(format!("/b/{}/insights/stories", room.id())) {
                (csrf(&room.visitor))
                input type="hidden" name="story" value=(story.story);
                select name="label" aria-label=(format!("What Story {} is for", story.story)) {
                    option value="" selected[story.label.is_none()] { "not said" }
                    @for label in StoryLabel::ALL { option value=(label.as_str()) selected[story.label == Some(label)] { (title(label)) } }
                }
                button type="submit" { "Say" }
            }
        } @else {
            @match story.label { Some(label) => (title(label)), None => span.soft { "not said" } }
        }
    }
}

const fn title(label: StoryLabel) -> &'static str {
    match label {
        StoryLabel::Teaser => "teaser",
        StoryLabel::Value => "value",
        StoryLabel::Cta => "call to action",
    }
}

pub(crate) async fn label(room: InBrand, fields: Fields) -> Result<Redirect, Problem> {
    room.require(Role::Manager)?;
    let (story, label) = (fields.get("story"), fields.get("label"));
    if story.is_empty() || story.len() > 64 || (!label.is_empty() && StoryLabel::parse(label).is_none()) {
        return Err(Problem::Bad("Choose a Story, and teaser, value or call to action.".into()));
    }
    let said = Some(label).filter(|label| !label.is_empty());
    room.store().label_story(story, said, room.who(), room.now).await?;
    let detail = format!("{story}: {label}");
    let deed =
        Deed { person: room.who(), brand: Some(room.id()), action: "story_label", viewer: None, detail: &detail };
    room.console.store.note_deed(&deed, room.now).await?;
    Ok(Redirect::to(&format!("/b/{}/insights/stories", room.id())))
}

fn series(series: &[StorySeries]) -> Markup {
    html! {
        h2 { "Series" }
        p.soft { "A day's Stories of one account. A series goes from a teaser over value to a call to action." }
        div.scroll tabindex="0" role="region" aria-label="Series" { table {
            caption { "Each day's Stories as one" }
            thead { tr { th scope="col" { "Day" } th scope="col" { "Frames" } th scope="col" { "What they are for" } th scope="col" { "Whole" } th scope="col" { "The last reached, of who the first reached" } th scope="col" { "Most left at" } } }
            tbody { @for one in series { tr {
                th scope="row" { (one.day) }
                td.number { (one.frames) }
                td { (one.labels.iter().map(|label| label.map_or("–", title)).collect::<Vec<_>>().join(" → ")) }
                td { (if one.is_complete { "yes" } else { "no" }) }
                td { (one.carried.to_string()) }
                td { @match one.lost_most { Some((frame, share)) => { "frame " (frame) ": " (share.to_string()) }, None => "unknown: no frame's exits are known" } }
            } } }
        } }
    }
}

/// How many Stories a day.
fn cadence(stories: &[StoryFunnel]) -> Markup {
    let mut days = BTreeMap::<&str, u32>::new();
    for story in stories {
        *days.entry(&story.day).or_default() += 1;
    }
    html! {
        h2 { "Cadence" }
        ul { @for (day, n) in &days { li { (day) ": " (n) @if *n == 1 { " Story" } @else { " Stories" } } } }
        @if days.is_empty() { p.soft { "Nothing was posted." } }
    }
}

fn heat(stories: &[StoryFunnel], zone: &str) -> Markup {
    let (heat, unknown) = heat_of(stories, zone);
    let most = heat.iter().flatten().map(|cell| cell.stories).max().unwrap_or(0);
    html! {
        h2 { "When Stories are posted" }
        p.soft { "Hours in " (zone) ". In each: how many Stories, and the mean reach of those whose reach is known."
            @if unknown > 0 { " Of " (unknown) " more it is not known when they were posted." } }
        div.scroll tabindex="0" role="region" aria-label="Posting times" { table.heat {
            caption { "Stories by weekday and hour" }
            thead { tr { th scope="col" { "Day" } @for hour in 0..24 { th scope="col" { (format!("{hour:02}")) } } } }
            tbody { @for (name, hours) in WEEKDAYS.iter().zip(&heat) { tr {
                th scope="row" { (name) }
                @for cell in hours { td class=(shade(cell.stories, most)) { (told(*cell)) } }
            } } }
        } }
    }
}

/// Four shades: how many beside the most there are.
fn shade(n: u64, most: u64) -> &'static str {
    match (n * 4).div_ceil(most.max(1)) {
        0 => "heat-0",
        1 => "heat-1",
        2 => "heat-2",
        3 => "heat-3",
        _ => "heat-4",
    }
}

fn told(cell: Heat) -> String {
    let known = i64::try_from(cell.known).unwrap_or(i64::MAX);
    match (cell.stories, known) {
        (0, _) => String::new(),
        (n, 0) => format!("{n}, reach unknown"),
        (n, known) => format!("{n}, reach {}", cell.reach / known),
    }
}
