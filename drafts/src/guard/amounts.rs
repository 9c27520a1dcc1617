//! Money, percentages and other numbers, compared by value.

use std::sync::LazyLock;

use regex::Regex;

use super::Refusal;

/// How a number is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Currency(&'static str),
    Percent,
    None,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Amount {
    unit: Unit,
    /// Without separators of thousands and without zeros behind the decimal point.
    value: String,
    /// Whether a word comes next: "49 days" counts something, "49." does not.
    counts: bool,
    written: String,
}

const UNITS: &[(Unit, &[&str])] = &[
    (Unit::Currency("eur"), &["€", "eur", "euro", "euros"]),
    (Unit::Currency("usd"), &["$", "usd", "us$", "dollar", "dollars", "dólares", "dólar", "dollari", "bucks"]),
    (Unit::Currency("gbp"), &["£", "gbp", "pound", "pounds", "quid"]),
    (Unit::Currency("chf"), &["chf", "franken", "francs", "fr"]),
    (Unit::Currency("brl"), &["r$", "brl", "real", "reais"]),
    (Unit::Currency("cent"), &["¢", "cent", "cents", "centimes", "céntimos", "centavos", "centesimi"]),
    (Unit::Currency("other"), &["¥", "₹", "₽", "zł", "kr", "sek", "nok", "dkk", "pesos", "peso", "mxn", "yen"]),
    (Unit::Percent, &["%", "percent", "procent", "prozent", "pourcent", "pourcents", "ciento", "cento", "pct"]),
];

static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = |all: &[&str]| all.iter().map(|word| regex::escape(word)).collect::<Vec<_>>().join("|");
    let units = UNITS.iter().map(|(_, names)| words(names)).collect::<Vec<_>>().join("|");
    // A unit's name may not go on as another word: "fr" is no "from"
    Regex::new(&format!(
        r"(?i)(?P<before>\b(?:{units})\s?|[€$£¥₹₽¢]\s?)?(?P<number>\d+(?:[.,'\u{{a0}} ]\d{{3}})*(?:[.,]\d+)?)(?P<dash>[.,]?-)?(?:\s?(?:por\s|per\s|pour\s)?(?P<after>[%€$£¥₹₽¢]|(?:{units})\b))?"
    ))
    .ok()
});

/// A unit without a number at its side: "half a euro", "fifty percent".
static LONE_UNIT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)[€$£¥₹₽¢%]|\b(?:euros?|dollars?|d[oó]lares|d[oó]lar|bucks|pounds|quid|reais|percent|procent|prozent|pour ?cents?|por ciento|por cento|per cento)\b",
    )
    .ok()
});

/// Digits that a viewer's own number may have for a draft to take it up; longer ones may be telephone numbers.
const VIEWERS_DIGITS: usize = 6;

pub(super) fn check(draft: &str, facts: &[String], viewer: &str) -> Vec<Refusal> {
    let known: Vec<Amount> = facts.iter().flat_map(|fact| amounts(fact)).collect();
    let viewers: Vec<Amount> = amounts(viewer);
    let mut refusals = Vec::new();
    for amount in amounts(draft) {
        let stated = match amount.unit {
            // A number that counts nothing may be any of the facts' numbers, a price as well: "it is 49"
            Unit::None if !amount.counts => known.iter().any(|fact| fact.value == amount.value),
            unit => known.iter().any(|fact| fact.unit == unit && fact.value == amount.value),
        };
        let taken_up = amount.unit == Unit::None
            && amount.value.len() <= VIEWERS_DIGITS
            && viewers.iter().any(|said| said.unit == Unit::None && said.value == amount.value);
        if !stated && !taken_up {
            refusals.push(match amount.unit {
                Unit::Currency(_) => Refusal::InventedPrice(amount.written),
                Unit::Percent => Refusal::InventedPercentage(amount.written),
                Unit::None => Refusal::InventedNumber(amount.written),
            });
        }
    }
    refusals.extend(spelled_out(draft, facts));
    refusals
}

