//! `docs/interactions.md` says what the code does.

use std::collections::BTreeSet;

use afterglow_domain::{Kind, Scoring, WindowRule};
use afterglow_meta::webhook::FIELDS;

/// Kinds that no webhook brings, with what does.
const OTHERS: [(Kind, &str); 7] = [
    (Kind::ObservedView, "an operator saw the viewer in the Story's viewer list"),
    (Kind::ProfileVisit, "an operator saw it"),
    (Kind::Follow, "an operator saw it"),
    (Kind::StickerTap, "an operator saw it"),
    (Kind::LinkClick, "a tracked link was opened"),
    (Kind::Conversion, "a shop or CRM posted it"),
    (Kind::Note, "a CRM posted it"),
];

fn window(kind: Kind) -> &'static str {
    match kind.opens() {
        WindowRule::Nothing => "–",
        WindowRule::Standard => "24 h",
        WindowRule::Ad => unreachable!("a message through an ad, not a kind"),
        WindowRule::PrivateReply => "one private reply, 7 days",
        WindowRule::LivePrivateReply => "one private reply, during the broadcast",
    }
}

fn row(source: &str, kind: Kind, note: &str) -> String {
    let weight = Scoring::default().milli(kind);
    let weight = if weight == 0 { "–".to_owned() } else { format!("{}", weight / 1000) };
    format!("| {source} | `{}` | {weight} | {} | {note} |\n", kind.as_str(), window(kind))
}

/// `AFTERGLOW_BLESS=1 cargo test -p afterglow-scorer the_table` writes it anew.
#[test]
fn the_table_of_interactions_is_true() {
    let mut text = String::from(
        "# From Meta's field to an interaction\n\nWhat comes in, which kind of interaction it becomes, how many points it \
         adds to the viewer's score, and which right to answer it opens. Standby messages and what an operator, a link or \
         a shop tells open nothing, whatever their kind. `docs/graph-errors.md` has what Meta answers to us.\n\n\
         | field | kind | points | opens | note |\n| --- | --- | --- | --- | --- |\n",
    );
    let mut told = BTreeSet::new();
    for field in FIELDS {
        for kind in field.kinds {
            told.insert(*kind);
            text.push_str(&row(
                &format!("`{}` ({})", field.name.replace(", ", "`, `"), field.objects),
                *kind,
                field.note,
            ));
        }
    }
    for (kind, what) in OTHERS {
        assert_eq!(kind.opens(), WindowRule::Nothing, "nothing but the platform's own events opens a window");
        told.insert(kind);
        text.push_str(&row(what, kind, "no webhook brings it"));
    }
    assert_eq!(told, Kind::ALL.iter().copied().collect(), "every kind has its place");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/interactions.md");
    if std::env::var_os("AFTERGLOW_BLESS").is_some() {
        std::fs::write(file, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), text, "write it anew with AFTERGLOW_BLESS=1");
}
