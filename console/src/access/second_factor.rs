//! The second factor: asked for at sign-in, set up and taken away by its owner.

use std::sync::Arc;

use afterglow_runtime::error_chain;
use afterglow_store::{Deed, SecondStep};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, PreEscaped, html};

use super::fields::from_elsewhere;
use super::sign_in::{open_session, sign_in_page};
use super::totp::{Purpose, Shared, recovery_codes, recovery_hash};
use super::{Fields, STEP_COOKIE, Token, Visitor, cookie};
use crate::Console;
use crate::layout::{bare_page, csrf, page};
use crate::problem::Problem;

/// How long one may take between the two factors, in ms.
pub(super) const STEP_MS: i64 = 10 * 60_000;
const WRONG: &str = "This code is not good, or was used already. Codes change every 30 seconds.";

/// How somebody proved who they are.
enum Proof {
    App,
    Recovery,
}

pub(crate) async fn form() -> Markup {
    code_page("")
}

fn code_page(problem: &str) -> Markup {
    bare_page(
        "Second factor",
        &html! {
            h1 { "Second factor" }
            @if !problem.is_empty() { p.problem role="alert" { (problem) } }
            form.stack method="post" action="/sign-in/second" {
                label for="code" { "The code that your app shows, or one of your recovery codes" }
                input #code name="code" autocomplete="one-time-code" maxlength="40" required autofocus;
                button.primary type="submit" { "Sign in" }
            }
            p.soft { "Lost both? An owner takes your second factor away under People." }
        },
    )
}

pub(crate) async fn attempt(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    if from_elsewhere(&headers) {
        return Err(Problem::Forbidden);
    }
    let now = (console.clock)();
    let hash = cookie(&headers, STEP_COOKIE).map(Token::hash_of);
    let step = match &hash {
        Some(hash) => console.store.second_step(hash, now).await?,
        None => None,
    };
    let (Some(hash), Some(SecondStep { person, action })) = (hash, step) else {
        let page = sign_in_page(&console, "", "Too much time has passed. Begin again.");
        return Ok((StatusCode::UNAUTHORIZED, page).into_response());
    };
    let proof = match prove(&console, &person, Fields::parse(&body).get("code")).await? {
        Ok(proof) => proof,
        Err((status, text)) => return Ok((status, code_page(text)).into_response()),
    };
    if !console.store.end_second_step(&hash).await? {
        return Ok((StatusCode::UNAUTHORIZED, sign_in_page(&console, "", "Begin again.")).into_response());
    }
    let detail = match proof {
        Proof::App => "with a second factor",
        Proof::Recovery => "with a recovery code",
    };
    open_session(&console, &person, &action, detail).await
}

