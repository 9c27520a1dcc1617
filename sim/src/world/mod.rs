//! Meta's side of the world, without IO or clock: who got in touch, who may be written to, what was asked and answered.
//!
//! Facts come from the scenario ([`World::tell`], [`World::acknowledge`]), requests from the program under judgement
//! ([`World::send`]). Each request gets two judgements: Meta's answer, and the promises it breaks ([`Violation`]). They
//! are independent: a message that Meta refuses is a violation all the same, and a message that Meta delivers may be one
//! that only the house forbids (after a stop, twice, over a person of the brand).

mod calls;
mod comments;
mod conversations;
mod fact;
mod ledger;
mod oauth;
mod person;
mod refusal;
mod request;
mod rules;
mod unanswered;
mod usage;
mod violations;

use std::collections::{BTreeMap, HashMap};

use afterglow_domain::{AccountId, Timestamp, ViewerId, ViewerKey};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

pub use calls::{Delivered, Reply as GraphReply, SendCall};
pub use comments::PostedComment;
pub use fact::{Answer, Fact, What, Word};
pub use ledger::{Ledger, LedgerEntry, Outcome, Totals};
pub use oauth::{Grant, GrantRefusal};
pub use person::Line;
pub use refusal::Refusal;
pub use unanswered::Unanswered;
pub use usage::UsageHeaders;
pub use violations::{Violation, ViolationRecord};

use crate::account::Account;
use comments::{CommentState, Shown};
use person::Person;

/// What asks for an answer, and so makes a message more than an unasked one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Causes {
    /// Story replies alone: each may be answered once, and nothing else may be.
    StoryReplies,
    /// Everything that opens the window: no more messages than contacts.
    AnyContact,
    /// As many as are sent; whoever holds the ledger against what happened judges them.
    JudgedElsewhere,
}

/// Limits and the judge's own settings.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How long after the acknowledgement of a stop or take-over a request may still begin, in ms.
    pub grace_ms: i64,
    /// A message written by phone hands the conversation to that person.
    pub human_takes_over: bool,
    /// For so long after a person's last word the conversation is theirs, in ms; then automation may speak again.
    pub human_idle_ms: i64,
    /// What a message may answer.
    pub causes: Causes,
    /// Messages a second for each account.
    pub messages_per_second: u32,
    /// Private replies an hour for each account.
    pub private_replies_per_hour: u32,
    /// Calls a second for each account to the Conversations API.
    pub conversations_per_second: u32,
    /// Calls an hour for each account.
    pub account_calls_per_hour: u64,
    /// Calls an hour for the whole app.
    pub app_calls_per_hour: u64,
}

impl Default for Rules {
    /// Meta's limits as documented in 2026, the stricter where two pages differ; quotas that no honest sender reaches.
    fn default() -> Self {
        Self {
            grace_ms: 1000,
            human_takes_over: true,
            human_idle_ms: afterglow_domain::DAY_MS,
            causes: Causes::StoryReplies,
            messages_per_second: 100,
            private_replies_per_hour: 750,
            conversations_per_second: 2,
            account_calls_per_hour: 360_000,
            app_calls_per_hour: 10_000_000,
        }
    }
}

#[derive(Debug, Default)]
struct Meters {
    messages: usage::Rate,
    private_replies: usage::Rate,
    conversations: usage::Rate,
    hour: usage::Hour,
}

/// The world.
#[derive(Debug)]
pub struct World {
    rules: Rules,
    accounts: BTreeMap<String, Account>,
    /// By the token's SHA-256, so that no token lies about in a map.
    tokens: HashMap<[u8; 32], AccountId>,
    grants: oauth::Grants,
    people: HashMap<ViewerKey, Person>,
    comments: HashMap<(AccountId, String), CommentState>,
    metadata: HashMap<(AccountId, String), u64>,
    meters: HashMap<AccountId, Meters>,
    app_hour: usage::Hour,
    ledger: Vec<LedgerEntry>,
    violations: Vec<ViolationRecord>,
    totals: Totals,
    traces: u64,
    stories: HashMap<AccountId, Vec<Story>>,
}

