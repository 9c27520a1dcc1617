//! The two judgements on one request: what Meta would answer, and which promises it breaks.

use afterglow_domain::{DAY_MS, HOUR_MS, Timestamp, ViewerKey};

use super::person::{Control, Person};
use super::refusal::Refusal;
use super::request::{Content, Recipient, Request};
use super::violations::Violation;
use super::{Causes, World};
use crate::account::Account;

/// The standard window (Meta, "Send a message", read in 2026).
const WINDOW_MS: i64 = DAY_MS;
/// After a first message that came through a click-to-message ad (Meta, "Messenger Platform and IG Messaging API policy", read in
/// 2026: up to 7 days).
const AD_MS: i64 = 7 * DAY_MS;
/// With the Human Agent feature.
const HUMAN_AGENT_MS: i64 = 7 * DAY_MS;
/// A private reply to a comment on a post or reel (Meta, "Private replies", read in 2026).
const COMMENT_MS: i64 = 7 * DAY_MS;
/// What it takes to say that a stop was heard, in any language.
const CONFIRMATION_BYTES: usize = 300;
/// A private reply during a broadcast, which Instagram ends after four hours.
const LIVE_MS: i64 = 4 * HOUR_MS;

/// Whom a request reaches, once its recipient is looked up.
pub(super) struct Reached<'a> {
    pub(super) viewer: Option<ViewerKey>,
    pub(super) person: Option<&'a Person>,
}

impl World {
    /// Looks the recipient up. A comment leads to its author.
    pub(super) fn reach(&self, account: &Account, recipient: &Recipient) -> Reached<'_> {
        let viewer = match recipient {
            Recipient::Person(id) => {
                Some(ViewerKey { account: account.id.clone(), viewer: afterglow_domain::ViewerId::new(id.as_str()) })
            }
            Recipient::Comment(id) => self
                .comments
                .get(&(account.id.clone(), id.clone()))
                .map(|c| ViewerKey { account: account.id.clone(), viewer: c.author.clone() }),
        };
        let person = viewer.as_ref().and_then(|v| self.people.get(v));
        Reached { viewer, person }
    }

    /// What Meta would refuse, in Meta's order: person or comment, owner of the thread, grant, window.
    pub(super) fn meta_refuses(
        &self,
        account: &Account,
        request: &Request,
        reached: &Reached<'_>,
        now: Timestamp,
    ) -> Option<Refusal> {
        if let Recipient::Comment(id) = &request.recipient {
            let fits = self.comments.get(&(account.id.clone(), id.clone())).is_some_and(|comment| {
                comment.replied.is_none()
                    && !comment.by_account
                    && comment.shown != super::comments::Shown::Nobody
                    && now.since(comment.at) < if comment.live { LIVE_MS } else { COMMENT_MS }
            });
            return (!fits).then_some(Refusal::BAD_COMMENT);
        }
        // A person who only commented has no thread yet: for the Send API they do not exist.
        let Some(person) = reached.person.filter(|p| p.last_contact.is_some() || !p.controls.is_empty()) else {
            return Some(Refusal::NO_PERSON);
        };
        if person.owned_by_another_app() {
            return Some(Refusal::NOT_OWNER);
        }
        if request.human_agent && !account.human_agent {
            return Some(Refusal::NOT_APPROVED);
        }
        (!is_open(request, person, now)).then_some(Refusal::WINDOW)
    }

    /// Which promises the request breaks.
    pub(super) fn judge(
        &self,
        account: &Account,
        request: &Request,
        reached: &Reached<'_>,
        now: Timestamp,
    ) -> Vec<Violation> {
        let mut found = Vec::new();
        if request.human_agent && !account.human_agent {
            found.push(Violation::HumanAgentNotGranted);
        }
        match &request.recipient {
            Recipient::Person(_) => judge_window(request, reached.person, now, &mut found),
            Recipient::Comment(id) => self.judge_comment(account, id, now, &mut found),
        }
        if let Some(person) = reached.person {
            self.judge_barriers(person, request, now, &mut found);
        }
        if let Content::Message { metadata, .. } = &request.content {
            self.judge_repetition(account, request, metadata.as_deref(), reached.person, &mut found);
        }
        found
    }

    fn judge_comment(&self, account: &Account, id: &str, now: Timestamp, found: &mut Vec<Violation>) {
        match self.comments.get(&(account.id.clone(), id.to_owned())) {
            Some(comment) if !comment.by_account => {
                let age_ms = now.since(comment.at);
                if age_ms >= if comment.live { LIVE_MS } else { COMMENT_MS } {
                    found.push(Violation::CommentTooOld { comment: id.into(), age_ms });
                }
                if comment.replied.is_some() {
                    found.push(Violation::AnsweredTwice { cause: id.into() });
                }
            }
            Some(_) | None => found.push(Violation::UnknownComment { comment: id.into() }),
        }
    }

    fn judge_barriers(&self, person: &Person, request: &Request, now: Timestamp, found: &mut Vec<Violation>) {
        let grace_ms = self.rules.grace_ms;
        if request.is_confirmation() {
            judge_confirmation(person, request, (now, grace_ms), found);
        } else if matches!(request.content, Content::Message { .. })
            && let Some(stop) = person.stop_in_force(now, grace_ms)
            && let Some(acknowledged) = stop.acknowledged
        {
            found.push(Violation::AfterOptOut { said: stop.at, acknowledged, late_ms: now.since(acknowledged) });
        }
        if let Some(taken) = person.control_in_force(now, &self.rules) {
            match taken.kind {
                Control::App => found.push(Violation::HandedOver { by: "app", since: taken.at }),
                Control::Human if self.rules.human_takes_over && !request.by_person() && !request.is_confirmation() => {
                    found.push(Violation::HandedOver { by: "person", since: taken.at });
                }
                Control::Standby => found.push(Violation::StandbyThread),
                Control::Asked if !request.by_person() && !request.is_confirmation() => {
                    found.push(Violation::HandedOver { by: "asked", since: taken.at });
                }
                Control::Human | Control::Asked | Control::Ours => {}
            }
        }
    }

    fn judge_repetition(
        &self,
        account: &Account,
        request: &Request,
        metadata: Option<&str>,
        person: Option<&Person>,
        found: &mut Vec<Violation>,
    ) {
        if let Some(metadata) = metadata
            && let Some(first) = self.metadata.get(&(account.id.clone(), metadata.to_owned()))
        {
            found.push(Violation::MetadataRepeated { metadata: metadata.into(), first: *first });
        }
        // A person may write more than once; that a machine does not is our promise.
        if request.by_person() || request.is_confirmation() {
            return;
        }
        let (Recipient::Person(_), Some(person)) = (&request.recipient, person) else { return };
        match self.cause(person, request) {
            Cause::Free(_) | Cause::Contact => {}
            Cause::Used(cause) => found.push(Violation::AnsweredTwice { cause }),
            Cause::None => found.push(Violation::NoCause),
        }
    }

    /// What a message would answer: what it names by `reply_to`, else the oldest Story reply without an answer.
    pub(super) fn cause(&self, person: &Person, request: &Request) -> Cause {
        if let Some(mid) = &request.reply_to
            && let Some((index, reply)) = person.replies.iter().enumerate().find(|(_, r)| r.key == *mid)
        {
            return if reply.answered.is_some() { Cause::Used(mid.clone()) } else { Cause::Free(index) };
        }
        let free = person
            .replies
            .iter()
            .enumerate()
            .filter(|(_, r)| r.answered.is_none() && r.answer != super::fact::Answer::Never)
            .min_by_key(|(_, r)| r.at);
        match (self.rules.causes, free) {
            (_, Some((index, _))) => Cause::Free(index),
            (Causes::AnyContact, None) if person.answered_contacts < person.contacts => Cause::Contact,
            (Causes::JudgedElsewhere, None) => Cause::Contact,
            (Causes::AnyContact | Causes::StoryReplies, None) => Cause::None,
        }
    }
}

