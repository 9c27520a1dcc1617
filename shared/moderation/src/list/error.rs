//! What can be wrong with a list, where, and how to mend it.

use std::fmt;

/// One thing wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{list}:{line}:{column}: {problem}; {}", problem.mend())]
pub struct ListError {
    /// The list's name.
    pub list: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: Problem,
}

/// Kinds of mistake in a list. `Display` says what is wrong, [`Problem::mend`] what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A pattern stands before the first section.
    #[error("this pattern stands in no section")]
    NoSection,
    /// A section's line has no closing bracket.
    #[error("this section has no closing bracket")]
    OpenSection,
    /// There is no such label.
    #[error("there is no label \u{201c}{found}\u{201d}")]
    UnknownLabel {
        /// What was written.
        found: String,
        /// The labels there are.
        known: String,
    },
    /// The level is missing, or there is none of that name.
    #[error("the section's level is missing or unknown")]
    UnknownLevel,
    /// Nothing is left of the phrase once it is folded.
    #[error("nothing is left of this phrase without its signs")]
    Empty,
    /// A phrase of a single letter or digit.
    #[error("a single letter would be found nearly everywhere")]
    TooShort,
    /// A star amid a phrase.
    #[error("a star may stand at the beginning or the end alone")]
    StarInside,
    /// A phrase with signs that mean something in regular expressions alone.
    #[error("this phrase looks like a regular expression")]
    LooksLikeRegex,
    /// A pattern for its own language alone, in a list without a language.
    #[error("this list has no language to which ~ could bind a pattern")]
    NoLanguage,
    /// A regular expression without its closing slash.
    #[error("this regular expression has no closing slash")]
    OpenRegex,
    /// Not a regular expression.
    #[error("this is no regular expression: {0}")]
    Regex(String),
    /// The regular expression needs too much memory.
    #[error("this regular expression takes more than {limit} bytes when compiled")]
    RegexTooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// The regular expression matches a text in which nothing stands.
    #[error("this regular expression matches every text, the empty one too")]
    MatchesEverything,
    /// A character that no folded text contains.
    #[error("\u{201c}{found}\u{201d} never occurs in folded text")]
    NeverOccurs {
        /// The character.
        found: char,
        /// What it becomes when folded, if anything.
        folded: String,
    },
    /// A pattern to be removed is in no built-in list.
    #[error("no built-in pattern is written like this")]
    NotBuiltIn {
        /// The most similar built-in pattern.
        nearest: Option<String>,
    },
    /// The same pattern stands above.
    #[error("this pattern stands on line {line} already")]
    Repeated {
        /// Where.
        line: usize,
    },
    /// More patterns than a list may have.
    #[error("a list has at most {limit} lines")]
    TooLong {
        /// Lines allowed.
        limit: usize,
    },
}

impl Problem {
    /// What to write instead.
    pub fn mend(&self) -> String {
        match self {
            Self::NoSection => "put a line such as [insult medium] above it".into(),
            Self::OpenSection => "end the line with ]".into(),
            Self::UnknownLabel { known, .. } => format!("use one of {known}"),
            Self::UnknownLevel => "write low, medium or high after the label".into(),
            Self::Empty => "write a word with letters or digits".into(),
            Self::TooShort => "write a longer word or a phrase".into(),
            Self::StarInside => "remove it, or write a regular expression between slashes".into(),
            Self::LooksLikeRegex => "put it between slashes, or remove the signs".into(),
            Self::NoLanguage => "remove the ~, or give the list a language".into(),
            Self::OpenRegex => "end the line with /".into(),
            Self::Regex(_) => "mend it at this column, or write a plain phrase without slashes".into(),
            Self::RegexTooLarge { .. } => "use smaller repetition counts, or several patterns".into(),
            Self::MatchesEverything => "ask for at least one letter: + instead of *, for example".into(),
            Self::NeverOccurs { folded, .. } if folded.is_empty() => "remove it; signs become spaces".into(),
            Self::NeverOccurs { folded, .. } => format!("write \u{201c}{folded}\u{201d}"),
            Self::NotBuiltIn { nearest: Some(nearest) } => format!("did you mean \u{201c}{nearest}\u{201d}?"),
            Self::NotBuiltIn { nearest: None } => "remove the line".into(),
            Self::Repeated { .. } => "remove one of the two".into(),
            Self::TooLong { .. } => "split it, or use fewer patterns".into(),
        }
    }
}

/// All that is wrong with a set of lists, in their order; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ListErrors(pub Vec<ListError>);

impl fmt::Display for ListErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}
