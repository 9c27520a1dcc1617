//! Every send request that Meta was asked, and what became of it.

use std::collections::BTreeMap;

use afterglow_domain::{BrandId, Timestamp, ViewerId};
use serde::Serialize;

use super::refusal::Refusal;
use super::violations::ViolationRecord;
use crate::graph_server::Fault;

/// One send request.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerEntry {
    /// Counted from 1.
    pub number: u64,
    /// When the request began.
    pub started: Timestamp,
    /// The account that the path named.
    pub account: String,
    /// Its brand, if the account exists.
    pub brand: Option<BrandId>,
    /// The person reached for, if the request led to one.
    pub person: Option<ViewerId>,
    /// The comment that a private reply answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// The metadata given.
    pub metadata: Option<String>,
    /// The interaction that this message was counted against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What truly became of it.
    pub outcome: Outcome,
    /// How the answer was spoilt, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// What truly became of a request, whatever the caller was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Delivered.
    Accepted {
        /// Meta's message id.
        message_id: String,
    },
    /// A sender action (typing, seen, a reaction) was taken.
    ActionTaken,
    /// Refused by Meta's rules.
    Refused(Refusal),
    /// It never reached Meta's rules.
    NotReached,
}

/// Sums over the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Send requests, whatever became of them.
    pub requests: u64,
    /// Messages delivered.
    pub accepted: u64,
    /// Requests refused, by `code/subcode`.
    pub refused: BTreeMap<String, u64>,
    /// Requests that never reached Meta's rules.
    pub not_reached: u64,
    /// Spoilt answers, by fault.
    pub faults: BTreeMap<String, u64>,
    /// Violations, by name.
    pub violations: BTreeMap<String, u64>,
    /// Story replies to which an answer was due.
    pub answers_due: u64,
    /// People who ever got in touch.
    pub people: u64,
}

/// A copy of the ledger.
#[derive(Debug, Clone, Serialize)]
pub struct Ledger {
    /// The sums.
    pub totals: Totals,
    /// All send requests, in the order of their arrival.
    pub messages: Vec<LedgerEntry>,
    /// All violations.
    pub violations: Vec<ViolationRecord>,
}

impl Totals {
    pub(super) fn count(&mut self, entry: &LedgerEntry) {
        self.requests += 1;
        match &entry.outcome {
            Outcome::Accepted { .. } => self.accepted += 1,
            Outcome::ActionTaken => {}
            Outcome::Refused(r) => {
                let name = r.subcode.map_or_else(|| r.code.to_string(), |s| format!("{}/{s}", r.code));
                *self.refused.entry(name).or_default() += 1;
            }
            Outcome::NotReached => self.not_reached += 1,
        }
        if let Some(fault) = entry.fault {
            *self.faults.entry(fault.as_str().into()).or_default() += 1;
        }
    }
}
