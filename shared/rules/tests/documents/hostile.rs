//! Documents and conditions that nobody would write to be helped by: each ends within a bounded time, and none panics or
//! overflows the stack (a test's thread has 2 MiB of it, as a worker of the services has).

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use afterglow_rules::{Condition, Document, Rulebook, Scope};
use proptest::prelude::*;

use super::{BOUTIQUE, CREATOR, WEBSHOP};

/// What a document of 1 MiB may take in a build without optimisation, on a machine with much else to do.
const BOUND: Duration = Duration::from_secs(20);

/// Runs it on a thread of its own, so that what hangs fails.
fn bounded<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (told, hears) = channel();
    let begun = Instant::now();
    let thread = std::thread::spawn(move || told.send(run()));
    let Ok(result) = hears.recv_timeout(BOUND) else {
        panic!("{name}: no end within {BOUND:?}, or a panic: {:?}", thread.is_finished())
    };
    eprintln!("{name}: {:?}", begun.elapsed());
    result
}

fn laughs(levels: usize, inside: &str) -> String {
    let mut text = format!("brand: lumen\nvalues:\n  a0: &a0 {inside}\n");
    for level in 1..=levels {
        let nine = vec![format!("*a{}", level - 1); 9].join(", ");
        text += &*format!("  a{level}: &a{level} [{nine}]\n");
    }
    text
}

#[test]
fn documents_that_unfold_or_nest_are_refused_in_bounded_time() {
    let many = 1_000_000 / 40;
    let long = "x".repeat(400_000);
    for (name, text) in [
        ("a billion laughs", laughs(9, "[lol, lol, lol]")),
        ("laughs where they fit", format!("brand: lumen\nlanguage: en\nx: &x {{a: 1}}\n{}", "y: *x\n".repeat(many))),
        ("one long text, a thousand times", {
            format!(
                "brand: lumen\nvalues:\n  a: &a {long}\n{}",
                (0..1_000).map(|n| format!("  b{n}: *a\n")).collect::<Vec<_>>().concat()
            )
        }),
        ("an alias of itself", "brand: lumen\nvalues: &v\n  a: *v\n".to_owned()),
        ("an alias of nothing", "brand: *nobody\n".to_owned()),
        ("merged a million times", format!("a: &a {{b: c}}\nd:\n{}", "  <<: *a\n".repeat(many))),
        ("half a million lists", "[".repeat(500_000)),
        ("half a million objects", "{a: ".repeat(250_000)),
        ("half a million dashes", "- ".repeat(500_000)),
        ("half a million questions", "? ".repeat(500_000)),
        ("deeper and deeper", (0..1_300).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<Vec<_>>().concat()),
        ("a million tags", "!!a ".repeat(250_000)),
        ("a million anchors", (0..100_000).map(|n| format!("&a{n} ")).collect::<Vec<_>>().concat()),
        ("documents without end", "---\n".repeat(250_000)),
        ("quotes without end", format!("brand: \"{}", "\\".repeat(900_000))),
        ("a text folded for ever", format!("brand: >\n{}", "  a\n".repeat(250_000))),
        ("zeros", "\0".repeat(1_000_000)),
        ("byte order marks", "\u{feff}".repeat(300_000)),
        ("too much", "#".repeat(2 << 20)),
    ] {
        let refused = bounded(name, move || Document::parse(&text).is_err());
        assert!(refused, "{name} was taken");
    }
}

#[test]
fn a_document_of_many_rules_is_judged_in_bounded_time() {
    let play = |n: usize| {
        let on = format!("{{ kinds: [story_reply], payloads: [x{n}, y{n}] }}");
        format!("  - {{ name: p{n}, on: {on}, when: \"score >= {n}.0\", say: library/thanks }}\n")
    };
    let plays: String = (0..3_000).map(play).collect();
    let values = (0..5_000).map(|n| format!("  v{n}: x\n")).collect::<Vec<_>>().concat();
    let snippets: String = (0..3_000)
        .map(|n| format!("  s{n}: {{ text: \"{{{{ v{n} }}}} {{{{ brand }}}}\" }}\n"))
        .collect::<Vec<_>>()
        .concat();
    let text = format!("brand: lumen\nplays:\n{plays}values:\n{values}snippets:\n{snippets}");
    assert!(text.len() < 1 << 20);
    bounded("many rules", move || {
        if let Ok(document) = Document::parse(&text) {
            document.warnings(&text);
            let _ = Rulebook::compile(&document.settings(), 1);
        }
    });
}