/// What a message answers.
pub(super) enum Cause {
    /// The Story reply at this place, which has no answer yet.
    Free(usize),
    /// Something else that the person did.
    Contact,
    /// A Story reply that has its answer.
    Used(String),
    /// Nothing.
    None,
}

/// The one automatic message that may follow a stop.
fn judge_confirmation(
    person: &Person,
    request: &Request,
    (now, grace_ms): (Timestamp, i64),
    found: &mut Vec<Violation>,
) {
    if person.last_stop().is_none() || person.lifted(now, grace_ms) {
        found.push(Violation::ConfirmationUnfounded);
    }
    if person.is_confirmed() {
        found.push(Violation::ConfirmedTwice);
    }
    if let Content::Message { text: Some(text), .. } = &request.content
        && (text.contains(['?', '!']) || text.contains("http") || text.len() > CONFIRMATION_BYTES)
    {
        found.push(Violation::ConfirmationAdvertises { text: text.clone() });
    }
}

/// Whether the window is open: a day after they last did something, a week for people and after an ad.
fn is_open(request: &Request, person: &Person, now: Timestamp) -> bool {
    let length = if request.human_agent { HUMAN_AGENT_MS } else { WINDOW_MS };
    person.last_contact.is_some_and(|at| now.since(at) < length)
        || person.came_through_ad.is_some_and(|at| now.since(at) < AD_MS)
}

fn judge_window(request: &Request, person: Option<&Person>, now: Timestamp, found: &mut Vec<Violation>) {
    match person {
        None => found.push(Violation::NeverContacted),
        Some(person) => match person.last_contact {
            // Standby contact is contact with another app; it has a violation of its own.
            None if person.controls.iter().any(|c| c.kind == Control::Standby) => {}
            None if person.commented => found.push(Violation::OutsideWindow { last_contact: None, ago_ms: None }),
            None => found.push(Violation::NeverContacted),
            Some(at) if !is_open(request, person, now) => {
                found.push(Violation::OutsideWindow { last_contact: Some(at), ago_ms: Some(now.since(at)) });
            }
            Some(_) => {}
        },
    }
}
