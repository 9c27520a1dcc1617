//! One person as one account sees them, with everything that bears on whether they may be written to.

use std::collections::VecDeque;

use afterglow_domain::Timestamp;

use super::fact::{Answer, Fact, What, Word};

/// As many as Meta lets an app read back (Meta, "Conversations API": the 20 most recent messages).
const LINES: usize = 20;

/// How long it may take until a message that needs a person has been read, in ms.
const ASKED_GRACE_MS: i64 = 30_000;

/// A fact that raises or lifts a barrier.
#[derive(Debug)]
pub(super) struct Barrier<T> {
    pub(super) key: String,
    pub(super) kind: T,
    /// When it happened.
    pub(super) at: Timestamp,
    /// When Meta first sent it out.
    pub(super) told: Timestamp,
    /// When the webhook that carried it was first answered 200.
    pub(super) acknowledged: Option<Timestamp>,
}

/// Who has the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    App,
    Standby,
    Human,
    /// The person asked for one of the brand's people.
    Asked,
    Ours,
}

/// A Story reply.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) key: String,
    pub(super) at: Timestamp,
    pub(super) told: Timestamp,
    pub(super) acknowledged: Option<Timestamp>,
    pub(super) answer: Answer,
    /// The number of the request that answered it.
    pub(super) answered: Option<u64>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Message id.
    pub mid: String,
    /// When it was sent.
    pub at: Timestamp,
    /// The account wrote it.
    pub ours: bool,
    /// Its text.
    pub text: String,
    /// It answers a Story of the account's.
    pub answers_story: bool,
}

/// The person.
#[derive(Debug, Default)]
pub(super) struct Person {
    pub(super) last_contact: Option<Timestamp>,
    /// When they last came through an ad.
    pub(super) came_through_ad: Option<Timestamp>,
    /// They commented: they acted first, though that opens no window for messages.
    pub(super) commented: bool,
    pub(super) contacts: u64,
    pub(super) answered_contacts: u64,
    pub(super) words: Vec<Barrier<Word>>,
    pub(super) controls: Vec<Barrier<Control>>,
    /// Since when a person answers from a console: from then on nobody is owed an automatic answer.
    pub(super) led_since: Option<Timestamp>,
    /// When they were told that their stop was heard.
    pub(super) confirmations: Vec<Timestamp>,
    pub(super) replies: Vec<Reply>,
    pub(super) lines: VecDeque<Line>,
}

impl Person {
    /// Takes a fact in, once; says whether it was new.
    pub(super) fn tell(&mut self, fact: &Fact, now: Timestamp) -> bool {
        match &fact.what {
            What::Contact { text } => {
                if self.lines.iter().any(|l| l.mid == fact.key) {
                    return false;
                }
                self.contact(fact.at);
                if let Some(text) = text {
                    self.say(&fact.key, fact.at, false, text);
                }
            }
            What::StoryReply { text, answer } => {
                if self.replies.iter().any(|r| r.key == fact.key) {
                    return false;
                }
                self.contact(fact.at);
                self.say(&fact.key, fact.at, false, text);
                if let Some(line) = self.lines.back_mut() {
                    line.answers_story = true;
                }
                self.replies.push(Reply {
                    key: fact.key.clone(),
                    at: fact.at,
                    told: now,
                    acknowledged: None,
                    answer: *answer,
                    answered: None,
                });
            }
            What::CameThroughAd => self.came_through_ad = self.came_through_ad.max(Some(fact.at)),
            What::Comment { .. } => self.commented = true,
            What::AskedForPerson => return raise(&mut self.controls, fact, Control::Asked, now),
            What::Said(word) => return raise(&mut self.words, fact, *word, now),
            What::Standby => return raise(&mut self.controls, fact, Control::Standby, now),
            What::Taken => return raise(&mut self.controls, fact, Control::App, now),
            What::Returned => return raise(&mut self.controls, fact, Control::Ours, now),
            What::HumanWrote { text } => {
                if !raise(&mut self.controls, fact, Control::Human, now) {
                    return false;
                }
                self.say(&fact.key, fact.at, true, text);
            }
        }
        true
    }

    fn contact(&mut self, at: Timestamp) {
        self.contacts += 1;
        self.last_contact = self.last_contact.max(Some(at));
    }

