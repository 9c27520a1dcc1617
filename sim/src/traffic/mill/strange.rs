//! What nobody can make sense of, and what must therefore be kept for somebody to look at.

use rand::rngs::StdRng;
use serde_json::json;

use super::{Actor, Event, EventKind, Form, Mill};
use crate::traffic::mix::{Happening, one_of};
use crate::traffic::texts;
use crate::webhooks::{Body, Item, Message, Part, Payload};

/// An account that no brand here owns.
const STRANGER: &str = "17841499999999999";

impl Mill {
    pub(super) fn strange(&mut self, happening: Happening, account: usize, ms: i64, rng: &mut StdRng) -> Event {
        let rank = self.people.eager(rng);
        let actor = Actor { account, rank, ms };
        let id = self.accounts[account].id.as_str().to_owned();
        let form = match happening {
            // In the dashboard's list of fields, but documented nowhere.
            Happening::UnknownField => {
                let value = json!({ "media_id": self.media_id(), "note": "shared" });
                Form::Part(id, Part::change("share_to_story", &value))
            }
            Happening::StringMessage => {
                let nonsense = Payload::Nonsense(format!("TEST_MESSAGE {}", self.next()));
                Form::Part(id, Part::messaging(&self.item(actor, nonsense)))
            }
            Happening::UnknownAccount => {
                let item = Item::from_person(STRANGER, "1000000000000001", ms, self.text(rng));
                Form::Part(STRANGER.into(), Part::messaging(&item))
            }
            // The body that Meta's documentation gives for a test by hand, with a number so that no two are alike.
            Happening::CurlTest => Form::Whole(
                format!(
                    r#"{{"object":"page","entry":[{{"messaging":[{{"message":"TEST_MESSAGE {}"}}]}}]}}"#,
                    self.next()
                )
                .into(),
                false,
            ),
            _ => {
                let mut body = Body::instagram();
                let text = self.text(rng);
                body.push(&id, ms, &Part::messaging(&self.item(actor, text)));
                let mut bytes = body.into_bytes();
                bytes.truncate(bytes.len() - 4);
                Form::Whole(bytes, true)
            }
        };
        Event { account, at_ms: ms - self.start_ms, form, facts: Vec::new(), kind: EventKind::Quarantine }
    }

    fn text(&mut self, rng: &mut StdRng) -> Payload {
        let mid = self.mid(rng);
        Payload::Message(Message { mid, text: Some(one_of(rng, texts::MESSAGES).into()), ..Message::default() })
    }
}
