//! The web console: what people see of the viewers, and of what was decided.
//!
//! Server-rendered, without scripts. There is no sign-in yet: it is served on loopback addresses alone, and answers
//! nobody who reaches it under another name.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `guard` | who may ask, and what a browser may do with the answer |
//! | `pages` | the pages |
//! | `layout` | what pages share |
//! | `words` | reasons and moments, for people |

mod guard;
mod layout;
mod pages;
mod words;

use std::sync::Arc;

use afterglow_domain::Clock;
use afterglow_scorer::Rulebooks;
use afterglow_store::Store;
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;

/// What the console is given.
pub struct Console {
    /// What it shows.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// By which scores and segments are read.
    pub rulebooks: Rulebooks,
}

/// The routes.
pub fn router(console: Console) -> Router {
    Router::new()
        .route("/", get(pages::overview))
        .route("/b/{brand}", get(pages::brand))
        .route("/b/{brand}/v/{account}/{viewer}", get(pages::viewer))
        .route("/ops/quarantine", get(pages::quarantine))
        .route(layout::STYLE_PATH, get(layout::style))
        .fallback(pages::not_found)
        .layer(from_fn(guard::guard))
        .with_state(Arc::new(console))
}
