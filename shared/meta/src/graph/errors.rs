//! The table of error codes, with what each asks of us.
//!
//! Sources, as read in 2026: **E** Meta, "Messenger Platform error codes" (updated 2026-06-25); **L** Meta, "Graph API
//! rate limiting"; **G** Meta, "Graph API error handling"; **O** seen in other programs' logs. Where they disagree, the
//! stricter reading stands.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Characters of Meta's words that are kept.
const MESSAGE_LIMIT: usize = 300;

/// What an error asks of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Too many calls: stop for a while, then try again.
    RetryLater,
    /// Nothing was asked of Meta, or Meta says that nothing was done: try again.
    Busy,
    /// Meta's own fault: a send may have gone out all the same. Never send it again.
    InDoubt,
    /// The window is closed: never for this cause.
    WindowClosed,
    /// This person cannot be written to.
    ViewerUnreachable,
    /// The person stopped messages at Meta's side.
    OptedOut,
    /// The comment has its private reply, or can have none.
    AlreadyAnswered,
    /// Another app has the thread.
    NotOwner,
    /// The message or request is wrong.
    BadRequest,
    /// The token is no good: nothing can be sent until the account is connected again.
    TokenInvalid,
    /// A permission or feature is missing.
    Permission,
    /// Meta restricts the account: stop, and tell a person.
    AccountRestricted,
    /// Not in the table: neither tried again nor counted on.
    Unknown,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// `error.code`
    pub code: i64,
    /// `error.error_subcode`; `None` stands for any that has no line of its own.
    pub subcode: Option<i64>,
    /// What it asks of us.
    pub class: ErrorClass,
    /// What it says.
    pub meaning: &'static str,
    /// Where that is written.
    pub source: &'static str,
}

const fn line(code: i64, subcode: i64, class: ErrorClass, meaning: &'static str, source: &'static str) -> Entry {
    let subcode = if subcode == 0 { None } else { Some(subcode) };
    Entry { code, subcode, class, meaning, source }
}

use ErrorClass::{
    AccountRestricted, AlreadyAnswered, BadRequest, Busy, InDoubt, NotOwner, OptedOut, Permission, RetryLater,
    TokenInvalid, ViewerUnreachable, WindowClosed,
};

