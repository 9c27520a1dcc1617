//! How large a template and what stands between its braces may be.
//!
//! The template engine (minijinja 3.1) bounds what it nests by brackets and blocks, and not what it nests by `not`, `-`, filters or
//! `elif`: some thousands of them in a row overflow the stack, which ends the whole process. A message has 1000 bytes; what is
//! far beyond is refused before it is read.

/// Bytes of a template.
const TEXT_MAX: usize = 8_000;
/// Bytes between the braces of one tag.
const TAG_MAX: usize = 400;

/// Where a template is beyond its bounds, in bytes, and what to do about it.
pub(crate) fn beyond(text: &str) -> Option<(usize, String)> {
    if text.len() > TEXT_MAX {
        return Some((0, format!("a template of {} bytes; {TEXT_MAX} are the limit", text.len())));
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(start) = bytes.get(at..).and_then(|rest| rest.windows(2).position(opens)).map(|found| at + found) {
        at = if bytes[start + 1] == b'#' { comment_end(text, start) } else { tag_end(bytes, start) };
        if bytes[start + 1] != b'#' && at - start > TAG_MAX {
            return Some((start, format!("more than {TAG_MAX} bytes between braces: a message needs less")));
        }
    }
    None
}

fn opens(pair: &[u8]) -> bool {
    matches!(pair, b"{{" | b"{%" | b"{#")
}

fn comment_end(text: &str, start: usize) -> usize {
    text[start..].find("#}").map_or(text.len(), |found| start + found + 2)
}

/// Behind the tag's closing braces; those within quotes do not close it.
fn tag_end(bytes: &[u8], start: usize) -> usize {
    let close: &[u8] = if bytes[start + 1] == b'{' { b"}}" } else { b"%}" };
    let (mut at, mut quote) = (start + 2, None);
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'\'' | b'"')) => quote = Some(byte),
            (None, _) if bytes[at..].starts_with(close) => return at + 2,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_braces_is_measured() {
        let long = "-".repeat(TAG_MAX);
        for (text, place) in [
            (format!("{{{{ {long}1 }}}}"), Some(0)),
            (format!("Hi {{% if {long}1 %}}"), Some(3)),
            (format!("{{{{ '}}}}' ~ {long}1 }}}}"), Some(0)),
            (format!("{{{{ \"\\\"}}}}\" ~ {long}1 }}}}"), Some(0)),
            (format!("{{# {{{{ ' #}}{{{{ {long}1 }}}}"), Some(10)),
            (format!("{{{{ {long}"), Some(0)),
            (format!("{{{{ a }}}} {long} {{{{ b }}}}"), None),
            (format!("{{# {long} #}}"), None),
            ("é{{ username | default('}}') }}{% if a %}b{% endif %}".into(), None),
            ("{".into(), None),
            ("{{".into(), None),
            ("{% '\\".into(), None),
            ("a".repeat(TEXT_MAX), None),
            ("a".repeat(TEXT_MAX + 1), Some(0)),
        ] {
            assert_eq!(beyond(&text).map(|(at, _)| at), place, "{text}");
        }
    }
}
