//! What pages share.

use std::fmt::Write as _;

use afterglow_domain::{Segment, Timestamp};
use afterglow_store::Role;
use axum::http::header;
use axum::response::IntoResponse;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::access::{InBrand, Visitor};

/// Assets are named after their content: a new one is a new address, and an old one may be kept for ever.
pub(crate) const STYLE_PATH: &str = concat!("/assets/", env!("AFTERGLOW_STYLE_HASH"), ".css");
pub(crate) const SCRIPT_PATH: &str = concat!("/assets/", env!("AFTERGLOW_SCRIPT_HASH"), ".js");
pub(crate) const HTMX_PATH: &str = concat!("/assets/", env!("AFTERGLOW_HTMX_HASH"), ".htmx.js");
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

pub(crate) async fn style() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, FOR_EVER)];
    (headers, include_str!("../assets/style.css"))
}

pub(crate) async fn script() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, JAVASCRIPT), (header::CACHE_CONTROL, FOR_EVER)];
    (headers, include_str!("../assets/console.js"))
}

pub(crate) async fn htmx() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, JAVASCRIPT), (header::CACHE_CONTROL, FOR_EVER)];
    (headers, include_str!("../assets/htmx.min.js"))
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            // No eval and no styles of its own: the content security policy forbids both.
            meta name="htmx-config" content=r#"{"includeIndicatorStyles":false,"allowEval":false,"selfRequestsOnly":true,"historyCacheSize":0}"#;
            title { (title) " · Afterglow" }
            link rel="icon" href="data:,";
            link rel="stylesheet" href=(STYLE_PATH);
            script src=(HTMX_PATH) defer {}
            script src=(SCRIPT_PATH) defer {}
        }
    }
}

/// A page for who is not signed in, or of which nothing can be shown.
pub(crate) fn bare_page(title: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body { header { nav aria-label="Home" { a.brand href="/" { "Afterglow" } } } main #main { (main) } }
        }
    }
}

/// A page of the installation.
pub(crate) fn page(title: &str, visitor: &Visitor, main: &Markup) -> Markup {
    framed(title, visitor, &html! {}, None, main)
}

/// A page of a brand; `live` ones are told when something happens.
pub(crate) fn brand_page(title: &str, room: &InBrand, here: &str, live: bool, main: &Markup) -> Markup {
    let base = format!("/b/{}", room.id());
    let places = [
        ("", "Triage"),
        ("/held", "Review"),
        ("/moderation", "Moderation"),
        ("/stories", "Stories"),
        ("/insights", "Figures"),
        ("/experiments", "Experiments"),
        ("/rules", "Rules"),
        ("/decisions", "Decisions"),
        ("/audit", "Audit"),
    ];
    let nav = html! {
        nav.places aria-label=(room.brand.name) {
            a.brand-name href=(base) { (room.brand.name) }
            @for (path, name) in places {
                a href=(format!("{base}{path}")) aria-current=[(path == here).then_some("page")] { (name) }
            }
        }
    };
    framed(&format!("{title} · {}", room.brand.name), &room.visitor, &nav, live.then(|| format!("{base}/live")), main)
}

fn framed(title: &str, visitor: &Visitor, nav: &Markup, live: Option<String>, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body data-live=[live] {
                a.skip href="#main" { "Skip to content" }
                header {
                    nav aria-label="Installation" {
                        a.brand href="/" { "Afterglow" }
                        @if visitor.person.everywhere().is_some() { a href="/ops" { "Operation" } }
                        @if visitor.person.everywhere() >= Some(Role::Owner) { a href="/people" { "People" } }
                    }
                    form.inline method="post" action="/sign-out" {
                        (csrf(visitor))
                        a href="/me" { (visitor.person.name) } " "
                        button.link type="submit" { "Sign out" }
                    }
                }
                (nav)
                p #connection.connection role="status" hidden { "The connection is lost. What you see may be old; it is tried again." }
                main #main { (main) }
            }
        }
    }
}

/// What every form shows.
pub(crate) fn csrf(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="csrf" value=(visitor.csrf); }
}

pub(crate) fn segment(segment: Segment) -> Markup {
    let name = match segment {
        Segment::Hot => "Hot",
        Segment::Warm => "Warm",
        Segment::Cool => "Cool",
    };
    html! { span.(format!("segment {}", segment.as_str())) { (name) } }
}

/// A moment, for people and for machines.
pub(crate) fn moment(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at.to_rfc3339()) title=(at.to_rfc3339()) { (crate::words::ago(at, now)) } }
}

/// Figures with their names.
pub(crate) fn figures(figures: &[(&str, u64)]) -> Markup {
    html! { dl.figures { @for (name, n) in figures { div { dt { (name) } dd { (n) } } } } }
}

/// What is due: how long is left, or since when it is late.
pub(crate) fn due(due: Option<Timestamp>, now: Timestamp) -> Markup {
    match due {
        None => html! { span.soft { "–" } },
        Some(due) if due > now => html! { (crate::words::span(due.since(now))) " left" },
        Some(due) => html! { strong.late { (crate::words::span(now.since(due))) " late" } },
    }
}

/// Bars, one for each value, drawn to one scale.
pub(crate) fn bars(title: &str, values: &[(String, f64)]) -> Markup {
    let most = values.iter().map(|(_, value)| value.abs()).fold(f64::MIN_POSITIVE, f64::max);
    let height = values.len() * 28;
    let mut svg = format!(
        "<svg class=\"bars\" viewBox=\"0 0 640 {height}\" role=\"img\" aria-label=\"{}\">",
        html! { (title) }.into_string()
    );
    for (row, (name, value)) in values.iter().enumerate() {
        let (y, width) = (row * 28, (value.abs() / most * 300.0).max(1.0));
        let name = html! { (name) }.into_string();
        let shown = if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") };
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<text x=\"0\" y=\"{}\">{name}</text><rect x=\"260\" y=\"{}\" width=\"{width:.1}\" height=\"18\" rx=\"3\"/>\
             <text x=\"{:.1}\" y=\"{}\">{shown}</text>",
            y + 18,
            y + 4,
            268.0 + width,
            y + 18
        );
    }
    svg.push_str("</svg>");
    html! { (PreEscaped(svg)) }
}