/// The table. A line with a subcode beats the one for the code alone.
pub const TABLE: &[Entry] = &[
    line(1, 0, InDoubt, "unknown fault of Meta's", "E, G"),
    line(1, 1_357_046, InDoubt, "invalid reply inside Meta; the message may have been sent", "E"),
    line(2, 0, InDoubt, "fault of Meta's service", "E, G"),
    line(2, 1_545_133, InDoubt, "service temporarily unavailable", "O"),
    line(2, 2_018_344, Permission, "the privacy terms were not accepted", "E"),
    line(3, 0, Permission, "the app lacks a capability", "G"),
    line(4, 0, RetryLater, "the app's limit is used up", "E, L"),
    line(4, 2_018_354, BadRequest, "marketing messages too close together", "E"),
    line(9, 2_018_352, RetryLater, "too many opt-in requests", "E"),
    line(10, 0, Permission, "permission missing", "E, G"),
    line(10, 1_404_170, ViewerUnreachable, "opt-in restricted", "E"),
    line(10, 1_893_015, OptedOut, "the person stopped notifications", "E"),
    line(10, 1_893_063, AccountRestricted, "the Page is temporarily restricted from sending", "E"),
    line(10, 2_018_028, Permission, "only people with a role in the app until it is reviewed", "E"),
    line(10, 2_018_065, WindowClosed, "outside the window (older form)", "E"),
    line(10, 2_018_108, ViewerUnreachable, "the person cannot receive messages", "E"),
    line(10, 2_018_278, WindowClosed, "outside the window (Page)", "E"),
    line(10, 2_534_022, WindowClosed, "outside the window (Instagram)", "E"),
    line(10, 2_534_077, AccountRestricted, "the link between Page and account, or its login, is broken", "E"),
    line(17, 0, RetryLater, "the user's limit is used up", "L"),
    line(32, 0, RetryLater, "the Page's limit is used up", "L"),
    line(100, 0, BadRequest, "a parameter is wrong", "E, G"),
    line(100, 33, ViewerUnreachable, "the object does not exist or may not be seen", "E"),
    line(100, 2_018_001, ViewerUnreachable, "no such person", "E"),
    line(100, 2_018_032, BadRequest, "the message is empty", "E"),
    line(100, 2_018_164, Permission, "the app id is wrong", "E"),
    line(100, 2_534_001, ViewerUnreachable, "the thread was archived or deleted", "O"),
    line(100, 2_534_013, AccountRestricted, "the Page is not linked to an Instagram account", "E"),
    line(100, 2_534_014, ViewerUnreachable, "no such Instagram user", "E"),
    line(100, 2_534_015, BadRequest, "the message's data are invalid", "E"),
    line(100, 2_534_025, AlreadyAnswered, "the comment has its private reply, or can have none", "E, O"),
    line(100, 2_534_029, AccountRestricted, "the business is blocked from Instagram messaging", "E"),
    line(100, 2_534_037, NotOwner, "this app is not the thread's owner", "E"),
    line(102, 0, TokenInvalid, "the session is over", "G"),
    line(190, 0, TokenInvalid, "the access token is invalid or expired", "E, G"),
    line(200, 0, Permission, "the app is not approved for this", "E, G"),
    line(200, 1_545_041, ViewerUnreachable, "the person is not available", "E"),
    line(200, 2_018_028, Permission, "only people with a role in the app until it is reviewed", "E"),
    line(200, 2_534_041, AccountRestricted, "the owner disabled access to Instagram messages", "E"),
    line(341, 0, RetryLater, "an application limit is reached", "G"),
    line(368, 0, AccountRestricted, "blocked for policy violations; Meta says wait, we ask a person", "G"),
    line(551, 0, ViewerUnreachable, "the person is not receiving messages", "E"),
    line(613, 0, RetryLater, "too many calls of this kind", "E, L"),
    line(613, 2_018_338, AccountRestricted, "warned of abusive behaviour", "E"),
    line(1200, 0, Busy, "sending failed for the moment", "E (older page)"),
    line(2022, 0, Permission, "commerce is disabled", "E"),
    line(36103, 0, AccountRestricted, "the account is not eligible for this", "E"),
    line(80001, 0, RetryLater, "too many calls to this Page", "L"),
    line(80002, 0, RetryLater, "too many calls to this Instagram account", "L"),
    line(80006, 0, RetryLater, "too many Messenger calls", "L"),
    line(2_018_300, 0, NotOwner, "another app controls the thread", "E"),
    line(2_018_321, 0, NotOwner, "a question flow of Messenger controls the thread", "E"),
    line(9_000_001, 0, BadRequest, "the message was deleted", "E"),
];

/// The line for a code and subcode.
pub fn lookup(code: i64, subcode: Option<i64>) -> Option<&'static Entry> {
    let of_code = || TABLE.iter().filter(move |entry| entry.code == code);
    of_code()
        .find(|entry| entry.subcode.is_some() && entry.subcode == subcode)
        .or_else(|| of_code().find(|entry| entry.subcode.is_none()))
}

/// The table as Markdown, for the operators' documentation.
pub fn table_as_markdown() -> String {
    let head = "| code | subcode | what it asks of us | what it says | source |\n| --- | --- | --- | --- | --- |\n";
    let line = |entry: &Entry| {
        let Entry { code, subcode, class, meaning, source } = entry;
        let subcode = subcode.map_or_else(|| "any other".to_owned(), |subcode| subcode.to_string());
        format!("| {code} | {subcode} | {class:?} | {meaning} | {source} |\n")
    };
    std::iter::once(head.to_owned()).chain(TABLE.iter().map(line)).collect()
}

/// An error that Meta answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphError {
    /// HTTP status; 0 if there was no answer because there was no connection.
    pub http_status: u16,
    /// `error.code`
    pub code: Option<i64>,
    /// `error.error_subcode`
    pub subcode: Option<i64>,
    /// `error.type`
    pub kind: Option<String>,
    /// Meta's words, cut to 300 characters, with the token blotted out.
    pub message: String,
    /// `error.is_transient`, where Meta gives it.
    pub is_transient: Option<bool>,
    /// By which Meta's support finds the call.
    pub fbtrace_id: Option<String>,
    /// What it asks of us.
    pub class: ErrorClass,
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "code {}{}: {}", self.code.unwrap_or_default(), self.subcode_text(), self.message)
    }
}

