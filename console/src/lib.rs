//! The web console: where people triage, answer, tune and see what was decided.
//!
//! Server-rendered; htmx fetches parts of pages anew when a stream of server-sent events says that something happened. It
//! works without scripts, less lively. Nobody comes in without a session, and a brand that one may not see is not there.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `access` | who comes in, by what, and what they may do |
//! | `api` | what programs read, with a token |
//! | `guard` | under which names it answers, and what a browser may do with the answer |
//! | `pages` | the pages |
//! | `layout` | what pages share |
//! | `overviews` | figures that are counted now and then |
//! | `problem` | pages that cannot be shown |
//! | `words` | reasons and moments, for people |

mod access;
mod api;
mod guard;
mod layout;
mod overviews;
mod pages;
mod problem;
mod words;

use std::sync::Arc;

use afterglow_bus::Bus;
use afterglow_domain::Clock;
use afterglow_runtime::Keyring;
use afterglow_scorer::Rulebooks;
use afterglow_store::Store;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;

pub use access::{LINK_MS, Oidc, OidcError, OidcOptions, PasswordError, Token, hash_password, second_factor_context};
pub use api::openapi;

use access::second_factor;
use pages::{
    brands, experiments, funnel, held, insights, ledger, live, moderation, ops, people, rollout, rules, stories,
    switches, triage, viewer, writing,
};
use problem::Problem;

/// What the console is given.
pub struct Console {
    /// What it shows.
    pub store: Store,
    /// On which observations and replays are put; without it the console only shows them.
    pub bus: Option<Arc<dyn Bus>>,
    /// The time.
    pub clock: Clock,
    /// By which scores and segments are read.
    pub rulebooks: Rulebooks,
    /// Ids of our apps, for what is replayed.
    pub our_apps: Vec<String>,
    /// Where it is reached from outside, such as `https://console.example`; `None`: under loopback names alone.
    pub public_url: Option<String>,
    /// What second factors are sealed with; without it nobody can set one up.
    pub keyring: Option<Arc<Keyring>>,
    /// An identity provider that says who somebody is.
    pub oidc: Option<Oidc>,
    /// When it is cancelled, streams of news end.
    pub stop: CancellationToken,
    /// Figures of brands.
    overviews: overviews::Overviews,
    /// How accounts do.
    health: overviews::Health,
}

impl Console {
    /// A console over a store.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            bus: None,
            rulebooks: Rulebooks::default(),
            our_apps: Vec::new(),
            public_url: None,
            keyring: None,
            oidc: None,
            stop: CancellationToken::new(),
            overviews: overviews::Overviews::default(),
            health: overviews::Health::default(),
        }
    }

    /// Whether browsers reach it encrypted.
    pub(crate) fn https(&self) -> bool {
        self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }
}

/// The routes.
pub fn router(console: Console) -> Router {
    let console = Arc::new(console);
    let inside = Router::new()
        .route("/", get(brands::show))
        .route("/b/{brand}", get(triage::show))
        .route("/b/{brand}/label", post(triage::label))
        .route("/b/{brand}/live", get(live::stream))
        .route("/b/{brand}/v/{account}/{viewer}", get(viewer::show))
        .route("/b/{brand}/v/{account}/{viewer}/reply", post(writing::reply))
        .route("/b/{brand}/v/{account}/{viewer}/claim", post(writing::claim))
        .route("/b/{brand}/v/{account}/{viewer}/let-go", post(writing::let_go))
        .route("/b/{brand}/v/{account}/{viewer}/take-over", post(writing::take_over))
        .route("/b/{brand}/v/{account}/{viewer}/give-back", post(writing::give_back))
        .route("/b/{brand}/held", get(held::show))
        .route("/b/{brand}/held/{intent}/approve", post(held::approve))
        .route("/b/{brand}/held/{intent}/refuse", post(held::refuse))
        .route("/b/{brand}/moderation", get(moderation::show))
        .route("/b/{brand}/moderation/{interaction}", post(moderation::change))
        .route("/b/{brand}/stories", get(stories::show))
        .route("/b/{brand}/stories/watch", post(stories::change_watch))
        .route("/b/{brand}/observe", post(stories::observe))
        .route("/b/{brand}/daily-log", get(stories::daily_log))
        .route("/b/{brand}/experiments", get(experiments::show).post(experiments::change))
        .route("/b/{brand}/insights", get(insights::show))
        .route("/b/{brand}/insights/stories", get(funnel::show).post(funnel::label))
        .route("/b/{brand}/insights/week", get(insights::week))
        .route("/b/{brand}/rules", get(rules::show).post(rules::change))
        .route("/b/{brand}/rules/{version}", post(rules::back_to))
        .route("/b/{brand}/rollout", post(rollout::change))
        .route("/b/{brand}/switches", post(switches::change))
        .route("/b/{brand}/decisions", get(ledger::decisions))
        .route("/b/{brand}/audit", get(ledger::audit))
        .route("/ops", get(ops::show))
        .route("/ops/dead-letters/{lane}", post(ops::replay_dead))
        .route("/ops/quarantine/{id}", post(ops::replay))
        .route("/people", get(people::show).post(people::change))
        .route("/me", get(second_factor::own))
        .route("/me/second-factor", post(second_factor::change))
        .route("/sign-out", post(access::sign_out))
        .fallback(async || Problem::NotFound)
        .layer(from_fn_with_state(Arc::clone(&console), access::sessions));
    Router::new()
        .route("/sign-in", get(access::form).post(access::attempt))
        .route("/sign-in/second", get(second_factor::form).post(second_factor::attempt))
        .route("/sign-in/oidc", get(access::oidc_begin))
        .route("/sign-in/oidc/back", get(access::oidc_back))
        .route("/sign-in/link/{token}", get(access::link_form).post(access::use_link))
        .route(layout::STYLE_PATH, get(layout::style))
        .route(layout::SCRIPT_PATH, get(layout::script))
        .route(layout::HTMX_PATH, get(layout::htmx))
        .merge(inside)
        .layer(from_fn_with_state(Arc::clone(&console), guard::guard))
        // Under any name: what is asked for here carries its own token, which no browser sends by itself.
        .merge(api::router())
        .with_state(console)
}
