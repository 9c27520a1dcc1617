//! What people do.

use rand::RngExt;
use rand::rngs::StdRng;

use super::{Actor, Event, Mill};
use crate::traffic::mix::{Happening, chance, one_of};
use crate::traffic::people;
use crate::traffic::texts;
use crate::webhooks::{
    AdContext, Attachment, AttachmentPayload, Message, MessageEdit, Part, Payload, Postback, QuickReply, Reaction,
    Read, Referral, ReplyTo, Story,
};
use crate::world::{Answer, What, Word};

impl Mill {
    /// A person acts towards the account. If another app owns their thread, it arrives on standby.
    pub(super) fn person_acts(&mut self, happening: Happening, actor: Actor, rng: &mut StdRng) -> Event {
        if people::is_standby(actor.rank) || self.people.memory(actor.account, actor.rank).taken {
            return self.on_standby(actor, rng);
        }
        match happening {
            Happening::StoryReply => {
                let text = one_of(rng, texts::REPLIES).to_owned();
                self.story_reply(actor, text, None, rng)
            }
            Happening::Perhaps => {
                let text = one_of(rng, texts::PERHAPS).to_owned();
                self.speak(actor, text, Word::Perhaps, rng)
            }
            Happening::Reaction => self.react(actor, rng),
            Happening::Postback => self.postback(actor, rng),
            Happening::Referral => self.referral(actor),
            Happening::Seen => {
                let mid = self.mid(rng);
                self.event(actor, Part::messaging(&self.item(actor, Payload::Read(Read { mid }))), Vec::new())
            }
            _ => self.message(happening, actor, rng),
        }
    }

    fn message(&mut self, happening: Happening, actor: Actor, rng: &mut StdRng) -> Event {
        let mut message = Message { mid: self.mid(rng), ..Message::default() };
        let mut asks = false;
        match happening {
            Happening::MediaMessage => message.attachments = self.attachments(rng),
            Happening::StoryMention => message.attachments = vec![attachment("story_mention", self.next())],
            Happening::Unsupported => message.is_unsupported = true,
            Happening::QuickReply => {
                let (title, payload) =
                    [("Red", "PICK_RED"), ("Blue", "PICK_BLUE"), ("Talk to us", "HUMAN")][rng.random_range(0..3)];
                message.text = Some(title.into());
                message.quick_reply = Some(QuickReply { payload: payload.into() });
            }
            Happening::InlineReply => {
                message.text = Some(one_of(rng, texts::MESSAGES).into());
                message.reply_to = Some(ReplyTo::Mid(self.mid(rng)));
            }
            Happening::AdMessage => {
                message.text = Some("Hi".into());
                message.referral = Some(ad_referral());
            }
            Happening::Message if chance(rng, 25) => {
                message.text = Some(one_of(rng, texts::FOR_A_PERSON).into());
                self.people.memory(actor.account, actor.rank).human = true;
                asks = true;
            }
            _ => message.text = Some(one_of(rng, texts::MESSAGES).into()),
        }
        if message.text.is_some() && message.quick_reply.is_none() {
            Self::remember(&mut self.messages, actor, &message.mid);
        }
        let text = message.text.clone().unwrap_or_default();
        let mut facts = vec![self.fact(actor, &message.mid, What::Contact { text: Some(text) })];
        facts.extend(asks.then(|| self.fact(actor, &message.mid, What::AskedForPerson)));
        facts.extend(message.referral.is_some().then(|| self.fact(actor, &message.mid, What::CameThroughAd)));
        self.event(actor, Part::messaging(&self.item(actor, Payload::Message(message))), facts)
    }

    /// A Story reply; with a word, if it speaks of being written to.
    pub(super) fn story_reply(&mut self, actor: Actor, text: String, word: Option<Word>, rng: &mut StdRng) -> Event {
        let mid = self.mid(rng);
        let story = Story {
            url: format!("https://lookaside.fbsbx.com/ig_messaging_cdn/?asset_id={}", self.next()),
            id: self.stories[actor.account].pick(rng).to_string(),
        };
        let answer = match (self.accounts[actor.account].autoresponder, word) {
            (false, _) | (_, Some(Word::Stop)) => Answer::Never,
            (true, None) if self.people.memory(actor.account, actor.rank).is_free() => Answer::Due,
            (true, _) => Answer::Allowed,
        };
        let mut facts = vec![self.fact(actor, &mid, What::StoryReply { text: text.clone(), answer })];
        facts.extend(word.map(|word| self.fact(actor, &mid, What::Said(word))));
        let reply_to = Some(ReplyTo::Story(story));
        let message = Message { mid, text: Some(text), reply_to, ..Message::default() };
        self.event(actor, Part::messaging(&self.item(actor, Payload::Message(message))), facts)
    }

