//! Signing in at an identity provider: away, and back.

use std::sync::Arc;

use afterglow_runtime::error_chain;
use afterglow_store::IdentityAttempt;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::oidc::{Oidc, Vouched};
use super::sign_in::{enter, set_cookie, sign_in_page};
use super::{OIDC_COOKIE, Token, cookie};
use crate::Console;
use crate::layout::bare_page;
use crate::problem::Problem;

/// How long one may take there, in ms.
const AWAY_MS: i64 = 10 * 60_000;

/// What a browser brings back (RFC 6749, section 4.1.2; `iss`: RFC 9207).
#[derive(Deserialize, Default)]
pub(crate) struct Brought {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Sends the browser away. What comes back has to come from the same one.
pub(crate) async fn begin(State(console): State<Arc<Console>>) -> Result<Response, Problem> {
    let oidc = console.oidc.as_ref().ok_or(Problem::NotFound)?;
    let now = (console.clock)();
    let (Some(state), Some(browser), Some(nonce), Some(verifier)) =
        (Token::new(), Token::new(), Token::new(), Token::new())
    else {
        return Err(Problem::NoRandomness);
    };
    let away = match oidc.away(state.secret(), nonce.secret(), verifier.secret()).await {
        Ok(away) => away,
        Err(error) => {
            tracing::error!(error = %error_chain(&error), "the identity provider cannot be used");
            let text = "The identity provider does not answer. `afterglow doctor` says why.";
            return Ok(refused(&console, StatusCode::BAD_GATEWAY, text));
        }
    };
    let attempt = IdentityAttempt { browser_hash: browser.hash(), nonce: away.nonce, verifier: away.verifier };
    console.store.begin_identity(&state.hash(), &attempt, now, now.plus(AWAY_MS)).await?;
    // Lax: the provider's page sends the browser back, and a stricter cookie would stay behind.
    let kept = set_cookie(&console, OIDC_COOKIE, browser.secret(), "Lax", AWAY_MS);
    Ok(([(header::SET_COOKIE, kept)], Redirect::to(&away.url)).into_response())
}

pub(crate) async fn back(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Query(brought): Query<Brought>,
) -> Result<Response, Problem> {
    let oidc = console.oidc.as_ref().ok_or(Problem::NotFound)?;
    let now = (console.clock)();
    let begun = console.store.take_identity(&Token::hash_of(&brought.state), now).await?;
    let browser = Token::hash_of(cookie(&headers, OIDC_COOKIE).unwrap_or_default());
    let same = |attempt: &IdentityAttempt| bool::from(attempt.browser_hash.ct_eq(&browser));
    let Some(attempt) = begun.filter(same) else {
        let text = "This sign-in was not begun here, or too long ago. Begin again.";
        return Ok(refused(&console, StatusCode::UNAUTHORIZED, text));
    };
    if brought.iss.as_deref().is_some_and(|iss| iss != oidc.issuer()) {
        return Ok(refused(&console, StatusCode::UNAUTHORIZED, "Another provider answered. Begin again."));
    }
    let (None, Some(code)) = (&brought.error, &brought.code) else {
        let text = format!("{} did not let you in.", oidc.name());
        return Ok(refused(&console, StatusCode::UNAUTHORIZED, &text));
    };
    let vouched = match oidc.vouched(code, &attempt.nonce, &attempt.verifier).await {
        Ok(vouched) => vouched,
        Err(error) => {
            tracing::warn!(error = %error_chain(&error), "a sign-in by the identity provider is refused");
            let text = format!("What {} said could not be verified. Begin again.", oidc.name());
            return Ok(refused(&console, StatusCode::UNAUTHORIZED, &text));
        }
    };
    let Some(person) = who(&console, oidc, &vouched).await? else {
        let text = "You are not known here, or under another identity: an owner of this installation can mend that.";
        return Ok(refused(&console, StatusCode::FORBIDDEN, text));
    };
    Ok(from_here(enter(&console, &person, "sign_in_by_oidc").await?))
}

/// The person of a subject; else the one of its verified address, who is that subject from then on.
async fn who(console: &Console, oidc: &Oidc, vouched: &Vouched) -> Result<Option<String>, Problem> {
    let (store, now) = (&console.store, (console.clock)());
    if let Some(person) = store.identity(oidc.issuer(), &vouched.subject).await? {
        return Ok(Some(person));
    }
    let Some(email) = vouched.email.as_deref().filter(|email| email.contains('@')) else { return Ok(None) };
    match store.person(email).await? {
        // An address of somebody who may not come in proves nothing any more.
        Some(known) if known.disabled.is_some() => return Ok(None),
        Some(_) => {}
        None if oidc.creates() => store.put_person(email, vouched.name.as_deref().unwrap_or(email), now).await?,
        None => return Ok(None),
    }
    let linked = store.link_identity(oidc.issuer(), &vouched.subject, email, now).await?;
    Ok(linked.then(|| email.to_owned()))
}

fn refused(console: &Console, status: StatusCode, text: &str) -> Response {
    (status, sign_in_page(console, "", text)).into_response()
}

/// Leads on from a page of ours: a strict cookie is not shown where a redirect began elsewhere.
fn from_here(mut response: Response) -> Response {
    let Some(path) = response.headers_mut().remove(header::LOCATION) else { return response };
    let path = path.to_str().unwrap_or("/").to_owned();
    let page = bare_page("Sign in", &html! { h1 { "You are known" } p { a href=(path) { "Go on" } } });
    let mut onward = page.into_response();
    for cookie in response.headers().get_all(header::SET_COOKIE) {
        onward.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    if let Ok(refresh) = HeaderValue::from_str(&format!("0; url={path}")) {
        onward.headers_mut().insert(HeaderName::from_static("refresh"), refresh);
    }
    onward
}
