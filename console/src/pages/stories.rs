//! The Stories that run, who answered within the first hour, the paste box for names seen in the viewer list, the daily log.

use std::collections::BTreeMap;

use afterglow_crm::{daily_log_of, story_series, to_csv, to_json};
use afterglow_domain::{Body, DAY_MS, HOUR_MS, Interaction, Kind, Timestamp};
use afterglow_ingest::observations::{Seen, read_lines, record};
use afterglow_runtime::error_chain;
use afterglow_store::{Deed, Role};
use axum::extract::{Path, Query};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::{name_of, state_of, viewer_path, window};
use crate::access::{Fields, InBrand};
use crate::layout::{brand_page, csrf, due, moment};
use crate::problem::Problem;
use crate::words;

/// Within which commenters are to be answered, in ms after the Story began.
const RESPONSE_MS: i64 = 20 * 60_000;
const SHORTLIST: usize = 20;

/// A Story as far as it is known from what happened around it.
struct Story {
    id: String,
    first_heard: Timestamp,
    replies: u64,
    observed: u64,
    figures: BTreeMap<String, Option<i64>>,
}

pub(crate) async fn show(room: InBrand) -> Result<Markup, Problem> {
    page(&room, "", "", &[]).await
}

async fn page(room: &InBrand, typed: &str, done: &str, problems: &[String]) -> Result<Markup, Problem> {
    let heard = room.store().interactions_between(room.now.minus(DAY_MS), room.now.plus(1)).await?;
    let stories = stories(&heard);
    let shortlist = shortlist(room, &stories, &heard).await?;
    let accounts = room.store().accounts().await?;
    let watchers = room.store().story_watchers(room.now.minus(2 * DAY_MS)).await?;
    let path = format!("/b/{}/stories", room.id());
    let main = html! {
        h1 { "Stories" }
        section #live hx-get=(path) hx-trigger="changed from:body, every 30s" hx-select="#live" hx-swap="outerHTML" {
            (stories_table(room, &stories, &watchers))
            (shortlist)
        }
        h2 { "Names from the viewer list" }
        @if !done.is_empty() { p.good role="status" { (done) } }
        @if !problems.is_empty() { div.problem role="alert" { p { "Some lines were not read:" } ul { @for p in problems.iter().take(20) { li { (p) } } } } }
        @if room.may(Role::Agent) {
            p { "Paste names while the Story is live, one a line, with #tags behind. They count as views; they never open a window nor cause a message." }
            form.stack method="post" action=(format!("/b/{}/observe", room.id())) {
                (csrf(&room.visitor))
                label for="account" { "Account" }
                select #account name="account" { @for account in &accounts { option value=(account.id) { (account.username.as_deref().unwrap_or(account.id.as_str())) } } }
                label for="story" { "Story" }
                select #story name="story" { option value="" { "not known" } @for story in &stories { option value=(story.id) { (story.id) } } }
                label for="names" { "Names" }
                textarea #names name="names" rows="6" placeholder="mila.k #vip" required { (typed) }
                button.primary type="submit" { "Record" }
            }
        }
        h2 { "Daily log" }
        form.bar method="get" action=(format!("/b/{}/daily-log", room.id())) {
            label for="date" { "Day" }
            input #date name="date" type="date";
            button type="submit" name="format" value="csv" { "CSV" }
            button type="submit" name="format" value="json" { "JSON" }
        }
    };
    Ok(brand_page("Stories", room, "/stories", true, &main))
}

fn stories(heard: &[Interaction]) -> Vec<Story> {
    let mut found: BTreeMap<String, Story> = BTreeMap::new();
    for interaction in heard {
        let id = match &interaction.body {
            Body::StoryInsights(insights) => Some(insights.media_id.as_str()),
            body => body.story_id(),
        };
        let Some(id) = id else { continue };
        let story = found.entry(id.to_owned()).or_insert_with(|| Story {
            id: id.to_owned(),
            first_heard: interaction.occurred,
            replies: 0,
            observed: 0,
            figures: BTreeMap::new(),
        });
        story.first_heard = story.first_heard.min(interaction.occurred);
        story.replies += u64::from(interaction.is_contact());
        story.observed += u64::from(interaction.kind() == Kind::ObservedView);
    }
    for sample in story_series(heard, None) {
        if let Some(story) = found.get_mut(&sample.story_id) {
            story.figures.extend(sample.metrics); // in order of time: the latest stays
        }
    }
    let mut stories: Vec<Story> = found.into_values().collect();
    stories.sort_by_key(|story| std::cmp::Reverse(story.first_heard));
    stories
}

