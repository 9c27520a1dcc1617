//! What happens in public, and what the brand itself does.

use rand::RngExt;
use rand::rngs::StdRng;

use super::{Actor, Earlier, Event, Mill};
use crate::account::Login;
use crate::traffic::mix::{Happening, chance, one_of};
use crate::traffic::people;
use crate::traffic::texts;
use crate::webhooks::{Comment, From, Insights, Item, Media, Mention, Message, Part, Payload, ThreadControl};
use crate::world::What;

impl Mill {
    /// A comment, or a mention. Comments give their time in whole seconds.
    pub(super) fn comment(&mut self, happening: Happening, account: usize, ms: i64, rng: &mut StdRng) -> Event {
        let login = self.accounts[account].login;
        let rank = self.people.eager(rng);
        let whole_second = ms.div_euclid(1000) * 1000;
        let actor = Actor { account, rank, ms: whole_second };
        let id = self.media_id();
        match (happening, login) {
            (Happening::OwnComment, _) => self.own_comment(actor, &id, ms, rng),
            (Happening::Mention, Login::Facebook) => {
                let comment_id = chance(rng, 600).then_some(id);
                let mention = Mention { comment_id, media_id: self.media_id() };
                self.event(Actor { ms, ..actor }, Part::change("mentions", &mention), Vec::new())
            }
            // With Instagram Login a mention is a comment whose text names the account.
            _ => {
                let live = happening == Happening::LiveComment;
                let mut text = one_of(rng, texts::COMMENTS).to_owned();
                if happening == Happening::Mention {
                    text = format!("{text} @{}", self.accounts[account].username);
                }
                let media = format!("{}", 18_100_000_000_000_000 + rng.random_range(0..40u64));
                let fact = self.fact(actor, &id, What::Comment { live, media: media.clone(), text: text.clone() });
                let comment = Comment {
                    id: Some(id),
                    from: From {
                        id: people::igsid(account, rank),
                        username: people::username(account, rank),
                        self_ig_scoped_id: None,
                    },
                    text,
                    media: Media {
                        id: media,
                        media_product_type: if live { "LIVE" } else { ["FEED", "REELS"][rng.random_range(0..2)] },
                        ..Media::default()
                    },
                    ..Comment::default()
                };
                let field = if live { "live_comments" } else { "comments" };
                let part = comment_part(login, field, &comment);
                let mut event = self.event(actor, part, vec![fact]);
                event.at_ms = ms - self.start_ms;
                event
            }
        }
    }

    /// The account comments on its own post: nobody is to be answered.
    fn own_comment(&mut self, actor: Actor, id: &str, ms: i64, rng: &mut StdRng) -> Event {
        let account = &self.accounts[actor.account];
        let comment = Comment {
            id: Some(id.to_owned()),
            from: From {
                id: account.id.as_str().into(),
                username: account.username.clone(),
                self_ig_scoped_id: Some(people::igsid(actor.account, u32::MAX)),
            },
            text: one_of(rng, texts::BY_PHONE).into(),
            media: Media {
                id: format!("{}", 18_100_000_000_000_000 + rng.random_range(0..40u64)),
                media_product_type: "REELS",
                ..Media::default()
            },
            ..Comment::default()
        };
        let (media, text) = (comment.media.id.clone(), comment.text.clone());
        let mut fact = self.fact(actor, id, What::Comment { live: false, media, text });
        fact.person = afterglow_domain::ViewerId::new(account.id.as_str());
        let mut event = self.event(actor, Part::change("comments", &comment), vec![fact]);
        event.at_ms = ms - self.start_ms;
        event
    }

    /// The same comment as told through the ad that boosts the post: same id, other media.
    pub(super) fn boosted(&mut self, change: &str) -> String {
        const MEDIA: &str = r#""media":{"id":""#;
        let Some((before, after)) = change.split_once(MEDIA) else { return change.to_owned() };
        let original = after.split('"').next().unwrap_or_default();
        let ad = self.next();
        format!(
            r#"{before}"media":{{"ad_id":"{}","ad_title":"Sale","original_media_id":"{original}","id":"9{after}"#,
            120_000_000_000_000 + ad
        )
    }