fn amounts(text: &str) -> Vec<Amount> {
    let Some(number) = NUMBER.as_ref() else { return Vec::new() };
    let found = number.captures_iter(text).filter_map(|captures| {
        let written = captures.get(0)?.as_str().trim().to_owned();
        let side = |name| captures.name(name).map(|unit| unit.as_str().trim().to_lowercase());
        let counts = text.get(captures.get(0)?.end()..)?.trim_start().starts_with(char::is_alphabetic);
        let unit = side("after").or_else(|| side("before")).map_or(Unit::None, |unit| unit_named(&unit));
        Some(Amount { unit, value: canonical(captures.name("number")?.as_str()), counts, written })
    });
    found.collect()
}

/// The text without its money and percentages: €10000.00 has the digits of a telephone number, and must not be taken for
/// one.
pub(super) fn without_units(text: &str) -> String {
    let Some(number) = NUMBER.as_ref() else { return text.to_owned() };
    let blank = |captures: &regex::Captures<'_>| {
        let has_unit = captures.name("before").or_else(|| captures.name("after")).is_some();
        if has_unit { " ; ".to_owned() } else { captures[0].to_owned() }
    };
    number.replace_all(text, blank).into_owned()
}

fn unit_named(name: &str) -> Unit {
    UNITS.iter().find(|(_, names)| names.contains(&name)).map_or(Unit::None, |(unit, _)| *unit)
}

/// `1.299,00`, `1,299` and `1299` are one number: what stands behind the last separator is a fraction if it has other
/// than three digits.
fn canonical(number: &str) -> String {
    let split = number.rfind(['.', ',']).filter(|at| number.len() - at - 1 != 3);
    let (whole, fraction) = split.map_or((number, ""), |at| (&number[..at], &number[at + 1..]));
    let whole: String = whole.chars().filter(char::is_ascii_digit).collect();
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// Units that stand beside no digits. The words before them have to be those of a fact.
fn spelled_out(draft: &str, facts: &[String]) -> Vec<Refusal> {
    let (Some(lone), Some(number)) = (LONE_UNIT.as_ref(), NUMBER.as_ref()) else {
        return vec![Refusal::InventedPrice(draft.to_owned())];
    };
    let spans: Vec<_> = number.find_iter(draft).map(|found| found.range()).collect();
    let beside_digits = |at: usize| spans.iter().any(|span| span.contains(&at));
    let facts: Vec<String> = facts.iter().map(|fact| fact.to_lowercase()).collect();
    lone.find_iter(draft)
        .filter(|unit| !beside_digits(unit.start()))
        .filter_map(|unit| {
            let before = draft.get(..unit.start())?;
            let words: Vec<&str> = before.split_whitespace().rev().take(2).collect();
            let phrase =
                words.iter().rev().copied().chain([unit.as_str()]).collect::<Vec<_>>().join(" ").to_lowercase();
            (!facts.iter().any(|fact| fact.contains(&phrase))).then_some(Refusal::InventedPrice(phrase))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_apart_and_compared_by_value() {
        for (text, expected) in [
            ("€49", "eur 49"),
            ("€ 49,00", "eur 49"),
            ("49.00 EUR", "eur 49"),
            ("49 euro's", "eur 49"),
            ("1.299,50 €", "eur 1299.5"),
            ("$1,299", "usd 1299"),
            ("R$ 50", "brl 50"),
            ("20%", "% 20"),
            ("20 por ciento", "% 20"),
            ("20 per cento", "% 20"),
            ("3 days", "3"),
            ("open 10-18", "10 18"),
            ("49,-", "49"),
            ("5 from", "5"),
        ] {
            let found: Vec<String> = amounts(text)
                .into_iter()
                .map(|amount| match amount.unit {
                    Unit::Currency(name) => format!("{name} {}", amount.value),
                    Unit::Percent => format!("% {}", amount.value),
                    Unit::None => amount.value,
                })
                .collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }
}
