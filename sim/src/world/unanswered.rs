//! Who engaged and was lost.

use std::collections::HashMap;

use afterglow_domain::{AccountId, DAY_MS, Timestamp, ViewerId};
use serde::Serialize;

use super::World;
use super::fact::Answer;
use super::ledger::Outcome;

/// A Story reply to which an answer was due, and none came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unanswered {
    /// Whose account.
    pub account: AccountId,
    /// Who replied.
    pub person: ViewerId,
    /// The reply's message id.
    pub reply: String,
    /// When they replied.
    pub at: Timestamp,
    /// When its webhook was first answered 200.
    pub acknowledged: Timestamp,
    /// The last request to this person that brought no message: an answer that was tried and failed is not forgotten,
    /// but waits for a person of the brand.
    pub tried: Option<u64>,
}

impl World {
    /// For each Story reply that got its answer: the time from its webhook's first attempt to the arrival of the Send
    /// request, in ms. In no particular order.
    pub fn answer_latencies_ms(&self) -> Vec<i64> {
        let started: HashMap<u64, Timestamp> = self.ledger.iter().map(|entry| (entry.number, entry.started)).collect();
        let replies = self.people.values().flat_map(|person| &person.replies);
        replies.filter_map(|reply| Some(started.get(&reply.answered?)?.since(reply.told))).collect()
    }

    /// The same, of one account's people and of replies that were told since a moment.
    pub fn answer_latencies_of(&self, account: &AccountId, since: Timestamp) -> Vec<i64> {
        let started: HashMap<u64, Timestamp> = self.ledger.iter().map(|entry| (entry.number, entry.started)).collect();
        let people = self.people.iter().filter(|(viewer, _)| viewer.account == *account);
        let replies = people.flat_map(|(_, person)| &person.replies).filter(|reply| reply.told >= since);
        replies.filter_map(|reply| Some(started.get(&reply.answered?)?.since(reply.told))).collect()
    }

    /// People whose stop was acknowledged at least `patience_ms` ago, and who were never told that it was heard. Excused is who
    /// cannot be told: the window had closed, or another app has the thread.
    pub fn unconfirmed(&self, now: Timestamp, patience_ms: i64) -> Vec<(AccountId, ViewerId)> {
        let left = self.people.iter().filter(|(_, person)| {
            let told_in_time = person.last_stop().and_then(|stop| Some((stop.at, stop.acknowledged?)));
            let told_in_time = told_in_time.is_some_and(|(said, acknowledged)| {
                now.since(acknowledged) >= patience_ms && acknowledged.since(said) < DAY_MS
            });
            told_in_time && !person.lifted(now, 0) && !person.is_confirmed() && !person.owned_by_another_app()
        });
        let mut left: Vec<_> = left.map(|(viewer, _)| (viewer.account.clone(), viewer.viewer.clone())).collect();
        left.sort();
        left
    }

    /// Story replies that were acknowledged at least `patience_ms` ago, had an answer due, and got none.
    ///
    /// Excused is a reply of somebody who says stop (or perhaps), or is taken over, before the patience has run out:
    /// the answer may rightly have been withdrawn. So is one that was acknowledged only after its window had closed.
    pub fn unanswered(&self, now: Timestamp, patience_ms: i64) -> Vec<Unanswered> {
        let mut failed: HashMap<(&str, &ViewerId), Vec<(Timestamp, u64)>> = HashMap::new();
        for entry in self.ledger.iter().filter(|e| matches!(e.outcome, Outcome::Refused(_) | Outcome::NotReached)) {
            if let Some(person) = &entry.person {
                failed.entry((&entry.account, person)).or_default().push((entry.started, entry.number));
            }
        }
        let mut lost = Vec::new();
        for (viewer, person) in &self.people {
            for reply in person.replies.iter().filter(|r| r.answer == Answer::Due && r.answered.is_none()) {
                let Some(acknowledged) = reply.acknowledged else { continue };
                if now.since(acknowledged) < patience_ms
                    || acknowledged.since(reply.at) >= DAY_MS
                    || person.excused(reply, acknowledged.plus(patience_ms))
                {
                    continue;
                }
                let tried = failed.get(&(viewer.account.as_str(), &viewer.viewer)).and_then(|attempts| {
                    attempts.iter().rev().find(|(started, _)| *started >= reply.told).map(|(_, number)| *number)
                });
                lost.push(Unanswered {
                    account: viewer.account.clone(),
                    person: viewer.viewer.clone(),
                    reply: reply.key.clone(),
                    at: reply.at,
                    acknowledged,
                    tried,
                });
            }
        }
        lost.sort_by(|a, b| (a.at, &a.reply).cmp(&(b.at, &b.reply)));
        lost
    }
}
