//! A page that cannot be shown, and what to do about it.

use afterglow_runtime::error_chain;
use afterglow_store::{Role, StoreError};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;

use crate::layout::bare_page;

/// Why a page cannot be shown.
#[derive(Debug)]
pub(crate) enum Problem {
    NotFound,
    Forbidden,
    /// The form was made for another session.
    Stale,
    NotAllowed(Role),
    /// The brand is not entered without a second factor.
    SecondFactor,
    /// A second factor cannot be sealed or opened with the keys that are here.
    NoKey,
    TooLarge,
    NoRandomness,
    /// What was asked makes no sense; in words for the one who asked.
    Bad(String),
    /// This process has no bus to put it on.
    NoBus,
    Store(StoreError),
    Bus(String),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Problem::Store(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mend =
            if matches!(self, Problem::SecondFactor) { ("/me", "To your page") } else { ("/", "To the beginning") };
        let (status, text): (StatusCode, String) = match self {
            Problem::NotFound => (StatusCode::NOT_FOUND, "There is nothing here.".into()),
            Problem::Forbidden => (StatusCode::FORBIDDEN, "A page elsewhere asked for this: nothing was done.".into()),
            Problem::Stale => {
                (StatusCode::CONFLICT, "This page is from an earlier session: load it again. Nothing was done.".into())
            }
            Problem::NotAllowed(role) => {
                (StatusCode::FORBIDDEN, format!("This needs the role {}. An owner can give it.", role.as_str()))
            }
            Problem::SecondFactor => {
                (StatusCode::FORBIDDEN, "Nobody enters this without a second factor. Set yours up first.".into())
            }
            Problem::NoKey => {
                let text = "A second factor cannot be read with the keys that are here: see keys.ring. A recovery code still works.";
                (StatusCode::SERVICE_UNAVAILABLE, text.into())
            }
            Problem::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "That is more than 2 MiB.".into()),
            Problem::Bad(text) => (StatusCode::UNPROCESSABLE_ENTITY, text),
            Problem::NoBus => (StatusCode::SERVICE_UNAVAILABLE, "This console has no bus: set bus.url.".into()),
            Problem::NoRandomness => {
                (StatusCode::SERVICE_UNAVAILABLE, "The system gives no randomness just now. Try again.".into())
            }
            Problem::Bus(error) => {
                tracing::error!(error, "the bus did not take what the console gave");
                (StatusCode::SERVICE_UNAVAILABLE, "The bus does not answer. Nothing is lost: send it again.".into())
            }
            Problem::Store(error) => {
                tracing::error!(error = %error_chain(&error), "a page cannot be read");
                let text = "The database does not answer. `afterglow doctor` says how to mend it.";
                (StatusCode::SERVICE_UNAVAILABLE, text.into())
            }
        };
        (status, bare_page("Not shown", &html! { h1 { (text) } p { a href=(mend.0) { (mend.1) } } })).into_response()
    }
}
