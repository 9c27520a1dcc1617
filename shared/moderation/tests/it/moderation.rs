//! Spam and abuse.

use afterglow_moderation::{Disposition, Language, Message, Moderator, Thresholds};

use crate::corpus::{measure, total};

pub(crate) fn moderator() -> Moderator {
    Moderator::new(&[], Thresholds::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn judge(moderator: &Moderator, text: &str, language: Option<Language>) -> (bool, String) {
    let verdict = moderator.judge(&Message { language, ..Message::new(text) });
    (verdict.disposition() != Disposition::Pass, format!("{:?}", verdict.findings))
}

#[test]
fn labelled_messages_are_told_apart() {
    let moderator = moderator();
    for (language, tally) in measure("moderation", "", "clear", |text, l| judge(&moderator, text, l)) {
        assert!(tally.precision() >= 0.95 && tally.recall() >= 0.95, "{language:?}: {tally}");
    }
}

#[test]
fn unseen_messages_are_told_apart_less_well() {
    let moderator = moderator();
    for (language, tally) in measure("moderation", ".held-out", "clear", |text, l| judge(&moderator, text, l)) {
        assert!(tally.precision() >= 0.7 && tally.recall() >= 0.5, "{language:?}: {tally}");
    }
}

/// Written when the lists were done, in other words than theirs, and not tuned for: what rules cannot know. A brand
/// that has to catch it plugs in a classifier.
#[test]
fn what_is_said_in_other_words_is_mostly_missed() {
    let moderator = moderator();
    let all = total(&measure("moderation", ".after", "clear", |text, l| judge(&moderator, text, l)));
    assert!(all.precision() >= 0.9 && all.recall() >= 0.1, "{all}");
}
