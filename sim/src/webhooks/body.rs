//! Puts events together into one webhook body.
//!
//! Meta writes non-ASCII characters as `\uxxxx` with lower-case digits, and `/` as `\/` (Messenger webhooks page, read
//! in 2026), and signs those bytes: a receiver that re-serialises before it verifies will fail here as it would at Meta.

use std::io;

use bytes::Bytes;
use serde::Serialize;

use super::payloads::Item;

/// One event's JSON and its place in an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// In `messaging`.
    Messaging(String),
    /// In `standby`.
    Standby(String),
    /// `{"field","value"}` in `changes`.
    Change(String),
    /// `"field":…,"value":…` in the entry itself.
    Flat(String),
}

impl Part {
    /// An item of `messaging`.
    pub fn messaging(item: &Item) -> Self {
        Part::Messaging(json(item))
    }

    /// An item of `standby`.
    pub fn standby(item: &Item) -> Self {
        Part::Standby(json(item))
    }

    /// An item of `changes`.
    pub fn change<T: Serialize>(field: &str, value: &T) -> Self {
        Part::Change(format!("{{{}}}", field_and_value(field, value)))
    }

    /// A field in the entry itself, as Business Login for Instagram has it.
    pub fn flat<T: Serialize>(field: &str, value: &T) -> Self {
        Part::Flat(field_and_value(field, value))
    }

    /// `messaging` and `standby` give the entry's time in milliseconds, the others in seconds.
    fn time(&self, ms: i64) -> i64 {
        match self {
            Part::Messaging(_) | Part::Standby(_) => ms,
            Part::Change(_) | Part::Flat(_) => ms.div_euclid(1000),
        }
    }

    /// The list that the part stands in; `None` if it stands in none.
    fn list(&self) -> Option<&'static str> {
        match self {
            Part::Messaging(_) => Some("messaging"),
            Part::Standby(_) => Some("standby"),
            Part::Change(_) => Some("changes"),
            Part::Flat(_) => None,
        }
    }

    fn text(&self) -> &str {
        match self {
            Part::Messaging(text) | Part::Standby(text) | Part::Change(text) | Part::Flat(text) => text,
        }
    }
}

/// A webhook body under construction.
#[derive(Debug)]
pub struct Body {
    text: String,
    /// Account and list of the entry that is still open.
    open: Option<(String, &'static str)>,
    entries: usize,
}

impl Body {
    /// A body of object `instagram`.
    pub fn instagram() -> Self {
        Self { text: r#"{"object":"instagram","entry":["#.into(), open: None, entries: 0 }
    }

    /// Adds an event, notified at `ms`. Events of one account that stand in the same list share an entry if they follow
    /// one another.
    pub fn push(&mut self, account: &str, ms: i64, part: &Part) {
        let list = part.list();
        if let (Some((owner, open)), Some(list)) = (&self.open, list)
            && owner == account
            && *open == list
        {
            self.text.push(',');
            self.text.push_str(part.text());
            return;
        }
        self.close();
        if self.entries > 0 {
            self.text.push(',');
        }
        self.entries += 1;
        let time = part.time(ms).to_string();
        self.add([r#"{"id":""#, account, r#"","time":"#, &time, ","]);
        match list {
            Some(list) => {
                self.add(["\"", list, "\":[", part.text(), ""]);
                self.open = Some((account.to_owned(), list));
            }
            None => self.add([part.text(), "}", "", "", ""]),
        }
    }

    fn add(&mut self, pieces: [&str; 5]) {
        self.text.extend(pieces);
    }

    fn close(&mut self) {
        if self.open.take().is_some() {
            self.text.push_str("]}");
        }
    }

    /// The finished bytes.
    pub fn into_bytes(mut self) -> Bytes {
        self.close();
        self.text.push_str("]}");
        self.text.into()
    }
}

fn field_and_value<T: Serialize>(field: &str, value: &T) -> String {
    format!(r#""field":"{field}","value":{}"#, json(value))
}

/// JSON in Meta's escapes.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    let mut out = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, MetaEscapes);
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8(out).unwrap_or_default(), // the formatter writes ASCII
        Err(_) => String::new(),                              // payloads are strings and numbers: they serialise
    }
}

struct MetaEscapes;

impl serde_json::ser::Formatter for MetaEscapes {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| !c.is_ascii() || *c == '/') {
            writer.write_all(&fragment.as_bytes()[plain..at])?;
            plain = at + c.len_utf8();
            if c == '/' {
                writer.write_all(b"\\/")?;
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_metas() {
        assert_eq!(json(&"äöå 😍 a/b \"q\" \n"), r#""\u00e4\u00f6\u00e5 \ud83d\ude0d a\/b \"q\" \n""#);
        let back: String = serde_json::from_str(&json(&"äöå 😍 a/b")).unwrap();
        assert_eq!(back, "äöå 😍 a/b");
    }

    #[test]
    fn neighbours_share_an_entry() {
        let mut body = Body::instagram();
        body.push("1", 1_569_262_486_134, &Part::Messaging("{}".into()));
        body.push("1", 1_569_262_486_135, &Part::Messaging("{}".into()));
        body.push("1", 1_569_262_486_136, &Part::flat("comments", &1));
        body.push("2", 1_569_262_486_137, &Part::change("comments", &2));
        let bytes = body.into_bytes();
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
        assert_eq!(
            std::str::from_utf8(&bytes).unwrap(),
            r#"{"object":"instagram","entry":[{"id":"1","time":1569262486134,"messaging":[{},{}]},{"id":"1","time":1569262486,"field":"comments","value":1},{"id":"2","time":1569262486,"changes":[{"field":"comments","value":2}]}]}"#
        );
    }
}
