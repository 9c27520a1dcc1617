//! What is said to somebody who said stop: once, in fixed words, and nothing else.

use super::fold;
use crate::Language;

/// Beginnings of words that end a subscription, each with the language that it belongs to: "stop" alone belongs to all.
const TELLING: [(&str, Language); 14] = [
    ("unsubscrib", Language::English),
    ("afmeld", Language::Dutch),
    ("uitschrijv", Language::Dutch),
    ("stoppen", Language::Dutch),
    ("abmeld", Language::German),
    ("abbestell", Language::German),
    ("stopp", Language::German),
    ("desabonn", Language::French),
    ("desinscri", Language::French),
    ("arret", Language::French),
    ("baja", Language::Spanish),
    ("descadastr", Language::Portuguese),
    ("disiscriv", Language::Italian),
    ("basta", Language::Italian),
];

/// The confirmation of a stop said in `text`: in its language if that shows, else in the brand's `own`. It advertises nothing,
/// and says how to start again, which is how carriers want it (CTIA, "Messaging Principles and Best Practices", opt-out
/// confirmation).
pub fn confirmation(text: &str, own: Language, brand: &str) -> String {
    let folded = fold(text);
    let telling = |word: &str| TELLING.iter().find(|(stem, _)| word.starts_with(stem)).map(|(_, language)| *language);
    let language = Language::guess(text).or_else(|| folded.split(' ').find_map(telling)).unwrap_or(own);
    match language {
        Language::English => {
            format!("You will get no more automatic messages from {brand}. Write START if you want them again.")
        }
        Language::Dutch => {
            format!("Je krijgt geen automatische berichten meer van {brand}. Schrijf START als je ze weer wilt.")
        }
        Language::German => format!(
            "Du bekommst keine automatischen Nachrichten mehr von {brand}. Schreib START, wenn du sie wieder möchtest."
        ),
        Language::French => {
            format!("Tu ne recevras plus de messages automatiques de {brand}. Écris START si tu en veux à nouveau.")
        }
        Language::Spanish => {
            format!("No recibirás más mensajes automáticos de {brand}. Escribe START si quieres recibirlos de nuevo.")
        }
        Language::Portuguese => {
            format!("Você não receberá mais mensagens automáticas de {brand}. Escreva START se as quiser de novo.")
        }
        Language::Italian => {
            format!("Non riceverai più messaggi automatici da {brand}. Scrivi START se li vuoi di nuovo.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConsentState, opt_out};

    #[test]
    fn in_the_language_of_the_stop() {
        for (text, own, begins) in [
            ("STOP", Language::German, "Du bekommst"),
            ("Afmelden aub", Language::German, "Je krijgt"),
            ("abmelden", Language::English, "Du bekommst"),
            ("Please stop sending me messages", Language::Dutch, "You will"),
            ("no quiero recibir más mensajes", Language::English, "No recibirás"),
        ] {
            let said = confirmation(text, own, "Lumen");
            assert!(said.starts_with(begins), "{text}: {said}");
        }
    }

    #[test]
    fn nothing_in_it_asks_or_sells_and_it_is_no_stop_itself() {
        for own in Language::ALL {
            let said = confirmation("stop", own, &"L".repeat(100));
            assert!(said.len() < 300 && !said.contains('?') && said.contains("START"), "{said}");
            assert_ne!(opt_out::classify(&said), Some(ConsentState::OptedOut), "{said}");
        }
    }
}
