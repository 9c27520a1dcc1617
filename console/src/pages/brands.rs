//! The beginning: the brands that one may see.

use std::sync::Arc;

use afterglow_domain::Segment;
use afterglow_store::Overview;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use crate::Console;
use crate::access::Visitor;
use crate::layout::{figures, page};
use crate::problem::Problem;

pub(crate) async fn show(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Problem> {
    let mut brands = console.store.brands().await?;
    brands.retain(|brand| visitor.person.role(&brand.id).is_some());
    if let ([only], None) = (brands.as_slice(), visitor.person.everywhere()) {
        return Ok(Redirect::to(&format!("/b/{}", only.id)).into_response());
    }
    let asking = if visitor.person.has_totp { Vec::new() } else { console.store.second_factor_brands().await? };
    let mut rows = Vec::new();
    for brand in brands {
        if asking.contains(&brand.id) {
            rows.push((brand, None));
            continue;
        }
        let overview = console.overviews.of(&console.store, &brand.id, (console.clock)()).await?;
        rows.push((brand, Some(overview)));
    }
    let main = html! {
        h1 { "Brands" }
        section #live hx-get="/" hx-trigger="every 5s" hx-select="#live" hx-swap="outerHTML" {
            ul.brands { @for (brand, overview) in &rows { li {
                h2 { a href=(format!("/b/{}", brand.id)) { (brand.name) } }
                @match overview {
                    Some(overview) => (brand_figures(overview)),
                    None => p { a href="/me" { "Set up a second factor" } " to enter." }
                }
            } } }
        }
        @if rows.is_empty() { p { "No brand yet that you may see: " code { "afterglow brand add" } " makes one, and an owner lets you in." } }
    };
    Ok(page("Brands", &visitor, &main).into_response())
}

pub(crate) fn brand_figures(overview: &Overview) -> Markup {
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