fn stories_table(room: &InBrand, stories: &[Story], watchers: &BTreeMap<String, String>) -> Markup {
    let figure = |story: &Story, name: &str| match story.figures.get(name) {
        Some(Some(value)) => value.to_string(),
        Some(None) => "withheld".into(),
        None => "–".into(),
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Stories" { table {
            caption { "Stories heard of in the last 24 hours, the latest first. Figures that Meta withholds (fewer than 5 viewers) are unknown, not zero." }
            thead { tr { th scope="col" { "Story" } th scope="col" { "First heard of" } th scope="col" { "Gone in" } th scope="col" { "Answer the first by" } th scope="col" { "Who answers" }
                th scope="col" { "Reach" } th scope="col" { "Views" } th scope="col" { "Replies" } th scope="col" { "Names pasted" } } }
            tbody { @for story in stories { tr {
                td { code { (story.id) } }
                td.nowrap { (moment(story.first_heard, room.now)) }
                td.nowrap { (words::span(story.first_heard.plus(DAY_MS).since(room.now))) }
                td.nowrap { @if story.first_heard.plus(RESPONSE_MS) > room.now { (due(Some(story.first_heard.plus(RESPONSE_MS)), room.now)) } @else { span.soft { "over" } } }
                td.nowrap { (watch(room, story, watchers.get(&story.id).map(String::as_str))) }
                td.number { (figure(story, "reach")) }
                td.number { (figure(story, "views")) }
                td.number { (story.replies) }
                td.number { (story.observed) }
            } } }
        } }
        @if stories.is_empty() { p.soft { "No Story was heard of in the last 24 hours." } }
    }
}

/// Who answers a Story's first ones, and how to take that on or leave it.
fn watch(room: &InBrand, story: &Story, who: Option<&str>) -> Markup {
    let button = |action: &str, text: &str| {
        html! { form.inline method="post" action=(format!("/b/{}/stories/watch", room.id())) {
            (csrf(&room.visitor))
            input type="hidden" name="story" value=(story.id);
            button type="submit" name="do" value=(action) { (text) }
        } }
    };
    let runs = story.first_heard.plus(RESPONSE_MS) > room.now && room.may(Role::Agent);
    html! {
        @match who {
            Some(person) => { (person) " " @if person == room.who() && runs { (button("leave", "Leave it")) } }
            None if runs => (button("take", "I answer")),
            None => span.soft { "nobody" },
        }
    }
}

/// Takes on a Story's first minutes, or leaves them.
pub(crate) async fn change_watch(room: InBrand, fields: Fields) -> Result<Redirect, Problem> {
    room.require(Role::Agent)?;
    let story = fields.get("story");
    let heard = room.store().interactions_between(room.now.minus(DAY_MS), room.now.plus(1)).await?;
    if !stories(&heard).iter().any(|known| known.id == story) {
        return Err(Problem::NotFound);
    }
    if fields.get("do") == "leave" {
        room.store().leave_story(story, room.who()).await?;
    } else {
        let person = room.store().watch_story(story, room.who(), room.now).await?;
        if person != room.who() {
            return Err(Problem::Bad(format!("{person} was first: they answer this Story.")));
        }
    }
    Ok(Redirect::to(&format!("/b/{}/stories", room.id())))
}

