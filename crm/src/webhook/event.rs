//! What a webhook says: one change of one viewer, as a CloudEvent.

use std::fmt;

use afterglow_domain::{BrandId, DerivedId, SPEC_VERSION, Timestamp, ViewerKey};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::viewer_record::ViewerRecord;

/// The body's media type (CloudEvents 1.0.2, HTTP Protocol Binding, §3.2 "Structured Content Mode").
pub const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// Names a change; two deliveries of one change share it. Sent as `webhook-id` and as the CloudEvent's `id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ChangeId(Uuid);

impl DerivedId for ChangeId {
    fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }
    fn uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What happened to what is known of a viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Something became known, or changed. The record is whole.
    Updated(ViewerRecord),
    /// The person asked to be forgotten: the receiver forgets them as well.
    Forgotten {
        /// Whose account.
        brand: BrandId,
        /// Who.
        viewer: ViewerKey,
    },
}

/// One change in the feed of a brand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeEvent {
    /// Its place in the brand's feed, counted up without end; from 1.
    pub sequence: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub change: Change,
}

/// What stands around whatever the feed tells.
pub(crate) struct Envelope<'a> {
    pub(crate) id: ChangeId,
    pub(crate) source: String,
    /// The `CloudEvent`'s type.
    pub(crate) kind: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) brand: &'a BrandId,
    pub(crate) account: Option<&'a str>,
    /// Its place in the brand's feed.
    pub(crate) sequence: u64,
}

impl Envelope<'_> {
    /// A CloudEvent 1.0 in structured JSON mode. `sequence` is the specification's extension of that name
    /// (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/sequence.md>), padded with zeros so that
    /// it sorts as text; a consumer keeps it as its cursor.
    pub(crate) fn around<D: Serialize + ?Sized>(&self, data: &D) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Wire {
            specversion: SPEC_VERSION,
            id: self.id,
            source: &self.source,
            kind: self.kind,
            subject: self.subject,
            time: self.at.to_rfc3339(),
            datacontenttype: "application/json",
            brand: self.brand.as_str(),
            account: self.account,
            sequence: format!("{:020}", self.sequence),
            data,
        })
    }
}

#[derive(Serialize)]
struct Wire<'a, D: ?Sized> {
    specversion: &'a str,
    id: ChangeId,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    subject: &'a str,
    time: String,
    datacontenttype: &'a str,
    brand: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    sequence: String,
    data: &'a D,
}

impl ChangeEvent {
    /// The brand whose feed it is.
    pub fn brand(&self) -> &BrandId {
        match &self.change {
            Change::Updated(record) => &record.brand,
            Change::Forgotten { brand, .. } => brand,
        }
    }

    /// Whom it is about.
    pub fn viewer(&self) -> ViewerKey {
        match &self.change {
            Change::Updated(record) => record.key(),
            Change::Forgotten { viewer, .. } => viewer.clone(),
        }
    }

    /// Its id, derived from the brand and the place in its feed.
    pub fn id(&self) -> ChangeId {
        ChangeId::derive(&["viewer-change", self.brand().as_str(), &self.sequence.to_string()])
    }

    /// The body: a CloudEvent 1.0 in structured JSON mode.
    pub fn to_cloudevent(&self) -> Result<Bytes, serde_json::Error> {
        let viewer = self.viewer();
        let (kind, data) = match &self.change {
            Change::Updated(record) => ("app.afterglow.viewer.changed", serde_json::value::to_raw_value(record)?),
            Change::Forgotten { .. } => ("app.afterglow.viewer.forgotten", RawValue::NULL.to_owned()),
        };
        let envelope = Envelope {
            id: self.id(),
            source: format!("/viewers/{}", viewer.account),
            kind,
            subject: viewer.viewer.as_str(),
            at: self.at,
            brand: self.brand(),
            account: Some(viewer.account.as_str()),
            sequence: self.sequence,
        };
        envelope.around(&*data).map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use afterglow_domain::{AccountId, ConsentState, Segment, ViewerId};

    use super::*;

    fn record() -> ViewerRecord {
        ViewerRecord {
            brand: BrandId::new("lumen"),
            account: AccountId::new("17841400000000000"),
            viewer: ViewerId::new("900100200300400"),
            username: Some("mira".into()),
            segment: Segment::Hot,
            score_milli: 12_345,
            tags: ["hot lead", "repeat viewer"].map(Into::into).into(),
            consent: Some(ConsentState::OptedIn),
            last_contact: Some(Timestamp::from_millis(1_780_000_000_000)),
            first_seen: Timestamp::from_millis(1_770_000_000_000),
        }
    }

    #[test]
    fn the_wire_form() {
        let at = Timestamp::from_millis(1_780_000_000_123);
        let updated = ChangeEvent { sequence: 42, at, change: Change::Updated(record()) };
        let forgotten = ChangeEvent {
            sequence: 43,
            at,
            change: Change::Forgotten { brand: BrandId::new("lumen"), viewer: record().key() },
        };
        let json = [updated, forgotten]
            .map(|event| serde_json::from_slice::<serde_json::Value>(&event.to_cloudevent().unwrap()).unwrap());
        insta::assert_json_snapshot!(json);
    }
}
