//! Runs of words taken over from another text.

use std::collections::HashSet;

use afterglow_moderation::same_text_key;

/// The first run of `length` words that `draft` shares with `source`, folded; `None` if there is none.
pub(super) fn shared_run(draft: &str, source: &str, length: usize) -> Option<String> {
    let (draft, source) = (same_text_key(draft), same_text_key(source));
    let draft: Vec<&str> = draft.split_whitespace().collect();
    let source: Vec<&str> = source.split_whitespace().collect();
    let runs: HashSet<&[&str]> = source.windows(length).collect();
    draft.windows(length).find(|run| runs.contains(run)).map(|run| run.join(" "))
}
