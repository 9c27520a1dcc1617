//! Reasons and moments, for people.

use afterglow_domain::{DAY_MS, HOUR_MS, Reason, Timestamp};

/// Why, in a few words.
pub(crate) const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::AllGatesOpen => "every gate is open",
        Reason::NoContact => "they never got in touch",
        Reason::WindowClosed => "the time to answer is over",
        Reason::OptedOut => "they said stop",
        Reason::PerhapsOptedOut => "they may have said stop: please look",
        Reason::AlreadyAnswered => "this has its answer already",
        Reason::HandedOver => "a person or another app leads the conversation",
        Reason::NoToken => "the account has no usable access token",
        Reason::AccountPaused => "the account is paused",
        Reason::PlayOff => "this play is switched off",
        Reason::Shadow => "the play only shows what it would do",
        Reason::Silenced => "a kill switch is set",
        Reason::ViewerCap => "the viewer was written to often enough",
        Reason::QuietHours => "the brand is quiet at this hour",
        Reason::SameText => "the same was said a short while ago",
        Reason::NotInPilot => "the play is tried on other viewers",
        Reason::BadText => "the text cannot be sent as it is",
        Reason::RateLimited => "no room in the limits just now",
        Reason::RefusedByMeta => "Meta refused it for good",
        Reason::MetaBusy => "Meta was not to be reached",
        Reason::PersonAnswered => "a person answered in its place",
        Reason::PersonRefused => "a person said no",
        Reason::NotYetDue => "its time has not come",
        Reason::PreviousStep => "what became of the step before is not known yet",
        Reason::SequenceEnded => "the step before was not said",
        Reason::ViewerAnswered => "they answered",
        Reason::Converted => "they bought",
        Reason::Superseded => "the sequence began again later",
        Reason::Backlog => "interactions wait, and their answer may be among them",
        Reason::NeedsPerson => "what they wrote needs a person",
        Reason::Moderated => "it may be spam or abuse: please look",
        Reason::NotOptedOut => "there is no stop to confirm",
        Reason::AlreadyConfirmed => "the stop is confirmed already",
        Reason::NoTemplate => "the snippet cannot be filled in",
        Reason::DraftAwaited => "a draft is being written",
        Reason::DraftToRead => "a draft waits to be read",
        Reason::DraftFailed => "no draft could be written",
        Reason::Expired => "nobody decided in time",
        Reason::FateUnknown => "it is not known whether it went out: please look",
    }
}

/// How long, in its two largest units.
pub(crate) fn span(ms: i64) -> String {
    let ms = ms.max(0);
    let (days, hours, minutes) = (ms / DAY_MS, ms % DAY_MS / HOUR_MS, ms % HOUR_MS / 60_000);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{} s", ms / 1000),
        (0, 0, m) => format!("{m} min"),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

/// How long ago.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    format!("{} ago", span(now.since(at)))
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans() {
        for (ms, text) in
            [(-5, "0 s"), (59_999, "59 s"), (60_000, "1 min"), (83_520_000, "23 h 12 min"), (90_000_000, "1 d 1 h")]
        {
            assert_eq!(span(ms), text);
        }
    }
}
