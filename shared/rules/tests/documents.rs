//! Documents as people write them: the examples, and every fault with its place.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "documents/hostile.rs"]
mod hostile;

use std::fmt::Write as _;

use afterglow_domain::Kind;
use afterglow_rules::{Document, Rulebook, Scope, json_schema, vocabulary};

const WEBSHOP: &str = include_str!("../../../examples/brands/webshop.yaml");
const CREATOR: &str = include_str!("../../../examples/brands/creator.yaml");
const BOUTIQUE: &str = include_str!("../../../examples/brands/boutique.yaml");

#[test]
fn the_examples_are_good() {
    for text in [WEBSHOP, CREATOR, BOUTIQUE] {
        let document = Document::parse(text).unwrap_or_else(|error| panic!("{error}"));
        let settings = document.settings();
        Rulebook::compile(&settings, 1).unwrap();
        // What is stored is read back the same.
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<afterglow_domain::BrandSettings>(&json).unwrap(), settings);
    }
    let webshop = Document::parse(WEBSHOP).unwrap();
    assert_eq!(webshop.scoring.milli(Kind::Conversion), 25_000);
    assert_eq!(webshop.scoring.half_life_ms(Kind::LinkClick), 24 * 3_600_000);
    assert_eq!(webshop.scoring.half_life_ms(Kind::Message), 48 * 3_600_000);
}

#[test]
fn every_fault_has_its_place() {
    let with = |from: &str, to: &str| {
        assert!(WEBSHOP.contains(from), "{from}");
        WEBSHOP.replacen(from, to, 1)
    };
    let mut shown = Vec::new();
    for (name, text) in [
        ("not YAML", with("scoring:\n", "scoring: [\n")),
        ("unknown key", with("half_life_hours: 48 ", "halflife: 48 ")),
        ("unknown signal", with("link_click:", "likes:")),
        ("NaN", with("half_life_hours: 48 ", "half_life_hours: .nan ")),
        ("negative points", with("points: 25", "points: -1")),
        ("points for nothing", with("conversion: { points: 25 }", "seen: { points: 25 }")),
        ("type error", with("score >= 30.0", "score >= 30")),
        ("type error in a folded text", with("hours_since_profile_visit < 24.0 ||", "hours_since_profil < 24.0 ||")),
        ("division by zero", with("when: needs_reply", "when: score / 0.0 > 1.0")),
        (
            "a loop",
            with("\"count.message + count.story_reply >= 3 && count.conversion == 0\"", "\"[1].all(x, x > 0)\""),
        ),
        ("missing snippet", with("say: prices", "say: price")),
        ("long snippet", with("Our lamps start", &"é".repeat(501))),
        ("bad rollout", with("pilot 20%", "pilot 120%")),
        ("bad time zone", with("Europe/Amsterdam", "Europe/Amsterdm")),
        ("bad brand", with("brand: lumen", "brand: Lumen!")),
        ("two plays of one name", with("name: story-reply", "name: price-question")),
        ("a play on what may not be answered", with("kinds: [story_reply] }", "kinds: [seen] }")),
        ("two faults at once", with("brand: lumen", "brand: LUMEN").replace("say: thanks", "say: nothing")),
        ("a list in place of a document", "[1, 2]".to_owned()),
        ("nothing", String::new()),
    ] {
        let error = Document::parse(&text).expect_err(name);
        shown.push(format!("{name}\n  {}", error.to_string().replace('\n', "\n  ")));
    }
    insta::assert_snapshot!(shown.join("\n"));
}

const TRIED: &str = "
brand: lumen
plays:
  - { name: story-reply, on: { kinds: [story_reply] }, rollout: on, say: thanks }
  - name: ladder
    on: { kinds: [message] }
    rollout: on
    steps:
      - { say: thanks }
      - { after: 2h, say: question }
experiments:
  - name: words
    hypothesis: A question is answered more often than thanks.
    metric: reply
    play: story-reply
    starts: 2026-11-01T00:00:00Z
    holdout: 10
    arms:
      - { name: thanks, share: 45 }
      - { name: question, say: question, share: 45 }
  - name: silence
    hypothesis: The second step brings more stops than replies.
    metric: opt_out
    play: ladder
    step: 2
    starts: 2026-11-01T00:00:00Z
    ends: 2026-12-01T00:00:00Z
    detect_percent: 2.5
    arms:
      - { name: long, say: question, share: 50 }
      - { name: short, say: library/welcome, share: 50 }
snippets:
  thanks: { text: Thanks! }
  question: { text: What did you like? }
";

