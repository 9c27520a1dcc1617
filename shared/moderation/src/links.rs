//! Links and addresses that hide or pretend where they lead.
//!
//! A link alone is no offence. What is looked for is the link that a phisher needs: one whose host is hidden
//! (shorteners, bare IP addresses, user names before the host, scripts mixed within a name), one that pretends (a
//! well-known name in somebody else's domain), one that leads into a private chat, and addresses for crypto money.

use std::{net::IpAddr, sync::LazyLock};

use linkify::{LinkFinder, LinkKind};
use regex::Regex;

use crate::{Category, Finding, Level, fold::visible};

const SHORTENERS: &[&str] = &[
    "bit.do",
    "bit.ly",
    "bl.ink",
    "buff.ly",
    "cutt.ly",
    "cutt.us",
    "goo.gl",
    "is.gd",
    "kutt.it",
    "lnkd.in",
    "ow.ly",
    "rb.gy",
    "rebrand.ly",
    "s.id",
    "short.io",
    "shorturl.at",
    "soo.gd",
    "t.ly",
    "tiny.cc",
    "tiny.one",
    "tinyurl.com",
    "urlz.fr",
    "v.gd",
];

/// Hosts from which a conversation goes on where the brand cannot see it.
const INVITES: &[&str] = &["chat.whatsapp.com", "discord.gg", "signal.group", "t.me", "telegram.me", "wa.me"];

/// Names that phishers borrow, and the domains that may bear them.
const BORROWED: &[(&str, &[&str])] = &[
    ("instagram", &["instagram.com", "ig.me"]),
    ("facebook", &["facebook.com", "fb.com", "fb.me"]),
    ("whatsapp", &["whatsapp.com", "wa.me"]),
    ("paypal", &["paypal.com", "paypal.me"]),
    ("metamask", &["metamask.io"]),
    ("trustwallet", &["trustwallet.com"]),
    ("binance", &["binance.com"]),
    ("coinbase", &["coinbase.com"]),
];

/// Short forms, which count only beside a word or an ending that phishing lives on.
const BORROWED_SHORT: &[&str] = &["insta", "ig", "meta", "fb"];
const BAIT_WORDS: &[&str] = &[
    "verif",
    "support",
    "help",
    "login",
    "appeal",
    "secur",
    "copyright",
    "badge",
    "confirm",
    "bevestig",
    "bestaetig",
    "conferma",
    "sicher",
    "segur",
    "beveilig",
    "account",
    "konto",
    "cuenta",
    "conta",
];
const BAIT_ENDINGS: &[&str] =
    &["top", "xyz", "icu", "click", "buzz", "cyou", "rest", "monster", "tk", "ml", "ga", "cf"];

/// Addresses of Ethereum, Bitcoin (bech32) and Tron (base58). Bitcoin's older form is left out: too many order numbers
/// look like it.
static WALLET: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\b(0x[0-9a-fA-F]{40}|bc1[02-9ac-hj-np-z]{11,71}|T[1-9A-HJ-NP-Za-km-z]{33})\b").ok());

/// What the links in `text` give reason to suspect. `own` are the brand's own hosts, with their subdomains beyond
/// suspicion.
pub(crate) fn findings(text: &str, own: &[String]) -> Vec<Finding> {
    let text = visible(text);
    let mended = refang(&text);
    let mut findings = Vec::new();
    let mut add = |category, severity, rule: &str, excerpt: &str| {
        findings.push(Finding { category, severity, rule: rule.to_owned(), excerpt: excerpt.to_owned() });
    };
    let mut finder = LinkFinder::new();
    finder.url_must_have_scheme(false).kinds(&[LinkKind::Url]);
    for link in finder.links(&mended) {
        let (user, host) = user_and_host(link.as_str());
        if own.iter().any(|own| within(&host, &own.to_lowercase())) {
            continue;
        }
        if let Some((severity, rule)) = suspicion(&host, user) {
            add(Category::Link, severity, rule, link.as_str());
        }
        if mended != text && !text.contains(link.as_str()) {
            add(Category::Link, Level::Medium, "link.defanged", link.as_str());
        }
    }
    for wallet in WALLET.iter().flat_map(|wallet| wallet.find_iter(&text)) {
        add(Category::Scam, Level::High, "wallet.address", wallet.as_str());
    }
    findings
}

