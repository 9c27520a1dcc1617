//! How much each viewer wrote within the last hour: whoever says the same again and again, or writes without end, is looked at.
//!
//! Kept in memory, small: a process that begins anew reads the last hour again from the log.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

use afterglow_domain::{HOUR_MS, Timestamp, ViewerKey};
use afterglow_moderation::{Volume, same_text_key};

/// Within this span it is counted, in ms.
const SPAN_MS: i64 = HOUR_MS;
/// Viewers whose writing is counted at most.
const VIEWERS_MAX: usize = 100_000;
/// How often those are let go who wrote nothing within the span, in ms.
const LET_GO_MS: i64 = 60_000;

/// What was written, by viewer.
#[derive(Debug, Default)]
pub(crate) struct Volumes {
    /// By a viewer's hash: two of a hundred thousand share one in one of 10⁹ processes.
    by_viewer: HashMap<u64, Vec<Written>>,
    let_go: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written {
    at: Timestamp,
    text: u64,
}

impl Volumes {
    /// How much a viewer wrote by this message, which is counted once however often it is told.
    pub(crate) fn count(&mut self, viewer: &ViewerKey, text: &str, at: Timestamp) -> Volume {
        let viewer = hash(viewer);
        if self.by_viewer.len() >= VIEWERS_MAX && !self.by_viewer.contains_key(&viewer) {
            return Volume::default();
        }
        // A heart and a flame have no word, and are not the same.
        let words = Some(same_text_key(text)).filter(|words| !words.trim().is_empty());
        let text = words.unwrap_or_else(|| text.trim().to_owned());
        let (is_text, this) = (!text.is_empty(), Written { at, text: hash(&text) });
        let written = self.by_viewer.entry(viewer).or_insert_with(|| Vec::with_capacity(1)); // most write one
        written.retain(|other| at.since(other.at) < SPAN_MS);
        if !written.contains(&this) {
            written.push(this);
        }
        let same = written.iter().filter(|other| other.text == this.text && is_text).count();
        Volume { same_text: number(same), messages: number(written.len()) }
    }

    /// Lets go of those who wrote nothing within the span. To be called often: it looks at them once in a minute.
    pub(crate) fn let_go(&mut self, now: Timestamp) {
        if now.since(self.let_go) < LET_GO_MS {
            return;
        }
        self.let_go = now;
        self.by_viewer.retain(|_, written| written.iter().any(|one| now.since(one.at) < SPAN_MS));
        if self.by_viewer.capacity() > self.by_viewer.len() * 4 {
            self.by_viewer.shrink_to_fit();
        }
    }
}

fn hash(what: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use afterglow_domain::{AccountId, ViewerId};

    use super::*;

    const T: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn viewer(name: &str) -> ViewerKey {
        ViewerKey { account: AccountId::new("1"), viewer: ViewerId::new(name) }
    }

    #[test]
    fn what_was_written_within_an_hour_counts_once() {
        let mut volumes = Volumes::default();
        let minutes = |minutes: i64| T.plus(minutes * 60_000);
        for (who, text, at, same_text, messages) in [
            ("a", "Win a phone", T, 1, 1),
            ("a", "win a PHONE!", minutes(1), 2, 2),
            ("a", "win a PHONE!", minutes(1), 2, 2), // told twice
            ("a", "hello", minutes(2), 1, 3),
            ("b", "Win a phone", minutes(2), 1, 1),
            ("a", "🎉", minutes(3), 1, 4),
            ("a", "🔥", minutes(4), 1, 5),
            ("a", " ", minutes(5), 0, 6),            // what says nothing is never the same
            ("a", "win a phone", minutes(60), 2, 6), // the first is an hour old
            ("a", "win a phone", minutes(200), 1, 1),
        ] {
            let volume = volumes.count(&viewer(who), text, at);
            assert_eq!((volume.same_text, volume.messages), (same_text, messages), "{who} {text} {at}");
        }
    }

    #[test]
    fn who_is_silent_for_an_hour_takes_no_room() {
        let mut volumes = Volumes::default();
        for n in 0..1_000 {
            volumes.count(&viewer(&n.to_string()), "hello", T);
        }
        volumes.count(&viewer("later"), "hello", T.plus(30 * 60_000));
        volumes.let_go(T.plus(30 * 60_000));
        assert_eq!(volumes.by_viewer.len(), 1_001);
        volumes.let_go(T.plus(SPAN_MS));
        assert_eq!(volumes.by_viewer.len(), 1);
        assert!(volumes.by_viewer.capacity() < 100, "{}", volumes.by_viewer.capacity());
    }
}