#[test]
fn experiments_are_refused_with_their_places() {
    let good = Document::parse(TRIED).unwrap_or_else(|error| panic!("{error}"));
    assert!(good.warnings(TRIED).is_empty(), "{:?}", good.warnings(TRIED));
    let settings = good.settings();
    assert!(settings.snippets.contains_key("library/welcome"), "an arm's ready snippet becomes part of the settings");
    assert_eq!(settings.experiments[0].ends().since(settings.experiments[0].starts), 14 * 86_400_000);
    let json = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<afterglow_domain::BrandSettings>(&json).unwrap(), settings);
    let with = |from: &str, to: &str| {
        assert!(TRIED.contains(from), "{from}");
        TRIED.replacen(from, to, 1)
    };
    let mut shown = Vec::new();
    for (name, text) in [
        ("an unknown metric", with("metric: reply", "metric: likes")),
        ("an unknown play", with("play: story-reply", "play: story-replies")),
        ("an unknown snippet", with("say: question, share: 45", "say: questions, share: 45")),
        ("a step that is not there", with("step: 2", "step: 3")),
        ("no hypothesis", with("hypothesis: A question is answered more often than thanks.", "hypothesis: ' '")),
        ("shares that do not make 100", with("say: question, share: 45", "say: question, share: 40")),
        ("nobody in an arm", with("{ name: thanks, share: 45 }", "{ name: thanks, share: 0 }")),
        (
            "one variant only",
            with("      - { name: question, say: question, share: 45 }\n", "")
                .replace("holdout: 10", "holdout: 0")
                .replace("share: 45", "share: 100"),
        ),
        ("two arms that say the same", with("say: question, share: 45", "say: thanks, share: 45")),
        ("an arm called holdout", with("name: thanks, share: 45", "name: holdout, share: 45")),
        ("an end before the start", with("ends: 2026-12-01", "ends: 2026-10-01")),
        ("no moment", with("ends: 2026-12-01T00:00:00Z", "ends: soon")),
        ("a quarter of a year and more", with("ends: 2026-12-01", "ends: 2027-12-01")),
        ("nothing to find", with("detect_percent: 2.5", "detect_percent: 0")),
        ("two on one thing", with("play: ladder\n    step: 2", "play: story-reply")),
        ("two of one name", with("name: silence", "name: words")),
    ] {
        let error = Document::parse(&text).expect_err(name);
        shown.push(format!("{name}\n  {}", error.to_string().replace('\n', "\n  ")));
    }
    // One after the other is allowed.
    let later = with("play: ladder\n    step: 2\n    starts: 2026-11-01", "play: story-reply\n    starts: 2026-11-15");
    Document::parse(&later).unwrap_or_else(|error| panic!("{error}"));
    insta::assert_snapshot!(shown.join("\n"));
}

/// The committed schema is the one that the types make; `AFTERGLOW_BLESS=1` writes it.
#[test]
fn every_fault_of_what_is_said_has_its_place() {
    let with = |from: &str, to: &str| {
        assert!(BOUTIQUE.contains(from), "{from}");
        BOUTIQUE.replacen(from, to, 1)
    };
    let long = format!("languages: {{ nl: \"{}\" }}", "é".repeat(501));
    let mut shown = Vec::new();
    for (name, text) in [
        ("a step's snippet is missing", with("say: look }", "say: book }")),
        ("a step before the one before", with("after: 2d", "after: 1h")),
        ("a span without a unit", with("after: 2h", "after: 2")),
        ("too long in Dutch alone", with("languages: { nl: \"We zijn open: {{ hours }}.\" }", &long)),
        ("an unknown variable", with("We are open {{ hours }}", "We are open {{ ours }}")),
        ("a broken template", with("We are open {{ hours }}", "We are open {{ hours")),
        ("an endless loop", with("We are open {{ hours }}.", "{% for i in range(999999999) %}x{% endfor %}")),
        ("a title that is cut off", with("title: Opening hours,", "title: Our opening hours this week,")),
        (
            "five ice breakers",
            with("ice_breakers: ", &format!("ice_breakers:{}\n#", "\n  - { question: a, payload: A }".repeat(5))),
        ),
        ("a payload that nothing answers", with("on: { payloads: [HOURS] }", "on: { payloads: [TIMES] }")),
        (
            "a list with a broken pattern",
            with("own_hosts: [atelier-nord.example]", "lists: { nl: \"[insult high]\\n/(/\" }"),
        ),
        ("an unknown language", with("languages: { nl: Prijzen }", "languages: { xx: Prijzen }")),
        ("a rate of nothing", with("stops_percent: 2", "stops_percent: 0")),
        ("a person where none may write", with("human_agent: true ", "human_agent: false")),
    ] {
        match Document::parse(&text) {
            Ok(document) => {
                let warnings: Vec<_> = document.warnings(&text).iter().map(ToString::to_string).collect();
                assert!(!warnings.is_empty(), "{name} goes unnoticed");
                shown.push(format!("{name}: warning {}", warnings.join("; ")));
            }
            Err(error) => shown.push(format!("{name}: {}", error.to_string().replace('\n', "; "))),
        }
    }
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_delay_that_outlasts_the_window_is_warned_of() {
    let text = BOUTIQUE.replacen(", closed: person }", " }", 1);
    let warnings: Vec<_> = Document::parse(&text).unwrap().warnings(&text).iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("37:"), "{warnings:?}");
}

#[test]
fn the_schema_is_committed() {
    check("schemas/brand.schema.json", &format!("{:#}\n", json_schema()));
}

/// So is the table of names.
#[test]
fn the_names_are_documented() {
    let mut text = String::from(
        "# What conditions can ask for\n\n\
        Conditions are [CEL](https://cel.dev), checked when a document is applied: an unknown name, two types that do not fit,\n\
        a division by what may be zero, or a loop is refused with its line and column. Numbers with a point (`24.0`) and whole\n\
        numbers (`3`) are two types. Hours since what never happened are infinite.\n\n\
        | name | type | where | what it says |\n| --- | --- | --- | --- |\n",
    );
    for (name, of, scope, says) in vocabulary() {
        let scope = match scope {
            Scope::Segment => "everywhere",
            Scope::Tag => "tags, plays",
            Scope::Play => "plays",
        };
        writeln!(text, "| `{name}` | {of} | {scope} | {says} |").unwrap();
    }
    let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    write!(
        text,
        "| `count.KIND` | int | everywhere | how many interactions of a kind there were: {} |\n\n\
        Operators: `&&` `||` `!` `==` `!=` `<` `<=` `>` `>=` `+` `-` `*` `/` `%` `? :` `in`; on texts `contains`, `startsWith`,\n\
        `endsWith`; `double()` of a whole number.\n",
        kinds.join(", ")
    )
    .unwrap();
    check("docs/rules.md", &text);
}

fn check(path: &str, text: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("AFTERGLOW_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(committed, text, "AFTERGLOW_BLESS=1 cargo test -p afterglow-rules writes {path}");
}
