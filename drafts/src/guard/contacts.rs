//! Links, e-mail addresses, telephone numbers and handles.

use std::{collections::HashSet, sync::LazyLock};

use linkify::{LinkFinder, LinkKind};
use regex::Regex;

use super::{Refusal, amounts::without_units};

static PHONE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:\+|\(\+?)?\d(?:[\s().\-/\u{2010}-\u{2015}]{0,3}\d){6,}").ok());
static HANDLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?:^|[^\w@.])(@[\w.]+)").ok());
/// Addresses written so that no link finder sees them.
static SPELLED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b[\w-]+\s*(?:\[dot\]|\(dot\)|\[\.\]|\(\.\))\s*\w+|\b[\w-]+\s*(?:\bdot\b|\bpunt\b|\bpunkt\b|\bpunto\b|\bpoint\b|\bponto\b)\s*(?:com|net|org|io|shop|nl|de|fr|es|pt|it|me|ly|top|xyz)\b|\b(?:hxxps?|www)\b\S*|\b[\w.]+\s*(?:\[at\]|\(at\))\s*\w+").ok()
});

/// What the brand's facts hold.
pub(super) struct Contacts {
    links: HashSet<String>,
    emails: HashSet<String>,
    phones: HashSet<String>,
    handles: HashSet<String>,
}

impl Contacts {
    pub(super) fn of(facts: &[String]) -> Self {
        let of_kind = |kind: LinkKind, form: fn(&str) -> String| {
            facts.iter().flat_map(|fact| links(fact, &kind)).map(|text| form(&text)).collect()
        };
        Self {
            links: of_kind(LinkKind::Url, link_key),
            emails: of_kind(LinkKind::Email, str::to_lowercase),
            phones: facts
                .iter()
                .flat_map(|fact| matches(&PHONE, &without_units(fact)))
                .map(|phone| digits(&phone))
                .collect(),
            handles: facts.iter().flat_map(|fact| handles(fact)).collect(),
        }
    }

    /// What `draft` holds beyond that, and the draft without its contacts, whose digits are no amounts.
    pub(super) fn check(&self, draft: &str) -> (Vec<Refusal>, String) {
        let mut refusals = Vec::new();
        let mut rest = draft.to_owned();
        for email in links(draft, &LinkKind::Email) {
            rest = rest.replacen(&email, " ", 1);
            if !self.emails.contains(&email.to_lowercase()) {
                refusals.push(Refusal::InventedEmail(email));
            }
        }
        for link in links(draft, &LinkKind::Url) {
            rest = rest.replacen(&link, " ", 1);
            if !self.links.contains(&link_key(&link)) {
                refusals.push(Refusal::InventedLink(link));
            }
        }
        refusals.extend(matches(&SPELLED, &rest).into_iter().map(Refusal::InventedLink));
        for phone in matches(&PHONE, &without_units(&rest)) {
            rest = rest.replacen(&phone, " ", 1);
            if !self.phones.contains(&digits(&phone)) {
                refusals.push(Refusal::InventedPhone(phone));
            }
        }
        refusals.extend(handles(&rest).into_iter().filter(|h| !self.handles.contains(h)).map(Refusal::InventedHandle));
        (refusals, rest)
    }
}

fn links(text: &str, kind: &LinkKind) -> Vec<String> {
    let mut finder = LinkFinder::new();
    finder.url_must_have_scheme(false);
    finder.links(text).filter(|link| link.kind() == kind).map(|link| link.as_str().to_owned()).collect()
}

/// Scheme, `www.`, case of the host and a last slash do not make another link; anything else does.
fn link_key(link: &str) -> String {
    let rest = link.split_once("://").map_or(link, |(_, rest)| rest);
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = host.to_lowercase();
    format!("{}{}", host.strip_prefix("www.").unwrap_or(&host), path.trim_end_matches('/'))
}

fn handles(text: &str) -> Vec<String> {
    let Some(handle) = HANDLE.as_ref() else { return vec![text.to_owned()] };
    handle
        .captures_iter(text)
        .filter_map(|found| Some(found.get(1)?.as_str().trim_end_matches('.').to_lowercase()))
        .collect()
}

/// All that matches. A pattern that does not compile finds everything: the guard would rather refuse.
fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> Vec<String> {
    match pattern.as_ref() {
        Some(pattern) => pattern.find_iter(text).map(|found| found.as_str().to_owned()).collect(),
        None => vec![text.to_owned()],
    }
}

fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}
