//! Patterns made ready to be looked up. Neither phrases nor regular expressions backtrack, and no more than
//! [`READ_MAX_BYTES`](crate::READ_MAX_BYTES) of a text are read, so that no message can keep the judge busy.

use std::{collections::BTreeSet, ops::Range, sync::OnceLock};

use aho_corasick::{AhoCorasick, MatchKind};
use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::{
    ListError, Problem,
    parse::{Entry, Needle},
};
use crate::Language;

/// Bytes that one compiled regular expression may take; the `regex` crate's own default is 10 MB.
const REGEX_MAX_BYTES: usize = 1 << 20;
/// Bytes that all of a lexicon's regular expressions may take together, for the one pass that says which of them match.
const REGEXES_MAX_BYTES: usize = 1 << 28;
/// Bytes of that pass's states: with the crate's 2 MB it forgets and makes them anew amid a text.
const STATES_MAX_BYTES: usize = 1 << 23;

#[derive(Debug)]
pub(super) struct Pattern<M> {
    pub(super) meaning: M,
    bound: Option<Language>,
    /// The list and the line.
    place: String,
    written: String,
}

impl<M> Pattern<M> {
    pub(super) fn rule(&self) -> String {
        format!("{} {}", self.place, self.written)
    }
}

/// Patterns and what each means.
#[derive(Debug)]
pub(super) struct Searcher<M> {
    pub(super) patterns: Vec<Pattern<M>>,
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
    /// How the patterns were written.
    pub(super) fn written(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(|pattern| pattern.written.as_str())
    }

    /// Which patterns were written so.
    pub(super) fn written_as(&self, written: &str) -> impl Iterator<Item = usize> {
        self.written().enumerate().filter(move |(_, other)| *other == written).map(|(at, _)| at)
    }

    /// Where patterns that are not `removed` are found in a reading, as (pattern, span).
    pub(super) fn spans(
        &self,
        reading: &str,
        language: Option<Language>,
        removed: &BTreeSet<usize>,
    ) -> Vec<(usize, Range<usize>)> {
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
            let bound = self.patterns.get(at).map(|pattern| pattern.bound);
            bound.is_some_and(|bound| bound.is_none() || bound == language) && !removed.contains(&at)
        };
        phrases.chain(regexes).filter(|(at, _)| applies(*at)).collect()
    }
}

pub(super) struct Draft<M> {
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
    pub(super) fn add<L>(&mut self, entry: &Entry<L>, meaning: M) -> Result<(), ListError> {
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
        let place = format!("{}:{}", entry.list, entry.line);
        self.patterns.push(Pattern { meaning, bound: entry.bound, place, written: entry.written.clone() });
        Ok(())
    }

    /// `None` if there are more patterns than an automaton can hold, which [`super::parse`] keeps out of reach.
    pub(super) fn build(self) -> Option<Searcher<M>> {
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