    pub(super) fn by_brand(&mut self, happening: Happening, account: usize, ms: i64, rng: &mut StdRng) -> Event {
        let rank = self.people.anybody(rng);
        let free = !people::is_standby(rank) && !self.people.memory(account, rank).taken;
        match happening {
            Happening::StoryInsights if self.accounts[account].login == Login::Facebook => {
                let count = |rng: &mut StdRng| match rng.random_range(0..60) {
                    0..5 => -1,
                    n => n,
                };
                let media_id = self.media_id();
                let insights = Insights {
                    media_id,
                    impressions: 400 + count(rng),
                    reach: 300 + count(rng),
                    taps_forward: count(rng),
                    taps_back: count(rng),
                    exits: count(rng),
                    replies: count(rng),
                };
                self.event(Actor { account, rank, ms }, Part::change("story_insights", &insights), Vec::new())
            }
            Happening::PhoneEcho if free => {
                let actor = self.actor(account, rank, ms);
                self.people.memory(account, rank).human = true;
                self.echo(actor, one_of(rng, texts::BY_PHONE), false, rng)
            }
            Happening::SelfEcho => {
                let actor = Actor { account, rank: u32::MAX, ms };
                self.echo(actor, "test", true, rng)
            }
            _ => self.ordinary(account, ms, rng),
        }
    }

    fn echo(&mut self, actor: Actor, text: &str, is_self: bool, rng: &mut StdRng) -> Event {
        let mid = self.mid(rng);
        let facts =
            if is_self { Vec::new() } else { vec![self.fact(actor, &mid, What::HumanWrote { text: text.into() })] };
        let message = Message { mid, text: Some(text.into()), is_echo: true, is_self, ..Message::default() };
        let account = self.accounts[actor.account].id.as_str();
        let person = people::igsid(actor.account, actor.rank);
        let item = Item::from_account(account, &person, actor.ms, Payload::Message(message));
        self.event(actor, Part::messaging(&item), facts)
    }

    /// Another app takes a thread, or gives one back.
    pub(super) fn thread_moves(&mut self, happening: Happening, account: usize, ms: i64, rng: &mut StdRng) -> Event {
        const OTHER_APP: &str = "263902037430900"; // the number Meta's documentation gives to its own inbox
        if happening == Happening::ThreadReturned {
            let Some(Earlier { account, rank, .. }) = self.taken.pop_front() else {
                return self.ordinary(account, ms, rng);
            };
            let actor = self.actor(account, rank, ms);
            self.people.memory(account, rank).taken = false;
            let control = ThreadControl {
                previous_owner_app_id: Some(OTHER_APP.into()),
                new_owner_app_id: self.accounts[account].app.id.clone(),
                metadata: "done".into(),
            };
            let key = format!("returned:{}", self.next());
            let fact = self.fact(actor, &key, What::Returned);
            return self.event(
                actor,
                Part::messaging(&self.item(actor, Payload::PassThreadControl(control))),
                vec![fact],
            );
        }
        let rank = self.people.anybody(rng);
        if people::is_standby(rank) || self.people.memory(account, rank).taken {
            return self.ordinary(account, ms, rng);
        }
        let actor = self.actor(account, rank, ms);
        self.people.memory(account, rank).taken = true;
        Self::remember(&mut self.taken, actor, "");
        let control = ThreadControl {
            previous_owner_app_id: Some(self.accounts[account].app.id.clone()),
            new_owner_app_id: OTHER_APP.into(),
            metadata: "a person takes over".into(),
        };
        let key = format!("taken:{}", self.next());
        let fact = self.fact(actor, &key, What::Taken);
        self.event(actor, Part::messaging(&self.item(actor, Payload::TakeThreadControl(control))), vec![fact])
    }
}

fn comment_part(login: Login, field: &str, comment: &Comment) -> Part {
    match login {
        Login::Instagram => Part::flat(field, comment),
        Login::Facebook => Part::change(field, comment),
    }
}
