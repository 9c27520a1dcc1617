//! Makes one happening into events: payloads with true labels.

mod brand;
mod person;
mod strange;

use std::collections::VecDeque;

use afterglow_domain::{Timestamp, ViewerId};
use bytes::Bytes;
use rand::RngExt;
use rand::rngs::StdRng;

use super::TrafficOptions;
use super::mix::{Happening, chance};
use super::people::{self, People};
use super::stories::Stories;
use crate::account::Account;
use crate::webhooks::{Item, Part, Payload};
use crate::world::{Fact, What};

/// How many earlier things an edit, unsending or reaction can refer to.
const MEMORY: usize = 256;

/// An event that is to be delivered.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// Index of the account whose app signs it.
    pub(super) account: usize,
    /// When it happens, ms since the plan's start.
    pub(super) at_ms: i64,
    pub(super) form: Form,
    pub(super) facts: Vec<Fact>,
    pub(super) kind: EventKind,
}

#[derive(Debug, Clone)]
pub(super) enum Form {
    /// Part of a body, under this `entry.id`.
    Part(String, Part),
    /// A body of its own; `true` if it is no JSON.
    Whole(Bytes, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventKind {
    Interaction,
    Duplicate,
    Quarantine,
}

/// Something said or done earlier, to which something later may refer.
#[derive(Debug, Clone)]
struct Earlier {
    account: usize,
    rank: u32,
    mid: String,
    edits: u32,
}

/// The mill.
#[derive(Debug)]
pub(super) struct Mill {
    accounts: Vec<Account>,
    start_ms: i64,
    people: People,
    stories: Vec<Stories>,
    messages: VecDeque<Earlier>,
    reactions: VecDeque<Earlier>,
    taken: VecDeque<Earlier>,
    stopped: VecDeque<Earlier>,
    serial: u64,
    /// Ids of media and comments begin here; two seeds begin far apart.
    first_id: u64,
}

/// Who does something, and when.
#[derive(Debug, Clone, Copy)]
struct Actor {
    account: usize,
    rank: u32,
    /// Epoch ms.
    ms: i64,
}

impl Mill {
    pub(super) fn new(options: &TrafficOptions, rng: &mut StdRng) -> Self {
        Self {
            stories: (0..options.accounts.len()).map(|n| Stories::new(n, options.story_every_ms, rng)).collect(),
            accounts: options.accounts.clone(),
            start_ms: options.start.millis(),
            people: People::new(options.people_per_account, options.crowd),
            messages: VecDeque::new(),
            reactions: VecDeque::new(),
            taken: VecDeque::new(),
            stopped: VecDeque::new(),
            serial: 0,
            // Fibonacci hashing spreads neighbouring seeds; ten million ids fit between two beginnings.
            first_id: 17_000_000_000_000_000
                + options.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 900_000_000 * 10_000_000,
        }
    }

    /// How busy all accounts are together at this time; 1 on average.
    pub(super) fn attention(&mut self, now_ms: i64) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for stories in &mut self.stories {
            stories.advance(now_ms);
            sum += stories.attention(now_ms);
            count += 1.0;
        }
        if count > 0.0 { sum / count } else { 1.0 }
    }

    /// An account, the busier more often.
    fn busy_account(&self, now_ms: i64, rng: &mut StdRng) -> usize {
        let total: f64 = self.stories.iter().map(|s| s.attention(now_ms)).sum();
        let mut draw = rng.random_range(0.0..total.max(f64::MIN_POSITIVE));
        for (index, stories) in self.stories.iter().enumerate() {
            draw -= stories.attention(now_ms);
            if draw < 0.0 {
                return index;
            }
        }
        0
    }

    /// What happens at `now_ms` after the plan's start: one event, or a few that belong together.
    pub(super) fn happen(&mut self, now_ms: i64, rng: &mut StdRng) -> Vec<Event> {
        let account = self.busy_account(now_ms, rng);
        let happening = Happening::draw(rng);
        let ms = self.start_ms + now_ms;
        match happening {
            Happening::Comment | Happening::LiveComment | Happening::OwnComment | Happening::Mention => {
                vec![self.comment(happening, account, ms, rng)]
            }
            Happening::StoryInsights | Happening::PhoneEcho | Happening::SelfEcho => {
                vec![self.by_brand(happening, account, ms, rng)]
            }
            Happening::ThreadTaken | Happening::ThreadReturned => vec![self.thread_moves(happening, account, ms, rng)],
            Happening::Stop => self.stop(account, ms, rng),
            Happening::Start => vec![self.start(account, ms, rng)],
            Happening::UnknownField
            | Happening::UnknownAccount
            | Happening::StringMessage
            | Happening::CurlTest
            | Happening::BrokenJson => vec![self.strange(happening, account, ms, rng)],
            Happening::Edit | Happening::Unsend | Happening::Unreact => {
                vec![self.refer_back(happening, account, ms, rng)]
            }
            Happening::StoryReply
            | Happening::Message
            | Happening::MediaMessage
            | Happening::InlineReply
            | Happening::AdMessage
            | Happening::Unsupported
            | Happening::StoryMention
            | Happening::Reaction
            | Happening::QuickReply
            | Happening::Postback
            | Happening::Referral
            | Happening::Seen
            | Happening::Perhaps => {
                let rank = self.somebody(happening, rng);
                let actor = self.actor(account, rank, ms);
                vec![self.person_acts(happening, actor, rng)]
            }
        }
    }

    fn somebody(&self, happening: Happening, rng: &mut StdRng) -> u32 {
        // What ends a conversation happens to anybody, else the most eager would all be gone at once.
        if happening == Happening::Perhaps { self.people.anybody(rng) } else { self.people.eager(rng) }
    }

    fn actor(&mut self, account: usize, rank: u32, ms: i64) -> Actor {
        Actor { account, rank, ms: self.people.next_ms(account, rank, ms) }
    }

    fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// A message id as long as Meta's, and never the same twice.
    fn mid(&mut self, rng: &mut StdRng) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut mid = format!("aWdfZAG1faXRlbToxOklHTWVzc2FnZA{:08x}", self.next());
        for _ in 0..24 {
            mid.push(char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]));
        }
        mid
    }

    /// An id of a post, comment or other media.
    fn media_id(&mut self) -> String {
        format!("{}", self.first_id + self.next())
    }

    fn remember(list: &mut VecDeque<Earlier>, actor: Actor, mid: &str) {
        if list.len() == MEMORY {
            list.pop_front();
        }
        list.push_back(Earlier { account: actor.account, rank: actor.rank, mid: mid.into(), edits: 0 });
    }

    fn fact(&self, actor: Actor, key: &str, what: What) -> Fact {
        Fact {
            account: self.accounts[actor.account].id.clone(),
            person: ViewerId::new(people::igsid(actor.account, actor.rank)),
            key: key.into(),
            at: Timestamp::from_millis(actor.ms),
            what,
        }
    }

    /// An item of `messaging` that a person caused.
    fn item(&self, actor: Actor, payload: Payload) -> Item {
        let account = self.accounts[actor.account].id.as_str();
        Item::from_person(account, &people::igsid(actor.account, actor.rank), actor.ms, payload)
    }

    fn event(&self, actor: Actor, part: Part, facts: Vec<Fact>) -> Event {
        Event {
            account: actor.account,
            at_ms: actor.ms - self.start_ms,
            form: Form::Part(self.accounts[actor.account].id.as_str().into(), part),
            facts,
            kind: EventKind::Interaction,
        }
    }

    /// The event once more, as Meta repeats it: in another body; a comment sometimes through the ad that boosts its post.
    pub(super) fn again(&mut self, event: &Event, rng: &mut StdRng) -> Event {
        let mut copy = event.clone();
        copy.kind = EventKind::Duplicate;
        if let Form::Part(account, Part::Change(text)) = &event.form
            && text.contains(r#""field":"comments""#)
            && chance(rng, 500)
        {
            let boosted = self.boosted(text);
            copy.form = Form::Part(account.clone(), Part::Change(boosted));
        }
        copy
    }
}
