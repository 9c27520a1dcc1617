//! Conversations, as they can be read back.

use afterglow_domain::{AccountId, ViewerId, ViewerKey};

use super::World;
use super::person::Line;

impl World {
    /// The messages of one conversation that can be read back, the oldest first; `None` if there is no conversation.
    pub fn conversation(&self, account: &AccountId, person: &str) -> Option<Vec<Line>> {
        let key = ViewerKey { account: account.clone(), viewer: ViewerId::new(person) };
        let person = self.people.get(&key).filter(|p| !p.lines.is_empty())?;
        Some(person.lines.iter().cloned().collect())
    }

    /// Every conversation of an account that can be read back, the one in which something was said last first.
    pub fn conversations(&self, account: &AccountId) -> Vec<(String, Vec<Line>)> {
        let of_account =
            self.people.iter().filter(|(viewer, person)| viewer.account == *account && !person.lines.is_empty());
        let mut all: Vec<(String, Vec<Line>)> = of_account
            .map(|(viewer, person)| (viewer.viewer.as_str().to_owned(), person.lines.iter().cloned().collect()))
            .collect();
        let latest = |lines: &[Line]| lines.iter().map(|line| line.at).max();
        all.sort_by(|(a, x), (b, y)| latest(y).cmp(&latest(x)).then_with(|| a.cmp(b)));
        all
    }

    /// A message of this account by its id, and whose conversation it belongs to, while it can be read back.
    pub fn message(&self, account: &AccountId, mid: &str) -> Option<(String, Line)> {
        self.people.iter().filter(|(viewer, _)| viewer.account == *account).find_map(|(viewer, person)| {
            let line = person.lines.iter().find(|l| l.mid == mid)?;
            Some((viewer.viewer.as_str().to_owned(), line.clone()))
        })
    }
}
