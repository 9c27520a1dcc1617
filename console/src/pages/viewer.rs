//! One viewer: the conversation, what may be written and why not, why they stand where they stand.

use afterglow_domain::{
    AccountId, Body, ConsentState, IntentId, IntentStatus, Interaction, Kind, MessageEdit, ViewerId, ViewerKey,
};
use afterglow_scorer::{explain, segment_at};
use afterglow_store::{Claim, Role, ViewerDetail};
use axum::extract::{Path, Query};
use maud::{Markup, html};
use serde::Deserialize;

use super::writing::{answerable, reply_form};
use super::{decisions_table, may_write_until, name_of, state_of, viewer_path};
use crate::access::InBrand;
use crate::layout::{bars, brand_page, csrf, moment, segment};
use crate::problem::Problem;
use crate::words;

/// How much of what happened is shown.
const SHOWN: u32 = 200;
/// How many contributions are drawn.
const DRAWN: usize = 12;

#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    /// The message that was just written.
    said: Option<IntentId>,
}

pub(crate) fn key(account: String, viewer: String) -> ViewerKey {
    ViewerKey { account: AccountId::new(account), viewer: ViewerId::new(viewer) }
}

pub(crate) async fn show(
    room: InBrand,
    Path((_, account, viewer)): Path<(String, String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    let key = key(account, viewer);
    let detail = room.store().viewer(&key, SHOWN).await?.ok_or(Problem::NotFound)?;
    page(&room, &detail, asked.said, "", "").await
}

/// The page, with what somebody typed and why it was not taken.
pub(crate) async fn page(
    room: &InBrand,
    detail: &ViewerDetail,
    said: Option<IntentId>,
    typed: &str,
    problem: &str,
) -> Result<Markup, Problem> {
    let key = &detail.row.key;
    let claim = room.store().claims(room.now).await?.into_iter().find(|claim| claim.viewer == *key);
    let labels = room.store().labels(key).await?;
    let status = match said {
        Some(intent) => room.store().intent_status(intent).await?.map(|status| (intent, status)),
        None => None,
    };
    let path = viewer_path(room.id(), key);
    let here = match said {
        Some(intent) => format!("{path}?said={intent}"),
        None => path.clone(),
    };
    let rules = room.console.rulebooks.at(&room.brand);
    let state = state_of(&detail.row);
    let (current, because) = segment_at(&state, &rules, room.now).unwrap_or((detail.row.segment, "a rule fails"));
    let name = name_of(&detail.row);
    let main = html! {
        h1 { (name) " " (segment(current)) }
        section #live hx-get=(here) hx-trigger="changed from:body, every 30s" hx-select="#live" hx-swap="outerHTML" {
            (standing(room, detail, claim.as_ref(), &labels, because))
            @if let Some((intent, status)) = status { (fate(detail, intent, status)) }
            (conversation(detail, room))
        }
        (controls(room, detail, claim.as_ref(), &path))
        @if room.may(Role::Agent) { (reply_form(room, detail, &path, typed, problem)) }
        (explained(room, detail))
        h2 { "What was decided" }
        (decisions_table(&detail.decisions, room.id(), room.now))
    };
    Ok(brand_page(&name, room, "/v", true, &main))
}

fn standing(room: &InBrand, detail: &ViewerDetail, claim: Option<&Claim>, labels: &[String], because: &str) -> Markup {
    let score = state_of(&detail.row).score_at(room.now, &room.console.rulebooks.at(&room.brand).scoring);
    html! {
        dl.facts {
            div { dt { "Score" } dd { (format!("{score:.2}")) } }
            div { dt { "Segment because" } dd { code { (because) } } }
            div { dt { "You may write" } dd { (may_write_until(detail, room.brand.settings.limits.human_agent, room.now)) } }
            div { dt { "Consent" } dd {
                @match detail.consent.state() {
                    Some(ConsentState::OptedOut) => strong.late { "they said stop: nobody may write" },
                    Some(ConsentState::Ambiguous) => strong { "perhaps stop: please look; automation is silent" },
                    Some(ConsentState::OptedIn) => "they opted in",
                    None => "nothing said against it",
                }
            } }
            div { dt { "Conversation led by" } dd { @if detail.handed_over { strong { "a person or another app" } } @else { "automation" } } }
            div { dt { "Attended to by" } dd { @if let Some(claim) = claim { (claim.person) } @else { "nobody" } } }
            @if !detail.row.tags.is_empty() || !labels.is_empty() {
                div { dt { "Tags and labels" } dd {
                    @for tag in &detail.row.tags { span.tag { (tag) } " " }
                    @for label in labels { span.tag.own { "#" (label) } " " }
                } }
            }
        }
    }
}

