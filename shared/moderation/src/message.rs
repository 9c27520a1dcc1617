//! What is judged.

use crate::Language;

/// A comment or a direct message.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// What the viewer wrote.
    pub text: &'a str,
    /// The language in which viewers write here, if known: a few words are insults in one language and everyday words in
    /// another ("con", "fica", "slet"), and count only where the language is known.
    pub language: Option<Language>,
    /// What is known of how much this viewer writes.
    pub volume: Volume,
}

impl<'a> Message<'a> {
    /// A message of which nothing but the text is known.
    pub fn new(text: &'a str) -> Self {
        Self { text, language: None, volume: Volume::default() }
    }

    /// The same, written where viewers write `language`.
    #[must_use]
    pub fn in_language(mut self, language: Language) -> Self {
        self.language = Some(language);
        self
    }
}

/// How much one viewer wrote to one account within the window in which the caller counts, this message included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Volume {
    /// Messages whose [`same_text_key`](crate::same_text_key) is that of this one.
    pub same_text: u32,
    /// Messages of any text.
    pub messages: u32,
}
