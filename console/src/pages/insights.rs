//! A brand's figures, and its week.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use afterglow_insights::{Figures, KpiName, Sums, days_before, days_of, figures, sums_of, week_of};
use axum::extract::Query;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use serde::Deserialize;

use crate::access::InBrand;
use crate::layout::brand_page;
use crate::problem::Problem;

/// Days that are shown, where nobody asks for others.
const DAYS: i64 = 28;
/// Height and width of the chart's bars, in its own units.
const HEIGHT: i64 = 100;
const BAR: usize = 10;

#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    by: String,
    #[serde(default)]
    days: Option<i64>,
    #[serde(default)]
    format: String,
}

pub(crate) async fn show(room: InBrand, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let by =
        if ["account", "play", "snippet", "operator"].contains(&asked.by.as_str()) { asked.by.as_str() } else { "all" };
    let length = asked.days.unwrap_or(DAYS).clamp(1, 366);
    let until = room.now.day_in(&room.brand.time_zone);
    let since = days_before(&until, length - 1).unwrap_or_else(|| until.clone());
    let store = room.store();
    let items = sums_of(&store, by, (&since, &until)).await?;
    let items: BTreeMap<String, Figures> = items.iter().map(|(item, sums)| (item.clone(), figures(sums))).collect();
    if asked.format == "csv" {
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
            (header::CONTENT_DISPOSITION, "attachment; filename=\"figures.csv\""),
        ];
        return Ok((headers, csv(&items)).into_response());
    }
    let days = days_of(&store, ["questions", "prompt"], (&since, &until)).await?;
    let path = format!("/b/{}/insights", room.id());
    let main = html! {
        h1 { "Figures" }
        form.bar method="get" action=(path) {
            label for="by" { "Of" }
            select #by name="by" {
                @for one in ["all", "account", "play", "snippet", "operator"] {
                    option value=(one) selected[one == by] { (if one == "all" { "everything" } else { one }) }
                }
            }
            label for="days" { "Days" }
            input #days name="days" type="number" min="1" max="366" value=(length);
            button type="submit" { "Show" }
            button type="submit" name="format" value="csv" { "CSV" }
            a href=(format!("{path}/stories")) { "From a Story to a sale" }
            a href=(format!("{path}/week")) { "The week, with what to keep, change and stop" }
        }
        p.soft { (since) " to " (until) ". Every share stands with what it is a share of; what cannot be said is unknown, and why." }
        (chart(&every_day(&until, length), &days))
        (table(&items))
        @if items.is_empty() { p { "Nothing was counted in these days." } }
    };
    Ok(brand_page("Figures", &room, "/insights", false, &main).into_response())
}

fn table(items: &BTreeMap<String, Figures>) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Figures" { table {
            caption { "Figures" }
            thead { tr { th scope="col" { "Figure" }
                @for item in items.keys() { th scope="col" { (if item.is_empty() { "all" } else { item }) } } } }
            tbody { @for name in KpiName::ALL { tr {
                th scope="row" { (name.title()) }
                @for figures in items.values() { td { (figures[&name].to_string()) } }
            } } }
        } }
    }
}

/// The days up to `until`, the first first: also those on which nothing happened.
fn every_day(until: &str, length: i64) -> Vec<String> {
    (0..length).rev().filter_map(|n| days_before(until, n)).collect()
}

