//! What a page of the feed says of each viewer. Pure.

use std::collections::BTreeSet;

use afterglow_domain::{AccountId, BrandId, ConsentState, Segment, Timestamp, ViewerId};
use afterglow_store::NumberedChange;
use serde::Deserialize;

use crate::viewer_record::{ViewerRecord, thousandths};

/// What a CRM is to hold of a viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// The record; of somebody who is forgotten one that says nothing of them.
    pub(super) record: ViewerRecord,
    /// Whether they asked to be forgotten: who was never written is not written now.
    pub(super) forgotten: bool,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    brand: BrandId,
    account: AccountId,
    subject: ViewerId,
    time: String,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    username: Option<String>,
    segment: Segment,
    score: f64,
    tags: BTreeSet<String>,
    consent: Option<ConsentState>,
    last_contact: Option<String>,
    first_seen: String,
}

/// The last that a page says of each viewer, in the order in which they were last spoken of. What cannot be read is a
/// defect of ours: it is told, and the others go on.
pub(super) fn told(page: &[NumberedChange]) -> Vec<Told> {
    let mut latest: Vec<Told> = Vec::with_capacity(page.len());
    for change in page {
        match read(&change.body) {
            Ok(told) => {
                latest.retain(|earlier| earlier.record.key() != told.record.key());
                latest.push(told);
            }
            Err(error) => tracing::error!(sequence = change.sequence, %error, "a change of the feed cannot be read"),
        }
    }
    latest
}

fn read(body: &str) -> Result<Told, serde_json::Error> {
    let event: Event = serde_json::from_str(body)?;
    let moment = |text: &str| Timestamp::parse(text).ok_or_else(|| serde::de::Error::custom("not a moment"));
    let nobody = ViewerRecord {
        brand: event.brand,
        account: event.account,
        viewer: event.subject,
        username: None,
        segment: Segment::Cool,
        score_milli: 0,
        tags: BTreeSet::new(),
        consent: Some(ConsentState::OptedOut),
        last_contact: None,
        first_seen: moment(&event.time)?,
    };
    let Some(data) = event.data else {
        let forgotten = event.kind == "app.afterglow.viewer.forgotten";
        return if forgotten {
            Ok(Told { record: nobody, forgotten })
        } else {
            Err(serde::de::Error::custom("no data"))
        };
    };
    let record = ViewerRecord {
        username: data.username,
        segment: data.segment,
        score_milli: thousandths(data.score),
        tags: data.tags,
        consent: data.consent,
        last_contact: data.last_contact.as_deref().map(moment).transpose()?,
        first_seen: moment(&data.first_seen)?,
        ..nobody
    };
    Ok(Told { record, forgotten: false })
}

#[cfg(test)]
mod tests {
    use afterglow_domain::ViewerKey;
    use uuid::Uuid;

    use super::*;
    use crate::webhook::{Change, ChangeEvent};

    fn record(viewer: &str, score_milli: u32) -> ViewerRecord {
        ViewerRecord {
            brand: BrandId::new("lumen"),
            account: AccountId::new("1784"),
            viewer: ViewerId::new(viewer),
            username: Some("mira".into()),
            segment: Segment::Hot,
            score_milli,
            tags: ["hot lead".to_owned()].into(),
            consent: Some(ConsentState::OptedIn),
            last_contact: Some(Timestamp::from_millis(1_780_000_000_123)),
            first_seen: Timestamp::from_millis(1_770_000_000_000),
        }
    }

    fn change(sequence: u64, change: Change) -> NumberedChange {
        let event = ChangeEvent { sequence, at: Timestamp::from_millis(1_780_000_001_000), change };
        let body = String::from_utf8(event.to_cloudevent().unwrap().into()).unwrap();
        NumberedChange { sequence, change: Uuid::nil(), body }
    }

    #[test]
    fn what_is_told_is_read_again_and_the_latest_counts() {
        let broken = NumberedChange { sequence: 3, change: Uuid::nil(), body: "{}".into() };
        let page = [
            change(1, Change::Updated(record("7", 1_234))),
            change(2, Change::Updated(record("8", 5))),
            broken,
            change(4, Change::Updated(record("7", 9_999))),
        ];
        let told = told(&page);
        let records: Vec<_> = told.iter().map(|told| told.record.clone()).collect();
        assert_eq!(records, [record("8", 5), record("7", 9_999)]);
        assert!(told.iter().all(|told| !told.forgotten));
    }

    #[test]
    fn of_the_forgotten_nothing_is_said() {
        let viewer = ViewerKey { account: AccountId::new("1784"), viewer: ViewerId::new("7") };
        let forgotten = Change::Forgotten { brand: BrandId::new("lumen"), viewer };
        let told = told(&[change(1, Change::Updated(record("7", 1_234))), change(2, forgotten)]);
        assert!(told[0].forgotten && told.len() == 1);
        let record = &told[0].record;
        assert_eq!((&record.username, record.score_milli, record.tags.len()), (&None, 0, 0));
        assert_eq!(record.consent, Some(ConsentState::OptedOut));
    }
}
