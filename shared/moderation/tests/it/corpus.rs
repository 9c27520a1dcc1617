//! The labelled messages in `tests/corpus`, and how well they are told apart.
//!
//! `xx.tsv` are the messages by which the lists were tuned. `xx.held-out.tsv` were written before the lists, but by the
//! same author, who knew them: their figures flatter. `xx.after.tsv` were written when the lists of topics were done, in
//! deliberately other words. What to expect of real messages lies between.

use std::{fmt, fs, path::Path};

use afterglow_moderation::Language;

/// One message and what a person says it is.
pub(crate) struct Labelled {
    pub(crate) label: String,
    pub(crate) text: String,
}

pub(crate) fn read(task: &str, language: Language, part: &str) -> Vec<Labelled> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/corpus/{task}/{}{part}.tsv", language.code()));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let lines = text.lines().map(|line| {
        let (label, text) = line.split_once('\t').unwrap_or_else(|| panic!("no tab in {line:?}"));
        Labelled { label: label.to_owned(), text: text.to_owned() }
    });
    lines.collect()
}

/// True and false positives and negatives.
#[derive(Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) hits: u32,
    pub(crate) misses: u32,
    pub(crate) false_alarms: u32,
    pub(crate) passed: u32,
}

impl Tally {
    pub(crate) fn add(&mut self, meant: bool, found: bool) {
        match (meant, found) {
            (true, true) => self.hits += 1,
            (true, false) => self.misses += 1,
            (false, true) => self.false_alarms += 1,
            (false, false) => self.passed += 1,
        }
    }

    pub(crate) fn precision(self) -> f64 {
        f64::from(self.hits) / f64::from((self.hits + self.false_alarms).max(1))
    }

    pub(crate) fn recall(self) -> f64 {
        f64::from(self.hits) / f64::from((self.hits + self.misses).max(1))
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            misses: self.misses + other.misses,
            false_alarms: self.false_alarms + other.false_alarms,
            passed: self.passed + other.passed,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hits, misses, false_alarms, passed } = self;
        let (precision, recall) = (self.precision(), self.recall());
        write!(
            f,
            "precision {precision:.2} ({hits}/{}), recall {recall:.2} ({hits}/{}), {passed} passed",
            hits + false_alarms,
            hits + misses
        )
    }
}

/// Judges one part of a corpus in every language, prints and returns the tallies.
#[expect(clippy::print_stdout, reason = "the figures are what these tests are read for")]
pub(crate) fn measure(
    task: &str,
    part: &str,
    nothing: &str,
    judge: impl Fn(&str, Option<Language>) -> (bool, String),
) -> Vec<(Language, Tally)> {
    let mut by_language = Vec::new();
    for language in Language::ALL {
        let mut tally = Tally::default();
        for Labelled { label, text } in read(task, language, part) {
            let (found, why) = judge(&text, Some(language));
            let meant = label != nothing;
            // The held-out messages stay unseen by whoever tunes
            if meant != found && part.is_empty() {
                println!("  {} {}: {text:?} {why}", language.code(), if meant { "missed" } else { "false alarm" });
            }
            tally.add(meant, found);
        }
        println!("{task}{part} {}: {tally}", language.code());
        by_language.push((language, tally));
    }
    println!("{task}{part} all: {}", total(&by_language));
    by_language
}

/// All languages together.
pub(crate) fn total(tallies: &[(Language, Tally)]) -> Tally {
    tallies.iter().fold(Tally::default(), |sum, (_, tally)| sum.plus(*tally))
}
