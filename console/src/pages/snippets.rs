//! The brand's snippets, filled in for one viewer: what is chosen is what will be read.

use afterglow_domain::Language;
use afterglow_snippets::{Brand, compose};
use maud::{Markup, html};

use crate::access::InBrand;

/// One snippet in one language.
struct Filled {
    name: String,
    text: String,
}

/// Begins a message with a snippet; each is shown as this viewer would read it. Those that cannot be filled in are left out,
/// and named.
pub(crate) fn picker(room: &InBrand, username: Option<&str>) -> Markup {
    let settings = &room.brand.settings;
    // A person writes: what automation says of itself does not belong below it.
    let brand = Brand { disclosure: None, ..Brand::of(&room.brand.name, settings) };
    let (mut filled, mut broken) = (Vec::new(), Vec::new());
    for (name, snippet) in &settings.snippets {
        let others = snippet.languages.keys().copied().filter(|language| *language != settings.language);
        for language in std::iter::once(settings.language).chain(others) {
            match compose((name, snippet), &brand, Some(language), username) {
                Ok(message) => {
                    filled.push(Filled { name: named(name, language, settings.language), text: message.text });
                }
                Err(error) => broken.push(format!("{}: {error}", named(name, language, settings.language))),
            }
        }
    }
    html! {
        @if !filled.is_empty() {
            label for="snippet" { "Begin with a snippet" }
            select #snippet data-into="text" data-preview="preview" {
                option value="" { "–" }
                @for one in &filled { option value=(one.text) { (one.name) } }
            }
            p #preview.preview role="status" hidden {}
            details {
                summary { "What the snippets say to them" }
                dl.snippets { @for one in &filled { dt { (one.name) } dd { (one.text) } } }
            }
        }
        @for problem in &broken { p.soft { "Cannot be used for them: " (problem) } }
    }
}

fn named(name: &str, language: Language, own: Language) -> String {
    if language == own { name.to_owned() } else { format!("{name} ({})", language.code()) }
}
