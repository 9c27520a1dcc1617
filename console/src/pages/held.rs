//! What waits for a person's word: approve, change, or say no.

use afterglow_domain::Reason;
use afterglow_drafts::DraftReason;
use afterglow_store::{Draft, DraftOutcome, Held, Role};
use axum::extract::Path;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;

use super::viewer_path;
use super::writing::{intent_id, persons_intent};
use crate::access::{Fields, InBrand, Token};
use crate::layout::{brand_page, csrf, moment};
use crate::problem::Problem;
use crate::words;

const SHOWN: u32 = 100;

pub(crate) async fn show(room: InBrand) -> Result<Markup, Problem> {
    let held = room.store().held(SHOWN).await?;
    let main = html! {
        h1 { "Review" }
        p { "Held messages, the oldest first. What you approve goes out as yours, through the same gate: a stop still wins." }
        @for held in &held { (one(&room, held)) }
        @if held.is_empty() { p { "Nothing waits for you." } }
    };
    Ok(brand_page("Review", &room, "/held", false, &main))
}

fn one(room: &InBrand, held: &Held) -> Markup {
    let intent = &held.intent;
    let text = &held.text;
    let path = format!("/b/{}/held/{}", room.id(), intent.id);
    let name = held.username.as_deref().unwrap_or(intent.viewer.as_str());
    let form = Token::new().map(|token| token.secret().to_owned()).unwrap_or_default();
    html! {
        article.card {
            h2 { a href=(viewer_path(room.id(), &intent.viewer_key())) { (name) } }
            p { (intent.cause_kind.as_str().replace('_', " ")) " · play " code { (intent.play) } " · held " (moment(held.since, room.now)) ": "
                (held.reasons.iter().map(|r| words::reason(*r)).collect::<Vec<_>>().join("; ")) }
            @if let Some(draft) = &held.draft { (drafted(draft)) }
            @if held.reasons.contains(&Reason::FateUnknown) {
                p.problem { "It may have arrived: look at the conversation on Instagram before you send it again." }
            }
            @if room.may(Role::Agent) {
                form.stack method="post" action=(format!("{path}/approve")) {
                    (csrf(&room.visitor))
                    input type="hidden" name="form" value=(form);
                    label for=(format!("t{}", intent.id)) { "Message to " (name) }
                    textarea id=(format!("t{}", intent.id)) name="text" rows="3" required { (text) }
                    div.bar {
                        button.primary type="submit" { "Approve and send" }
                        button type="submit" formaction=(format!("{path}/refuse")) formnovalidate { "Say no" }
                    }
                }
            }
        }
    }
}

/// What the guard says of a machine's draft.
#[derive(Deserialize)]
struct Guarded {
    #[serde(default)]
    reasons: Vec<DraftReason>,
    failed: Option<String>,
}

fn drafted(draft: &Draft) -> Markup {
    let said = serde_json::from_str::<Guarded>(&draft.detail).unwrap_or(Guarded { reasons: Vec::new(), failed: None });
    html! {
        div.draft {
            @if draft.outcome == DraftOutcome::Failed {
                p { "No draft could be written" @if let Some(why) = &said.failed { ": " (why) } ". Below is what the play would say." }
            } @else {
                p { "A machine's draft; " (draft.confidence) " of 100 of it rests on your facts. Read it before it goes out." }
            }
            @if !said.reasons.is_empty() { ul { @for reason in &said.reasons { li { (guard_words(reason)) } } } }
        }
    }
}

fn guard_words(reason: &DraftReason) -> String {
    match reason {
        DraftReason::RestsOn(facts) => {
            let facts: Vec<String> = facts.iter().map(ToString::to_string).collect();
            format!("it names fact {} of the document as its ground", facts.join(", "))
        }
        DraftReason::NamesNoFact => "it names no fact as its ground: look twice".into(),
        DraftReason::KnownWords { known, of } => format!("{known} of its {of} longer words are words of your facts"),
        DraftReason::EveryDraftIsRead => "every draft of this play is read first".into(),
        DraftReason::BelowFloor { floor } => format!("below the {floor} from which drafts of this play pass unread"),
    }
}

pub(crate) async fn approve(
    room: InBrand,
    Path((_, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Redirect, Problem> {
    room.require(Role::Agent)?;
    let held = room.store().intent(intent_id(&id)?).await?.ok_or(Problem::NotFound)?;
    let text = fields.text("text").trim().to_owned();
    if text.is_empty() || text.len() > 1000 {
        return Err(Problem::Bad(format!("A message has 1 to 1000 bytes; this has {}. Nothing was sent.", text.len())));
    }
    let key = held.viewer_key();
    let known = room.store().interactions(&key, 500).await?;
    let Some(cause) = known.iter().find(|interaction| interaction.id == held.cause) else {
        return Err(Problem::Bad("What this answers is no longer kept. Nothing was sent.".into()));
    };
    let intent = persons_intent(&room, cause, fields.get("form"), &text).ok_or(Problem::NotFound)?;
    if !room.store().write_as_person(&intent, Some(held.id), room.now).await? {
        return Err(Problem::Bad("Somebody else decided this a moment ago. Nothing was sent by you.".into()));
    }
    Ok(Redirect::to(&format!("{}?said={}#said", viewer_path(room.id(), &key), intent.id)))
}

pub(crate) async fn refuse(
    room: InBrand,
    Path((_, id)): Path<(String, String)>,
    _: Fields,
) -> Result<Redirect, Problem> {
    room.require(Role::Agent)?;
    let held = room.store().intent(intent_id(&id)?).await?.ok_or(Problem::NotFound)?;
    if !room.store().refuse_held(&held, room.who(), room.now).await? {
        return Err(Problem::Bad("Somebody else decided this a moment ago.".into()));
    }
    Ok(Redirect::to(&format!("/b/{}/held", room.id())))
}
