//! Operation: what waits, what could not be understood, how accounts are, who came in.

use afterglow_bus::{DeadLetter, Lane};
use afterglow_domain::{DerivedId as _, InteractionId, Timestamp};
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

/// How many dead letters of a lane are shown.
const DEAD_SHOWN: u32 = 20;
/// How many are put back at once.
const REPLAYED: u32 = 1_000;

pub(crate) async fn show(room: Installation) -> Result<Markup, Problem> {
    let (console, now) = (&room.console, room.now);
    let totals = console.store.totals().await?;
    let (mut lanes, mut dead_letters) = (Vec::new(), Vec::new());
    if let Some(bus) = &console.bus {
        for lane in Lane::ALL {
            let depth = bus.depth(lane).await.ok();
            let dead = if depth.as_ref().is_some_and(|depth| depth.dead > 0) {
                bus.dead_letters(lane, DEAD_SHOWN).await.unwrap_or_default()
            } else {
                Vec::new()
            };
            dead_letters.extend(dead.into_iter().map(|letter| (lane, letter)));
            lanes.push((lane.as_str(), depth));
        }
    }
    let accounts = console.store.accounts().await?;
    let health = console.health.of(&console.store, now).await?;
    let (oldest, outbox) = (console.store.oldest_waiting().await?, console.store.outbox_oldest_ms().await?);
    let age = |since: Option<Timestamp>| since.map_or_else(|| "–".to_owned(), |since| words::span(now.since(since)));
    let switches = console.store.kill_switches().await?;
    let quarantine = console.store.quarantine_list(100).await?;
    let deeds = console.store.audit(50).await?;
    let main = html! {
        h1 { "Operation" }
        section #live hx-get="/ops" hx-trigger="every 5s" hx-select="#live" hx-swap="outerHTML" {
            (figures(&[("Accepted", totals.accepted), ("Duplicates", totals.duplicates),
                ("Quarantined", totals.quarantined), ("Outbox", totals.outbox)]))
            dl.facts {
                div { dt { "Overdue to be judged" } dd { (age(oldest.due.filter(|due| *due <= now))) } }
                div { dt { "Waits for a person" } dd { (age(oldest.held)) } }
                div { dt { "Oldest in the outbox" } dd { (age(outbox.map(Timestamp::from_millis))) } }
            }
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
        (dead_table(&room, &dead_letters))
        @for switch in &switches { p.problem { "Silent: " (switch.scope) " " (switch.id) ", since " (moment(switch.since, now)) " by " (switch.by) ": " (switch.reason) } }
        h2 { "Accounts" }
        div.scroll tabindex="0" role="region" aria-label="Accounts" { table {
            caption { "Accounts and their tokens" }
            thead { tr { th scope="col" { "Account" } th scope="col" { "Brand" } th scope="col" { "Sends" } th scope="col" { "Token ends in" }
                th scope="col" { "Last webhook" } th scope="col" { "Webhooks, 24 h" } th scope="col" { "Found by the sweep, 24 h" } th scope="col" { "Sends, 1 h" } } }
            tbody { @for account in &accounts { tr {
                td { (account.username.as_deref().unwrap_or(account.id.as_str())) }
                td { (account.brand) }
                td { @match (&account.paused_reason, &account.token_sealed) {
                    (Some(reason), _) => strong.late { "paused: " (reason) },
                    (None, None) => "no token: receives only",
                    (None, Some(_)) => "yes",
                } }
                td.nowrap { @if let Some(ends) = account.token_expires { (words::span(ends.since(now))) } @else { span.soft { "not known" } } }
                @let own = health.iter().find(|health| health.account == account.id);
                td.nowrap { @if let Some(heard) = own.and_then(|health| health.heard) { (moment(heard, now)) } @else { span.soft { "none in 24 h" } } }
                td.number { (own.map_or(0, |health| health.by_webhook)) }
                td.number { (own.map_or(0, |health| health.by_sweep)) }
                td.number { (own.map_or(0, |health| health.sends)) }
            } } }
        } }
        p.soft { "What the sweep finds, webhooks missed: more than a few in a day, and Meta's subscription of that account wants looking at." }
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

/// What was given up, with why.
fn dead_table(room: &Installation, letters: &[(Lane, DeadLetter)]) -> Markup {
    if letters.is_empty() {
        return html! {};
    }
    let mut lanes: Vec<Lane> = letters.iter().map(|(lane, _)| *lane).collect();
    lanes.dedup();
    html! {
        h2 { "Dead letters" }
        div.scroll tabindex="0" role="region" aria-label="Dead letters" { table {
            caption { "What was given up, with why; the first " (DEAD_SHOWN) " of each lane" }
            thead { tr { th scope="col" { "Lane" } th scope="col" { "Id" } th scope="col" { "Bytes" } th scope="col" { "Why" } } }
            tbody { @for (lane, letter) in letters { tr {
                td.nowrap { (lane.as_str()) }
                td { code { (letter.message.id) } }
                td.number { (letter.message.body.len()) }
                td { (letter.reason) }
            } } }
        } }
        @if room.role >= Role::Manager { div.bar { @for lane in lanes {
            form.inline method="post" action=(format!("/ops/dead-letters/{}", lane.as_str())) {
                (csrf(&room.visitor)) button type="submit" { "Put those of " (lane.as_str()) " back" }
            }
        } } }
    }
}

/// Puts a lane's dead letters back on it: what killed them has to be mended first, or they come back.
pub(crate) async fn replay_dead(room: Installation, Path(lane): Path<String>, _: Fields) -> Result<Redirect, Problem> {
    if room.role < Role::Manager {
        return Err(Problem::NotAllowed(Role::Manager));
    }
    let lane = Lane::ALL.into_iter().find(|known| known.as_str() == lane).ok_or(Problem::NotFound)?;
    let bus = room.console.bus.as_ref().ok_or(Problem::NoBus)?;
    let put_back = bus.replay_dead_letters(lane, REPLAYED).await.map_err(|error| Problem::Bus(error_chain(&error)))?;
    let detail = format!("{put_back} of {}", lane.as_str());
    let person = &room.visitor.person.id;
    let deed = Deed { person, brand: None, action: "dead_letters_back", viewer: None, detail: &detail };
    room.console.store.note_deed(&deed, room.now).await?;
    Ok(Redirect::to("/ops"))
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
