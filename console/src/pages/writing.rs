//! What people write: through the same gate as everything, after which the conversation is theirs.

use afterglow_domain::{Body, Control, Intent, IntentId, Interaction, PersonsMessage, PlayId, WindowRule};
use afterglow_store::{Role, ViewerDetail};
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::snippets::picker;
use super::viewer::{key, may_write, page};
use super::viewer_path;
use crate::access::{Fields, InBrand, Token};
use crate::layout::csrf;
use crate::problem::Problem;

/// How long a viewer is one person's, unless they go on, in ms.
const CLAIM_MS: i64 = 20 * 60_000;
const LONGEST: usize = 1000;
type Address = Path<(String, String, String)>;

/// What a person's message would answer: the latest thing that opens a conversation, else the latest comment.
pub(crate) fn answerable(latest_first: &[Interaction]) -> Option<&Interaction> {
    let opened = |fits: fn(WindowRule) -> bool| {
        latest_first.iter().find(|interaction| interaction.is_contact() && fits(interaction.opens()))
    };
    opened(WindowRule::is_conversation).or_else(|| opened(|rule| rule == WindowRule::PrivateReply))
}

pub(crate) fn persons_intent(room: &InBrand, cause: &Interaction, form: &str, text: &str) -> Option<Intent> {
    let comment_id = match &cause.body {
        Body::Comment(comment) => Some(comment.comment_id.clone()),
        _ => None,
    };
    Some(Intent {
        id: Intent::derive_persons_id(room.who(), form),
        brand: room.id().clone(),
        account: cause.account.clone(),
        viewer: cause.viewer.clone()?,
        play: PlayId::new("person"),
        cause: cause.id,
        cause_kind: cause.kind(),
        cause_occurred: cause.occurred,
        comment_id,
        step: 0,
        say: None,
        due: None,
        language: None,
        person: Some(PersonsMessage { by: room.who().to_owned(), text: text.to_owned() }),
        created: room.now,
    })
}

pub(crate) fn reply_form(room: &InBrand, detail: &ViewerDetail, path: &str, typed: &str, problem: &str) -> Markup {
    let form = Token::new().map(|token| token.secret().to_owned()).unwrap_or_default();
    html! {
        h2 { "Write" }
        @if !problem.is_empty() { p.problem role="alert" { (problem) } }
        @if !may_write(detail) && problem.is_empty() {
            p.problem { "Nobody may write to them now: they said stop, or never wrote to you." }
        }
        form.stack method="post" action=(format!("{path}/reply")) {
            (csrf(&room.visitor))
            input type="hidden" name="form" value=(form);
            (picker(room, detail.row.username.as_deref()))
            label for="text" { "Message" }
            textarea #text name="text" rows="4" data-count="bytes" aria-describedby="bytes" required { (typed) }
            p.soft { span #bytes { "at most 1000 bytes" } ". The conversation is yours from then on: automation is silent until you give it back." }
            button.primary type="submit" { "Send" }
        }
    }
}

/// Sends what a person wrote; what cannot be sent comes back with what was typed.
pub(crate) async fn reply(
    room: InBrand,
    Path((_, account, viewer)): Address,
    fields: Fields,
) -> Result<Response, Problem> {
    room.require(Role::Agent)?;
    let key = key(account, viewer);
    let detail = room.store().viewer(&key, 200).await?.ok_or(Problem::NotFound)?;
    let text = fields.text("text").trim().to_owned();
    let problem = if text.is_empty() {
        "Write something first.".to_owned()
    } else if text.len() > LONGEST {
        format!("This is {} bytes; Instagram takes {LONGEST}. Nothing was sent.", text.len())
    } else if let Some(other) = other_attends(&room, &key).await? {
        format!("{other} attends to them just now. Nothing was sent.")
    } else {
        String::new()
    };
    let intent =
        answerable(&detail.interactions).and_then(|cause| persons_intent(&room, cause, fields.get("form"), &text));
    let Some(intent) = intent.filter(|_| problem.is_empty()) else {
        let problem = if problem.is_empty() { "They never wrote to you: nothing was sent.".into() } else { problem };
        return Ok(page(&room, &detail, None, &fields.text("text"), &problem).await?.into_response());
    };
    room.store().write_as_person(&intent, None, room.now).await?;
    room.store().claim(&key, room.who(), room.now.plus(CLAIM_MS), room.now).await?;
    Ok(Redirect::to(&format!("{}?said={}#said", viewer_path(room.id(), &key), intent.id)).into_response())
}

async fn other_attends(room: &InBrand, key: &afterglow_domain::ViewerKey) -> Result<Option<String>, Problem> {
    let claims = room.store().claims(room.now).await?;
    Ok(claims.into_iter().find(|claim| claim.viewer == *key && claim.person != room.who()).map(|claim| claim.person))
}

pub(crate) async fn claim(room: InBrand, Path((_, account, viewer)): Address, _: Fields) -> Result<Redirect, Problem> {
    room.require(Role::Agent)?;
    let key = key(account, viewer);
    let claim = room.store().claim(&key, room.who(), room.now.plus(CLAIM_MS), room.now).await?;
    if claim.person != room.who() {
        return Err(Problem::Bad(format!("{} was first: they attend to this viewer.", claim.person)));
    }
    Ok(Redirect::to(&viewer_path(room.id(), &key)))
}

pub(crate) async fn let_go(room: InBrand, Path((_, account, viewer)): Address, _: Fields) -> Result<Redirect, Problem> {
    let key = key(account, viewer);
    room.store().let_go(&key, room.who()).await?;
    Ok(Redirect::to(&viewer_path(room.id(), &key)))
}

pub(crate) async fn take_over(room: InBrand, path: Address, _: Fields) -> Result<Redirect, Problem> {
    lead(room, path, Control::Person).await
}

pub(crate) async fn give_back(room: InBrand, path: Address, _: Fields) -> Result<Redirect, Problem> {
    lead(room, path, Control::Automation).await
}

async fn lead(room: InBrand, Path((_, account, viewer)): Address, control: Control) -> Result<Redirect, Problem> {
    room.require(Role::Agent)?;
    let key = key(account, viewer);
    room.store().viewer(&key, 1).await?.ok_or(Problem::NotFound)?;
    room.store().lead(&key, control, room.who(), room.now).await?;
    Ok(Redirect::to(&viewer_path(room.id(), &key)))
}

/// An id in an address.
pub(crate) fn intent_id(text: &str) -> Result<IntentId, Problem> {
    text.parse().map_err(|_| Problem::NotFound)
}