fn suspicion(host: &str, user: bool) -> Option<(Level, &'static str)> {
    if user {
        Some((Level::High, "link.user_before_host"))
    } else if pretends(host) {
        Some((Level::High, "link.borrowed_name"))
    } else if mixes_scripts(host) {
        Some((Level::High, "link.mixed_scripts"))
    } else if SHORTENERS.iter().any(|shortener| within(host, shortener)) {
        Some((Level::Medium, "link.shortener"))
    } else if INVITES.iter().any(|invite| within(host, invite)) {
        Some((Level::Medium, "link.private_chat"))
    } else if host.parse::<IpAddr>().is_ok() {
        Some((Level::Medium, "link.ip_address"))
    } else if host.split('.').any(|label| label.starts_with("xn--")) {
        Some((Level::Medium, "link.punycode"))
    } else {
        None
    }
}

/// `hxxp`, `[.]` and the like undone: nobody who means well writes a link so that no machine sees it.
fn refang(text: &str) -> String {
    const DOTS: &[&str] = &["[.]", "(.)", "{.}", "[dot]", "(dot)", " [dot] ", " (dot) "];
    let schemes = text.replace("hxxps://", "https://").replace("hxxp://", "http://");
    DOTS.iter().rev().fold(schemes, |text, dot| text.replace(dot, "."))
}

/// Whether something stands before an `@` in the authority, and the host in lower case.
fn user_and_host(url: &str) -> (bool, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let (user, host) = authority.rsplit_once('@').map_or((false, authority), |(_, host)| (true, host));
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    (user, host.trim_end_matches('.').to_lowercase())
}

fn within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether a host bears a name that belongs to somebody else, with look-alike digits undone.
fn pretends(host: &str) -> bool {
    let solved: String = host
        .chars()
        .map(|c| match c {
            '0' => 'o',
            '1' => 'i',
            '3' => 'e',
            '4' => 'a',
            '5' => 's',
            c => c,
        })
        .collect();
    let ending = solved.rsplit('.').next().unwrap_or_default();
    let pieces: Vec<&str> = solved.split(['.', '-', '_']).collect();
    let borrowed = BORROWED.iter().any(|(name, owners)| {
        pieces.iter().any(|piece| piece.contains(name)) && !owners.iter().any(|owner| within(host, owner))
    });
    let bait = BAIT_ENDINGS.contains(&ending) || pieces.iter().any(|p| BAIT_WORDS.iter().any(|w| p.starts_with(w)));
    borrowed || (bait && pieces.iter().any(|piece| BORROWED_SHORT.contains(piece)) && !within(host, "meta.com"))
}

/// Whether one label holds ASCII letters beside Cyrillic or Greek ones.
fn mixes_scripts(host: &str) -> bool {
    host.split('.').any(|label| {
        label.contains(|c: char| c.is_ascii_alphabetic())
            && label.contains(|c: char| matches!(c, '\u{370}'..='\u{52f}'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        for (text, rules) in [
            ("have a look: https://example.com/lamp", &[][..]),
            ("ok.thanks wow...nice", &[]),
            ("https://www.instagram.com/p/abc/", &[]),
            ("https://help.instagram.com and https://l.facebook.com", &[]),
            ("https://meta.com/help", &[]),
            ("bit.ly/3xYz", &["link.shortener"]),
            ("BIT.LY/3xYz", &["link.shortener"]),
            ("b\u{200b}it.ly/3xYz", &["link.shortener"]),
            ("habit.ly/3xYz", &[]),
            ("t.me/abc", &["link.private_chat"]),
            ("http://1nstagram.support/x", &["link.borrowed_name"]),
            ("http://instagram.com.evil.example/x", &["link.borrowed_name"]),
            ("http://meta-support-appeal.com", &["link.borrowed_name"]),
            ("http://metalampen.example/help", &[]),
            ("http://instagram.com@evil.example/x", &["link.user_before_host"]),
            ("http://192.0.2.7/login", &["link.ip_address"]),
            ("http://xn--e1afmkfd.example", &["link.punycode"]),
            ("http://ex\u{430}mple.com", &["link.mixed_scripts"]),
            ("hxxp://example[.]com/login", &["link.defanged"]),
            ("to 0x52908400098527886E0F7030069857D2E4169EE7", &["wallet.address"]),
            ("to bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", &["wallet.address"]),
            ("order 0x12 and T12", &[]),
        ] {
            let found = findings(text, &[]);
            assert_eq!(found.iter().map(|f| f.rule.as_str()).collect::<Vec<_>>(), rules, "{text}");
        }
    }

    #[test]
    fn a_brands_own_hosts_are_beyond_suspicion() {
        let own = ["instagram-lamps.example".to_owned()];
        assert!(findings("https://shop.instagram-lamps.example/x", &own).is_empty());
        assert_eq!(findings("https://instagram-lamps.example.evil.example/x", &own).len(), 1);
    }
}