impl GraphError {
    /// Reads an error envelope; `None` if the body is none.
    pub(super) fn read(http_status: u16, body: &[u8], token: &str) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let error = body.get("error").filter(|error| error.is_object())?;
        let number = |name: &str| error.get(name).and_then(|v| v.as_i64().or_else(|| v.as_str()?.parse().ok()));
        let text = |name: &str| error.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let (code, subcode) = (number("code"), number("error_subcode").filter(|subcode| *subcode != 0));
        let is_transient = error.get("is_transient").and_then(Value::as_bool);
        let message = text("message").unwrap_or_default();
        let message = if token.is_empty() { message } else { message.replace(token, "[redacted]") };
        Some(Self {
            http_status,
            code,
            subcode,
            kind: text("type"),
            message: message.chars().take(MESSAGE_LIMIT).collect(),
            is_transient,
            fbtrace_id: text("fbtrace_id"),
            class: classify(code, subcode, is_transient),
        })
    }

    pub(super) fn not_connected(why: &str) -> Self {
        Self {
            http_status: 0,
            code: None,
            subcode: None,
            kind: None,
            message: why.chars().take(MESSAGE_LIMIT).collect(),
            is_transient: Some(true),
            fbtrace_id: None,
            class: ErrorClass::Busy,
        }
    }

    pub(super) fn subcode_text(&self) -> String {
        self.subcode.map_or_else(String::new, |subcode| format!("/{subcode}"))
    }
}

/// The class of an error. Meta's `is_transient: false` takes back a "later" that the code alone would mean.
fn classify(code: Option<i64>, subcode: Option<i64>, is_transient: Option<bool>) -> ErrorClass {
    let Some(entry) = code.and_then(|code| lookup(code, subcode)) else { return ErrorClass::Unknown };
    match (entry.class, is_transient) {
        (ErrorClass::Busy, Some(false)) => ErrorClass::Unknown,
        (class, _) => class,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finer_line_wins() {
        for (code, subcode, class) in [
            (10, Some(2_534_022), Some(WindowClosed)),
            (10, Some(7), Some(Permission)),
            (10, None, Some(Permission)),
            (100, Some(2_534_037), Some(NotOwner)),
            (613, Some(2_534_040), Some(RetryLater)),
            (613, Some(2_018_338), Some(AccountRestricted)),
            (9, None, None),
            (424_242, None, None),
        ] {
            assert_eq!(lookup(code, subcode).map(|entry| entry.class), class, "{code}/{subcode:?}");
        }
    }

    #[test]
    fn no_line_stands_twice() {
        let mut keys: Vec<_> = TABLE.iter().map(|entry| (entry.code, entry.subcode)).collect();
        let sorted = keys.is_sorted();
        keys.dedup();
        assert!(sorted && keys.len() == TABLE.len());
    }

    /// `AFTERGLOW_BLESS=1 cargo test -p afterglow-meta the_documentation` writes it anew.
    #[test]
    fn the_documentation_shows_this_table() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/graph-errors.md");
        let head = "# Meta's errors, and what each asks of us\n\nSources, as read in 2026: **E** Meta, \"Messenger Platform \
            error codes\" (updated 2026-06-25); **L** Meta, \"Graph API rate limiting\"; **G** Meta, \"Graph API error \
            handling\"; **O** seen in other programs' logs. A line with a subcode beats the one for its code. What stands \
            in no line is neither tried again nor counted on. `InDoubt` means that a send may have gone out: it is never \
            repeated, but looked for in its echo and in the conversation.\n\n";
        let wanted = format!("{head}{}", table_as_markdown());
        if std::env::var_os("AFTERGLOW_BLESS").is_some() {
            std::fs::write(file, &wanted).unwrap();
        }
        assert_eq!(std::fs::read_to_string(file).unwrap(), wanted, "write it anew with AFTERGLOW_BLESS=1");
    }
}
