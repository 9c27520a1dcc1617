//! What is known of a viewer as the change that is told. Pure.

use std::collections::BTreeSet;

use afterglow_domain::{BrandId, DerivedId as _, Scoring, Timestamp};
use afterglow_scorer::ViewerState;
use afterglow_store::{FeedSubject, StoreError};
use uuid::Uuid;

use crate::viewer_record::{ViewerRecord, thousandths};
use crate::webhook::{Change, ChangeEvent};

/// The id and the `CloudEvent` of a brand's change with this number. The score is the one at `now`.
///
/// # Errors
/// `Codec` if the viewer's state cannot be read.
pub fn render(
    (brand, scoring): (&BrandId, &Scoring),
    sequence: u64,
    subject: &FeedSubject,
    now: Timestamp,
) -> Result<(Uuid, String), StoreError> {
    let change = match &subject.row {
        None => Change::Forgotten { brand: brand.clone(), viewer: subject.viewer.clone() },
        Some(row) => {
            let unreadable =
                |source: serde_json::Error| StoreError::Codec { what: "viewer.state", source: source.into() };
            let state: ViewerState = serde_json::from_str(&row.state).map_err(unreadable)?;
            let mut tags: BTreeSet<String> = row.tags.iter().cloned().collect();
            tags.extend(subject.labels.iter().cloned());
            Change::Updated(ViewerRecord {
                brand: brand.clone(),
                account: subject.viewer.account.clone(),
                viewer: subject.viewer.viewer.clone(),
                username: row.username.clone(),
                segment: row.segment,
                score_milli: thousandths(state.score_at(now, scoring)),
                tags,
                consent: subject.consent.state(),
                last_contact: row.last_contact,
                first_seen: row.first_seen,
            })
        }
    };
    let event = ChangeEvent { sequence, at: subject.at, change };
    let unwritable = |source: serde_json::Error| StoreError::Codec { what: "change", source: source.into() };
    let body = event.to_cloudevent().map_err(unwritable)?;
    Ok((event.id().uuid(), String::from_utf8_lossy(&body).into_owned()))
}

#[cfg(test)]
mod tests {
    use afterglow_domain::{AccountId, Consent, ViewerId, ViewerKey};

    use super::*;

    #[test]
    fn the_same_number_is_the_same_change() {
        let viewer = ViewerKey { account: AccountId::new("1"), viewer: ViewerId::new("2") };
        let at = Timestamp::from_millis(5);
        let subject = FeedSubject { viewer, at, row: None, consent: Consent::default(), labels: Vec::new() };
        let (brand, scoring) = (BrandId::new("lumen"), Scoring::default());
        let told = |sequence, now| render((&brand, &scoring), sequence, &subject, Timestamp::from_millis(now)).unwrap();
        assert_eq!(told(1, 1), told(1, 2));
        assert_ne!(told(1, 1).0, told(2, 1).0);
        assert!(told(1, 1).1.contains("app.afterglow.viewer.forgotten"));
    }
}
