//! Who may do what.

use afterglow_domain::BrandId;
use afterglow_store::{Brand, Deed, Role};
use axum::response::Redirect;
use maud::{Markup, html};

use crate::access::{Fields, Installation};
use crate::layout::{csrf, page};
use crate::problem::Problem;

pub(crate) async fn show(room: Installation) -> Result<Markup, Problem> {
    owner(&room)?;
    let (people, brands) = (room.console.store.people().await?, room.console.store.brands().await?);
    let asking = room.console.store.second_factor_brands().await?;
    let main = html! {
        h1 { "People" }
        div.scroll tabindex="0" role="region" aria-label="People" { table {
            caption { "Who may do what" }
            thead { tr { th scope="col" { "Person" } th scope="col" { "Roles" } th scope="col" { "Signs in" } th scope="col" { "" } } }
            tbody { @for person in &people { tr {
                td { (person.name) " " span.soft { (person.id) } }
                td { @for (brand, role) in &person.roles { span.tag { (role.as_str()) " of " (brand.as_ref().map_or("every brand", BrandId::as_str)) } " " } }
                td { @if person.disabled.is_some() { strong.late { "no more" } } @else if person.has_password { "with a password" } @else { "by link" }
                    @if person.has_totp { " and a second factor" } }
                td { @if person.id != room.visitor.person.id {
                    form.inline method="post" action="/people" {
                        (csrf(&room.visitor))
                        input type="hidden" name="person" value=(person.id);
                        @if person.disabled.is_some() { button type="submit" name="do" value="enable" { "Let in again" } }
                        @else { button.danger type="submit" name="do" value="disable" { "Let in no more" } }
                        @if person.has_totp { button type="submit" name="do" value="reset" { "Take the second factor away" } }
                    }
                } }
            } } }
        } }
        (second_factors(&room, &brands, &asking))
        h2 { "Add somebody, or change what they may do" }
        form.stack method="post" action="/people" {
            (csrf(&room.visitor))
            label for="person" { "E-mail address" }
            input #person name="person" type="email" required;
            label for="name" { "Name" }
            input #name name="name" maxlength="80";
            label for="brand" { "Brand" }
            select #brand name="brand" { option value="" { "every brand" } @for brand in &brands { option value=(brand.id) { (brand.name) } } }
            label for="role" { "Role" }
            select #role name="role" { @for role in Role::ALL { option value=(role.as_str()) { (role.as_str()) } } option value="" { "none any more" } }
            button.primary type="submit" name="do" value="grant" { "Save" }
            p.soft { "They come in by a link that works once: " code { "afterglow person link" } "." }
        }
    };
    Ok(page("People", &room.visitor, &main))
}

fn owner(room: &Installation) -> Result<(), Problem> {
    if room.role == Role::Owner { Ok(()) } else { Err(Problem::NotAllowed(Role::Owner)) }
}

pub(crate) async fn change(room: Installation, fields: Fields) -> Result<Redirect, Problem> {
    owner(&room)?;
    let (store, now) = (&room.console.store, room.now);
    if matches!(fields.get("do"), "ask" | "ask_no_more") {
        return ask(&room, &fields).await;
    }
    let person = fields.get("person").to_lowercase();
    if !person.contains('@') {
        return Err(Problem::Bad("An e-mail address has an @. Nothing was changed.".into()));
    }
    let detail = match fields.get("do") {
        "disable" => let_in(&room, &person, false).await?,
        "enable" => let_in(&room, &person, true).await?,
        "reset" => reset(&room, &person).await?,
        _ => grant(&room, &person, &fields).await?,
    };
    let deed = Deed { person: &room.visitor.person.id, brand: None, action: "people", viewer: None, detail: &detail };
    store.note_deed(&deed, now).await?;
    Ok(Redirect::to("/people"))
}

async fn let_in(room: &Installation, person: &str, again: bool) -> Result<String, Problem> {
    if person == room.visitor.person.id {
        return Err(Problem::Bad("Nobody locks themself out. Nothing was changed.".into()));
    }
    room.console.store.disable_person(person, (!again).then_some(room.now)).await?;
    Ok(format!("{} {person}", if again { "enable" } else { "disable" }))
}

/// Takes a second factor away that was lost. Whoever has the first one comes in by it alone, until they set up another.
async fn reset(room: &Installation, person: &str) -> Result<String, Problem> {
    if !room.console.store.remove_second_factor(person).await? {
        return Err(Problem::Bad("They have no second factor. Nothing was changed.".into()));
    }
    Ok(format!("second factor of {person} taken away"))
}

fn second_factors(room: &Installation, brands: &[Brand], asking: &[BrandId]) -> Markup {
    html! {
        h2 { "Brands that ask for a second factor" }
        @if asking.is_empty() { p.soft { "None." } }
        ul { @for id in asking { li { (brands.iter().find(|brand| brand.id == *id).map_or(id.as_str(), |brand| &brand.name)) } } }
        form.bar method="post" action="/people" {
            (csrf(&room.visitor))
            label for="asking" { "Brand" }
            select #asking name="brand" { @for brand in brands { option value=(brand.id) { (brand.name) } } }
            button type="submit" name="do" value="ask" { "Ask for one" }
            button type="submit" name="do" value="ask_no_more" { "Ask no more" }
        }
    }
}

/// Nobody enters a brand without a second factor from now on; or they do again.
async fn ask(room: &Installation, fields: &Fields) -> Result<Redirect, Problem> {
    let (brand, asked) = (BrandId::new(fields.get("brand")), fields.get("do") == "ask");
    if asked && !room.visitor.person.has_totp {
        return Err(Problem::Bad(
            "Set your own second factor up first, or you lock yourself out. Nothing was changed.".into(),
        ));
    }
    let (store, who) = (&room.console.store, room.visitor.person.id.as_str());
    if store.brand(&brand).ask_second_factor(asked, who, room.now).await? {
        let action = if asked { "second_factor_asked" } else { "second_factor_not_asked" };
        let deed = Deed { person: who, brand: Some(&brand), action, viewer: None, detail: "" };
        store.note_deed(&deed, room.now).await?;
    }
    Ok(Redirect::to("/people"))
}

async fn grant(room: &Installation, person: &str, fields: &Fields) -> Result<String, Problem> {
    let store = &room.console.store;
    let role = Role::ALL.into_iter().find(|role| role.as_str() == fields.get("role"));
    let brand = Some(fields.get("brand")).filter(|brand| !brand.is_empty()).map(BrandId::new);
    if person == room.visitor.person.id && brand.is_none() && role != Some(Role::Owner) {
        return Err(Problem::Bad("Another owner has to do that for you. Nothing was changed.".into()));
    }
    let known = store.person(person).await?;
    let name = match (fields.get("name"), &known) {
        ("", Some(known)) => known.name.clone(),
        ("", None) => person.to_owned(),
        (name, _) => name.to_owned(),
    };
    store.put_person(person, &name, room.now).await?;
    store.grant(person, brand.as_ref(), role).await?;
    let of = brand.map_or("every brand".into(), |brand| brand.to_string());
    Ok(format!("{person}: {} of {of}", role.map_or("nothing", Role::as_str)))
}