type Refused = (StatusCode, &'static str);

/// Compares a code with what the person's app, or one of their recovery codes, would be. A good one is used up.
async fn prove(console: &Console, person: &str, code: &str) -> Result<Result<Proof, Refused>, Problem> {
    let (store, now) = (&console.store, (console.clock)());
    let subject = format!("second/{person}");
    if !store.sign_in_attempt(&subject, now).await? {
        let text = "Too many codes were wrong. Try again in a quarter of an hour.";
        return Ok(Err((StatusCode::TOO_MANY_REQUESTS, text)));
    }
    let sealed = store.credentials(person).await?.and_then(|known| known.totp_sealed);
    let Some(sealed) = sealed else { return Ok(Err((StatusCode::UNAUTHORIZED, WRONG))) };
    let proof = if code.chars().filter(char::is_ascii_alphanumeric).count() > 6 {
        store.use_recovery_code(person, &recovery_hash(code)).await?.then_some(Proof::Recovery)
    } else {
        let shared = Shared::open(&sealed, keys(console)?, Purpose::Kept, person).map_err(|error| unsealed(&error))?;
        match shared.step(code, now) {
            Some(step) => store.use_totp_step(person, step).await?.then_some(Proof::App),
            None => None,
        }
    };
    let Some(proof) = proof else { return Ok(Err((StatusCode::UNAUTHORIZED, WRONG))) };
    store.sign_in_succeeded(&subject).await?;
    Ok(Ok(proof))
}

fn keys(console: &Console) -> Result<&afterglow_runtime::Keyring, Problem> {
    console.keyring.as_deref().ok_or(Problem::NoKey)
}

fn unsealed(error: &afterglow_runtime::KeyringError) -> Problem {
    tracing::error!(error = %error_chain(error), "a second factor cannot be sealed or opened");
    Problem::NoKey
}

/// The visitor's own page.
pub(crate) async fn own(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Markup, Problem> {
    own_page(&console, &visitor, None, "").await
}

async fn own_page(
    console: &Console,
    visitor: &Visitor,
    offered: Option<Shared>,
    problem: &str,
) -> Result<Markup, Problem> {
    let person = &visitor.person;
    let part = if person.has_totp {
        let left = console.store.recovery_codes(&person.id).await?;
        html! {
            p.good { "It is set up. You have " (left) " recovery codes left." }
            form.stack method="post" action="/me/second-factor" {
                (csrf(visitor))
                label for="code" { "A code, to take it away" }
                input #code name="code" autocomplete="one-time-code" maxlength="40" required;
                button.danger type="submit" name="do" value="off" { "Take it away" }
            }
        }
    } else if let Some(keys) = console.keyring.as_deref() {
        let shared = match offered {
            Some(offered) => offered,
            None => Shared::new(&person.id).ok_or(Problem::NoRandomness)?,
        };
        let sealed = shared.seal(keys, Purpose::Offered, &person.id).map_err(|error| unsealed(&error))?;
        html! {
            p { "Take the picture with an app for codes, or type the secret into it. Then show that it works." }
            @if let Some(picture) = shared.picture() { (PreEscaped(picture)) }
            p { "Secret: " code #secret { (shared.typed()) } }
            form.stack method="post" action="/me/second-factor" {
                (csrf(visitor))
                input type="hidden" name="offer" value=(hex::encode(sealed));
                label for="code" { "The code that your app shows" }
                input #code name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="10" required;
                button.primary type="submit" name="do" value="on" { "Set it up" }
            }
        }
    } else {
        html! { p { "This console has no key to keep secrets with: set " code { "keys.ring" } "." } }
    };
    let main = html! {
        h1 { (person.name) }
        p.soft { (person.id) }
        h2 { "Second factor" }
        @if !problem.is_empty() { p.problem role="alert" { (problem) } }
        (part)
    };
    Ok(page("You", visitor, &main))
}

/// Sets a second factor up, or takes it away.
pub(crate) async fn change(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    fields: Fields,
) -> Result<Response, Problem> {
    let person = visitor.person.id.as_str();
    if visitor.person.has_totp {
        if let Err((status, text)) = prove(&console, person, fields.get("code")).await? {
            return Ok((status, own_page(&console, &visitor, None, text).await?).into_response());
        }
        console.store.remove_second_factor(person).await?;
        note(&console, person, "second_factor_off").await?;
        return Ok(Redirect::to("/me").into_response());
    }
    let keys = keys(&console)?;
    let offer = hex::decode(fields.get("offer")).map_err(|_| Problem::Stale)?;
    let shared = Shared::open(&offer, keys, Purpose::Offered, person).map_err(|_| Problem::Stale)?;
    let Some(step) = shared.step(fields.get("code"), (console.clock)()) else {
        let page = own_page(&console, &visitor, Some(shared), WRONG).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    };
    let codes = recovery_codes().ok_or(Problem::NoRandomness)?;
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| recovery_hash(code)).collect();
    let sealed = shared.seal(keys, Purpose::Kept, person).map_err(|error| unsealed(&error))?;
    console.store.put_second_factor(person, &sealed, step, &hashes, &visitor.token_hash).await?;
    note(&console, person, "second_factor_on").await?;
    let main = html! {
        h1 { "Your second factor is set up" }
        p { "Keep these recovery codes where you find them without your phone. Each lets you in once; they are not shown again." }
        ul.codes { @for code in &codes { li { code { (code) } } } }
        p { a href="/" { "Go on" } }
    };
    Ok(page("You", &visitor, &main).into_response())
}

async fn note(console: &Console, person: &str, action: &str) -> Result<(), Problem> {
    let deed = Deed { person, brand: None, action, viewer: None, detail: "" };
    Ok(console.store.note_deed(&deed, (console.clock)()).await?)
}
