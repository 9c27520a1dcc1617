//! Spam and abuse that was found: a person says whether it is.

use afterglow_domain::{Body, DerivedId as _, InteractionId};
use afterglow_store::{Flag, FlagAction, FlagVerdict, Role};
use axum::extract::{Path, Query};
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;

use super::viewer_path;
use crate::access::{Fields, InBrand};
use crate::layout::{brand_page, csrf, moment};
use crate::problem::Problem;

const SHOWN: u32 = 100;

#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    all: String,
}

/// One of the reasons that are kept with a flag.
#[derive(Deserialize)]
struct Finding {
    category: String,
}

pub(crate) async fn show(room: InBrand, Query(asked): Query<Asked>) -> Result<Markup, Problem> {
    let all = asked.all == "yes";
    let flags = room.store().flags(all, SHOWN).await?;
    let path = format!("/b/{}/moderation", room.id());
    let main = html! {
        h1 { "Moderation" }
        p { "Who wrote what is grave gets no automatic answer until somebody has looked. Everything here can be taken back, but a deletion." }
        p { @if all { a href=(path) { "Without what was cleared" } } @else { a href=(format!("{path}?all=yes")) { "With what was cleared" } } }
        @for flag in &flags { (one(&room, flag)) }
        @if flags.is_empty() { p { "Nothing was found." } }
    };
    Ok(brand_page("Moderation", &room, "/moderation", false, &main))
}

fn one(room: &InBrand, flag: &Flag) -> Markup {
    let name = flag.username.as_deref().unwrap_or(flag.viewer.viewer.as_str());
    let body = flag.body.as_deref().and_then(|body| serde_json::from_str::<Body>(body).ok());
    let found = serde_json::from_str::<Vec<Finding>>(&flag.findings).unwrap_or_default();
    let found: Vec<String> = found.iter().map(|finding| finding.category.replace('_', " ")).collect();
    let path = format!("/b/{}/moderation/{}", room.id(), flag.interaction);
    html! {
        article.card {
            h2 { a href=(viewer_path(room.id(), &flag.viewer)) { (name) } }
            p { (match flag.verdict { FlagVerdict::Hide => "grave", FlagVerdict::Review => "please look" }) ": " (found.join(", "))
                " · " (if flag.comment_id.is_some() { "comment" } else { "message" }) " " (moment(flag.at, room.now)) }
            @match body.as_ref().and_then(Body::text) {
                Some(text) => blockquote { (text) }
                None => p.soft { "The words are no longer kept." }
            }
            p { (standing(flag)) }
            @if let Some(at) = flag.delete_at.filter(|_| flag.wanted == FlagAction::Delete && flag.cleared.is_none()) {
                p.problem { "It will be deleted, for good, " (moment(at, room.now)) "." }
            }
            @if let Some(error) = &flag.error { p.problem { "Not done yet: " (error) } }
            @if let Some((at, by)) = &flag.cleared { p.soft { "Cleared " (moment(*at, room.now)) " by " (by) "." } }
            @if room.may(Role::Agent) {
                form.inline method="post" action=(path) {
                    (csrf(&room.visitor))
                    @if flag.cleared.is_none() { button.primary type="submit" name="do" value="clear" { "This is fine" } }
                    @if flag.comment_id.is_some() && (flag.cleared.is_some() || flag.wanted == FlagAction::None) {
                        button type="submit" name="do" value="hide" { "Hide the comment" }
                    }
                }
            }
        }
    }
}

const fn standing(flag: &Flag) -> &'static str {
    match (flag.done, flag.wanted) {
        (FlagAction::Delete, _) => "Deleted on Instagram.",
        (FlagAction::Hide, FlagAction::Show) => "Hidden on Instagram; about to be shown again.",
        (FlagAction::Hide, _) => "Hidden on Instagram.",
        (_, FlagAction::Hide) => "About to be hidden on Instagram.",
        (FlagAction::Show, _) => "Shown again on Instagram.",
        (FlagAction::None, _) => "As its writer left it.",
    }
}

pub(crate) async fn change(
    room: InBrand,
    Path((_, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Redirect, Problem> {
    room.require(Role::Agent)?;
    let id = InteractionId::from_uuid(id.parse().map_err(|_| Problem::NotFound)?);
    let done = if fields.get("do") == "hide" {
        room.store().hide_flagged(id, room.who(), room.now).await?
    } else {
        room.store().clear_flag(id, room.who(), room.now).await?
    };
    if !done {
        return Err(Problem::Bad("Somebody else decided this a moment ago.".into()));
    }
    Ok(Redirect::to(&format!("/b/{}/moderation", room.id())))
}
