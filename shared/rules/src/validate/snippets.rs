//! Snippets, values and ice breakers.

use afterglow_domain::Language;
use afterglow_snippets::{Brand, check_value_name};
use serde_saphyr::Spanned;

use super::Findings;
use crate::document::Document;

/// Meta, "Ice breakers", read 2026.
const ICE_BREAKERS_MAX: usize = 4;
/// Characters of a question: what a telephone shows.
const QUESTION_MAX_CHARS: usize = 80;

pub(super) fn check(document: &Document, findings: &mut Findings<'_>) {
    for name in document.values.keys() {
        if let Some(message) = check_value_name(name) {
            let place = findings.ground.places.values.get(name);
            findings.add(place, format!("values: {message}"));
        }
    }
    let settings = document.settings();
    let brand = Brand::of(document.name.as_deref().unwrap_or(&document.brand), &settings);
    for (name, snippet) in &document.snippets {
        if name.contains('/') {
            findings.add(text_place(findings, name, None), format!("snippet {name:?}: a name has no /"));
        }
        for fault in afterglow_snippets::check(snippet, &brand) {
            let language = fault.language.map_or(String::new(), |language| format!(" in {}", language.code()));
            let place = text_place(findings, name, fault.language);
            let message = format!("snippet {name:?}{language}: {}", fault.message);
            match fault.place {
                (0, _) => findings.add(place, message),
                (line, column) => findings.add_within(place, line, column, message),
            }
        }
    }
    ice_breakers(document, findings);
}

fn text_place<'a>(findings: &Findings<'a>, name: &str, language: Option<Language>) -> Option<&'a Spanned<String>> {
    let place = findings.ground.places.snippets.get(name)?;
    match language {
        None => place.text.as_ref(),
        Some(language) => place.languages.get(language.code()),
    }
}

fn ice_breakers(document: &Document, findings: &mut Findings<'_>) {
    let questions = document.ice_breakers.as_deref().unwrap_or_default();
    let place = |n: usize| findings.ground.places.ice_breakers.get(n).and_then(|place| place.question.as_ref());
    if questions.len() > ICE_BREAKERS_MAX {
        let message = format!("{} ice breakers: Meta shows {ICE_BREAKERS_MAX}", questions.len());
        findings.add(place(ICE_BREAKERS_MAX), message);
    }
    for (n, breaker) in questions.iter().enumerate() {
        let place = findings.ground.places.ice_breakers.get(n).and_then(|place| place.question.as_ref());
        for question in std::iter::once(&breaker.question).chain(breaker.languages.values()) {
            let chars = question.chars().count();
            if question.trim().is_empty() || chars > QUESTION_MAX_CHARS {
                findings
                    .add(place, format!("an ice breaker has 1 to {QUESTION_MAX_CHARS} characters, this one {chars}"));
            }
        }
        if breaker.payload.trim().is_empty() {
            findings.add(place, "an ice breaker needs a payload, by which a play can answer it");
        }
    }
}

/// What is allowed, and perhaps not meant.
pub(super) fn warn(document: &Document, findings: &mut Findings<'_>) {
    let said = document.said();
    for name in document.snippets.keys().filter(|name| !said.contains(*name)) {
        let place = text_place(findings, name, None);
        findings.add(place, format!("no play says snippet {name:?}"));
    }
}
