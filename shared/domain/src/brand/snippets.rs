//! What can be said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Language;

/// A message template: a text, the same in other languages, and what can be tapped below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Snippet {
    /// In the brand's language, as a template (Jinja): `{{ username | default('there') }}`. Filled in, UTF-8, 1 to 1000
    /// **bytes** (Meta, "Send messages", Instagram).
    pub text: String,
    /// The same in other languages, by code (`nl`, `pt`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, String>"))]
    pub languages: BTreeMap<Language, String>,
    /// Answers that can be tapped, at most 13 (Meta, "Quick replies", read 2026).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quick_replies: Vec<QuickReply>,
}

/// An answer that can be tapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct QuickReply {
    /// What is read, 1 to 20 characters: Meta cuts the rest off.
    pub title: String,
    /// The same in other languages.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, String>"))]
    pub languages: BTreeMap<Language, String>,
    /// What comes back when it is tapped, and can start a play (`on.payloads`): at most 1000 characters.
    pub payload: String,
}

/// A question that somebody who opens an empty conversation can tap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IceBreaker {
    /// What is read, at most 80 characters.
    pub question: String,
    /// The same in other languages.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, String>"))]
    pub languages: BTreeMap<Language, String>,
    /// What comes back when it is tapped, and can start a play (`on.payloads`).
    pub payload: String,
}

impl Snippet {
    /// A text alone.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// The template in a language, and in which language it is: `language` if there is one, else the brand's own.
    pub fn in_language(&self, language: Language, own: Language) -> (&str, Language) {
        match self.languages.get(&language).filter(|_| language != own) {
            Some(text) => (text, language),
            None => (&self.text, own),
        }
    }

    /// Every template with its language.
    pub fn templates(&self, own: Language) -> impl Iterator<Item = (Language, &str)> {
        let others = self.languages.iter().filter(move |(language, _)| **language != own);
        std::iter::once((own, self.text.as_str())).chain(others.map(|(language, text)| (*language, text.as_str())))
    }
}

impl QuickReply {
    /// What is read in a language.
    pub fn title_in(&self, language: Language) -> &str {
        self.languages.get(&language).unwrap_or(&self.title)
    }
}
