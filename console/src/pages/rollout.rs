//! How far a play reaches, changed from its page: one word of the brand's document, put in force as a version of its own.

use afterglow_domain::Rollout;
use afterglow_rules::Document;
use afterglow_store::{DocumentApplied, Role};
use axum::response::Redirect;
use maud::{Markup, html};

use super::rules::{in_force, put_in_force};
use crate::access::{Fields, InBrand};
use crate::layout::csrf;
use crate::problem::Problem;

/// The plays, with how far each reaches.
pub(crate) fn of_plays(room: &InBrand, version: i64) -> Markup {
    let plays = &room.brand.settings.plays;
    html! {
        h2 { "Roll-out" }
        @if plays.is_empty() { p.soft { "No play yet." } }
        @else { div.scroll tabindex="0" role="region" aria-label="Plays" { table {
            caption { "How far each play reaches: judged and never sent (shadow), for some viewers (pilot), for all (on)" }
            thead { tr { th scope="col" { "Play" } th scope="col" { "Now" } @if room.may(Role::Manager) { th scope="col" { "Change" } } } }
            tbody { @for (at, play) in plays.iter().enumerate() { tr {
                td { code { (play.name) } }
                td.nowrap { (play.rollout) }
                @if room.may(Role::Manager) { td {
                    form.inline method="post" action=(format!("/b/{}/rollout", room.id())) {
                        (csrf(&room.visitor))
                        input type="hidden" name="version" value=(version);
                        input type="hidden" name="play" value=(play.name);
                        label.hidden for=(format!("rollout-{at}")) { "Roll-out of " (play.name) }
                        select id=(format!("rollout-{at}")) name="rollout" {
                            @for choice in ["off", "shadow", "pilot 5%", "pilot 20%", "pilot 50%", "on"] {
                                option value=(choice) selected[play.rollout.to_string() == choice] { (choice) }
                            }
                        }
                        button type="submit" { "Set" }
                    }
                } }
            } } }
        } } }
    }
}

/// Changes one play's roll-out, and nothing else.
pub(crate) async fn change(room: InBrand, fields: Fields) -> Result<Redirect, Problem> {
    room.require(Role::Manager)?;
    let rollout = Rollout::parse(fields.get("rollout")).ok_or_else(|| {
        Problem::Bad("A roll-out is off, shadow, pilot 1% to 99%, or on. Nothing was changed.".into())
    })?;
    let begun = fields.get("version").parse::<i64>().unwrap_or(-1);
    let (text, _) = in_force(&room).await?;
    let play = fields.get("play");
    let changed = with_rollout(&text, play, rollout).ok_or_else(|| {
        Problem::Bad(
            "This play is not written so that its roll-out can be set here: change the document. Nothing was changed."
                .into(),
        )
    })?;
    let document = Document::parse(&changed)
        .map_err(|error| Problem::Bad(format!("The document would not be good: {error}. Nothing was changed.")))?;
    match put_in_force(&room, &changed, &document, begun, &format!("{play}: {rollout}")).await? {
        DocumentApplied::Applied(_) => Ok(Redirect::to(&format!("/b/{}/rules", room.id()))),
        DocumentApplied::Conflict { current } => Err(Problem::Bad(format!(
            "Version {current} came into force meanwhile: look at it first. Nothing was changed."
        ))),
    }
}

