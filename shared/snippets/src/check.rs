//! What is wrong with a snippet, told when it is applied and not when a viewer waits.

use afterglow_domain::{Language, Snippet};

use crate::compose::Brand;
use crate::template::{Fill, OPTIONAL, fill, names};

/// UTF-8 bytes that an Instagram message may have (Meta, "Send messages", read 2026).
pub const MESSAGE_MAX_BYTES: usize = 1000;
/// As many as a message may have (Meta, "Quick replies", read 2026).
const QUICK_REPLIES_MAX: usize = 13;
/// Characters of a quick reply's title; Meta cuts the rest off.
const TITLE_MAX_CHARS: usize = 20;
/// Characters of a payload (Meta, "Quick replies").
const PAYLOAD_MAX_CHARS: usize = 1000;
/// The longest username on Instagram.
const USERNAME_MAX: usize = 30;

/// Something that is wrong with a snippet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// In which of its texts; `None` for the brand's own language or the snippet as a whole.
    pub language: Option<Language>,
    /// Line and column within that text, from 1; zeros if it is about the whole.
    pub place: (u32, u32),
    /// What, and how to mend it.
    pub message: String,
}

/// Every fault of a snippet, in every language: what cannot be filled in, is too long, or cannot be tapped.
pub fn check(snippet: &Snippet, brand: &Brand<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (language, template) in snippet.templates(brand.language) {
        let shown = (language != brand.language).then_some(language);
        faults.extend(check_text(template, brand).into_iter().map(|(place, message)| Fault {
            language: shown,
            place,
            message,
        }));
    }
    faults.extend(check_quick_replies(snippet).into_iter().map(|message| Fault {
        language: None,
        place: (0, 0),
        message,
    }));
    faults
}

fn check_text(template: &str, brand: &Brand<'_>) -> Option<((u32, u32), String)> {
    // The longest and the shortest that can be meant, and the one in which what may be missing is missing.
    let long = "m".repeat(USERNAME_MAX);
    let mut longest = 0;
    for username in [Some(long.as_str()), None] {
        if username.is_none() && !names(template).iter().any(|name| OPTIONAL.contains(&name.as_str())) {
            continue;
        }
        match fill(template, &Fill { username, brand: brand.name, values: brand.values }) {
            Ok(text) if text.is_empty() => return Some(((0, 0), "it says nothing".into())),
            Ok(text) => longest = longest.max(text.len()),
            Err(error) => return Some(((error.line, error.column), error.message)),
        }
    }
    let disclosure = brand.disclosure.map_or(0, |text| text.len() + 1);
    let bytes = longest + disclosure;
    (bytes > MESSAGE_MAX_BYTES).then(|| {
        let with = if disclosure > 0 { " with the disclosure" } else { "" };
        let message = format!("{bytes} bytes{with}: Instagram takes {MESSAGE_MAX_BYTES} (an emoji has 4 or more)");
        ((0, 0), message)
    })
}

fn check_quick_replies(snippet: &Snippet) -> Vec<String> {
    let replies = &snippet.quick_replies;
    let mut faults = Vec::new();
    if replies.len() > QUICK_REPLIES_MAX {
        faults.push(format!("{} quick replies: Meta shows {QUICK_REPLIES_MAX}", replies.len()));
    }
    for reply in replies {
        for title in std::iter::once(&reply.title).chain(reply.languages.values()) {
            let chars = title.chars().count();
            if title.trim().is_empty() || chars > TITLE_MAX_CHARS {
                faults.push(format!("quick reply {title:?} has {chars} characters: Meta shows 1 to {TITLE_MAX_CHARS}"));
            }
        }
        if reply.payload.trim().is_empty() || reply.payload.chars().count() > PAYLOAD_MAX_CHARS {
            faults
                .push(format!("quick reply {:?} needs a payload of 1 to {PAYLOAD_MAX_CHARS} characters", reply.title));
        }
        if replies.iter().filter(|other| other.payload == reply.payload).count() > 1 {
            faults.push(format!("two quick replies have the payload {:?}", reply.payload));
        }
    }
    faults.dedup();
    faults
}

/// What is wrong with the name of a value that templates could use; `None` if nothing is.
pub fn check_value_name(name: &str) -> Option<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(good) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(format!("{name:?} cannot be named in a template: letters, digits and _, no digit first"));
    }
    (OPTIONAL.contains(&name) || name == "brand").then(|| format!("{name:?} has a meaning of its own in templates"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use afterglow_domain::QuickReply;

    use super::*;

    fn faults(snippet: &Snippet, disclosure: Option<&str>) -> Vec<String> {
        let values = BTreeMap::from([("shop".to_owned(), "lumen.example".to_owned())]);
        let brand = Brand { name: "Lumen", language: Language::English, values: &values, disclosure };
        let told = |fault: Fault| {
            format!("{}{}", fault.language.map_or(String::new(), |l| format!("{}: ", l.code())), fault.message)
        };
        check(snippet, &brand).into_iter().map(told).collect()
    }

    fn reply(title: &str, payload: &str) -> QuickReply {
        QuickReply { title: title.into(), languages: BTreeMap::new(), payload: payload.into() }
    }

    #[test]
    fn faults_in_every_language_are_found() {
        let good = Snippet::plain("Hi {{ username | default('there') }}, see {{ shop }}");
        assert!(faults(&good, Some("(automatic)")).is_empty());
        let fits = Snippet::plain("é".repeat(500));
        assert!(faults(&fits, None).is_empty());
        assert!(faults(&fits, Some("x"))[0].starts_with("1002 bytes with the disclosure"));
        let long_name = Snippet::plain(format!("{}{{{{ username | default('') }}}}", "x".repeat(980)));
        assert!(faults(&long_name, None)[0].starts_with("1010 bytes"), "a long name is counted");
        let nameless = Snippet::plain("{{ username }}");
        assert!(faults(&nameless, None)[0].contains("not always known"));
        let one = Snippet { languages: BTreeMap::from([(Language::French, "{{ prix }}".into())]), ..good.clone() };
        assert!(faults(&one, None)[0].starts_with("fr: \"prix\" is not known"));
        let empty = Snippet { languages: BTreeMap::from([(Language::Dutch, " ".into())]), ..good };
        assert_eq!(faults(&empty, None), ["nl: it says nothing"]);
    }

    #[test]
    fn what_cannot_be_tapped_is_found() {
        let with = |replies: Vec<QuickReply>| faults(&Snippet { quick_replies: replies, ..Snippet::plain("?") }, None);
        assert!(with((0..13).map(|n| reply("yes", &n.to_string())).collect()).is_empty());
        assert!(with((0..14).map(|n| reply("yes", &n.to_string())).collect())[0].starts_with("14 quick replies"));
        assert!(with(vec![reply(&"é".repeat(20), "A")]).is_empty());
        assert!(with(vec![reply(&"é".repeat(21), "A")])[0].contains("21 characters"));
        assert!(with(vec![reply("a", "A"), reply("b", "A")])[0].starts_with("two quick replies"));
        assert!(with(vec![reply("a", "")])[0].contains("payload"));
    }

    #[test]
    fn names_of_values() {
        for (name, good) in
            [("shop", true), ("shop_2", true), ("2shop", false), ("brand", false), ("a-b", false), ("", false)]
        {
            assert_eq!(check_value_name(name).is_none(), good, "{name}");
        }
    }
}
