//! Lists made ready to be looked up. Neither phrases nor regular expressions backtrack, and no more than
//! [`READ_MAX_BYTES`](crate::READ_MAX_BYTES) of a text are read, so that no message can keep the judge busy.

use std::{collections::HashMap, ops::Range, sync::OnceLock};

use aho_corasick::{AhoCorasick, MatchKind};
use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::{
    Label, Level, List, ListError, ListErrors, Problem,
    parse::{Entry, Needle, Section, parse},
};
use crate::Language;

/// Bytes that one compiled regular expression may take; the `regex` crate's own default is 10 MB.
const REGEX_MAX_BYTES: usize = 1 << 20;
/// Bytes that all of a lexicon's regular expressions may take together, for the one pass that says which of them match.
const REGEXES_MAX_BYTES: usize = 1 << 28;
/// Bytes of that pass's states: with the crate's 2 MB it forgets and makes them anew amid a text.
const STATES_MAX_BYTES: usize = 1 << 23;

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

/// The patterns of all lists that apply.
#[derive(Debug)]
pub(crate) struct Lexicon<L> {
    findings: Searcher<(L, Level)>,
    innocent: Searcher<()>,
}

impl<L: Label> Lexicon<L> {
    /// Compiles `built_in` and, on top, a brand's own lists, which may remove what is built in.
    pub(crate) fn compile(built_in: &[List<'_>], brand: &[List<'_>]) -> Result<Self, ListErrors> {
        let mut errors = Vec::new();
        let mut entries: Vec<Entry<L>> = built_in.iter().flat_map(|list| parse(list, &mut errors)).collect();
        let (removals, additions): (Vec<_>, Vec<_>) = brand
            .iter()
            .flat_map(|list| parse::<L>(list, &mut errors))
            .partition(|entry| entry.section == Section::Remove);
        remove(&mut entries, &removals, &mut errors);
        entries.extend(additions);
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

    /// Every pattern that is found in one of the readings and not excused there, once, the weightiest first.
    pub(crate) fn search(&self, readings: &[String], language: Option<Language>) -> Found<L> {
        let mut found: HashMap<usize, String> = HashMap::new();
        let mut innocent = false;
        for reading in readings {
            let excuses: Vec<Range<usize>> =
                self.innocent.spans(reading, language).into_iter().map(|(_, span)| span).collect();
            innocent |= !excuses.is_empty();
            for (at, span) in self.findings.spans(reading, language) {
                let harmless = excuses.iter().any(|excuse| excuse.start <= span.start && span.end <= excuse.end);
                if !harmless {
                    found.entry(at).or_insert_with(|| whole_words(reading, &span));
                }
            }
        }
        let mut found: Vec<(usize, String)> = found.into_iter().collect();
        found.sort_unstable_by_key(|(at, _)| {
            (std::cmp::Reverse(self.findings.patterns.get(*at).map(|pattern| pattern.meaning.1)), *at)
        });
        let hits = found.into_iter().filter_map(|(at, excerpt)| {
            let Pattern { meaning: (label, level), rule, .. } = self.findings.patterns.get(at)?;
            Some(Hit { label: *label, level: *level, rule: rule.clone(), excerpt })
        });
        Found { hits: hits.collect(), innocent }
    }
}

/// Takes what a brand does not want out of the built-in entries.
fn remove<L>(entries: &mut Vec<Entry<L>>, removals: &[Entry<L>], errors: &mut Vec<ListError>) {
    for removal in removals {
        let before = entries.len();
        entries.retain(|entry| entry.written != removal.written);
        if entries.len() == before {
            let nearest = entries
                .iter()
                .map(|entry| (strsim::normalized_damerau_levenshtein(&entry.written, &removal.written), entry))
                .filter(|(likeness, _)| *likeness >= 0.5)
                .max_by(|(a, _), (b, _)| a.total_cmp(b))
                .map(|(_, entry)| entry.written.clone());
            errors.push(removal.error(Problem::NotBuiltIn { nearest }));
        }
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

#[derive(Debug)]
struct Pattern<M> {
    meaning: M,
    bound: Option<Language>,
    rule: String,
}

/// Patterns and what each means.
#[derive(Debug)]
struct Searcher<M> {
    patterns: Vec<Pattern<M>>,
    phrases: AhoCorasick,
    phrase_patterns: Vec<usize>,
    regexes: Vec<Expression>,
    /// The same regular expressions: one pass says which of them match, and hardly any does.
    matching: RegexSet,
}

/// A regular expression that is compiled when a reading matches it for the first time: hundreds of them would take megabytes.
#[derive(Debug)]
struct Expression {
    /// Of which pattern.
    at: usize,
    written: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Expression {
    /// `None` if it cannot be compiled, which is seen before a list is taken.
    fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| compiled(&self.written).ok()).as_ref()
    }
}

fn compiled(written: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(written).size_limit(REGEX_MAX_BYTES).build()
}

impl<M> Searcher<M> {
    /// Where patterns are found in a reading, as (pattern, span).
    fn spans(&self, reading: &str, language: Option<Language>) -> Vec<(usize, Range<usize>)> {
        let phrases = self
            .phrases
            .find_overlapping_iter(reading)
            .filter_map(|found| Some((*self.phrase_patterns.get(found.pattern().as_usize())?, found.span().range())));
        // Without the bordering spaces, so that ^ and $ mean the text's ends
        let inner = reading.trim();
        let ahead = reading.len() - reading.trim_start().len();
        let matching = self.matching.matches(inner);
        let matching = matching.iter().filter_map(|n| self.regexes.get(n)).filter_map(|e| Some((e.at, e.regex()?)));
        let regexes = matching.flat_map(|(at, regex)| {
            regex.find_iter(inner).map(move |found| (at, found.start() + ahead..found.end() + ahead))
        });
        let applies = |at: usize| {
            self.patterns.get(at).is_some_and(|pattern| pattern.bound.is_none() || pattern.bound == language)
        };
        phrases.chain(regexes).filter(|(at, _)| applies(*at)).collect()
    }
}

struct Draft<M> {
    patterns: Vec<Pattern<M>>,
    phrases: Vec<(usize, String)>,
    regexes: Vec<Expression>,
}

impl<M> Default for Draft<M> {
    fn default() -> Self {
        Self { patterns: Vec::new(), phrases: Vec::new(), regexes: Vec::new() }
    }
}

impl<M> Draft<M> {
    fn add<L>(&mut self, entry: &Entry<L>, meaning: M) -> Result<(), ListError> {
        let at = self.patterns.len();
        match &entry.needle {
            Needle::Phrase(phrase) => self.phrases.push((at, phrase.clone())),
            Needle::Regex(written) => {
                let written = for_folded_text(written);
                let regex = compiled(&written).map_err(|e| {
                    entry.error(match e {
                        regex::Error::CompiledTooBig(limit) => Problem::RegexTooLarge { limit },
                        other => Problem::Regex(other.to_string()),
                    })
                })?;
                if regex.is_match("") {
                    return Err(entry.error(Problem::MatchesEverything));
                }
                self.regexes.push(Expression { at, written, compiled: OnceLock::new() });
            }
        }
        let rule = format!("{}:{} {}", entry.list, entry.line, entry.written);
        self.patterns.push(Pattern { meaning, bound: entry.bound, rule });
        Ok(())
    }

    /// `None` if there are more patterns than an automaton can hold, which [`super::parse`] keeps out of reach.
    fn build(self) -> Option<Searcher<M>> {
        let (phrase_patterns, phrases): (Vec<usize>, Vec<String>) = self.phrases.into_iter().unzip();
        let phrases = AhoCorasick::builder().match_kind(MatchKind::Standard).build(phrases).ok()?;
        let matching = RegexSetBuilder::new(self.regexes.iter().map(|expression| &expression.written))
            .size_limit(REGEXES_MAX_BYTES)
            .dfa_size_limit(STATES_MAX_BYTES)
            .build()
            .ok()?;
        Some(Searcher { patterns: self.patterns, phrases, phrase_patterns, regexes: self.regexes, matching })
    }
}

/// The same expression with its classes narrowed to what folded text holds: a fraction of the size, and of the time to
/// compile. A backslash that stands for itself was refused before, so the replacements cannot split one.
fn for_folded_text(regex: &str) -> String {
    regex.replace(r"\w", "[a-z0-9]").replace(r"\d", "[0-9]").replace(r"\b", r"(?-u:\b)")
}

/// The words that `span` touches.
fn whole_words(reading: &str, span: &Range<usize>) -> String {
    let (before, found, behind) = (reading.get(..span.start), reading.get(span.clone()), reading.get(span.end..));
    let (Some(before), Some(found), Some(behind)) = (before, found, behind) else { return String::new() };
    let head = if found.starts_with(' ') { "" } else { before.rsplit(' ').next().unwrap_or_default() };
    let tail = if found.ends_with(' ') { "" } else { behind.split(' ').next().unwrap_or_default() };
    format!("{head}{}{tail}", found.trim())
}
