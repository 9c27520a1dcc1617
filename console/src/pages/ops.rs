//! Operation: what waits, what could not be understood, how accounts are, who came in.

use afterglow_bus::Lane;
use afterglow_domain::{DerivedId as _, InteractionId};
use afterglow_ingest::{Replay, Replayed, StoredAccounts};
use afterglow_runtime::error_chain;
use afterglow_store::{Deed, Role};
use axum::extract::Path;
use axum::response::Redirect;
use maud::{Markup, html};

use crate::access::{Fields, Installation};
use crate::layout::{csrf, figures, moment, page};
use crate::problem::Problem;
use crate::words;

pub(crate) async fn show(room: Installation) -> Result<Markup, Problem> {
    let (console, now) = (&room.console, room.now);
    let totals = console.store.totals().await?;
    let mut lanes = Vec::new();
    if let Some(bus) = &console.bus {
        for lane in Lane::ALL {
            lanes.push((lane.as_str(), bus.depth(lane).await.ok()));
        }
    }
    let accounts = console.store.accounts().await?;
    let switches = console.store.kill_switches().await?;
    let quarantine = console.store.quarantine_list(100).await?;
    let deeds = console.store.audit(50).await?;
    let main = html! {
        h1 { "Operation" }
        section #live hx-get="/ops" hx-trigger="every 5s" hx-select="#live" hx-swap="outerHTML" {
            (figures(&[("Accepted", totals.accepted), ("Duplicates", totals.duplicates),
                ("Quarantined", totals.quarantined), ("Outbox", totals.outbox)]))
            div.scroll tabindex="0" role="region" aria-label="Queues" { table {
                caption { "Queues" }
                thead { tr { th scope="col" { "Lane" } th scope="col" { "Waiting" } th scope="col" { "Dead letters" } } }
                tbody { @for (lane, depth) in &lanes { tr {
                    td { (lane) }
                    @match depth {
                        Some(depth) => { td.number { (depth.ready) } td.number { (depth.dead) } }
                        None => { td { "unknown" } td { "unknown" } }
                    }
                } } }
            } }
            @if lanes.is_empty() { p.soft { "This process has no bus: queues are not known here." } }
        }
        @for switch in &switches { p.problem { "Silent: " (switch.scope) " " (switch.id) ", since " (moment(switch.since, now)) " by " (switch.by) ": " (switch.reason) } }
        h2 { "Accounts" }
        div.scroll tabindex="0" role="region" aria-label="Accounts" { table {
            caption { "Accounts and their tokens" }
            thead { tr { th scope="col" { "Account" } th scope="col" { "Brand" } th scope="col" { "Sends" } th scope="col" { "Token ends in" } } }
            tbody { @for account in &accounts { tr {
                td { (account.username.as_deref().unwrap_or(account.id.as_str())) }
                td { (account.brand) }
                td { @match (&account.paused_reason, &account.token_sealed) {
                    (Some(reason), _) => strong.late { "paused: " (reason) },
                    (None, None) => "no token: receives only",
                    (None, Some(_)) => "yes",
                } }
                td.nowrap { @if let Some(ends) = account.token_expires { (words::span(ends.since(now))) } @else { span.soft { "not known" } } }
            } } }
        } }
        h2 { "Quarantine" }
        p { "What could not be understood, kept with its bytes." }
        div.scroll tabindex="0" role="region" aria-label="Quarantine" { table {
            caption { "Oldest first, at most 100" }
            thead { tr { th scope="col" { "Received" } th scope="col" { "Reason" } th scope="col" { "Detail" }
                th scope="col" { "Account" } th scope="col" { "Bytes" } th scope="col" { "" } } }
            tbody { @for row in &quarantine { tr {
                td.nowrap { (moment(row.item.received, now)) }
                td.nowrap { (row.item.reason.as_str().replace('_', " ")) }
                td { (row.item.detail) }
                td { (row.item.account.as_deref().unwrap_or("–")) }
                td.number { (row.item.payload.len()) }
                td { @if room.role >= Role::Manager && console.bus.is_some() {
                    form.inline method="post" action=(format!("/ops/quarantine/{}", row.item.id)) {
                        (csrf(&room.visitor)) button type="submit" { "Replay" } }
                } }
            } } }
        } }
        @if quarantine.is_empty() { p.soft { "Nothing waits." } }
        h2 { "Who came in" }
        ul { @for deed in &deeds { li { (moment(deed.at, now)) ": " (deed.person) ", " (deed.action.replace('_', " ")) " " (deed.detail) } } }
    };
    Ok(page("Operation", &room.visitor, &main))
}

/// Puts quarantined bytes through the same door again.
pub(crate) async fn replay(room: Installation, Path(id): Path<String>, _: Fields) -> Result<Redirect, Problem> {
    if room.role < Role::Manager {
        return Err(Problem::NotAllowed(Role::Manager));
    }
    let id: InteractionId = id.parse().map_err(|_| Problem::NotFound)?;
    let bus = room.console.bus.clone().ok_or(Problem::NoBus)?;
    let accounts = StoredAccounts::load(room.console.store.clone()).await?;
    let replay = Replay {
        store: room.console.store.clone(),
        bus,
        accounts: std::sync::Arc::new(accounts),
        our_apps: room.console.our_apps.clone(),
        clock: std::sync::Arc::clone(&room.console.clock),
    };
    let replayed = replay.one(id).await.map_err(|error| Problem::Bus(error_chain(&error)))?;
    let detail = id.uuid().to_string();
    let deed = Deed {
        person: &room.visitor.person.id,
        brand: None,
        action: "quarantine_replay",
        viewer: None,
        detail: &detail,
    };
    room.console.store.note_deed(&deed, room.now).await?;
    match replayed {
        Replayed::Understood(_) => Ok(Redirect::to("/ops")),
        Replayed::StillStrange(reason, detail) => {
            Err(Problem::Bad(format!("Still not understood: {}: {detail}. It stays where it is.", reason.as_str())))
        }
    }
}
