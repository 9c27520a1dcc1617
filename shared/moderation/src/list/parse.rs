//! A list's text as entries.

use regex_syntax::ast::{self, Ast};

use super::{Label, Level, List, ListError, Problem};
use crate::{Language, fold::same_text_key};

/// Lines of one list that are read. The longest built-in list has a few hundred.
const MAX_LINES: usize = 5_000;

/// What is to be looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Needle {
    /// A phrase in folded form, with the space of each border that has to be a word's border.
    Phrase(String),
    /// A regular expression.
    Regex(String),
}

/// What becomes of a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section<L> {
    Finding(L, Level),
    Innocent,
    Remove,
}

/// One line of a list that holds a pattern.
#[derive(Debug, Clone)]
pub(super) struct Entry<L> {
    pub(super) section: Section<L>,
    pub(super) needle: Needle,
    /// The language to which the pattern is bound.
    pub(super) bound: Option<Language>,
    /// As it stands in the list.
    pub(super) written: String,
    pub(super) list: String,
    pub(super) line: usize,
}

impl<L> Entry<L> {
    pub(super) fn error(&self, problem: Problem) -> ListError {
        ListError { list: self.list.clone(), line: self.line, column: 1, problem }
    }
}

/// A mistake's column in its line, from 1, and the mistake.
type Misplaced = (usize, Problem);

pub(super) fn parse<L: Label>(list: &List<'_>, errors: &mut Vec<ListError>) -> Vec<Entry<L>> {
    let mut entries: Vec<Entry<L>> = Vec::new();
    // After a section that is none, its lines are skipped: they would only repeat that mistake
    let mut section = Err(Some(Problem::NoSection));
    for (n, raw) in list.text.lines().enumerate() {
        let (line, text) = (n + 1, raw.trim());
        let indent = raw.chars().take_while(|c| c.is_whitespace()).count();
        let mut report = |(column, problem): Misplaced| {
            errors.push(ListError { list: list.name.to_owned(), line, column: indent + column, problem });
        };
        if n >= MAX_LINES {
            report((1, Problem::TooLong { limit: MAX_LINES }));
            break;
        }
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(head) = text.strip_prefix('[') {
            section = section_of(head).map_err(|misplaced| {
                report(misplaced);
                None
            });
            continue;
        }
        let section = match &section {
            Ok(section) => *section,
            Err(problem) => {
                problem.clone().into_iter().for_each(|p| report((1, p)));
                continue;
            }
        };
        match needle_of(text, list.language) {
            Ok((needle, bound)) => entries.push(Entry {
                section,
                needle,
                bound,
                written: text.to_owned(),
                list: list.name.to_owned(),
                line,
            }),
            Err(misplaced) => report(misplaced),
        }
    }
    entries
}

fn section_of<L: Label>(head: &str) -> Result<Section<L>, Misplaced> {
    let head = head.strip_suffix(']').ok_or((head.chars().count() + 1, Problem::OpenSection))?;
    let (label, level) = head.trim().split_once(char::is_whitespace).unwrap_or((head.trim(), ""));
    match label {
        "innocent" => return Ok(Section::Innocent),
        "remove" => return Ok(Section::Remove),
        _ => {}
    }
    let Some(found) = L::ALL.iter().find(|known| known.name() == label) else {
        let known: Vec<&str> = L::ALL.iter().map(|l| l.name()).chain(["innocent", "remove"]).collect();
        return Err((2, Problem::UnknownLabel { found: label.to_owned(), known: known.join(", ") }));
    };
    let level = Level::parse(level.trim()).ok_or((label.chars().count() + 2, Problem::UnknownLevel))?;
    Ok(Section::Finding(*found, level))
}

fn needle_of(text: &str, language: Option<Language>) -> Result<(Needle, Option<Language>), Misplaced> {
    let (text, bound, ahead) = match text.strip_prefix('~') {
        Some(rest) => (rest, Some(language.ok_or((1, Problem::NoLanguage))?), 1),
        None => (text, None, 0),
    };
    let needle = match text.strip_prefix('/') {
        Some(rest) => rest
            .strip_suffix('/')
            .ok_or((rest.chars().count() + 1, Problem::OpenRegex))
            .and_then(|regex| check_regex(regex).map(|()| Needle::Regex(regex.to_owned())))
            .map_err(|(column, problem)| (column + 1, problem)),
        None => phrase(text).map(Needle::Phrase),
    };
    needle.map(|needle| (needle, bound)).map_err(|(column, problem)| (column + ahead, problem))
}

fn phrase(text: &str) -> Result<String, Misplaced> {
    let after_start = text.strip_prefix('*').unwrap_or(text);
    let core = after_start.strip_suffix('*').unwrap_or(after_start);
    if let Some(at) = core.chars().position(|c| c == '*') {
        return Err((at + 1 + (text.len() - after_start.len()), Problem::StarInside));
    }
    if let Some(at) = text.chars().position(|c| matches!(c, '(' | ')' | '|' | '\\' | '[' | ']')) {
        return Err((at + 1, Problem::LooksLikeRegex));
    }
    let folded = same_text_key(core);
    match folded.trim().chars().count() {
        0 => return Err((1, Problem::Empty)),
        1 => return Err((1, Problem::TooShort)),
        _ => {}
    }
    let start = if text.starts_with('*') { folded.trim_start() } else { &folded };
    Ok(if text.ends_with('*') { start.trim_end() } else { start }.to_owned())
}

/// That it is a regular expression, and one that a folded text can match.
fn check_regex(regex: &str) -> Result<(), Misplaced> {
    let ast = ast::parse::Parser::new()
        .parse(regex)
        .map_err(|e| (e.span().start.column, Problem::Regex(e.kind().to_string())))?;
    ast::visit(&ast, Letters)
}

/// Looks for literals that no folded text contains.
struct Letters;

impl ast::Visitor for Letters {
    type Output = ();
    type Err = Misplaced;

    fn finish(self) -> Result<(), Misplaced> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Misplaced> {
        if let Ast::Literal(literal) = ast { occurs(literal) } else { Ok(()) }
    }

    fn visit_class_set_item_pre(&mut self, item: &ast::ClassSetItem) -> Result<(), Misplaced> {
        match item {
            ast::ClassSetItem::Literal(literal) => occurs(literal),
            ast::ClassSetItem::Range(range) => occurs(&range.start).and_then(|()| occurs(&range.end)),
            _ => Ok(()),
        }
    }
}

fn occurs(literal: &ast::Literal) -> Result<(), Misplaced> {
    let folded = same_text_key(&literal.c.to_string());
    let folded = folded.trim();
    if literal.c == ' ' || folded.chars().eq([literal.c]) {
        return Ok(());
    }
    Err((literal.span.start.column, Problem::NeverOccurs { found: literal.c, folded: folded.to_owned() }))
}