/// A Story of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// Its media id.
    pub id: String,
    /// When it was posted.
    pub posted: Timestamp,
    /// How many people saw it.
    pub viewers: u64,
}

impl World {
    /// The Stories of an account, ended ones as well.
    pub fn stories(&self, account: &AccountId) -> Vec<Story> {
        self.stories.get(account).cloned().unwrap_or_default()
    }

    /// Posts a Story, or changes one.
    pub fn set_story(&mut self, account: &AccountId, story: Story) {
        let stories = self.stories.entry(account.clone()).or_default();
        stories.retain(|other| other.id != story.id);
        stories.push(story);
    }

    /// A world in which nothing has happened yet.
    pub fn new(accounts: Vec<Account>, rules: Rules) -> Self {
        let tokens = accounts.iter().map(|a| (digest(a.access_token.expose_secret()), a.id.clone())).collect();
        Self {
            rules,
            tokens,
            grants: oauth::Grants::default(),
            accounts: accounts.into_iter().map(|a| (a.id.as_str().to_owned(), a)).collect(),
            people: HashMap::new(),
            comments: HashMap::new(),
            metadata: HashMap::new(),
            meters: HashMap::new(),
            app_hour: usage::Hour::default(),
            ledger: Vec::new(),
            violations: Vec::new(),
            totals: Totals::default(),
            traces: 0,
            stories: HashMap::new(),
        }
    }

    /// Meta sends a webhook out that tells of these facts, for the first or another time.
    pub fn tell(&mut self, facts: &[Fact], now: Timestamp) {
        for fact in facts {
            if let What::Comment { live, media, text } = &fact.what {
                let by_account = fact.person.as_str() == fact.account.as_str();
                self.comments.entry((fact.account.clone(), fact.key.clone())).or_insert_with(|| CommentState {
                    author: fact.person.clone(),
                    at: fact.at,
                    live: *live,
                    media: media.clone(),
                    text: text.clone(),
                    by_account,
                    replied: None,
                    shown: Shown::Everybody,
                });
            }
            let known = self.people.len();
            let person = self.people.entry(fact.viewer()).or_default();
            let new = person.tell(fact, now);
            let due = matches!(fact.what, What::StoryReply { answer: Answer::Due, .. });
            self.totals.answers_due += u64::from(new && due);
            self.totals.people += (self.people.len() - known) as u64;
        }
    }

    /// The webhook that told of these facts was answered 200.
    pub fn acknowledge(&mut self, facts: &[Fact], now: Timestamp) {
        for fact in facts {
            if let Some(person) = self.people.get_mut(&fact.viewer()) {
                person.acknowledge(fact, now);
            }
        }
    }

    /// Every account.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// The account with this id.
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// The account that a token may act for.
    pub fn account_of(&self, token: &str) -> Option<&Account> {
        let id = self.tokens.get(&digest(token)).or_else(|| self.grants.account_of(token))?;
        self.accounts.get(id.as_str())
    }

    /// The sums alone.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// All violations.
    pub fn violations(&self) -> &[ViolationRecord] {
        &self.violations
    }

    /// A copy of the ledger with at most the last `limit` requests.
    pub fn ledger(&self, limit: usize) -> Ledger {
        Ledger {
            totals: self.totals.clone(),
            messages: self.ledger[self.ledger.len().saturating_sub(limit)..].to_vec(),
            violations: self.violations.clone(),
        }
    }

    fn accuse(
        &mut self,
        request: Option<u64>,
        at: Timestamp,
        account: &str,
        person: Option<&ViewerId>,
        violations: Vec<Violation>,
    ) {
        for violation in violations {
            *self.totals.violations.entry(violation.name().into()).or_default() += 1;
            tracing::warn!(violation = violation.name(), account, request, "a promise was broken");
            self.violations.push(ViolationRecord {
                request,
                at,
                account: account.into(),
                person: person.cloned(),
                violation,
            });
        }
    }

    /// An id for support, as Meta gives one with each error.
    pub fn trace(&mut self) -> String {
        self.traces += 1;
        format!("Asim{:08x}", self.traces)
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests;
