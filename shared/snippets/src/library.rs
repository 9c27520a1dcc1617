//! Snippets that are ready to use, in every language.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use afterglow_domain::Snippet;
use serde::Deserialize;

/// Before the name of a ready snippet where a document says it: `library/thanks`.
pub const PREFIX: &str = "library/";

/// A ready snippet.
#[derive(Debug, Deserialize)]
pub struct Ready {
    /// When to use it.
    pub about: String,
    /// The texts.
    #[serde(flatten)]
    pub snippet: Snippet,
}

static LIBRARY: LazyLock<BTreeMap<String, Ready>> = LazyLock::new(|| {
    // The file is part of the program and read by a test; were it broken, there would be none.
    serde_saphyr::from_str(include_str!("../library.yaml")).unwrap_or_default()
});

/// Every ready snippet by its name, without the prefix.
pub fn library() -> &'static BTreeMap<String, Ready> {
    &LIBRARY
}

/// The ready snippet that a document names, such as `library/thanks`.
pub fn ready(name: &str) -> Option<&'static Snippet> {
    LIBRARY.get(name.strip_prefix(PREFIX)?).map(|ready| &ready.snippet)
}

#[cfg(test)]
mod tests {
    use afterglow_domain::Language;

    use super::*;
    use crate::{Brand, check};

    #[test]
    fn ten_and_more_in_every_language_without_a_fault() {
        let text = include_str!("../library.yaml");
        serde_saphyr::from_str::<BTreeMap<String, Ready>>(text).unwrap();
        assert!(library().len() >= 10, "{}", library().len());
        let values = BTreeMap::new();
        let brand = Brand { name: "Lumen Lamps", language: Language::English, values: &values, disclosure: None };
        for (name, Ready { snippet, about }) in library() {
            assert_eq!(check(snippet, &brand), [], "{name}");
            assert!(!about.is_empty(), "{name}");
            let others: Vec<Language> = snippet.languages.keys().copied().collect();
            assert_eq!(others, Language::ALL[1..], "{name}");
            assert!(snippet.quick_replies.iter().all(|reply| reply.languages.len() == 6), "{name}");
            assert!(ready(&format!("{PREFIX}{name}")).is_some());
        }
    }
}
