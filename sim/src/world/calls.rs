//! One call of the Graph API: who calls, whether they may, and what is answered.

use afterglow_domain::{AccountId, HOUR_MS, Timestamp, ViewerId};
use serde_json::json;

use super::ledger::{LedgerEntry, Outcome};
use super::refusal::Refusal;
use super::request::{self, Content, Recipient, Request};
use super::rules::Cause;
use super::usage::UsageHeaders;
use super::violations::Violation;
use super::{Meters, World};
use crate::account::Account;
use crate::graph_server::Fault;

/// A send request as it came in.
#[derive(Debug, Clone, Copy)]
pub struct SendCall<'a> {
    /// The node of the path: an account id, or `me`.
    pub node: &'a str,
    /// The access token, if one came.
    pub token: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
    /// When the request began.
    pub started: Timestamp,
    /// What will be done to it or to its answer.
    pub fault: Option<Fault>,
}

/// What Meta answers, before a fault spoils it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: String,
    /// The usage headers.
    pub usage: UsageHeaders,
    /// The message that was delivered, if one was: its echo is due.
    pub delivered: Option<Delivered>,
}

/// A delivered message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Who sent it.
    pub account: AccountId,
    /// Who got it.
    pub person: ViewerId,
    /// Its id.
    pub mid: String,
    /// When.
    pub at: Timestamp,
    /// Its text; `None` for attachments.
    pub text: Option<String>,
    /// The metadata that came with it.
    pub metadata: Option<String>,
}

/// How far a send got: what goes into the ledger besides the verdict.
#[derive(Default)]
struct Progress {
    request: Option<Request>,
    person: Option<ViewerId>,
    cause: Option<String>,
    delivered: Option<Delivered>,
}

impl World {
    /// Judges, answers and records a send request.
    pub fn send(&mut self, call: SendCall<'_>) -> Reply {
        let number = self.ledger.len() as u64 + 1;
        let mut violations = Vec::new();
        let mut progress = Progress::default();
        let account = self.node_account(call.node, call.token).cloned();
        let outcome = match self.try_send(call, number, account.as_ref(), &mut violations, &mut progress) {
            Ok(outcome) => outcome,
            Err(refusal) => Outcome::Refused(refusal),
        };
        let (status, body) = self.answer(&outcome, progress.person.as_ref());
        let blocked = matches!(outcome, Outcome::Refused(r) if matches!(r.code, 4 | 613 | 80002));
        let usage = self.usage(account.as_ref(), blocked);
        self.accuse(Some(number), call.started, call.node, progress.person.as_ref(), violations);
        let (recipient, text, metadata) = match progress.request {
            Some(Request { recipient, content: Content::Message { text, metadata }, .. }) => {
                (Some(recipient), text, metadata)
            }
            Some(Request { recipient, .. }) => (Some(recipient), None, None),
            None => (None, None, None),
        };
        let entry = LedgerEntry {
            number,
            started: call.started,
            account: account.as_ref().map_or_else(|| call.node.to_owned(), |a| a.id.as_str().to_owned()),
            brand: account.map(|a| a.brand),
            person: progress.person,
            comment: match recipient {
                Some(Recipient::Comment(id)) => Some(id),
                Some(Recipient::Person(_)) | None => None,
            },
            text,
            metadata,
            cause: progress.cause,
            outcome,
            fault: call.fault,
        };
        self.totals.count(&entry);
        self.ledger.push(entry);
        Reply { status, body, usage, delivered: progress.delivered }
    }