    /// Adds a message to what can be read back.
    pub(super) fn say(&mut self, mid: &str, at: Timestamp, ours: bool, text: &str) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(Line { mid: mid.into(), at, ours, text: text.into(), answers_story: false });
    }

    /// The webhook that carried the fact was answered 200.
    pub(super) fn acknowledge(&mut self, fact: &Fact, now: Timestamp) {
        match &fact.what {
            What::Contact { .. } | What::CameThroughAd | What::Comment { .. } => {}
            What::StoryReply { .. } => {
                for reply in self.replies.iter_mut().filter(|r| r.key == fact.key) {
                    reply.acknowledged.get_or_insert(now);
                }
            }
            What::Said(_) => acknowledge(&mut self.words, &fact.key, now),
            What::Standby | What::Taken | What::Returned | What::HumanWrote { .. } | What::AskedForPerson => {
                acknowledge(&mut self.controls, &fact.key, now);
            }
        }
    }

    /// The stop that forbids a message at `now`: acknowledged for longer than `grace_ms`, and not lifted by a later
    /// start. Of a stop and a start in the same millisecond, stop wins.
    pub(super) fn stop_in_force(&self, now: Timestamp, grace_ms: i64) -> Option<&Barrier<Word>> {
        self.words.iter().find(|stop| {
            stop.kind == Word::Stop
                && settled(stop, now, grace_ms)
                && !self.words.iter().any(|w| w.kind == Word::Start && w.at > stop.at)
        })
    }

    /// The last stop that Meta told of.
    pub(super) fn last_stop(&self) -> Option<&Barrier<Word>> {
        self.words.iter().filter(|word| word.kind == Word::Stop).max_by_key(|stop| stop.at)
    }

    /// Whether a start that came after the last stop lifted it, and has been acknowledged for longer than `grace_ms`.
    pub(super) fn lifted(&self, now: Timestamp, grace_ms: i64) -> bool {
        let stop = self.last_stop().map(|stop| stop.at);
        let mut starts = self.words.iter().filter(|word| word.kind == Word::Start && Some(word.at) > stop);
        starts.any(|start| settled(start, now, grace_ms))
    }

    /// Whether the stop in force was confirmed: since the last start.
    pub(super) fn is_confirmed(&self) -> bool {
        let start = self.words.iter().filter(|word| word.kind == Word::Start).map(|start| start.at).max();
        self.confirmations.iter().any(|at| start.is_none_or(|start| *at > start))
    }

    /// The take-over that forbids a message at `now`, likewise.
    pub(super) fn control_in_force(&self, now: Timestamp, rules: &super::Rules) -> Option<&Barrier<Control>> {
        let grace_ms = rules.grace_ms;
        self.controls.iter().find(|taken| {
            if matches!(taken.kind, Control::Human | Control::Asked) && now.since(taken.at) >= rules.human_idle_ms {
                return false;
            }
            let grace_ms = if taken.kind == Control::Asked { grace_ms.max(ASKED_GRACE_MS) } else { grace_ms };
            taken.kind != Control::Ours
                && settled(taken, now, grace_ms)
                && !self.controls.iter().any(|c| c.kind == Control::Ours && c.at >= taken.at)
        })
    }

    /// Meta knows at once when another app owns the thread; of people who write by phone it takes no notice.
    pub(super) fn owned_by_another_app(&self) -> bool {
        self.controls
            .iter()
            .filter(|c| !matches!(c.kind, Control::Human | Control::Asked))
            .max_by_key(|c| (c.at, c.kind == Control::Ours))
            .is_some_and(|c| c.kind != Control::Ours)
    }

    /// Whether something excuses that `reply` got no answer: a barrier of which Meta told before `deadline`, and which
    /// was not known to be lifted when the reply came.
    pub(super) fn excused(&self, reply: &Reply, deadline: Timestamp) -> bool {
        if self.led_since.is_some_and(|since| since <= deadline) {
            return true;
        }
        let by_word = self.words.iter().filter(|w| w.kind != Word::Start && w.told <= deadline).any(|barrier| {
            !self
                .words
                .iter()
                .any(|w| w.kind == Word::Start && w.at > barrier.at && w.at <= reply.at && w.told <= reply.told)
        });
        let by_control =
            self.controls.iter().filter(|c| c.kind != Control::Ours && c.told <= deadline).any(|barrier| {
                !self
                    .controls
                    .iter()
                    .any(|c| c.kind == Control::Ours && c.at >= barrier.at && c.at <= reply.at && c.told <= reply.told)
            });
        by_word || by_control
    }
}

fn settled<T>(barrier: &Barrier<T>, now: Timestamp, grace_ms: i64) -> bool {
    barrier.acknowledged.is_some_and(|at| now.since(at) > grace_ms)
}

fn raise<T>(barriers: &mut Vec<Barrier<T>>, fact: &Fact, kind: T, told: Timestamp) -> bool {
    if barriers.iter().any(|b| b.key == fact.key) {
        return false;
    }
    barriers.push(Barrier { key: fact.key.clone(), kind, at: fact.at, told, acknowledged: None });
    true
}

fn acknowledge<T>(barriers: &mut [Barrier<T>], key: &str, now: Timestamp) {
    for barrier in barriers.iter_mut().filter(|b| b.key == key) {
        barrier.acknowledged.get_or_insert(now);
    }
}
