//! Several messages that travel as one.
//!
//! A quorum queue writes, replicates and confirms each message by itself, and the client library wakes a thread for it: of
//! a flood of small messages most of the work is that. Interactions that wait to be published at the same moment therefore
//! travel together (docs/performance.md says what it brings). A message alone travels as it is, so a quiet lane looks as it
//! always did.
//!
//! The form, behind the content type [`CONTENT_TYPE`]: for each message its id, its trace context and its body, each behind
//! its length as four bytes, the highest first.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use lapin::BasicProperties;

use super::to_message;
use crate::{Lane, Message};

/// Names the form. Another form needs another name: whoever does not know it must not guess.
const CONTENT_TYPE: &str = "application/vnd.afterglow.bundle.v1";
/// Messages in a bundle at most; no more than [`Parts`] has bits.
pub(super) const MESSAGES_MAX: usize = 32;
/// Bytes of bodies from which on a bundle is full.
const BYTES_MAX: usize = 128 * 1024;

/// Which messages of a bundle are not settled yet, a bit for each.
pub(super) type Parts = u32;

/// Whether messages of a lane may travel together: those of which there are floods. What must be prompt, or is rare, travels
/// alone, so that it can be shared among consumers one by one.
pub(super) const fn travels_together(lane: Lane) -> bool {
    matches!(lane, Lane::Interactions | Lane::Overflow)
}

/// All parts of a bundle of so many.
pub(super) fn all_parts(messages: usize) -> Parts {
    Parts::MAX.checked_shr(Parts::BITS.saturating_sub(u32::try_from(messages).unwrap_or(Parts::BITS))).unwrap_or(0)
}

/// The messages, in order, in as few bundles as hold them.
pub(super) fn split<'a>(messages: &[&'a Message]) -> Vec<Vec<&'a Message>> {
    let mut bundles: Vec<Vec<&Message>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        match bundles.last_mut() {
            Some(bundle) if bundle.len() < MESSAGES_MAX && bytes + message.body.len() <= BYTES_MAX => {
                bundle.push(message);
                bytes += message.body.len();
            }
            _ => {
                bundles.push(vec![message]);
                bytes = message.body.len();
            }
        }
    }
    bundles
}

/// The body of a bundle.
pub(super) fn write(messages: &[&Message]) -> Vec<u8> {
    let size = messages.iter().map(|message| message.id.len() + message.body.len() + 12 + 64).sum();
    let mut body = BytesMut::with_capacity(size);
    for message in messages {
        for part in
            [message.id.as_bytes(), message.traceparent.as_deref().unwrap_or_default().as_bytes(), &message.body]
        {
            body.put_u32(u32::try_from(part.len()).unwrap_or(u32::MAX));
            body.put_slice(part);
        }
    }
    body.into()
}

/// The messages of a bundle; `None` if it is not written in this form.
fn read(mut body: Bytes) -> Option<Vec<Message>> {
    let mut messages = Vec::new();
    while body.has_remaining() {
        let (id, traceparent) = (text(&mut body)?, text(&mut body)?);
        let traceparent = Some(traceparent).filter(|traceparent| !traceparent.is_empty());
        messages.push(Message { id, traceparent, body: field(&mut body)? });
    }
    (1..=MESSAGES_MAX).contains(&messages.len()).then_some(messages)
}

fn text(body: &mut Bytes) -> Option<String> {
    String::from_utf8(field(body)?.into()).ok()
}

fn field(body: &mut Bytes) -> Option<Bytes> {
    let length = body.try_get_u32().ok()? as usize;
    (length <= body.remaining()).then(|| body.split_to(length))
}

/// How a bundle is published.
pub(super) fn properties() -> BasicProperties {
    BasicProperties::default()
        .with_delivery_mode(2) // persistent: on disk before it is confirmed
        .with_content_type(CONTENT_TYPE.into())
}

/// Whether it is a bundle.
pub(super) fn is_bundle(properties: &BasicProperties) -> bool {
    properties.content_type().as_ref().is_some_and(|kind| kind.as_str() == CONTENT_TYPE)
}

/// What a delivery carries. A bundle that cannot be read is given as it came: whoever consumes it cannot read it either,
/// and keeps it as a dead letter.
pub(super) fn messages(delivery: &lapin::message::Delivery) -> Vec<Message> {
    let whole = to_message(delivery);
    if !is_bundle(&delivery.properties) {
        return vec![whole];
    }
    read(whole.body.clone()).unwrap_or_else(|| vec![whole])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message() -> impl Strategy<Value = Message> {
        let traceparent = proptest::option::of("[0-9a-f-]{1,55}");
        (".{0,20}", traceparent, proptest::collection::vec(any::<u8>(), 0..60_000))
            .prop_map(|(id, traceparent, body)| Message { id, traceparent, body: body.into() })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_split_and_written_is_read_in_order(messages in proptest::collection::vec(message(), 1..80)) {
            let given: Vec<&Message> = messages.iter().collect();
            let mut again = Vec::new();
            for bundle in split(&given) {
                prop_assert!(bundle.len() <= MESSAGES_MAX);
                let bytes: usize = bundle.iter().map(|message| message.body.len()).sum();
                prop_assert!(bytes <= BYTES_MAX || bundle.len() == 1);
                again.extend(read(write(&bundle).into()).unwrap());
            }
            prop_assert_eq!(again, messages);
        }

        #[test]
        fn bytes_that_are_no_bundle_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(bytes.into());
        }
    }

    #[test]
    fn every_message_has_its_bit() {
        for (messages, parts) in [(0, 0), (1, 1), (2, 3), (31, u32::MAX >> 1), (32, u32::MAX)] {
            assert_eq!(all_parts(messages), parts, "{messages}");
        }
        assert!(MESSAGES_MAX <= Parts::BITS as usize);
    }
}
