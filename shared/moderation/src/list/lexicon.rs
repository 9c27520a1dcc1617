//! Lists on top of each other: the built-in ones, compiled once for everybody, and a brand's own.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::Arc,
};

use super::{
    Label, Level, List, ListError, ListErrors, Problem,
    parse::{Entry, Section, parse},
    searcher::{Draft, Searcher},
};
use crate::Language;

/// Where in a text which pattern was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit<L> {
    pub(crate) label: L,
    pub(crate) level: Level,
    /// The list, the line and the pattern as written there.
    pub(crate) rule: String,
    /// The words that were found, folded.
    pub(crate) excerpt: String,
}

/// What a text holds of a lexicon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found<L> {
    pub(crate) hits: Vec<Hit<L>>,
    /// Whether a phrase that excuses stands in it.
    pub(crate) innocent: bool,
}

/// The patterns of all lists that apply: the built-in ones, which everybody shares, and a brand's own on top.
#[derive(Debug)]
pub(crate) struct Lexicon<L> {
    built_in: Arc<Layer<L>>,
    /// What the brand wants without.
    removed: Removed,
    own: Layer<L>,
}

/// Patterns of lists that were compiled together.
#[derive(Debug)]
pub(crate) struct Layer<L> {
    findings: Searcher<(L, Level)>,
    innocent: Searcher<()>,
}

/// Patterns of a layer that shall not count, by their places.
#[derive(Debug, Default)]
struct Removed {
    findings: BTreeSet<usize>,
    innocent: BTreeSet<usize>,
}

impl<L: Label> Layer<L> {
    /// Compiles lists that have nothing beneath them.
    pub(crate) fn compile(lists: &[List<'_>]) -> Result<Self, ListErrors> {
        let mut errors = Vec::new();
        let entries = lists.iter().flat_map(|list| parse(list, &mut errors)).collect();
        Self::of(entries, errors)
    }

    fn of(entries: Vec<Entry<L>>, mut errors: Vec<ListError>) -> Result<Self, ListErrors> {
        errors.extend(repeated(&entries));
        let (mut findings, mut innocent) = (Draft::default(), Draft::default());
        for entry in entries {
            let added = match entry.section {
                Section::Finding(label, level) => findings.add(&entry, (label, level)),
                Section::Innocent => innocent.add(&entry, ()),
                // The built-in lists have nothing beneath them that they could remove
                Section::Remove => Err(entry.error(Problem::NotBuiltIn { nearest: None })),
            };
            errors.extend(added.err());
        }
        match (findings.build(), innocent.build()) {
            (Some(findings), Some(innocent)) if errors.is_empty() => Ok(Self { findings, innocent }),
            _ => {
                errors.sort_by(|a, b| (&a.list, a.line, a.column).cmp(&(&b.list, b.line, b.column)));
                Err(ListErrors(errors))
            }
        }
    }

    /// The patterns that `removals` name, which must be there.
    fn named(&self, removals: &[Entry<L>], errors: &mut Vec<ListError>) -> Removed {
        let mut removed = Removed::default();
        for removal in removals {
            let there = removed.findings.len() + removed.innocent.len();
            removed.findings.extend(self.findings.written_as(&removal.written));
            removed.innocent.extend(self.innocent.written_as(&removal.written));
            if removed.findings.len() + removed.innocent.len() == there {
                let nearest = self
                    .findings
                    .written()
                    .chain(self.innocent.written())
                    .map(|written| (strsim::normalized_damerau_levenshtein(written, &removal.written), written))
                    .filter(|(likeness, _)| *likeness >= 0.5)
                    .max_by(|(a, _), (b, _)| a.total_cmp(b))
                    .map(|(_, written)| written.to_owned());
                errors.push(removal.error(Problem::NotBuiltIn { nearest }));
            }
        }
        removed
    }
}

impl<L: Label> Lexicon<L> {
    /// A brand's own lists on top of what is built in, some of which they may remove.
    pub(crate) fn on(built_in: Arc<Layer<L>>, brand: &[List<'_>]) -> Result<Self, ListErrors> {
        let mut errors = Vec::new();
        let (removals, additions): (Vec<_>, Vec<_>) = brand
            .iter()
            .flat_map(|list| parse::<L>(list, &mut errors))
            .partition(|entry| entry.section == Section::Remove);
        let removed = built_in.named(&removals, &mut errors);
        Ok(Self { removed, own: Layer::of(additions, errors)?, built_in })
    }

    /// Every pattern that is found in one of the readings and not excused there, once, the weightiest first.
    pub(crate) fn search(&self, readings: &[String], language: Option<Language>) -> Found<L> {
        let layers = [(&*self.built_in, &self.removed), (&self.own, &Removed::default())];
        let mut found: HashMap<(usize, usize), String> = HashMap::new();
        let mut innocent = false;
        for reading in readings {
            let excuses: Vec<Range<usize>> = layers
                .iter()
                .flat_map(|(layer, removed)| layer.innocent.spans(reading, language, &removed.innocent))
                .map(|(_, span)| span)
                .collect();
            innocent |= !excuses.is_empty();
            for (n, (layer, removed)) in layers.iter().enumerate() {
                for (at, span) in layer.findings.spans(reading, language, &removed.findings) {
                    let harmless = excuses.iter().any(|excuse| excuse.start <= span.start && span.end <= excuse.end);
                    if !harmless {
                        found.entry((n, at)).or_insert_with(|| whole_words(reading, &span));
                    }
                }
            }
        }
        let pattern = |(n, at): (usize, usize)| layers.get(n).and_then(|(layer, _)| layer.findings.patterns.get(at));
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_unstable_by_key(|(at, _)| (Reverse(pattern(*at).map(|pattern| pattern.meaning.1)), *at));
        let hits = found.into_iter().filter_map(|(at, excerpt)| {
            let pattern = pattern(at)?;
            let (label, level) = pattern.meaning;
            Some(Hit { label, level, rule: pattern.rule(), excerpt })
        });
        Found { hits: hits.collect(), innocent }
    }
}

/// The entries that stand in the same list and the same kind of section twice.
fn repeated<L: Label>(entries: &[Entry<L>]) -> Vec<ListError> {
    let mut seen: HashMap<(&str, bool, &str), usize> = HashMap::new();
    let mut errors = Vec::new();
    for entry in entries {
        let key = (entry.list.as_str(), matches!(entry.section, Section::Innocent), entry.written.as_str());
        match seen.get(&key) {
            Some(line) => errors.push(entry.error(Problem::Repeated { line: *line })),
            None => {
                seen.insert(key, entry.line);
            }
        }
    }
    errors
}

/// The words that `span` touches.
fn whole_words(reading: &str, span: &Range<usize>) -> String {
    let (before, found, behind) = (reading.get(..span.start), reading.get(span.clone()), reading.get(span.end..));
    let (Some(before), Some(found), Some(behind)) = (before, found, behind) else { return String::new() };
    let head = if found.starts_with(' ') { "" } else { before.rsplit(' ').next().unwrap_or_default() };
    let tail = if found.ends_with(' ') { "" } else { behind.split(' ').next().unwrap_or_default() };
    format!("{head}{}{tail}", found.trim())
}