    /// A direct message that speaks of being written to.
    fn speak(&mut self, actor: Actor, text: String, word: Word, rng: &mut StdRng) -> Event {
        self.people.memory(actor.account, actor.rank).speak(word);
        let mid = self.mid(rng);
        let facts = vec![
            self.fact(actor, &mid, What::Contact { text: Some(text.clone()) }),
            self.fact(actor, &mid, What::Said(word)),
        ];
        let message = Message { mid, text: Some(text), ..Message::default() };
        self.event(actor, Part::messaging(&self.item(actor, Payload::Message(message))), facts)
    }

    /// Somebody says stop: often right after a Story reply whose answer is on its way, and often they reply to a Story
    /// again later. These are the moments at which a careless sender errs.
    pub(super) fn stop(&mut self, account: usize, ms: i64, rng: &mut StdRng) -> Vec<Event> {
        let rank = (0..8).map(|_| self.people.anybody(rng)).find(|rank| !people::is_standby(*rank)).unwrap_or(0);
        if self.people.memory(account, rank).taken {
            let actor = self.actor(account, rank, ms);
            return vec![self.on_standby(actor, rng)];
        }
        let mut events = Vec::new();
        let mut at = ms;
        if chance(rng, 500) {
            let actor = self.actor(account, rank, at);
            events.push(self.person_acts(Happening::StoryReply, actor, rng));
            at += rng.random_range(1..2000);
        }
        let actor = self.actor(account, rank, at);
        let text = one_of(rng, texts::STOPS).to_owned();
        if chance(rng, 200) {
            let event = self.story_reply(actor, text, Some(Word::Stop), rng);
            self.people.memory(account, rank).speak(Word::Stop);
            events.push(event);
        } else {
            events.push(self.speak(actor, text, Word::Stop, rng));
        }
        Self::remember(&mut self.stopped, actor, "");
        if chance(rng, 600) {
            let actor = self.actor(account, rank, at + rng.random_range(1..30_000));
            events.push(self.person_acts(Happening::StoryReply, actor, rng));
        }
        events
    }

    /// Somebody who said stop says start; if nobody did, an ordinary message comes.
    pub(super) fn start(&mut self, account: usize, ms: i64, rng: &mut StdRng) -> Event {
        match self.stopped.pop_front() {
            Some(earlier) => {
                let actor = self.actor(earlier.account, earlier.rank, ms);
                if self.people.memory(actor.account, actor.rank).taken {
                    return self.on_standby(actor, rng);
                }
                let text = one_of(rng, texts::STARTS).to_owned();
                self.speak(actor, text, Word::Start, rng)
            }
            None => self.ordinary(account, ms, rng),
        }
    }

    pub(super) fn ordinary(&mut self, account: usize, ms: i64, rng: &mut StdRng) -> Event {
        let rank = self.people.eager(rng);
        let actor = self.actor(account, rank, ms);
        self.person_acts(Happening::Message, actor, rng)
    }

    /// An edit, an unsending or a reaction taken back, of something earlier.
    pub(super) fn refer_back(&mut self, happening: Happening, account: usize, ms: i64, rng: &mut StdRng) -> Event {
        let list = if happening == Happening::Unreact { &mut self.reactions } else { &mut self.messages };
        let Some(index) = (!list.is_empty()).then(|| rng.random_range(0..list.len())) else {
            return self.ordinary(account, ms, rng);
        };
        let Some(mut earlier) = list.remove(index) else { return self.ordinary(account, ms, rng) };
        let actor = self.actor(earlier.account, earlier.rank, ms);
        if self.people.memory(actor.account, actor.rank).taken {
            return self.on_standby(actor, rng);
        }
        let payload = match happening {
            Happening::Unreact => {
                Payload::Reaction(Reaction { mid: earlier.mid, action: "unreact", reaction: None, emoji: None })
            }
            Happening::Unsend => Payload::Message(Message { mid: earlier.mid, is_deleted: true, ..Message::default() }),
            _ => {
                earlier.edits += 1;
                let text = format!("{} (edited)", one_of(rng, texts::MESSAGES));
                let edit = MessageEdit { mid: earlier.mid.clone(), text, num_edit: earlier.edits };
                self.messages.push_back(earlier);
                Payload::MessageEdit(edit)
            }
        };
        self.event(actor, Part::messaging(&self.item(actor, payload)), Vec::new())
    }