/// Each fault is told, with its place, and names what would have been known: that must not grow with the square of the document.
#[test]
fn a_document_of_many_faults_is_refused_in_bounded_time() {
    let values = (0..8_000).map(|n| format!("  v{n}: x\n")).collect::<Vec<_>>().concat();
    let snippets = (0..8_000).map(|n| format!("  s{n}: {{ text: \"{{{{ w{n} }}}}\" }}\n")).collect::<Vec<_>>().concat();
    let text = format!("brand: lumen\nvalues:\n{values}snippets:\n{snippets}");
    let error = bounded("many faults", move || Document::parse(&text).unwrap_err());
    assert_eq!(error.0.len(), 8_000);
    let longest = error.0.iter().map(|problem| problem.message.len()).max();
    assert!(longest < Some(1_000), "a fault is told in {longest:?} bytes");
}

#[test]
fn conditions_that_nest_or_repeat_end() {
    for (name, text) in [
        ("nots", "!".repeat(1_900) + "needs_reply"),
        ("minuses", "-".repeat(1_900) + "1"),
        ("parentheses", "(".repeat(900) + "true" + &*")".repeat(900)),
        ("lists", "[".repeat(900) + &*"]".repeat(900)),
        ("objects", "{1:".repeat(600) + "1" + &*"}".repeat(600)),
        ("choices", "true ? ".repeat(200) + "true" + &*" : true".repeat(200)),
        ("ors", "needs_reply".to_owned() + &*" || needs_reply".repeat(120)),
        ("sums", "score > 1.0".to_owned() + &*" + 1.0".repeat(250)),
        ("members", "a".to_owned() + &*".b".repeat(900)),
        ("indices", "a".to_owned() + &*"[0]".repeat(600)),
        ("calls", "f(".repeat(600) + &*")".repeat(600)),
        ("methods", "''".to_owned() + &*".size()".repeat(250)),
        ("a text without end", "'".to_owned() + &*"\\'".repeat(900)),
        ("three quotes", "'''".repeat(600)),
        ("a regular expression", "username.matches('(a*)*(a*)*(a*)*b')".to_owned()),
        ("macros in macros", "[1].all(a, ".repeat(100) + "true" + &*")".repeat(100)),
        ("a number beyond all", "score > 1".to_owned() + &*"0".repeat(1_900)),
        ("exponents", "score > 1e999999999".to_owned()),
        ("zeros", "\0".repeat(1_900)),
    ] {
        bounded(name, move || {
            let _ = Condition::compile(&text, Scope::Segment);
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever becomes of a document on its way, it is read or refused.
    #[test]
    fn a_mutated_document_is_read_or_refused(
        which in 0..3_usize,
        cuts in proptest::collection::vec((0.0..1.0_f64, 0..40_usize, "[a-z0-9:&*!?{}\\[\\]|>'\"#%@<,\n \\\\\u{e9}-]{0,12}"), 1..6),
    ) {
        let mut text = [WEBSHOP, CREATOR, BOUTIQUE][which].to_owned();
        for (place, length, with) in cuts {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place within a short text")]
            let from = text.floor_char_boundary((text.len() as f64 * place) as usize);
            let to = text.ceil_char_boundary((from + length).min(text.len()));
            text.replace_range(from..to, &with);
        }
        if let Ok(document) = Document::parse(&text) {
            document.warnings(&text);
            prop_assert!(Rulebook::compile(&document.settings(), 1).is_ok(), "what is taken can be compiled:\n{}", text);
        }
    }

    /// Words of the language in any order: a condition, or an error with a place.
    #[test]
    fn words_in_any_order_are_a_condition_or_an_error(words in proptest::collection::vec(prop_oneof![
        Just("score"), Just("needs_reply"), Just("count.message"), Just("username"), Just("tags"), Just("("), Just(")"), Just("["),
        Just("]"), Just("{"), Just("}"), Just(">="), Just("=="), Just("&&"), Just("||"), Just("!"), Just("-"), Just("+"), Just("/"),
        Just("%"), Just("?"), Just(":"), Just("."), Just(","), Just("in"), Just("1"), Just("2.5"), Just("'a'"), Just("\"é"), Just("0"),
        Just("true"), Just("null"), Just("b'x'"), Just("9223372036854775807"), Just("size("), Just("has("), Just("matches("), Just("x.all(y,"),
    ], 0..40)) {
        for text in [words.join(" "), words.concat()] {
            if let Err(error) = Condition::compile(&text, Scope::Segment) {
                prop_assert!(error.line >= 1 && error.column >= 1 && !error.message.is_empty());
            }
        }
    }
}