/// What became of the message that was just written.
fn fate(detail: &ViewerDetail, intent: IntentId, status: IntentStatus) -> Markup {
    let decision = detail.decisions.iter().find(|decision| decision.intent == intent);
    let why = decision.map(|d| d.decision.reasons.iter().map(|r| words::reason(*r)).collect::<Vec<_>>().join("; "));
    html! {
        p #said role="status" class=(match status { IntentStatus::Dropped | IntentStatus::Held => "problem", _ => "good" }) {
            @match status {
                IntentStatus::Pending | IntentStatus::Sending => "Your message is on its way.",
                IntentStatus::Sent => "Your message was sent.",
                IntentStatus::Deferred => { "Your message waits: " (why.unwrap_or_default()) "." },
                IntentStatus::Held => { "Your message is held: " (why.unwrap_or_default()) "." },
                IntentStatus::Dropped => { "Your message was not sent: " (why.unwrap_or_default()) "." },
            }
        }
    }
}

fn conversation(detail: &ViewerDetail, room: &InBrand) -> Markup {
    html! {
        h2 { "What happened" }
        div.scroller tabindex="0" role="region" aria-label="Conversation" { ol.conversation {
            @for interaction in detail.interactions.iter().rev() {
                @let ours = interaction.kind() == Kind::MessageSent;
                li.ours[ours] {
                    span.soft { (if ours { "We" } else { "They" }) " · " (interaction.kind().as_str().replace('_', " ")) " · " (moment(interaction.occurred, room.now)) }
                    div { (said(interaction, &detail.interactions)) }
                }
            }
        } }
    }
}

fn controls(room: &InBrand, detail: &ViewerDetail, claim: Option<&Claim>, path: &str) -> Markup {
    let mine = claim.is_some_and(|claim| claim.person == room.who());
    let button = |action: &str, text: &str| {
        html! { form.inline method="post" action=(format!("{path}/{action}")) { (csrf(&room.visitor)) button id=(action) type="submit" { (text) } } }
    };
    html! {
        @if room.may(Role::Agent) { div.bar {
            @if mine { (button("let-go", "Let go")) } @else if claim.is_none() { (button("claim", "Attend to")) }
            @if detail.handed_over { (button("give-back", "Give back to automation")) } @else { (button("take-over", "Take over ( h )")) }
        } }
    }
}

fn explained(room: &InBrand, detail: &ViewerDetail) -> Markup {
    let rules = room.console.rulebooks.at(&room.brand);
    let explanation = match explain(&detail.interactions, &rules, room.now, DRAWN) {
        Ok(explanation) => explanation,
        Err(error) => return html! { h2 { "Why this score" } p.problem { "A rule fails: " (error) } },
    };
    let mut values: Vec<(String, f64)> = explanation
        .contributions
        .iter()
        .map(|c| (format!("{}, {}", c.kind.as_str().replace('_', " "), words::ago(c.occurred, room.now)), c.now))
        .collect();
    if explanation.rest > 0.0 {
        values.push(("everything else".into(), explanation.rest));
    }
    html! {
        h2 #explained tabindex="-1" { "Why this score" }
        p { "Each bar is what one thing adds now; it fades with its half-life. Rules of version " (explanation.rules_version) "." }
        (bars("What each interaction adds to the score", &values))
        ul {
            @for prospect in &explanation.raises { li {
                "With a " (prospect.after.map_or("further signal", Kind::as_str).replace('_', " ")) ": "
                (segment(prospect.segment)) " at " (format!("{:.1}", prospect.score))
            } }
            @if let Some(next) = &explanation.next { li {
                "With time alone, in " (words::span(next.at.since(room.now))) ": " (segment(next.segment)) " at " (format!("{:.1}", next.score))
            } }
        }
    }
}

/// What was said, as it stands now: edited, or taken back.
fn said(interaction: &Interaction, all: &[Interaction]) -> Markup {
    let amended = |other: &&Interaction| other.body.amends().is_some() && other.body.amends() == interaction.body.mid();
    let mut edit: Option<&MessageEdit> = None;
    for other in all.iter().filter(amended) {
        match &other.body {
            // What a person took back is not shown again.
            Body::Unsend(_) => return html! { span.soft { "taken back" } },
            Body::MessageEdit(newer) if edit.is_none_or(|edit| newer.num_edit > edit.num_edit) => edit = Some(newer),
            _ => {}
        }
    }
    let text = edit.and_then(|edit| edit.text.as_deref()).or_else(|| words_of(interaction));
    // An edit is shown where the message stands.
    let text = if interaction.kind() == Kind::MessageEdit { None } else { text };
    html! {
        @if let Some(text) = text { q { (text) } } @else { span.soft { "–" } }
        @if edit.is_some() { " " span.soft { "(edited)" } }
    }
}

/// Their words, or ours, or somebody's about them.
fn words_of(interaction: &Interaction) -> Option<&str> {
    match &interaction.body {
        Body::MessageSent(message) => message.text.as_deref(),
        Body::Note(note) => Some(&note.text),
        Body::Reaction(reaction) => reaction.emoji.as_deref().or(reaction.reaction.as_deref()),
        body => body.text(),
    }
}

/// Whether there is anything that may be answered.
pub(crate) fn may_write(detail: &ViewerDetail) -> bool {
    answerable(&detail.interactions).is_some() && detail.consent.state() != Some(ConsentState::OptedOut)
}
