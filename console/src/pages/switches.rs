//! Kill switches: they ask once, and act at once.

use afterglow_domain::PlayId;
use afterglow_store::{Account, Deed, KillSwitch, Role, SetSwitch};
use axum::response::Redirect;
use maud::{Markup, html};

use crate::access::{Fields, InBrand};
use crate::layout::{csrf, moment};
use crate::problem::Problem;

/// The brand's switches, and those that silence it from above.
pub(crate) fn of_brand(room: &InBrand, accounts: &[Account], set: &[SetSwitch]) -> Markup {
    let id = room.id().as_str();
    let own = |switch: &&SetSwitch| {
        switch.scope == "all"
            || switch.scope == "brand" && switch.id == id
            || switch.scope == "play" && switch.id.split_once('/').is_some_and(|(brand, _)| brand == id)
            || switch.scope == "account" && accounts.iter().any(|account| account.id.as_str() == switch.id)
    };
    let path = format!("/b/{id}/switches");
    html! {
        h2 #switches { "Kill switches" }
        @for switch in set.iter().filter(own) {
            div.card.problem {
                p { strong { "Silent: " (switch.scope) " " (switch.id) } " since " (moment(switch.since, room.now)) " by " (switch.by) ": " (switch.reason) }
                @if room.may(Role::Manager) && switch.scope != "all" {
                    form.inline method="post" action=(path) { (csrf(&room.visitor))
                        @if switch.scope == "account" { input type="hidden" name="account" value=(switch.id); }
                        @else { input type="hidden" name="play" value=(switch.id.split_once('/').map_or("", |(_, play)| play)); }
                        button type="submit" name="do" value="anew" { "Let speak again, and judge anew what was held" }
                        button type="submit" name="do" value="off" { "Let speak again; what was held stays for you" } }
                }
            }
        }
        @if room.may(Role::Manager) {
            details {
                summary { "Silence the brand, or a play" }
                form.stack method="post" action=(path) {
                    (csrf(&room.visitor))
                    label for="play" { "What" }
                    select #play name="play" {
                        option value="" { "everything of " (room.brand.name) }
                        @for play in &room.brand.settings.plays { option value=(play.name) { "play " (play.name) } }
                    }
                    label for="reason" { "Why, for whoever finds it set" }
                    input #reason name="reason" required maxlength="200";
                    button.danger type="submit" name="do" value="on" { "Silence now" }
                    p.soft { "It holds for every send that has not begun. A message already handed to Meta cannot be recalled." }
                }
            }
        }
    }
}

pub(crate) async fn change(room: InBrand, fields: Fields) -> Result<Redirect, Problem> {
    room.require(Role::Manager)?;
    let switch = match (fields.get("account"), fields.get("play")) {
        ("", "") => KillSwitch::Brand(room.id().clone()),
        ("", play) => KillSwitch::Play(room.id().clone(), PlayId::new(play)),
        (account, _) => {
            let accounts = room.store().accounts().await?;
            let own = accounts.into_iter().find(|own| own.id.as_str() == account).ok_or(Problem::NotFound)?;
            KillSwitch::Account(own.id)
        }
    };
    let (store, reason) = (&room.console.store, fields.get("reason"));
    let action = if matches!(fields.get("do"), "off" | "anew") {
        store.lift_kill_switch(&switch, fields.get("do") == "anew", room.now).await?;
        "kill_switch_off"
    } else {
        if reason.is_empty() {
            return Err(Problem::Bad("Say why, for whoever finds it set. Nothing was changed.".into()));
        }
        store.set_kill_switch(&switch, room.who(), reason, room.now).await?;
        "kill_switch_on"
    };
    let detail = format!("{} {} {reason}", switch.scope(), switch.id());
    let deed = Deed { person: room.who(), brand: Some(room.id()), action, viewer: None, detail: detail.trim() };
    store.note_deed(&deed, room.now).await?;
    Ok(Redirect::to(&format!("/b/{}/rules#switches", room.id())))
}
