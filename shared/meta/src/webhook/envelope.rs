//! The envelope: `{"object", "entry": [{"id", "time", "messaging" | "standby" | "changes" | "field" + "value"}]}`.
//!
//! Items stay raw text until they are read one by one, so that one strange item spoils no other, and so that Meta's own
//! bytes are kept with each.

use std::borrow::Cow;
use std::collections::BTreeMap;

use afterglow_domain::{Channel, DerivedId, InteractionId, QuarantineReason, Quarantined, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Directory, Frame, Interpretation, Interpreted, NotUnderstood, changes, lenient, messaging};

/// Members of a JSON object, unread. Of a repeated key the last counts.
type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

#[derive(Deserialize)]
#[serde(transparent)]
struct Object<'a>(#[serde(borrow)] Members<'a>);

#[derive(Deserialize)]
#[serde(transparent)]
struct Array<'a>(#[serde(borrow)] Vec<&'a RawValue>);

fn members(text: &str) -> Option<Members<'_>> {
    serde_json::from_str::<Object<'_>>(text).ok().map(|object| object.0)
}

fn items(text: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str::<Array<'_>>(text).ok().map(|array| array.0)
}

fn value(members: &Members<'_>, key: &str) -> Value {
    members.get(key).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or(Value::Null)
}

/// Under which member of the entry an item stood.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Messaging,
    Standby,
    Changes,
    Flat,
}

impl Slot {
    const ARRAYS: [Slot; 3] = [Slot::Messaging, Slot::Standby, Slot::Changes];

    const fn key(self) -> &'static str {
        match self {
            Slot::Messaging => "messaging",
            Slot::Standby => "standby",
            Slot::Changes => "changes",
            Slot::Flat => "field",
        }
    }
}

pub(super) fn interpret(body: &[u8], received: Timestamp, directory: &dyn Directory) -> Interpretation {
    let whole = |reason, detail: &str, object: Option<String>| {
        let mut kept = quarantined(body.to_vec(), NotUnderstood(reason, detail.to_owned()), received);
        kept.object = object;
        vec![Interpreted::Quarantined(Box::new(kept))]
    };
    let text = std::str::from_utf8(body).ok().filter(|text| serde_json::from_str::<&RawValue>(text).is_ok());
    let Some(text) = text else {
        let events = whole(QuarantineReason::NotJson, "the body is not JSON", None);
        return Interpretation { events, not_json: true };
    };
    let Some(envelope) = members(text) else {
        let events = whole(QuarantineReason::NotAnEnvelope, "the body is not a JSON object", None);
        return Interpretation { events, not_json: false };
    };
    let object = value(&envelope, "object").as_str().map(ToOwned::to_owned);
    let channel = match object.as_deref() {
        Some("instagram") => Channel::Instagram,
        Some("page") => Channel::Page,
        _ => {
            let events = whole(QuarantineReason::UnknownObject, "object is neither instagram nor page", object);
            return Interpretation { events, not_json: false };
        }
    };
    let entries = envelope.get("entry").and_then(|raw| items(raw.get())).unwrap_or_default();
    let mut events = Vec::with_capacity(entries.len());
    for entry in entries {
        Entry::read(channel, entry.get(), received).interpret(directory, &mut events);
    }
    if events.is_empty() {
        events = whole(QuarantineReason::NotAnEnvelope, "entry is absent, empty or no array", object);
    }
    Interpretation { events, not_json: false }
}

struct Entry<'a> {
    channel: Channel,
    received: Timestamp,
    text: &'a str,
    members: Members<'a>,
    account: Option<String>,
    notified: Option<Timestamp>,
}

impl<'a> Entry<'a> {
    fn read(channel: Channel, text: &'a str, received: Timestamp) -> Self {
        let members = members(text).unwrap_or_default();
        let account = lenient::id(&value(&members, "id"));
        let notified = lenient::time(&value(&members, "time"));
        Self { channel, received, text, members, account, notified }
    }

    fn interpret(&self, directory: &dyn Directory, events: &mut Vec<Interpreted>) {
        let before = events.len();
        for slot in Slot::ARRAYS {
            let Some(raw) = self.members.get(slot.key()) else { continue };
            if let Some(items) = items(raw.get()) {
                events.extend(items.iter().map(|item| self.event(slot, item.get(), directory)));
            } else {
                // Kept with the whole entry: what stands beside it is known by its ids when it is replayed.
                let why = NotUnderstood::shape(format!("{} is no array", slot.key()));
                events.push(self.keep(Slot::Flat, raw.get(), why));
            }
        }
        if self.members.contains_key("field") {
            events.push(self.event(Slot::Flat, self.text, directory));
        }
        if events.len() == before {
            let why = NotUnderstood(QuarantineReason::EmptyEntry, "an entry without events".into());
            events.push(self.keep(Slot::Flat, self.text, why));
        }
    }

    fn event(&self, slot: Slot, raw: &str, directory: &dyn Directory) -> Interpreted {
        self.try_event(slot, raw, directory).unwrap_or_else(|why| self.keep(slot, raw, why))
    }

    fn try_event(&self, slot: Slot, raw: &str, directory: &dyn Directory) -> Result<Interpreted, NotUnderstood> {
        let account = self.account.as_deref().ok_or_else(|| NotUnderstood::shape("the entry has no id"))?;
        let item: Value =
            serde_json::from_str(raw).map_err(|_| NotUnderstood::shape("nested too deep, or a number too large"))?;
        let frame = Frame { channel: self.channel, account, notified: self.notified, received: self.received };
        let parsed = match slot {
            Slot::Messaging | Slot::Standby => messaging::read(&frame, &item)?,
            Slot::Changes | Slot::Flat => changes::read(&frame, &item)?,
        };
        let brand = directory.brand_of(self.channel, account).ok_or_else(|| {
            NotUnderstood(QuarantineReason::UnknownAccount, format!("no brand here owns the account {account}"))
        })?;
        let interaction = parsed.into_interaction(&frame, brand, slot == Slot::Standby, raw);
        Ok(Interpreted::Interaction(Box::new(interaction)))
    }

    /// Keeps an item inside a webhook body of its own, which can be posted through the same door later.
    fn keep(&self, slot: Slot, raw: &str, why: NotUnderstood) -> Interpreted {
        let entry = if slot == Slot::Flat { self.text.to_owned() } else { self.wrap(slot, raw) };
        let payload = format!(r#"{{"object":"{}","entry":[{entry}]}}"#, self.channel.as_str());
        let mut kept = quarantined(payload.into_bytes(), why, self.received);
        kept.object = Some(self.channel.as_str().to_owned());
        kept.account.clone_from(&self.account);
        Interpreted::Quarantined(Box::new(kept))
    }

    fn wrap(&self, slot: Slot, raw: &str) -> String {
        use std::fmt::Write as _;
        let mut entry = String::from("{");
        for key in ["id", "time"] {
            if let Some(value) = self.members.get(key) {
                let _ = write!(entry, r#""{key}":{},"#, value.get());
            }
        }
        let _ = write!(entry, r#""{}":[{raw}]}}"#, slot.key());
        entry
    }
}

fn quarantined(payload: Vec<u8>, why: NotUnderstood, received: Timestamp) -> Quarantined {
    let NotUnderstood(reason, detail) = why;
    Quarantined {
        id: InteractionId::derive(&["quarantine", &hex::encode(&payload)]),
        reason,
        detail,
        object: None,
        account: None,
        received,
        payload,
    }
}