/// The twenty with the highest score who answered a Story, or commented, within its first hour.
async fn shortlist(room: &InBrand, stories: &[Story], heard: &[Interaction]) -> Result<Markup, Problem> {
    let Some(latest) = stories.first() else { return Ok(html! {}) };
    let until = latest.first_heard.plus(HOUR_MS);
    let mut first = BTreeMap::new();
    for interaction in heard.iter().filter(|i| i.is_contact() && i.occurred >= latest.first_heard && i.occurred < until)
    {
        let about = interaction.body.story_id().is_none_or(|id| id == latest.id);
        if let (true, Some(viewer)) = (about, &interaction.viewer) {
            let key = afterglow_domain::ViewerKey { account: interaction.account.clone(), viewer: viewer.clone() };
            first.entry(key).or_insert(interaction.occurred);
        }
    }
    let rules = room.console.rulebooks.at(&room.brand);
    let mut rows = Vec::new();
    for row in room.store().viewers_of(&first.keys().cloned().collect::<Vec<_>>()).await? {
        let score = state_of(&row).score_at(room.now, &rules.scoring);
        rows.push((row, score));
    }
    rows.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    rows.truncate(SHORTLIST);
    let claims = room.store().claims(room.now).await?;
    Ok(html! {
        h2 { "First hour of " code { (latest.id) } }
        div.scroll tabindex="0" role="region" aria-label="First hour" { table {
            caption { "Top " (SHORTLIST) " who got in touch within the first hour, by score" }
            thead { tr { th scope="col" { "Viewer" } th scope="col" { "Score" } th scope="col" { "When" } th scope="col" { "You may write" } th scope="col" { "With" } } }
            tbody { @for (row, score) in &rows { tr {
                td { a href=(viewer_path(room.id(), &row.key)) { (name_of(row)) } }
                td.number { (format!("{score:.1}")) }
                td.nowrap { @if let Some(at) = first.get(&row.key) { (moment(*at, room.now)) } }
                td.nowrap { (window(row.last_contact, room.now)) }
                td { @if let Some(claim) = claims.iter().find(|claim| claim.viewer == row.key) { (claim.person) } @else { span.soft { "nobody" } } }
            } } }
        } }
        @if rows.is_empty() { p.soft { "Nobody got in touch in its first hour." } }
    })
}

/// Records names that somebody saw. What was good is kept; what was not comes back with its line.
pub(crate) async fn observe(room: InBrand, fields: Fields) -> Result<Markup, Problem> {
    room.require(Role::Agent)?;
    let bus = room.console.bus.clone().ok_or(Problem::NoBus)?;
    let accounts = room.store().accounts().await?;
    let account = accounts.into_iter().find(|account| account.id.as_str() == fields.get("account"));
    let account =
        account.ok_or_else(|| Problem::Bad("Choose an account of this brand. Nothing was recorded.".into()))?;
    let text = fields.text("names");
    let (lines, bad) = read_lines(&text);
    let problems: Vec<String> = bad.iter().map(ToString::to_string).collect();
    let story = fields.get("story");
    let seen = Seen {
        brand: room.id().clone(),
        account: account.id,
        channel: account.channel,
        kind: Kind::ObservedView,
        story_id: (!story.is_empty()).then(|| story.to_owned()),
        tags: Vec::new(),
        operator: Some(room.who().to_owned()),
        at: room.now,
        recorded: room.now,
    };
    let recorded = record(&room.console.store, &bus, &seen, &lines, |_| ())
        .await
        .map_err(|error| Problem::Bus(error_chain(&error)))?;
    let done = format!("{} names recorded, {} of them known viewers.", recorded.recorded, recorded.matched);
    let deed = Deed { person: room.who(), brand: Some(room.id()), action: "observe", viewer: None, detail: &done };
    room.console.store.note_deed(&deed, room.now).await?;
    // Bad lines stay in the box, to be mended.
    let numbers: Vec<usize> = bad.iter().map(|line| line.number).collect();
    let left: Vec<&str> =
        text.lines().enumerate().filter(|(n, _)| numbers.contains(&(n + 1))).map(|(_, line)| line).collect();
    page(&room, &left.join("\n"), &done, &problems).await
}

#[derive(Deserialize, Default)]
pub(crate) struct LogAsked {
    #[serde(default)]
    date: String,
    #[serde(default)]
    format: String,
}

/// The daily log, as a file.
pub(crate) async fn daily_log(
    room: InBrand,
    Path(_): Path<String>,
    Query(asked): Query<LogAsked>,
) -> Result<Response, Problem> {
    let date = (!asked.date.is_empty()).then_some(asked.date.as_str());
    let log = daily_log_of(&room.store(), date, room.now)
        .await
        .map_err(|error| Problem::Bad(format!("There is no such log: {}", error_chain(&error))))?;
    let (kind, ending, text) = match asked.format.as_str() {
        "json" => ("application/json", "json", to_json(&log)),
        _ => ("text/csv; charset=utf-8", "csv", to_csv(&log)),
    };
    let name = format!("attachment; filename=\"daily-log-{}-{}.{ending}\"", room.id(), log.date);
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], text).into_response())
}
