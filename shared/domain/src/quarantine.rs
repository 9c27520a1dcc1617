//! What could not be understood, kept with its bytes so that it can be replayed once it is.

use serde::{Deserialize, Serialize};

use crate::{InteractionId, Timestamp};

/// Why something is in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuarantineReason {
    /// The body carried a good signature but is not JSON.
    NotJson,
    /// The JSON is not a webhook envelope.
    NotAnEnvelope,
    /// The webhook object is neither `instagram` nor `page`.
    UnknownObject,
    /// The account belongs to no brand here.
    UnknownAccount,
    /// The webhook field is unknown.
    UnknownField,
    /// The item lacks what its field needs, or has it in a shape we do not know.
    UnknownShape,
    /// An entry without events.
    EmptyEntry,
    /// Something that refers to a thing that never came.
    Orphan,
}

impl QuarantineReason {
    /// The name as stored, and as metrics label it.
    pub const fn as_str(self) -> &'static str {
        match self {
            QuarantineReason::NotJson => "not_json",
            QuarantineReason::NotAnEnvelope => "not_an_envelope",
            QuarantineReason::UnknownObject => "unknown_object",
            QuarantineReason::UnknownAccount => "unknown_account",
            QuarantineReason::UnknownField => "unknown_field",
            QuarantineReason::UnknownShape => "unknown_shape",
            QuarantineReason::EmptyEntry => "empty_entry",
            QuarantineReason::Orphan => "orphan",
        }
    }
}

/// One event, or one whole body, that waits for somebody to understand it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Derived from the bytes, so that a retried delivery is kept once.
    pub id: InteractionId,
    /// Why.
    pub reason: QuarantineReason,
    /// What exactly was missing or strange, without personal data.
    pub detail: String,
    /// Webhook object, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Account id, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// When ingest took it.
    pub received: Timestamp,
    /// A complete webhook body: the original if nothing in it was understood, else an envelope around the one event.
    /// Replay posts exactly this through the same door.
    #[serde(with = "bytes_as_text")]
    pub payload: Vec<u8>,
}

/// UTF-8 payloads stay readable in queues and dumps; others are written as an array of numbers.
mod bytes_as_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Form<'a> {
        Text(std::borrow::Cow<'a, str>),
        Bytes(Vec<u8>),
    }

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Form::Text(text.into()).serialize(serializer),
            Err(_) => Form::Bytes(bytes.to_vec()).serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Ok(match Form::deserialize(deserializer)? {
            Form::Text(text) => text.into_owned().into_bytes(),
            Form::Bytes(bytes) => bytes,
        })
    }
}
