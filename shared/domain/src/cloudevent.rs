//! The interaction on the wire: CloudEvents 1.0 in structured JSON mode
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>).
//!
//! Extension attributes are lower-case letters only, as the specification asks; times are RFC 3339.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{AccountId, Body, BrandId, Channel, Interaction, InteractionId, Source, Timestamp, ViewerId};

/// The version of CloudEvents spoken here.
pub const SPEC_VERSION: &str = "1.0";
const TYPE_PREFIX: &str = "app.afterglow.interaction.";

/// Why bytes are not an interaction. None of these mends itself: dead-letter the message.
#[derive(Debug, thiserror::Error)]
pub enum CloudEventError {
    /// Not JSON, or not of the expected shape.
    #[error("not a CloudEvent of ours")]
    Json(#[from] serde_json::Error),
    /// Another version of the specification.
    #[error("CloudEvents version {0:?}, expected 1.0")]
    SpecVersion(String),
    /// A time that is not RFC 3339.
    #[error("attribute {attribute} is not an RFC 3339 time")]
    Time {
        /// Which attribute.
        attribute: &'static str,
    },
}

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    id: InteractionId,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<ViewerId>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    datacontenttype: Cow<'a, str>,
    brand: BrandId,
    account: AccountId,
    channel: Channel,
    origin: Source,
    #[serde(borrow)]
    received: Cow<'a, str>,
    data: Data<'a>,
}

#[derive(Serialize, Deserialize)]
struct Data<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    standby: bool,
    body: Cow<'a, Body>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    raw: Option<&'a RawValue>,
}

impl Interaction {
    /// The `type` attribute of an interaction of this kind.
    pub fn event_type(&self) -> String {
        format!("{TYPE_PREFIX}{}", self.kind().as_str())
    }

    /// Writes the CloudEvent.
    pub fn to_cloudevent(&self) -> Result<Vec<u8>, CloudEventError> {
        let wire = Wire {
            specversion: SPEC_VERSION.into(),
            id: self.id,
            source: format!("/{}/{}", self.channel.as_str(), self.account).into(),
            kind: self.event_type().into(),
            subject: self.viewer.clone(),
            time: self.occurred.to_rfc3339().into(),
            datacontenttype: "application/json".into(),
            brand: self.brand.clone(),
            account: self.account.clone(),
            channel: self.channel,
            origin: self.source,
            received: self.received.to_rfc3339().into(),
            data: Data {
                username: self.username.as_deref().map(Into::into),
                standby: self.standby,
                body: Cow::Borrowed(&self.body),
                raw: self.raw.as_deref(),
            },
        };
        Ok(serde_json::to_vec(&wire)?)
    }

    /// Reads a CloudEvent written by [`Interaction::to_cloudevent`] of this or an earlier version.
    pub fn from_cloudevent(bytes: &[u8]) -> Result<Self, CloudEventError> {
        let wire: Wire<'_> = serde_json::from_slice(bytes)?;
        if wire.specversion != SPEC_VERSION {
            return Err(CloudEventError::SpecVersion(wire.specversion.into_owned()));
        }
        let time = |text: &str, attribute| Timestamp::parse(text).ok_or(CloudEventError::Time { attribute });
        Ok(Self {
            id: wire.id,
            occurred: time(&wire.time, "time")?,
            received: time(&wire.received, "received")?,
            brand: wire.brand,
            account: wire.account,
            viewer: wire.subject,
            username: wire.data.username.map(Cow::into_owned),
            channel: wire.channel,
            source: wire.origin,
            standby: wire.data.standby,
            body: wire.data.body.into_owned(),
            raw: wire.data.raw.map(ToOwned::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DerivedId, Message, ReplyTo};

    fn story_reply() -> Interaction {
        Interaction {
            id: InteractionId::derive(&["message", "17841405726653026", "mid.1"]),
            brand: BrandId::new("lumen"),
            account: AccountId::new("17841405726653026"),
            viewer: Some(ViewerId::new("1234567890123456")),
            username: Some("some\"one".into()),
            channel: Channel::Instagram,
            source: Source::Webhook,
            occurred: Timestamp::from_millis(1_569_262_485_349),
            received: Timestamp::from_millis(1_569_262_486_000),
            standby: false,
            body: Body::StoryReply(Message {
                mid: "mid.1".into(),
                text: Some("Love \u{1F496} this".into()),
                reply_to: Some(ReplyTo::Story { id: "17900000000000001".into(), url: None }),
                ..Message::default()
            }),
            raw: Some(RawValue::from_string(r#"{"mid": "mid.1"}"#.into()).unwrap()),
        }
    }

    #[test]
    fn the_wire_form() {
        let json: serde_json::Value = serde_json::from_slice(&story_reply().to_cloudevent().unwrap()).unwrap();
        insta::assert_json_snapshot!(json);
    }

    #[test]
    fn there_and_back() {
        let before = story_reply();
        let bytes = before.to_cloudevent().unwrap();
        let after = Interaction::from_cloudevent(&bytes).unwrap();
        assert_eq!(after.to_cloudevent().unwrap(), bytes);
        assert_eq!(after.body, before.body);
        assert_eq!(after.raw.unwrap().get(), before.raw.unwrap().get());
    }

    #[test]
    fn another_version_is_refused() {
        let text = String::from_utf8(story_reply().to_cloudevent().unwrap()).unwrap();
        let text = text.replace(r#""specversion":"1.0""#, r#""specversion":"0.3""#);
        assert!(
            matches!(Interaction::from_cloudevent(text.as_bytes()), Err(CloudEventError::SpecVersion(v)) if v == "0.3")
        );
    }
}
