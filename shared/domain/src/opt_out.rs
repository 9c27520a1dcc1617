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

/// Phrases that mean stop wherever they stand: each has in it both the wish and what is not wanted.
const WHEREVER: &[&str] = &[
    // English
    "stop sending me",
    "stop messaging",
    "stop texting",
    "stop writing me",
    "stop writing to me",
    "stop contacting",
    "any more messages",
    "no more messages",
    "dont text me",
    "dont message me",
    "dont write me",
    "dont write to me",
    "dont contact me",
    "do not text me",
    "do not message me",
    "do not contact me",
    "do not write",
    "remove me from",
    "take me off your list",
    "take me off this list",
    "unsubscribe me",
    "opt me out",
    "leave me alone",
    "quit messaging me",
    // Dutch
    "geen berichten meer",
    "stop met berichten",
    "stop met sturen",
    "stop met het sturen",
    "niet meer appen",
    "geen dms meer",
    "meld me af",
    "meld mij af",
    "schrijf me uit",
    "schrijf mij uit",
    "haal me van de lijst",
    "laat me met rust",
    "laat mij met rust",
    // German
    "keine nachrichten mehr",
    "keine nachricht mehr",
    "melde mich ab",
    "meldet mich ab",
    "meld mich ab",
    "lass mich in ruhe",
    "lasst mich in ruhe",
    "hor auf mir",
    "hort auf mir",
    "schreib mir nicht mehr",
    "schreibt mir nicht mehr",
    "nicht mehr schreiben",
    "nicht mehr anschreiben",
    // French
    "arretez de mecrire",
    "arrete de mecrire",
    "arretez de menvoyer",
    "arrete de menvoyer",
    "menvoyez plus",
    "ne menvoie plus",
    "me desabonner",
    "desabonnez moi",
    "desabonne moi",
    "desinscrivez moi",
    "me desinscrire",
    "ne mecrivez plus",
    "ne mecris plus",
    "laissez moi tranquille",
    "laisse moi tranquille",
    // Spanish
    "no me escriban",
    "no me escribas",
    "no me manden mas",
    "no me mandes mas",
    "no me envien mas",
    "no me envies mas",
    "no quiero recibir",
    "no quiero mas mensajes",
    "no mas mensajes",
    "deja de escribirme",
    "dejen de escribirme",
    "deja de mandarme",
    "dejen de mandarme",
    "darme de baja",
    "denme de baja",
    "dame de baja",
    "dejame en paz",
    "dejenme en paz",
    // Portuguese
    "nao quero mais receber",
    "nao quero receber",
    "nao quero mais mensagens",
    "nao me mande mais",
    "nao me mandem mais",
    "nao me envie mais",
    "pare de me mandar",
    "parem de me mandar",
    "para de me mandar",
    "pare de me enviar",
    "parem de me enviar",
    "me deixa em paz",
    "me deixem em paz",
    "sair da lista",
    "me tira da lista",
    "me tirem da lista",
    "chega de mensagens",
    // Italian
    "non scrivetemi",
    "non scrivermi",
    "non mi scrivete piu",
    "non mi scrivere piu",
    "non voglio piu ricevere",
    "non voglio ricevere",
    "non mandatemi piu",
    "non mandarmi piu",
    "smettila di scrivermi",
    "smettetela di scrivermi",
    "smettila di mandarmi",
    "smettetela di mandarmi",
    "lasciatemi in pace",
    "lasciami in pace",
    "cancellatemi",
    "disiscrivetemi",
    "toglietemi dalla lista",
];

/// Before such a phrase these turn it around: "don't unsubscribe me".
const NEGATION: &[&str] = &["dont", "not", "never", "niet", "nicht", "pas", "no", "nao", "non"];

/// A message of more words than this that says stop among much else is a person's to read.
const CLEAR_WORDS: usize = 12;

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

/// With these a word begins that is about ending a subscription, whatever else is said.
const ENDING: &[&str] =
    &["unsubscrib", "afmeld", "uitschrijv", "abmeld", "abbestell", "desabonn", "desinscri", "descadastr", "disiscriv"];

/// With these a word begins that refuses (those of fewer than four letters are whole words) …
const REFUSING: &[&str] = &[
    "stop", "quit", "dont", "not", "no", "never", "enough", "anymore", "geen", "niet", "genoeg", "hou", "kein",
    "nicht", "hor", "hort", "arret", "plus", "deja", "dejen", "basta", "pare", "parem", "parar", "nao", "non", "chega",
    "tirem", "smett",
];

/// … and with these one that is about being written to. Both in a short message: a person has to look.
const WRITING: &[&str] = &[
    "messag",
    "text",
    "dm",
    "dms",
    "contact",
    "hear",
    "bericht",
    "appen",
    "stuur",
    "lijst",
    "nachricht",
    "schreib",
    "anschreib",
    "anzuschreib",
    "ecri",
    "mecri",
    "menvo",
    "mensaj",
    "escrib",
    "mand",
    "envi",
    "recib",
    "mensag",
    "receb",
    "messagg",
    "scriv",
    "ricev",
    "recevoir",
    "list",
];

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

/// A phrase that says stop wherever it stands: clear in a short message, and ambiguous in a long one or behind a negation.
fn stop_within(folded: &str) -> Option<ConsentState> {
    let mut found = None;
    let padded = format!(" {folded} ");
    for phrase in WHEREVER {
        let Some(at) = padded.find(&format!(" {phrase} ")) else { continue };
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
