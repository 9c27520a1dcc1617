//! Refuses a draft that says what the brand's facts do not.
//!
//! Pure. The guard compares what can be compared exactly: amounts, links, addresses, numbers, promises. It cannot see
//! that a true price stands beside the wrong lamp; that is why a person reads every draft.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `amounts` | money, percentages and other numbers, told apart and compared by value |
//! | `contacts` | links, e-mail addresses, telephone numbers, handles |
//! | `claims` | promises and pretences, by words of seven languages |
//! | `copies` | runs of words taken from the instructions or from the viewer |

mod amounts;
mod claims;
mod contacts;
mod copies;

use std::sync::LazyLock;

use afterglow_moderation::{Disposition, Message, Moderator, Thresholds};
use unicode_normalization::UnicodeNormalization;

use crate::prompt::INSTRUCTIONS;

/// UTF-8 bytes that an Instagram message may have (Meta, "Send messages", read 2026).
pub const TEXT_MAX_BYTES: usize = 1000;

/// Words in a row that an answer may not take from the instructions.
const LEAK_WORDS: usize = 6;
/// Words in a row that an answer may not take from the viewer: who gets a brand to repeat a sentence owns the quotation.
const PARROT_WORDS: usize = 6;

/// Why a draft must not be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// There is nothing in it.
    #[error("the draft is empty")]
    Empty,
    /// It is longer than a message may be.
    #[error("the draft has {bytes} bytes, of {TEXT_MAX_BYTES} at most")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It holds characters that are not seen, or digits that no fact is written in.
    #[error("the draft holds a character that cannot be checked: U+{code:04X}")]
    Unreadable {
        /// The character's code point.
        code: u32,
    },
    /// An amount of money that no fact states.
    #[error("no fact states the amount {0}")]
    InventedPrice(String),
    /// A percentage that no fact states.
    #[error("no fact states the percentage {0}")]
    InventedPercentage(String),
    /// A number that neither a fact nor the viewer stated.
    #[error("neither a fact nor the viewer stated the number {0}")]
    InventedNumber(String),
    /// A link that no fact holds.
    #[error("no fact holds the link {0}")]
    InventedLink(String),
    /// An e-mail address that no fact holds.
    #[error("no fact holds the address {0}")]
    InventedEmail(String),
    /// A telephone number that no fact holds.
    #[error("no fact holds the telephone number {0}")]
    InventedPhone(String),
    /// An account's name that no fact holds.
    #[error("no fact holds the name {0}")]
    InventedHandle(String),
    /// A promise of a kind that no fact makes.
    #[error("no fact promises a {kind}, as \u{201c}{word}\u{201d} does")]
    Promise {
        /// What is promised.
        kind: &'static str,
        /// The word that promises it.
        word: String,
    },
    /// It says that a person wrote it.
    #[error("the draft pretends to be a person: \u{201c}{0}\u{201d}")]
    PretendsToBeAPerson(String),
    /// It repeats or speaks of its instructions.
    #[error("the draft shows its instructions: \u{201c}{0}\u{201d}")]
    Leak(String),
    /// It repeats the viewer's sentence.
    #[error("the draft repeats what the viewer wrote: \u{201c}{0}\u{201d}")]
    Parrots(String),
    /// It would not pass as a viewer's message either.
    #[error("the draft is unseemly by rule {0}")]
    Unseemly(String),
}

/// Every reason why `draft` must not be used; `Ok` if there is none. `facts` are the brand's, `viewer_text` what it answers.
pub fn guard(draft: &str, facts: &[String], viewer_text: &str) -> Result<(), Vec<Refusal>> {
    let mut refusals = Vec::new();
    if draft.trim().is_empty() {
        refusals.push(Refusal::Empty);
    }
    if draft.len() > TEXT_MAX_BYTES {
        refusals.push(Refusal::TooLong { bytes: draft.len() });
    }
    refusals.extend(unreadable(draft));
    // Compatibility forms first: a full-width 5 is a 5
    let draft: String = draft.nfkc().collect();
    let facts: Vec<String> = facts.iter().map(|fact| fact.nfkc().collect()).collect();
    let viewer: String = viewer_text.nfkc().collect();

    let contacts = contacts::Contacts::of(&facts);
    let (found, rest) = contacts.check(&draft);
    refusals.extend(found);
    refusals.extend(amounts::check(&rest, &facts, &viewer));
    refusals.extend(claims::check(&draft, &facts));
    refusals.extend(copies::shared_run(&draft, INSTRUCTIONS, LEAK_WORDS).map(Refusal::Leak));
    if !facts.iter().any(|fact| copies::shared_run(&draft, fact, PARROT_WORDS).is_some()) {
        refusals.extend(copies::shared_run(&draft, &viewer, PARROT_WORDS).map(Refusal::Parrots));
    }
    refusals.extend(unseemly(&draft));
    refusals.sort();
    refusals.dedup();
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

/// Control and format characters other than a line's end, and digits of other scripts.
fn unreadable(draft: &str) -> Option<Refusal> {
    let hidden = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
    };
    // The joiner and the variation selector stand inside many emoji
    let of_emoji = |c: char| c == '\u{200d}';
    let foreign_digit = |c: char| c.is_numeric() && c.nfkc().any(|c| c.is_numeric() && !c.is_ascii_digit());
    let c = draft.chars().find(|c| (hidden(*c) && !of_emoji(*c)) || foreign_digit(*c))?;
    Some(Refusal::Unreadable { code: u32::from(c) })
}

fn unseemly(draft: &str) -> Option<Refusal> {
    static MODERATOR: LazyLock<Option<Moderator>> = LazyLock::new(|| Moderator::new(&[], Thresholds::default()).ok());
    let Some(moderator) = MODERATOR.as_ref() else {
        return Some(Refusal::Unseemly("none could be loaded".to_owned()));
    };
    let verdict = moderator.judge(&Message::new(draft));
    // The guard knows better about links: those of the facts are the brand's own
    let finding = verdict.findings.iter().find(|finding| !finding.rule.starts_with("link."))?;
    (verdict.disposition() != Disposition::Pass).then(|| Refusal::Unseemly(finding.rule.clone()))
}