    fn try_send(
        &mut self,
        call: SendCall<'_>,
        number: u64,
        account: Option<&Account>,
        violations: &mut Vec<Violation>,
        progress: &mut Progress,
    ) -> Result<Outcome, Refusal> {
        let authorised = self.authorise(call.node, call.token, call.started, violations);
        let request = match request::read(call.body) {
            Ok(request) => request,
            Err(malformed) => {
                violations.push(Violation::Malformed { why: malformed.why });
                authorised?;
                return Err(malformed.refusal);
            }
        };
        let Some(account) = account else { return Err(authorised.err().unwrap_or(Refusal::NO_OBJECT)) };
        let reached = self.reach(account, &request.recipient);
        violations.extend(self.judge(account, &request, &reached, call.started));
        let refused = self.meta_refuses(account, &request, &reached, call.started);
        let person = reached.viewer.map(|v| v.viewer);
        progress.person.clone_from(&person);
        let limited = match authorised {
            Ok(()) if !call.fault.is_some_and(Fault::loses_request) => {
                self.meter(account, &request, call.started, violations)
            }
            Ok(()) | Err(_) => Ok(()),
        };
        let request = progress.request.insert(request);
        authorised?;
        if call.fault.is_some_and(Fault::loses_request) {
            return Ok(Outcome::NotReached);
        }
        limited?;
        if let Some(refusal) = refused {
            return Err(refusal);
        }
        let Some(person) = person else { return Err(Refusal::NO_PERSON) };
        let Content::Message { text, metadata } = &request.content else { return Ok(Outcome::ActionTaken) };
        let delivered = Delivered {
            account: account.id.clone(),
            person,
            mid: format!("aWdfZAG1faXRlbTpzaW1fc2VuZDo{number:016x}"),
            at: call.started,
            text: text.clone(),
            metadata: metadata.clone(),
        };
        progress.cause = self.deliver(number, request, &delivered);
        let message_id = delivered.mid.clone();
        progress.delivered = Some(delivered);
        Ok(Outcome::Accepted { message_id })
    }

    /// Changes the world by a delivered message; says what it answered.
    fn deliver(&mut self, number: u64, request: &Request, message: &Delivered) -> Option<String> {
        if let Some(metadata) = &message.metadata {
            self.metadata.entry((message.account.clone(), metadata.clone())).or_insert(number);
        }
        if let Recipient::Comment(id) = &request.recipient
            && let Some(comment) = self.comments.get_mut(&(message.account.clone(), id.clone()))
        {
            comment.replied = Some(number);
        }
        let key = afterglow_domain::ViewerKey { account: message.account.clone(), viewer: message.person.clone() };
        let cause = match (&request.recipient, self.people.get(&key)) {
            (Recipient::Person(_), Some(person)) if !request.is_confirmation() => Some(self.cause(person, request)),
            (Recipient::Comment(_) | Recipient::Person(_), _) => None,
        };
        let person = self.people.entry(key).or_default();
        if request.by_person() {
            person.led_since.get_or_insert(message.at);
        }
        if request.is_confirmation() {
            person.confirmations.push(message.at);
        }
        person.say(&message.mid, message.at, true, message.text.as_deref().unwrap_or_default());
        match (cause, &request.recipient) {
            (_, Recipient::Comment(id)) => Some(id.clone()),
            (Some(Cause::Free(index)), Recipient::Person(_)) => {
                person.answered_contacts += 1;
                let reply = person.replies.get_mut(index)?;
                reply.answered = Some(number);
                Some(reply.key.clone())
            }
            (Some(Cause::Contact), Recipient::Person(_)) => {
                person.answered_contacts += 1;
                None
            }
            (Some(Cause::Used(_) | Cause::None) | None, Recipient::Person(_)) => None,
        }
    }

    /// Counts a call against the limits.
    fn meter(
        &mut self,
        account: &Account,
        request: &Request,
        now: Timestamp,
        violations: &mut Vec<Violation>,
    ) -> Result<(), Refusal> {
        self.meter_hour(account, now, violations)?;
        let rules = self.rules;
        let meters = self.meters.entry(account.id.clone()).or_default();
        let live = match &request.recipient {
            Recipient::Comment(id) => self.comments.get(&(account.id.clone(), id.clone())).is_some_and(|c| c.live),
            Recipient::Person(_) => true,
        };
        if !live && let Err(calls) = meters.private_replies.admit(now, HOUR_MS, rules.private_replies_per_hour) {
            violations.push(Violation::OverRate { limit: "private replies an hour", calls });
            return Err(Refusal::TOO_MANY);
        }
        if let Err(calls) = meters.messages.admit(now, 1000, rules.messages_per_second) {
            violations.push(Violation::OverRate { limit: "messages a second", calls });
            return Err(Refusal::TOO_FAST);
        }
        Ok(())
    }