    fn react(&mut self, actor: Actor, rng: &mut StdRng) -> Event {
        let mid = self.mid(rng);
        let (reaction, emoji) =
            [("love", "❤️"), ("wow", "😮"), ("smile", "😆"), ("other", "🔥")][rng.random_range(0..4)];
        // The contact has a key of its own: the reaction's mid names the message that it reacts to.
        let fact = self.fact(actor, &format!("react:{mid}"), What::Contact { text: None });
        Self::remember(&mut self.reactions, actor, &mid);
        let reaction = Reaction { mid, action: "react", reaction: Some(reaction), emoji: Some(emoji) };
        self.event(actor, Part::messaging(&self.item(actor, Payload::Reaction(reaction))), vec![fact])
    }

    fn postback(&mut self, actor: Actor, rng: &mut StdRng) -> Event {
        let mid = self.mid(rng);
        let fact = self.fact(actor, &mid, What::Contact { text: None });
        let postback = Postback { mid, title: "What are your hours?".into(), payload: Some("HOURS".into()) };
        self.event(actor, Part::messaging(&self.item(actor, Payload::Postback(postback))), vec![fact])
    }

    fn referral(&mut self, actor: Actor) -> Event {
        let serial = self.next();
        let fact = self.fact(actor, &format!("referral:{serial}"), What::Contact { text: None });
        let name = &self.accounts[actor.account].username;
        let referral = Referral {
            reference: format!("promo{serial}"),
            ad_id: None,
            source: format!("https://ig.me/m/{name}?ref=promo"),
            kind: "OPEN_THREAD",
            ads_context_data: None,
        };
        self.event(actor, Part::messaging(&self.item(actor, Payload::Referral(referral))), vec![fact])
    }

    /// A message or a tap while another app owns the thread; taps carry no payload there.
    pub(super) fn on_standby(&mut self, actor: Actor, rng: &mut StdRng) -> Event {
        let mid = self.mid(rng);
        let fact = self.fact(actor, &mid, What::Standby);
        let payload = if chance(rng, 200) {
            Payload::Postback(Postback { mid, title: "Hours".into(), payload: None })
        } else {
            Payload::Message(Message { mid, text: Some(one_of(rng, texts::MESSAGES).into()), ..Message::default() })
        };
        self.event(actor, Part::standby(&self.item(actor, payload)), vec![fact])
    }

    fn attachments(&mut self, rng: &mut StdRng) -> Vec<Attachment> {
        match rng.random_range(0..5) {
            0 => vec![attachment("image", self.next())],
            1 => vec![attachment("audio", self.next())],
            2 => vec![attachment("video", self.next())],
            3 => vec![attachment("ig_reel", self.next())],
            // One shared post arrives as two attachments (Meta, "What's new", 2025-11-03).
            _ => {
                let post = self.media_id();
                let share = |kind| Attachment {
                    kind,
                    payload: AttachmentPayload {
                        url: format!("https://lookaside.fbsbx.com/ig_messaging_cdn/?asset_id={post}"),
                        ig_post_media_id: Some(post.clone()),
                        title: Some("Build a workspace".into()),
                    },
                };
                vec![share("share"), share("ig_post")]
            }
        }
    }
}

fn attachment(kind: &'static str, asset: u64) -> Attachment {
    let url = format!("https://lookaside.fbsbx.com/ig_messaging_cdn/?asset_id={asset}");
    Attachment { kind, payload: AttachmentPayload { ig_post_media_id: None, title: None, url } }
}

fn ad_referral() -> Referral {
    Referral {
        reference: "summer".into(),
        ad_id: Some("120000000000001".into()),
        source: "ADS".into(),
        kind: "OPEN_THREAD",
        ads_context_data: Some(AdContext {
            ad_title: "Sale".into(),
            photo_url: "https://example.com/p.jpg".into(),
            video_url: "https://example.com/v.jpg".into(),
        }),
    }
}