/// The document with another roll-out for one play, everything else as it was written, comments included. `None` if there is no
/// such play, or if more than that would change.
fn with_rollout(text: &str, play: &str, rollout: Rollout) -> Option<String> {
    let mut expected = Document::parse(text).ok()?;
    expected.plays.iter_mut().find(|one| one.name.as_str() == play)?.rollout = rollout;
    let lines: Vec<&str> = text.lines().collect();
    let (mut out, mut at) = (Vec::new(), 0);
    let mut done = false;
    while at < lines.len() {
        let Some(column) = item_column(lines[at]).filter(|_| !done) else {
            out.push(lines[at].to_owned());
            at += 1;
            continue;
        };
        let end = (at + 1..lines.len()).find(|&n| ends_item(lines[n], column)).unwrap_or(lines.len());
        let mut item: Vec<String> = lines[at..end].iter().map(|line| (*line).to_owned()).collect();
        if item
            .iter()
            .any(|line| key_of(line, column).is_some_and(|(key, value)| key == "name" && unquoted(value) == play))
        {
            set_rollout(&mut item, column, rollout);
            done = true;
        }
        out.extend(item);
        at = end;
    }
    let mut changed = out.join("\n");
    if text.ends_with('\n') {
        changed.push('\n');
    }
    // What was changed is what was meant, and nothing else.
    (Document::parse(&changed).ok()? == expected).then_some(changed)
}

/// The column of an item's keys, if a line begins one: `  - name: x` has them in column 4.
fn item_column(line: &str) -> Option<usize> {
    let rest = line.trim_start_matches(' ');
    let keys = rest.strip_prefix("- ")?.trim_start_matches(' ');
    Some(line.len() - keys.len())
}

fn ends_item(line: &str, column: usize) -> bool {
    let indent = line.len() - line.trim_start_matches(' ').len();
    !line.trim().is_empty() && !line.trim_start().starts_with('#') && indent < column
}

/// A key in `column`, and what stands behind it; the item's first key stands behind its dash.
fn key_of(line: &str, column: usize) -> Option<(&str, &str)> {
    let (before, rest) = line.split_at_checked(column)?;
    if !before.chars().all(|c| c == ' ' || c == '-') || rest.starts_with(' ') {
        return None;
    }
    rest.split_once(':')
}

fn unquoted(value: &str) -> &str {
    let value = value.split(" #").next().unwrap_or_default().trim();
    value.trim_matches(|c| c == '"' || c == '\'')
}

fn set_rollout(item: &mut Vec<String>, column: usize, rollout: Rollout) {
    let is = |wanted: &str| {
        let wanted = wanted.to_owned();
        move |line: &String| key_of(line, column).is_some_and(|(key, _)| key == wanted)
    };
    if let Some(line) = item.iter_mut().find(|line| is("rollout")(line)) {
        let comment = line.split_once(" #").map(|(_, comment)| format!(" #{comment}")).unwrap_or_default();
        let before = line.split_at_checked(column).map_or("", |(before, _)| before);
        *line = format!("{before}rollout: {rollout}{comment}");
    } else if let Some(at) = item.iter().position(is("name")) {
        item.insert(at + 1, format!("{}rollout: {rollout}", " ".repeat(column)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "brand: lumen\nname: Lumen\n# what is said\nplays:\n  - name: thanks # at once\n    on: { kinds: [story_reply] }\n    rollout: shadow # tried out\n    say: thanks\n\n  # asked for prices\n  - on: { kinds: [message], keywords: [price] }\n    name: \"prices\"\n    say: prices\n  - { name: flow, on: { kinds: [comment] }, say: prices }\nsnippets:\n  thanks: { text: \"rollout: on\" }\n  prices: { text: \"- name: thanks\" }\n";

    #[test]
    fn one_word_changes_and_nothing_else() {
        let on = with_rollout(TEXT, "thanks", Rollout::Pilot(20)).unwrap();
        assert_eq!(on, TEXT.replace("rollout: shadow # tried", "rollout: pilot 20% # tried"));
        let prices = with_rollout(TEXT, "prices", Rollout::On).unwrap();
        assert_eq!(prices, TEXT.replace("    name: \"prices\"\n", "    name: \"prices\"\n    rollout: on\n"));
        assert_eq!(with_rollout(&on, "thanks", Rollout::Shadow).unwrap(), TEXT, "and back");
    }

    #[test]
    fn what_is_written_another_way_is_left_alone() {
        assert_eq!(with_rollout(TEXT, "flow", Rollout::On), None);
        assert_eq!(with_rollout(TEXT, "nothing", Rollout::On), None);
        assert_eq!(with_rollout("nonsense", "thanks", Rollout::On), None);
    }
}
