//! Who comes in, and what they may do.
//!
//! A request without a session is led to the sign-in; one for a brand that the visitor may not see is answered as if there
//! were no such brand. Whatever changes something is a POST that shows the session's own token, from our own page.

mod fields;
mod oidc;
mod oidc_sign_in;
mod password;
mod rooms;
pub(crate) mod second_factor;
mod sign_in;
mod token;
mod totp;

pub(crate) use fields::Fields;
pub use oidc::{Oidc, OidcError, OidcOptions};
pub(crate) use oidc_sign_in::{back as oidc_back, begin as oidc_begin};
pub use password::{PasswordError, hash_password};
pub(crate) use rooms::{InBrand, Installation};
pub(crate) use sign_in::{attempt, form, link_form, sign_out, use_link};
pub use token::{LINK_MS, Token};
pub use totp::second_factor_context;

use std::sync::Arc;

use afterglow_runtime::error_chain;
use afterglow_store::Person;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use crate::Console;
use crate::problem::Problem;

/// How long a session lasts that nobody uses, in ms.
pub(crate) const IDLE_MS: i64 = 12 * 3_600_000;
/// How often it is noted that one is used.
const TOUCH_MS: i64 = 60_000;
const COOKIE: &str = "afterglow_session";
/// Who stands between the two factors.
const STEP_COOKIE: &str = "afterglow_step";
/// Which browser began to sign in elsewhere.
const OIDC_COOKIE: &str = "afterglow_oidc";

/// Who asks.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) person: Arc<Person>,
    pub(crate) csrf: String,
    pub(crate) token_hash: Vec<u8>,
}

/// Lets in who has a session.
pub(crate) async fn sessions(State(console): State<Arc<Console>>, mut request: Request, next: Next) -> Response {
    let visitor = match visitor(&console, request.headers()).await {
        Ok(visitor) => visitor,
        Err(problem) => return problem.into_response(),
    };
    let Some(visitor) = visitor else {
        let asks_for_a_page = request.method() == Method::GET && !request.headers().contains_key("hx-request");
        return if asks_for_a_page {
            Redirect::to("/sign-in").into_response()
        } else {
            // htmx goes where this header says; what is not a page is told plainly.
            (StatusCode::UNAUTHORIZED, [("hx-redirect", "/sign-in")], "Sign in first.\n").into_response()
        };
    };
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

async fn visitor(console: &Console, headers: &HeaderMap) -> Result<Option<Visitor>, Problem> {
    let Some(token) = cookie(headers, COOKIE) else { return Ok(None) };
    let (hash, now) = (Token::hash_of(token), (console.clock)());
    let Some(session) = console.store.session(&hash, now).await? else { return Ok(None) };
    if now.since(session.seen) > TOUCH_MS
        && let Err(error) = console.store.touch_session(&hash, now, IDLE_MS).await
    {
        tracing::warn!(error = %error_chain(&error), "a session's use is not noted");
    }
    let Some(person) = console.store.person(&session.person).await? else { return Ok(None) };
    Ok(Some(Visitor { person: Arc::new(person), csrf: session.csrf, token_hash: hash }))
}

fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == wanted).then_some(value)
    })
}