    fn meter_hour(
        &mut self,
        account: &Account,
        now: Timestamp,
        violations: &mut Vec<Violation>,
    ) -> Result<(), Refusal> {
        self.app_hour.count(now);
        let meters: &mut Meters = self.meters.entry(account.id.clone()).or_default();
        meters.hour.count(now);
        let calls = |percent: u64| u32::try_from(percent).unwrap_or(u32::MAX);
        let (own, app) = (
            meters.hour.percent(self.rules.account_calls_per_hour),
            self.app_hour.percent(self.rules.app_calls_per_hour),
        );
        if own > 100 {
            violations.push(Violation::OverRate { limit: "percent of the account's hour", calls: calls(own) });
            return Err(Refusal::ACCOUNT_QUOTA);
        }
        if app > 100 {
            violations.push(Violation::OverRate { limit: "percent of the app's hour", calls: calls(app) });
            return Err(Refusal::APP_QUOTA);
        }
        Ok(())
    }

    /// The account that a node of the path names; `me` is the token's own.
    pub fn node_account(&self, node: &str, token: Option<&str>) -> Option<&Account> {
        if node == "me" { token.and_then(|t| self.account_of(t)) } else { self.account(node) }
    }

    fn authorise(
        &self,
        node: &str,
        token: Option<&str>,
        now: Timestamp,
        violations: &mut Vec<Violation>,
    ) -> Result<(), Refusal> {
        let owner = token.and_then(|t| self.account_of(t)).ok_or(Refusal::BAD_TOKEN)?;
        if let Some(refusal) = token.and_then(|token| self.grants.dead(token, now)) {
            return Err(refusal);
        }
        if node == "me" || node == owner.id.as_str() {
            return Ok(());
        }
        violations.push(Violation::WrongToken { token_of: owner.id.clone() });
        Err(Refusal::BAD_TOKEN)
    }

    /// A call that sends nothing: checks the token, counts the call. Says which account it is for.
    pub fn read_call(
        &mut self,
        node: &str,
        token: Option<&str>,
        now: Timestamp,
        conversations: bool,
    ) -> Result<Account, Refusal> {
        let mut violations = Vec::new();
        let result = self.try_read(node, token, now, conversations, &mut violations);
        self.accuse(None, now, node, None, violations);
        result
    }

    fn try_read(
        &mut self,
        node: &str,
        token: Option<&str>,
        now: Timestamp,
        conversations: bool,
        violations: &mut Vec<Violation>,
    ) -> Result<Account, Refusal> {
        self.authorise(node, token, now, violations)?;
        let account = self.node_account(node, token).cloned().ok_or(Refusal::NO_OBJECT)?;
        self.meter_hour(&account, now, violations)?;
        let limit = self.rules.conversations_per_second;
        let meters = self.meters.entry(account.id.clone()).or_default();
        if conversations && let Err(calls) = meters.conversations.admit(now, 1000, limit) {
            violations.push(Violation::OverRate { limit: "conversation reads a second", calls });
            return Err(Refusal::TOO_MANY);
        }
        Ok(account)
    }

    /// The usage headers as they stand.
    pub fn usage(&self, account: Option<&Account>, blocked: bool) -> UsageHeaders {
        let business = account.map(|a| {
            let percent = self.meters.get(&a.id).map_or(0, |m| m.hour.percent(self.rules.account_calls_per_hour));
            (&a.id, if blocked { percent.max(100) } else { percent }, blocked)
        });
        UsageHeaders::new(self.app_hour.percent(self.rules.app_calls_per_hour), business)
    }

    fn answer(&mut self, outcome: &Outcome, person: Option<&ViewerId>) -> (u16, String) {
        match outcome {
            Outcome::Accepted { message_id } => {
                (200, json!({"recipient_id": person, "message_id": message_id}).to_string())
            }
            Outcome::ActionTaken => (200, json!({"recipient_id": person}).to_string()),
            Outcome::Refused(refusal) => (refusal.status, refusal.body(&self.trace())),
            Outcome::NotReached => (Refusal::UNAVAILABLE.status, Refusal::UNAVAILABLE.body(&self.trace())),
        }
    }
}
