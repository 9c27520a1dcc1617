//! The languages that have lists.

use serde::{Deserialize, Serialize};

/// A language with built-in lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Language {
    /// English.
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
    /// Every language, in the order of the lists.
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
    /// for a language without lists.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or(tag);
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }
}

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
}
