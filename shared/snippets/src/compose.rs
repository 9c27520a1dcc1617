//! A snippet as a message.

use std::collections::BTreeMap;

use afterglow_domain::{BrandSettings, Language, OutboundMessage, QuickReplyButton, Snippet};

use crate::template::{Fill, TemplateError, fill};

/// What a message takes from its brand.
#[derive(Debug, Clone, Copy)]
pub struct Brand<'a> {
    /// Its name.
    pub name: &'a str,
    /// The language of those who cannot be told to use another.
    pub language: Language,
    /// Its own values.
    pub values: &'a BTreeMap<String, String>,
    /// Stands below every automatic message.
    pub disclosure: Option<&'a str>,
}

impl<'a> Brand<'a> {
    /// From a brand's name and settings.
    pub fn of(name: &'a str, settings: &'a BrandSettings) -> Self {
        Self {
            name,
            language: settings.language,
            values: &settings.values,
            disclosure: settings.limits.disclosure.as_deref().map(str::trim).filter(|text| !text.is_empty()),
        }
    }
}

/// What is said to a viewer by a snippet and its name: in `wanted`'s language if the snippet has it, else in the brand's own. Whether Meta takes it is
/// the gate's to judge.
pub fn compose(
    (name, snippet): (&str, &Snippet),
    brand: &Brand<'_>,
    wanted: Option<Language>,
    username: Option<&str>,
) -> Result<OutboundMessage, TemplateError> {
    let (template, language) = snippet.in_language(wanted.unwrap_or(brand.language), brand.language);
    let text = fill(template, &Fill { username, brand: brand.name, values: brand.values })?;
    let text = match brand.disclosure {
        Some(disclosure) if !text.is_empty() => format!("{text}\n{disclosure}"),
        _ => text,
    };
    let button = |reply: &afterglow_domain::QuickReply| QuickReplyButton {
        title: reply.title_in(language).to_owned(),
        payload: reply.payload.clone(),
    };
    Ok(OutboundMessage {
        text,
        quick_replies: snippet.quick_replies.iter().map(button).collect(),
        made_from: Some((name.to_owned(), language)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_viewers_language_where_there_is_one() {
        let snippet = Snippet {
            text: "Hello {{ username | default('there') }}".into(),
            languages: BTreeMap::from([(Language::Dutch, "Hallo {{ username | default('daar') }}".into())]),
            quick_replies: vec![afterglow_domain::QuickReply {
                title: "Prices".into(),
                languages: BTreeMap::from([(Language::Dutch, "Prijzen".into())]),
                payload: "PRICES".into(),
            }],
        };
        let values = BTreeMap::new();
        let brand =
            Brand { name: "Lumen", language: Language::English, values: &values, disclosure: Some("(automatic)") };
        let said = |wanted, name| compose(("hello", &snippet), &brand, wanted, name).unwrap();
        assert_eq!(said(None, None).text, "Hello there\n(automatic)");
        assert_eq!(said(Some(Language::Dutch), Some("ada")).text, "Hallo ada\n(automatic)");
        assert_eq!(said(Some(Language::Italian), None).text, "Hello there\n(automatic)");
        let dutch = &said(Some(Language::Dutch), None).quick_replies[0];
        assert_eq!((dutch.title.as_str(), dutch.payload.as_str()), ("Prijzen", "PRICES"));
        assert_eq!(said(Some(Language::Italian), None).quick_replies[0].title, "Prices");
    }
}
