//! From which of Meta's ids an interaction's id is derived.
//!
//! | interaction | parts, after the account |
//! | --- | --- |
//! | message of any kind | direction, mid (standby and messaging deliveries are the same thing) |
//! | postback | mid; without one: sender, time, payload or title |
//! | reaction, and its removal | sender, mid, what, time |
//! | seen, delivered | sender, mids, watermark |
//! | edit | mid, number of the edit |
//! | unsend | mid |
//! | referral, opt-in, hand-over, account linking, enforcement | sender, time, what |
//! | comment | comment id, verb; an edit also its text; hiding and removal also their time |
//! | mention | media, comment, post |
//! | Story insights | media, all values |
//! | feed | item, verb, post, comment, who, what, time |
//!
//! The time of notification is never a part: a retry has another one, and a comment on a boosted post arrives twice.

use afterglow_domain::{DerivedId, InteractionId};

use super::Frame;

/// Derives the id of one thing of `family` on the frame's account.
pub(super) fn derive(frame: &Frame<'_>, family: &str, parts: &[Option<&str>]) -> InteractionId {
    let mut all = vec![family, frame.channel.as_str(), frame.account];
    // An absent part and an empty one differ.
    for part in parts {
        all.push(if part.is_some() { "+" } else { "-" });
        all.push(part.unwrap_or_default());
    }
    InteractionId::derive(&all)
}
