//! Coming in, by password or by a link that works once, and going.

use std::sync::Arc;

use afterglow_store::{Deed, SecondStep};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::fields::from_elsewhere;
use super::password::matches;
use super::second_factor::STEP_MS;
use super::{COOKIE, Fields, IDLE_MS, STEP_COOKIE, Token, Visitor};
use crate::Console;
use crate::layout::bare_page;
use crate::problem::Problem;

type Shared = State<Arc<Console>>;

pub(crate) async fn form(State(console): Shared) -> Markup {
    sign_in_page(&console, "", "")
}

pub(super) fn sign_in_page(console: &Console, person: &str, problem: &str) -> Markup {
    bare_page(
        "Sign in",
        &html! {
            h1 { "Sign in" }
            @if !problem.is_empty() { p.problem role="alert" { (problem) } }
            @if let Some(oidc) = &console.oidc {
                p { a.button href="/sign-in/oidc" { "Sign in with " (oidc.name()) } }
            }
            form.stack method="post" action="/sign-in" {
                label for="person" { "E-mail address" }
                input #person name="person" type="email" autocomplete="username" required value=(person);
                label for="password" { "Password" }
                input #password name="password" type="password" autocomplete="current-password" required;
                button.primary type="submit" { "Sign in" }
            }
            p.soft { "No password yet? Somebody with the command line makes you a link that works once: "
                code { "afterglow person link you@example.org" } "." }
        },
    )
}

pub(crate) async fn attempt(State(console): Shared, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    if from_elsewhere(&headers) {
        return Err(Problem::Forbidden);
    }
    let fields = Fields::parse(&body);
    let (person, now) = (fields.get("person").to_lowercase(), (console.clock)());
    if !console.store.sign_in_attempt(&person, now).await? {
        let page = sign_in_page(&console, &person, "Too many attempts failed. Try again in a quarter of an hour.");
        return Ok((StatusCode::TOO_MANY_REQUESTS, page).into_response());
    }
    let known = console.store.credentials(&person).await?;
    let good = matches(fields.text("password"), known.and_then(|known| known.password)).await;
    if !good {
        let page = sign_in_page(&console, &person, "This address and password do not belong together.");
        return Ok((StatusCode::UNAUTHORIZED, page).into_response());
    }
    console.store.sign_in_succeeded(&person).await?;
    enter(&console, &person, "sign_in").await
}

/// Asks first: whatever fetches links ahead of people does not use them up.
pub(crate) async fn link_form(Path(token): Path<String>) -> Markup {
    bare_page(
        "Sign in",
        &html! {
            h1 { "Sign in" }
            p { "This link works once." }
            form method="post" action=(format!("/sign-in/link/{token}")) { button.primary type="submit" { "Sign in" } }
        },
    )
}

pub(crate) async fn use_link(
    State(console): Shared,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if from_elsewhere(&headers) {
        return Err(Problem::Forbidden);
    }
    let person = console.store.use_sign_in_link(&Token::hash_of(&token), (console.clock)()).await?;
    let Some(person) = person else {
        let text = "This link was used, or its hour is over. `afterglow person link` makes another.";
        return Ok((StatusCode::UNAUTHORIZED, sign_in_page(&console, "", text)).into_response());
    };
    enter(&console, &person, "sign_in_by_link").await
}

/// Lets in who has shown a first factor: at once, or after the second one if they have one.
pub(super) async fn enter(console: &Console, person: &str, action: &str) -> Result<Response, Problem> {
    let now = (console.clock)();
    let second = console.store.person(person).await?.is_some_and(|known| known.has_totp && known.disabled.is_none());
    if !second {
        return open_session(console, person, action, "").await;
    }
    let token = Token::new().ok_or(Problem::NoRandomness)?;
    let step = SecondStep { person: person.to_owned(), action: action.to_owned() };
    console.store.begin_second_step(&token.hash(), &step, now, now.plus(STEP_MS)).await?;
    let cookie = set_cookie(console, STEP_COOKIE, token.secret(), "Strict", STEP_MS);
    Ok(go_on("/sign-in/second", &[cookie]))
}

/// Opens a session for who has shown everything that is asked of them.
pub(super) async fn open_session(
    console: &Console,
    person: &str,
    action: &str,
    detail: &str,
) -> Result<Response, Problem> {
    let now = (console.clock)();
    let (Some(token), Some(csrf)) = (Token::new(), Token::new()) else { return Err(Problem::NoRandomness) };
    if !console.store.open_session(&token.hash(), person, csrf.secret(), now, IDLE_MS).await? {
        let page = sign_in_page(console, person, "This person may not come in any more.");
        return Ok((StatusCode::UNAUTHORIZED, page).into_response());
    }
    let deed = Deed { person, brand: None, action, viewer: None, detail };
    console.store.note_deed(&deed, now).await?;
    let session = set_cookie(console, COOKIE, token.secret(), "Strict", IDLE_MS);
    Ok(go_on("/", &[session, set_cookie(console, STEP_COOKIE, "", "Strict", 0)]))
}

/// A cookie that no script reads, and that travels encrypted where pages do.
pub(super) fn set_cookie(console: &Console, name: &str, value: &str, same_site: &str, ms: i64) -> String {
    let secure = if console.https() { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}; Max-Age={}{secure}", ms / 1000)
}

/// Leads on, by a redirect.
fn go_on<const N: usize>(path: &str, cookies: &[String; N]) -> Response {
    let mut response = Redirect::to(path).into_response();
    for cookie in cookies.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

pub(crate) async fn sign_out(
    State(console): Shared,
    axum::Extension(visitor): axum::Extension<Visitor>,
    _: Fields,
) -> Result<Response, Problem> {
    console.store.end_session(&visitor.token_hash).await?;
    let cookie = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/sign-in")).into_response())
}