/// Questions of each day, and those of them that were answered within 20 minutes.
fn chart(shown: &[String], days: &BTreeMap<String, Sums>) -> Markup {
    let of = |sums: &Sums, measure: &str| sums.get(measure).copied().unwrap_or(0);
    let most = days.values().map(|sums| of(sums, "questions")).max().unwrap_or(0);
    let width = shown.len().max(1) * BAR;
    let nothing = Sums::new();
    let height = |n: i64| if most == 0 { 0 } else { n * HEIGHT / most };
    html! {
        @if most > 0 {
            figure {
                svg.chart role="img" viewBox=(format!("0 0 {width} {HEIGHT}")) preserveAspectRatio="none"
                    aria-label=(format!("Questions a day, at most {most}, and those answered within 20 minutes")) {
                    @for (n, day) in shown.iter().enumerate() {
                        @let sums = days.get(day).unwrap_or(&nothing);
                        @let (asked, prompt) = (of(sums, "questions"), of(sums, "prompt"));
                        g { title { (day) ": " (asked) " questions, " (prompt) " answered within 20 minutes" }
                            rect.asked x=(n * BAR) y=(HEIGHT - height(asked)) width=(BAR - 1) height=(height(asked)) {}
                            rect.prompt x=(n * BAR) y=(HEIGHT - height(prompt)) width=(BAR - 1) height=(height(prompt)) {}
                        }
                    }
                }
                figcaption.soft { "Questions a day (at most " (most) "), and of these, in front, those answered within 20 minutes" }
            }
        }
    }
}

fn csv(items: &BTreeMap<String, Figures>) -> String {
    let mut text = "item,figure,shown\n".to_owned();
    let field = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    for (item, figures) in items {
        for (name, kpi) in figures {
            let _ = writeln!(text, "{},{},{}", field(item), name.as_str(), field(&kpi.to_string()));
        }
    }
    text
}

#[derive(Deserialize, Default)]
pub(crate) struct Until {
    #[serde(default)]
    until: String,
    #[serde(default)]
    format: String,
}

pub(crate) async fn week(room: InBrand, Query(asked): Query<Until>) -> Result<Response, Problem> {
    let today = room.now.day_in(&room.brand.time_zone);
    let until = if asked.until.is_empty() { days_before(&today, 1).unwrap_or(today) } else { asked.until.clone() };
    let Some(report) = week_of(&room.store(), &room.brand, &until).await? else {
        return Err(Problem::Bad(format!("{until:?} is no day: expected YYYY-MM-DD.")));
    };
    if asked.format == "markdown" {
        return Ok(([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], report.to_markdown()).into_response());
    }
    let lines = |title: &str, lines: &[afterglow_insights::Line]| {
        html! {
            h2 { (title) }
            div.scroll tabindex="0" role="region" aria-label=(title) { table {
                caption { (title) }
                thead { tr { th scope="col" { "Which" } th scope="col" { "Delivered" } th scope="col" { "Replied" } th scope="col" { "Stopped" } th scope="col" { "Do" } } }
                tbody { @for line in lines { tr {
                    th scope="row" { (line.item) }
                    td { (line.figures[&KpiName::DeliveryRate].to_string()) }
                    td { (line.figures[&KpiName::ReplyRate].to_string()) }
                    td { (line.figures[&KpiName::OptOutRate].to_string()) }
                    td { strong { (line.advice.as_str()) } }
                } } }
            } }
        }
    };
    let main = html! {
        h1 { "The week from " (report.since) " to " (report.until) }
        form.bar method="get" {
            label for="until" { "Up to" }
            input #until name="until" type="date" value=(until);
            button type="submit" { "Show" }
            button type="submit" name="format" value="markdown" { "Markdown" }
        }
        div.scroll tabindex="0" role="region" aria-label="Figures" { table {
            caption { "Figures" }
            thead { tr { th scope="col" { "Figure" } th scope="col" { "This week" } th scope="col" { "The week before" } } }
            tbody { @for name in KpiName::ALL { tr {
                th scope="row" { (name.title()) }
                td { (report.all[&name].to_string()) }
                td { (report.before[&name].to_string()) }
            } } }
        } }
        (lines("Plays", &report.plays))
        (lines("Snippets", &report.snippets))
        h2 { "Who answered" }
        ul { @for (who, figures) in &report.operators {
            li { (who) ": half within " (figures[&KpiName::PersonResponseP50].to_string()) ", nine in ten within "
                (figures[&KpiName::PersonResponseP90].to_string()) }
        } }
        @if report.operators.is_empty() { p.soft { "Nobody did." } }
    };
    Ok(brand_page("The week", &room, "/insights", false, &main).into_response())
}
