//! The languages that stop words, lists and snippets know, and a guess at which of them a short text is in.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// A language that is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Dutch.
    #[serde(rename = "nl")]
    Dutch,
    /// German.
    #[serde(rename = "de")]
    German,
    /// French.
    #[serde(rename = "fr")]
    French,
    /// Spanish.
    #[serde(rename = "es")]
    Spanish,
    /// Portuguese.
    #[serde(rename = "pt")]
    Portuguese,
    /// Italian.
    #[serde(rename = "it")]
    Italian,
}

impl Language {
    /// Every language, in one order.
    pub const ALL: [Self; 7] =
        [Self::English, Self::Dutch, Self::German, Self::French, Self::Spanish, Self::Portuguese, Self::Italian];

    /// The ISO 639-1 code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Dutch => "nl",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Portuguese => "pt",
            Self::Italian => "it",
        }
    }

    /// The language of a tag such as `pt`, `pt-BR` or `pt_BR` (BCP 47's primary subtag, case does not matter); `None`
    /// for a language that is not known.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or(tag);
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }

    /// The language that a text seems to be in, by its small words; `None` where they do not tell, as in "ok 😍". A wrong guess
    /// answers somebody in a language that they did not use, so one is made only if it is clearly ahead of every other.
    pub fn guess(text: &str) -> Option<Self> {
        let text: String = text.chars().take(GUESS_CHARS).flat_map(char::to_lowercase).collect();
        let mut scores = [0_u32; Self::ALL.len()];
        for word in
            text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’').filter(|w| w.chars().nth(1).is_some())
        {
            let owners = SMALL_WORDS.get(word).copied().unwrap_or(0);
            // A word of one language alone tells much, one of several little.
            let worth = match owners.count_ones() {
                1 => 4,
                2 => 2,
                _ => 1,
            };
            (0..scores.len()).filter(|n| owners & (1 << n) != 0).for_each(|n| scores[n] += worth);
        }
        let best = (0..scores.len()).max_by_key(|n| scores[*n])?;
        let next = (0..scores.len()).filter(|n| *n != best).map(|n| scores[n]).max().unwrap_or(0);
        (scores[best] >= CLEAR && scores[best] >= next + CLEAR).then_some(Self::ALL[best])
    }

    /// Words that stand in nearly every sentence of the language, and in short messages to a shop.
    const fn small_words(self) -> &'static str {
        match self {
            Self::English => {
                "the is are you your what how much does do did this that it its it's i i'm i'd my have has can could would \
                 will for with when where which there they of and to not don't please thanks thank hi hey love so any me \
                 get got want need ship order price cost available \
                 in on at we be an or if no but hi was about out from your're you're can't don't why who"
            }
            Self::Dutch => {
                "de het een is zijn ik je jij jullie u uw wat hoe hoeveel dit dat deze die van voor met en niet geen kan \
                 kunnen wil graag waar wanneer er nog ook maar heb heeft hebben wordt naar bij op kost bestellen \
                 leveren bedankt dankjewel mooi mooie leuk hoi mijn welke kleur verzenden \
                 in op te of als om naar ze hij we mij dan toch heel hallo over uit waarom wie"
            }
            Self::German => {
                "der die das ein eine einen ist sind ich du ihr sie wir was wie viel dieser diese dieses und nicht kein \
                 keine kann können wo wann noch auch aber habe hat haben wird mit für von auf zu kostet gibt es bitte \
                 danke schön bestellen liefert hallo mein meine welche mir euch \
                 in an im am zu um bei oder wenn dein deine eure euer euch hi hallo über aus dich dir warum wer mehr zurück gegen"
            }
            Self::French => {
                "le la les un une des est sont je j'ai tu vous nous il elle que quoi quel quelle combien ce cette ces et \
                 pas de du au pour avec où quand encore aussi mais ai avez ont peut puis-je coûte prix c'est s'il plaît \
                 merci bonjour salut mon ma commander livrez sur dans votre vos \
                 en qui on se sa ses leur par aux ça y ou si elle l'ai d'un n'est très bien comment pourquoi plus rien tout existe"
            }
            Self::Spanish => {
                "el la los las un una es son yo tú usted ustedes qué que cómo cuánto cuanto este esta esto y no de del \
                 para con dónde donde cuándo hay también pero tengo tiene tienen puede quiero me mi cuesta vale precio \
                 envían envíos gracias hola buenas por favor está están lo se al \
                 en te tu si voy muy más cuando donde o ni a mis tus nos les le fue eso ese esa sin por porque quien desde hasta"
            }
            Self::Portuguese => {
                "o a os as um uma é são eu você vocês que como quanto este esta isso isto e não de do da para com onde \
                 quando tem também mas tenho pode quero me meu minha custa preço fazem entrega obrigado obrigada olá oi \
                 por favor está estão no na em ao vcs vc pra \
                 se te tu seu sua vai vou mais muito ou nos na das dos pelo pela sem por porque quem até nem já"
            }
            Self::Italian => {
                "il lo la i gli le un una è sono io tu voi che cosa come quanto questo questa e non di del della per con \
                 dove quando c'è anche ma ho ha avete può posso vorrei mi mio mia costa prezzo spedite grazie ciao \
                 buongiorno favore in da al si quali ancora \
                 in ti si ne ci alla nella dei delle degli sono sei siete mai più o se tre due perché chi nel sul fai fate"
            }
        }
    }
}

/// Small words, each with a bit for every language that has it, in the order of [`Language::ALL`].
static SMALL_WORDS: LazyLock<HashMap<&str, u8>> = LazyLock::new(|| {
    let mut words: HashMap<&str, u8> = HashMap::new();
    for (n, language) in Language::ALL.into_iter().enumerate() {
        for word in language.small_words().split_ascii_whitespace() {
            *words.entry(word).or_default() |= 1 << n;
        }
    }
    words
});

/// Characters of a text that are looked at: a language shows itself soon.
const GUESS_CHARS: usize = 600;
/// What the best language has to reach, and by how much it has to be ahead.
const CLEAR: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        for (tag, expected) in [
            ("pt-BR", Some(Language::Portuguese)),
            ("NL", Some(Language::Dutch)),
            ("de_AT", Some(Language::German)),
            ("pl", None),
            ("", None),
        ] {
            assert_eq!(Language::from_tag(tag), expected, "{tag}");
        }
    }

    #[test]
    fn guesses() {
        for (text, expected) in [
            ("How much does this lamp cost?", Some(Language::English)),
            ("Wat kost deze lamp?", Some(Language::Dutch)),
            ("Was kostet diese Lampe?", Some(Language::German)),
            ("Combien coûte cette lampe ?", Some(Language::French)),
            ("¿Cuánto cuesta esta lámpara?", Some(Language::Spanish)),
            ("Quanto custa você sabe?", Some(Language::Portuguese)),
            ("Quanto costa questa lampada?", Some(Language::Italian)),
            ("😍😍", None),
            ("ok", None),
            ("Lampe", None),
            ("", None),
        ] {
            assert_eq!(Language::guess(text), expected, "{text}");
        }
    }
}
