//! The words by which a person says stop, or start again.
//!
//! Graded, because both mistakes hurt: a missed stop writes to somebody who asked not to be written to, and a stop that
//! was none silences a customer. An exact word counts at once; with a word of politeness too; a message in which such a
//! word stands among few others is ambiguous: automation holds until a person has looked.
//!
//! Pure: the same text gives the same grade.

mod confirmation;
mod words;

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use crate::ConsentState;
pub use confirmation::confirmation;
use words::{AMBIGUOUS_WORDS, CLEAR_WORDS, ENDING, NEGATION, POLITE, REFUSING, START, STEM, STOP, WHEREVER, WRITING};

/// What `text` says about being written to; `None` if nothing.
pub fn classify(text: &str) -> Option<ConsentState> {
    let folded = fold(text);
    // The longest honest stop is a sentence; in a longer text it is a person's to read.
    if text.len() > 400 {
        return stop_within(&folded).map(|_| ConsentState::Ambiguous);
    }
    if folded.is_empty() {
        return None;
    }
    if let Some(state) = exact(&folded) {
        return Some(state);
    }
    let words: Vec<&str> = folded.split(' ').collect();
    if let Some(state) = exact_amid_politeness(&words) {
        return Some(state);
    }
    if let Some(state) = stop_within(&folded) {
        return Some(state);
    }
    let begins = |with: &[&str]| {
        words.iter().any(|word| with.iter().any(|stem| word == stem || stem.len() > 3 && word.starts_with(stem)))
    };
    if words.len() <= CLEAR_WORDS && (begins(ENDING) || begins(REFUSING) && begins(WRITING)) {
        return Some(ConsentState::Ambiguous);
    }
    let core: Vec<&str> = words.into_iter().filter(|w| !POLITE.contains(w)).collect();
    let about_stopping = core.iter().any(|w| STEM.contains(w));
    (about_stopping && core.len() <= AMBIGUOUS_WORDS).then_some(ConsentState::Ambiguous)
}

/// The phrases with a space at either end: whole words are looked for. `None` were there too many for an automaton: then they
/// are looked for one after another, and a stop is heard all the same.
static PADDED: LazyLock<(Vec<String>, Option<AhoCorasick>)> = LazyLock::new(|| {
    let phrases: Vec<String> = WHEREVER.iter().map(|phrase| format!(" {phrase} ")).collect();
    let together = AhoCorasick::new(&phrases).ok();
    (phrases, together)
});

/// A phrase that says stop wherever it stands: clear in a short message, and ambiguous in a long one or behind a negation.
fn stop_within(folded: &str) -> Option<ConsentState> {
    let mut found = None;
    let padded = format!(" {folded} ");
    let (phrases, together) = &*PADDED;
    if together.as_ref().is_some_and(|together| !together.is_match(&padded)) {
        return None;
    }
    for phrase in phrases {
        let Some(at) = padded.find(phrase.as_str()) else { continue };
        let before = padded[..at].rsplit(' ').next().unwrap_or_default();
        if !NEGATION.contains(&before) && folded.split(' ').count() <= CLEAR_WORDS {
            return Some(ConsentState::OptedOut);
        }
        found = Some(ConsentState::Ambiguous);
    }
    found
}

/// A phrase counts if nothing but politeness stands before and after it. ("no" is polite in "no, stop", and part of the
/// phrase in "no más mensajes": so every border is tried.)
fn exact_amid_politeness(words: &[&str]) -> Option<ConsentState> {
    let polite_ahead = words.iter().take_while(|w| POLITE.contains(w)).count();
    let polite_behind = words.iter().rev().take_while(|w| POLITE.contains(w)).count();
    (0..=polite_ahead).find_map(|from| {
        let first_end = (words.len() - polite_behind).max(from + 1);
        (first_end..=words.len()).find_map(|to| exact(&words.get(from..to)?.join(" ")))
    })
}

fn exact(folded: &str) -> Option<ConsentState> {
    if STOP.contains(&folded) {
        Some(ConsentState::OptedOut)
    } else if START.contains(&folded) {
        Some(ConsentState::OptedIn)
    } else {
        None
    }
}

/// Lower case, Latin accents off, apostrophes dropped, everything else that is no letter or digit a space.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => folded.push('a'),
            'è' | 'é' | 'ê' | 'ë' => folded.push('e'),
            'ì' | 'í' | 'î' | 'ï' => folded.push('i'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' => folded.push('o'),
            'ù' | 'ú' | 'û' | 'ü' => folded.push('u'),
            'ç' => folded.push('c'),
            'ñ' => folded.push('n'),
            'ß' => folded.push_str("ss"),
            '\'' | '’' | '\u{300}'..='\u{36f}' => {}
            // Full-width Latin, as some keyboards give
            '\u{ff41}'..='\u{ff5a}' => folded.push(char::from(b'a' + u8::try_from(u32::from(c) - 0xff41).unwrap_or(0))),
            c if c.is_alphanumeric() => folded.push(c),
            _ if folded.ends_with(' ') || folded.is_empty() => {}
            _ => folded.push(' '),
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn graded() {
        use ConsentState::{Ambiguous, OptedIn, OptedOut};
        for (text, expected) in [
            ("STOP", Some(OptedOut)),
            ("stop.", Some(OptedOut)),
            (" Stop!! ", Some(OptedOut)),
            ("ＳＴＯＰ", Some(OptedOut)),
            ("Stop. Thank you", Some(OptedOut)),
            ("STOP PLEASE", Some(OptedOut)),
            ("Please don’t message me", Some(OptedOut)),
            ("Afmelden aub", Some(OptedOut)),
            ("Bitte abmelden", Some(OptedOut)),
            ("Arrêtez svp", Some(OptedOut)),
            ("Por favor, no más mensajes", Some(OptedOut)),
            ("não me mande mais mensagens", Some(OptedOut)),
            ("Basta!", Some(OptedOut)),
            ("START", Some(OptedIn)),
            ("can you stop this", Some(Ambiguous)),
            ("stop it", Some(Ambiguous)),
            ("Please don't unsubscribe me", Some(Ambiguous)),
            ("We have got to STOP this terrible bill", None),
            ("I can't stop looking at this dress, where can I buy it", None),
            ("What time does the sale end?", None),
            ("Love this!", None),
            ("¿Para cuándo llega?", None),
            ("🛑", None),
            ("", None),
        ] {
            assert_eq!(classify(text), expected, "{text:?}");
        }
    }

    #[test]
    fn every_listed_phrase_is_written_as_it_is_looked_up() {
        for phrase in STOP.iter().chain(START).chain(WHEREVER) {
            assert_eq!(fold(phrase), **phrase);
        }
        for phrase in STOP {
            assert_eq!(classify(&phrase.to_uppercase()), Some(ConsentState::OptedOut), "{phrase}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_case_does_not_matter(text in ".{0,80}") {
            let _ = classify(&text);
        }

        #[test]
        fn punctuation_around_a_stop_does_not_matter(before in "[ .!,?\n]{0,4}", after in "[ .!,?\n]{0,4}") {
            prop_assert_eq!(classify(&format!("{before}Stop{after}")), Some(ConsentState::OptedOut));
        }
    }
}
