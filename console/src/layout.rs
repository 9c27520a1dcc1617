//! What pages share.

use afterglow_domain::{Segment, Timestamp};
use axum::http::header;
use axum::response::IntoResponse;
use maud::{DOCTYPE, Markup, html};

/// Where the style is.
pub(crate) const STYLE_PATH: &str = "/style.css";

pub(crate) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

/// A page. It asks for itself again every few seconds where `live` says so.
pub(crate) fn page(title: &str, live: bool, crumbs: &[(String, String)], main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if live { meta http-equiv="refresh" content="3"; }
                title { (title) " · Afterglow" }
                link rel="stylesheet" href=(STYLE_PATH);
            }
            body {
                a.skip href="#main" { "Skip to content" }
                header {
                    nav aria-label="Where you are" {
                        a.brand href="/" { "Afterglow" }
                        @for (href, name) in crumbs { span aria-hidden="true" { "/" } a href=(href) { (name) } }
                    }
                    a.quiet href="/ops/quarantine" { "Quarantine" }
                }
                main #main { (main) }
            }
        }
    }
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
