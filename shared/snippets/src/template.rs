//! Filling a template in.

use std::collections::BTreeMap;
use std::io::{self, Write};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, filters};

use crate::bounds::beyond;

/// Steps of the template engine that one message may take: some thousand times what an honest one does.
const FUEL: u64 = 20_000;
/// Bytes of a filled-in template at which it is given up; what goes out is far below.
const OUTPUT_MAX_BYTES: usize = 64 * 1024;
/// Known names that an error tells: it is told for each snippet.
const NAMES_TOLD: usize = 20;
/// Names that may have no value when a message is made.
pub const OPTIONAL: [&str; 1] = ["username"];

/// What templates can name.
#[derive(Debug, Clone, Copy)]
pub struct Fill<'a> {
    /// `username`: the viewer's name, where Meta told it.
    pub username: Option<&'a str>,
    /// `brand`: the brand's name.
    pub brand: &'a str,
    /// The brand's own values, each by its name.
    pub values: &'a BTreeMap<String, String>,
}

impl Fill<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        match name {
            "brand" => Some(self.brand),
            "username" => self.username,
            _ => self.values.get(name).map(String::as_str),
        }
    }
}

/// A template cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct TemplateError {
    /// Line in the template, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong, and how to mend it.
    pub message: String,
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None); // messages are plain text
    environment.set_fuel(Some(FUEL));
    environment.add_filter("default", filters::default);
    environment.add_filter("d", filters::default);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("title", filters::title);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("trim", filters::trim);
    environment.add_test("defined", minijinja::tests::is_defined);
    environment.add_test("undefined", minijinja::tests::is_undefined);
    environment
}

/// Fills a template in.
pub(crate) fn fill(text: &str, fill: &Fill<'_>) -> Result<String, TemplateError> {
    if let Some((at, message)) = beyond(text) {
        let (line, column) = place(&text[..at]);
        return Err(TemplateError { line, column, message });
    }
    let environment = environment();
    let template = environment.template_from_str(text).map_err(|error| told(&error, text, fill))?;
    // Only what it asks for: a brand may have thousands.
    let asked = template.undeclared_variables(false).into_iter();
    let values: BTreeMap<String, Value> =
        asked.filter_map(|name| fill.value(&name).map(Value::from).map(|value| (name, value))).collect();
    let mut output = Bounded(Vec::new());
    template.render_captured_to(values, &mut output).map_err(|error| told(&error, text, fill))?;
    Ok(String::from_utf8_lossy(&output.0).trim().to_owned())
}

/// The names that a template asks for; empty if it cannot be read.
pub(crate) fn names(text: &str) -> Vec<String> {
    if beyond(text).is_some() {
        return Vec::new();
    }
    let environment = environment();
    let Ok(template) = environment.template_from_str(text) else { return Vec::new() };
    let mut names: Vec<String> = template.undeclared_variables(false).into_iter().collect();
    names.sort_unstable();
    names
}

struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_MAX_BYTES {
            return Err(io::Error::other("it makes more than 64 KiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn told(error: &minijinja::Error, text: &str, fill: &Fill<'_>) -> TemplateError {
    let range = error.range().filter(|range| text.is_char_boundary(range.start) && text.is_char_boundary(range.end));
    let before = range.as_ref().map_or("", |range| &text[..range.start]);
    let (line, column) = place(before);
    let place = range.map_or("", |range| text[range].trim());
    let message = match error.kind() {
        minijinja::ErrorKind::UndefinedError if OPTIONAL.iter().any(|name| place.starts_with(name)) => {
            format!("{place} is not always known: write {{{{ {place} | default('there') }}}}")
        }
        minijinja::ErrorKind::UndefinedError => {
            let mut known = ["brand", "username"].into_iter().chain(fill.values.keys().map(String::as_str));
            let named = known.by_ref().take(NAMES_TOLD).collect::<Vec<_>>().join(", ");
            let more = match known.count() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{place:?} is not known: there are {named}{more}; add others under `values`")
        }
        minijinja::ErrorKind::OutOfFuel => "it takes too many steps: a message needs no long loops".into(),
        minijinja::ErrorKind::UnknownFilter => {
            format!(
                "{}: there are default, lower, upper, title, capitalize and trim",
                error.detail().unwrap_or("no such filter")
            )
        }
        kind => match error.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind.to_string(),
        },
    };
    TemplateError { line, column, message }
}

/// The line and the column of what follows a text, from 1.
fn place(before: &str) -> (u32, u32) {
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (clamped(line), clamped(column))
}

fn clamped(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(text: &str, username: Option<&str>) -> Result<String, String> {
        let values = BTreeMap::from([("shop".to_owned(), "lumen.example".to_owned())]);
        fill(text, &Fill { username, brand: "Lumen", values: &values }).map_err(|error| error.to_string())
    }

    #[test]
    fn what_templates_can_do() {
        for (text, username, expected) in [
            ("Hi!", None, "Hi!"),
            ("Hi {{ username | default('there') }}!", None, "Hi there!"),
            ("Hi {{ username | default('there') }}!", Some("ada"), "Hi ada!"),
            (
                "{% if username is defined %}Hi {{ username }}, {% endif %}see {{ shop }}",
                Some("ada"),
                "Hi ada, see lumen.example",
            ),
            ("{{ brand | upper }}", None, "LUMEN"),
            ("  \n{{ brand }}\n", None, "Lumen"),
            // What comes from outside is text, not template.
            ("Hi {{ username | default('') }}", Some("{{ brand }}"), "Hi {{ brand }}"),
        ] {
            assert_eq!(filled(text, username).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_says_where_and_why() {
        for (text, place, why) in [
            ("Hi {{ username }}", "line 1, column 7", "default('there')"),
            ("Hi\n  {{ usrename }}", "line 2, column 6", "brand, username, shop"),
            ("{{ brand | shout }}", "line 1", "there are default"),
            ("{% for", "line 1", "syntax error"),
            ("{{ brand", "line 1", "syntax error"),
            ("{% for a in 'aaaaaaaaaa' %}{% endfor %}{% include 'x' %}", "line 1", ""),
            ("{{ ('x' * 9000) * 9000 }}", "line 1", ""),
        ] {
            let error = filled(text, None).unwrap_err();
            assert!(error.contains(place) && error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn what_never_ends_is_stopped() {
        let nested = "{% for a in [1,2,3,4,5,6,7,8,9,10] %}".repeat(6) + "x" + &"{% endfor %}".repeat(6);
        assert!(filled(&nested, None).unwrap_err().contains("steps"));
        assert!(filled("{{ 'x' * 100000 }}", None).is_err());
    }

    /// Whoever writes a template of these wants something else than a message.
    #[test]
    fn templates_that_loop_nest_or_swell_end() {
        let deep = |open: &str, inside: &str, close: &str, n| open.repeat(n) + inside + &close.repeat(n);
        for text in [
            "{% for a in 'x' * 999999999 %}{{ a }}{% endfor %}".to_owned(),
            "{{ 'x' * 999999999 }}".to_owned(),
            "{{ [1] * 999999999 }}".to_owned(),
            "{{ range(999999999) }}".to_owned(),
            "{{ 2 ** 999999 }} {{ 9 ** 9 ** 9 ** 9 }}".to_owned(),
            format!("{{% set a = 'xxxxxxxxxx' %}}{}{{{{ a }}}}", "{% set a = a ~ a %}".repeat(60)),
            deep("{% for a in [1, 2, 3, 4, 5, 6, 7, 8, 9] %}", "x", "{% endfor %}", 12),
            "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}".to_owned(),
            "{% for a in [[1]] recursive %}{{ loop([a]) }}{% endfor %}".to_owned(),
            deep("{% if true %}", "x", "{% endif %}", 20_000),
            deep("{{ ", "1", " }}", 20_000),
            format!("{{{{ {} }}}}", deep("(", "1", ")", 20_000)),
            format!("{{{{ {} }}}}", deep("[", "", "]", 20_000)),
            format!("{{{{ {}1 }}}}", "not ".repeat(20_000)),
            format!("{{{{ {}1 }}}}", "-".repeat(20_000)),
            format!("{{{{ brand{} }}}}", " | upper".repeat(20_000)),
            format!("{{{{ brand{} }}}}", ".a".repeat(20_000)),
            "{% include 'x' %}{% extends 'x' %}{% import 'x' as y %}".to_owned(),
            "{#".repeat(100_000),
            // As much as the bounds allow.
            format!("{{{{ {}1 }}}}", "-".repeat(390)),
            format!("{{{{ {}1 }}}}", "not ".repeat(98)),
            format!("{{{{ brand{} }}}}", ".a".repeat(195)),
            format!("{{{{ brand{} }}}}", "|d".repeat(195)),
            format!("{{{{ 1{} }}}}", "+1".repeat(195)),
            format!("{{{{ a{} }}}}", "if b".repeat(98)),
            format!("{{% if a %}}{}{{% endif %}}", "{%elif a%}".repeat(790)),
            "{%if 1%}".repeat(990),
            "{{ a }}".repeat(1_100),
            "{{ '".to_owned() + &"\\".repeat(100_000),
        ] {
            let begun = std::time::Instant::now();
            let shown: String = text.chars().take(40).collect();
            let filled = filled(&text, None);
            let _ = names(&text);
            assert!(begun.elapsed().as_secs() < 10, "{shown}: {:?}", begun.elapsed());
            assert!(filled.map_or(0, |text| text.len()) <= OUTPUT_MAX_BYTES, "{shown}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[{}%# a-z|()'\"\\\\\n\u{e9}\u{1f600}]{0,80}") {
            let _ = filled(&text, None);
            let _ = names(&text);
        }
    }
}
