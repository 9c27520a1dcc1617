//! Lists of patterns: what is looked for, in a text file that people can read and edit.
//!
//! ```text
//! # A comment, on a line of its own. A section names the label and the level of the lines below it.
//! [insult medium]
//! idiot
//! # A star at either end means any beginning, or any ending.
//! moron*
//! # With ~ it counts only in a text known to be in the list's language.
//! ~con
//! # A regular expression over the folded text, which has lower-case letters, digits and spaces alone.
//! /you (are|re) (a )?fool/
//!
//! # Phrases that excuse a hit which lies wholly inside them.
//! [innocent]
//! no fool like an old fool
//!
//! # In a brand's list: built-in patterns, as they are written there, that shall not count.
//! [remove]
//! idiot
//! ```

mod error;
mod lexicon;
mod parse;
mod searcher;

pub use error::{ListError, ListErrors, Problem};
pub(crate) use lexicon::{Layer, Lexicon};

use serde::{Deserialize, Serialize};

use crate::Language;

/// How much a pattern weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A hint.
    Low,
    /// Clear enough that a person should look.
    Medium,
    /// Beyond reasonable doubt, or too dangerous to wait.
    High,
}

impl Level {
    /// The name as lists write it and records show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High].into_iter().find(|level| level.as_str() == name)
    }
}

/// What a list's sections may be called.
pub(crate) trait Label: Copy + PartialEq + 'static {
    /// Every label that a list may use.
    const ALL: &'static [Self];
    /// The name as lists write it.
    fn name(self) -> &'static str;
}

/// A list's text and where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    /// Names the list in rules and errors, for example a file name.
    pub name: &'a str,
    /// The language of its words; a brand's list may have none.
    pub language: Option<Language>,
    /// The text, in the form that the head of this module shows.
    pub text: &'a str,
}
