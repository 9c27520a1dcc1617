//! The words by which a person says stop, or start again.
//!
//! Graded, because both mistakes hurt: a missed stop writes to somebody who asked not to be written to, and a stop that
//! was none silences a customer. An exact word counts at once; with a word of politeness too; a message in which such a
//! word stands among few others is ambiguous: automation holds until a person has looked.
//!
//! Pure: the same text gives the same grade.

use crate::ConsentState;

/// Single words and short phrases that mean stop, folded to lower case, without accents or punctuation.
const STOP: &[&str] = &[
    // English: the carriers' customary list (CTIA, Short Code Monitoring Handbook) and plain wishes
    "stop",
    "stopall",
    "stop all",
    "unsubscribe",
    "cancel",
    "end",
    "quit",
    "opt out",
    "optout",
    "opt me out",
    "stop messaging me",
    "stop texting me",
    "stop sending me messages",
    "dont message me",
    "do not message me",
    "dont contact me",
    "do not contact me",
    "leave me alone",
    "remove me",
    "no more messages",
    "revoke",
    // Dutch
    "stoppen",
    "afmelden",
    "uitschrijven",
    "meld me af",
    "schrijf me uit",
    "geen berichten meer",
    "laat me met rust",
    // German
    "stopp",
    "abmelden",
    "abbestellen",
    "austragen",
    "keine nachrichten mehr",
    "lass mich in ruhe",
    "schreib mir nicht mehr",
    // French
    "arret",
    "arretez",
    "arrete",
    "desabonner",
    "desinscrire",
    "me desabonner",
    "plus de messages",
    "ne mecrivez plus",
    "laissez moi tranquille",
    // Spanish
    "parar",
    "pare",
    "para",
    "baja",
    "darme de baja",
    "cancelar",
    "alto",
    "no mas mensajes",
    "no me escribas mas",
    "dejame en paz",
    // Portuguese
    "parem",
    "sair",
    "cancelar inscricao",
    "descadastrar",
    "chega de mensagens",
    "nao me mande mais mensagens",
    // Italian
    "fermati",
    "basta",
    "basta messaggi",
    "disiscrivimi",
    "cancellami",
    "annulla iscrizione",
    "non scrivermi piu",
];

/// Words that mean start again.
const START: &[&str] = &[
    "start",
    "unstop",
    "subscribe",
    "opt in",
    "optin",
    "resume",
    "aanmelden",
    "anmelden",
    "abonner",
    "alta",
    "iscrivimi",
    "inscrever",
];

/// Words that may stand around a stop without changing it.
const POLITE: &[&str] = &[
    "please",
    "pls",
    "plz",
    "thanks",
    "thank",
    "you",
    "thx",
    "ok",
    "okay",
    "hi",
    "hello",
    "hey",
    "now",
    "sorry",
    "no",
    "just",
    "aub",
    "alsjeblieft",
    "alstublieft",
    "graag",
    "bedankt",
    "dank",
    "je",
    "u",
    "hoi",
    "bitte",
    "danke",
    "hallo",
    "merci",
    "svp",
    "sil",
    "te",
    "vous",
    "plait",
    "bonjour",
    "gracias",
    "por",
    "favor",
    "hola",
    "obrigado",
    "obrigada",
    "grazie",
    "per",
    "favore",
    "ciao",
];

/// A message of more words than this that merely contains a stop word is about something else.
const AMBIGUOUS_WORDS: usize = 4;

/// Words that alone, inside a short message, make it ambiguous. Shorter than [`STOP`]: everyday words such as `end`,
/// `para` or `pare` stand in many innocent sentences.
const STEM: &[&str] = &[
    "stop",
    "unsubscribe",
    "optout",
    "stoppen",
    "afmelden",
    "uitschrijven",
    "abmelden",
    "abbestellen",
    "stopp",
    "desabonner",
    "desinscrire",
    "baja",
    "descadastrar",
    "disiscrivimi",
];

/// What `text` says about being written to; `None` if nothing.
pub fn classify(text: &str) -> Option<ConsentState> {
    // The longest honest stop is a sentence; a longer text costs nothing to pass over.
    if text.len() > 400 {
        return None;
    }
    let folded = fold(text);
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
    let core: Vec<&str> = words.into_iter().filter(|w| !POLITE.contains(w)).collect();
    let about_stopping = core.iter().any(|w| STEM.contains(w));
    (about_stopping && core.len() <= AMBIGUOUS_WORDS).then_some(ConsentState::Ambiguous)
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
        for phrase in STOP.iter().chain(START) {
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
