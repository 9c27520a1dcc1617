//! A viewer as the systems beside are told of them.

use std::collections::BTreeSet;

use afterglow_domain::{AccountId, BrandId, ConsentState, Segment, Timestamp, ViewerId, ViewerKey};
use serde::{Serialize, Serializer};

/// What is known of a viewer at one moment, whole: who missed an earlier record has lost nothing by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewerRecord {
    /// Whose account.
    pub brand: BrandId,
    /// Which account.
    pub account: AccountId,
    /// The viewer, as that account sees them.
    pub viewer: ViewerId,
    /// The handle, when known.
    pub username: Option<String>,
    /// Hot, Warm or Cool.
    pub segment: Segment,
    /// The faded score in thousandths; written as a number with up to three decimals, `score`.
    pub score_milli: u32,
    /// The brand's tags and Afterglow's own.
    pub tags: BTreeSet<String>,
    /// What they said about being written to; `None` if they never spoke of it.
    pub consent: Option<ConsentState>,
    /// When they were last heard, or written to.
    pub last_contact: Option<Timestamp>,
    /// When they were first noticed.
    pub first_seen: Timestamp,
}

impl ViewerRecord {
    /// The viewer's full name in storage.
    pub fn key(&self) -> ViewerKey {
        ViewerKey { account: self.account.clone(), viewer: self.viewer.clone() }
    }

    /// The name under which other systems keep the viewer: `account/viewer`, since the same person is a different viewer
    /// to each account.
    pub fn external_id(&self) -> String {
        self.key().to_string()
    }

    /// The score as a number, exact to three decimals.
    pub fn score(&self) -> f64 {
        f64::from(self.score_milli) / 1000.0
    }
}

/// A score as [`ViewerRecord::score_milli`] has it, clamped to what fits.
pub(crate) fn thousandths(score: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
    let milli = (score * 1000.0).round().clamp(0.0, f64::from(u32::MAX)) as u32;
    milli
}

/// The record as JSON has it.
#[derive(Serialize)]
struct Shown<'a> {
    brand: &'a BrandId,
    account: &'a AccountId,
    viewer: &'a ViewerId,
    username: Option<&'a str>,
    segment: Segment,
    score: f64,
    tags: &'a BTreeSet<String>,
    consent: Option<ConsentState>,
    last_contact: Option<String>,
    first_seen: String,
}

impl Serialize for ViewerRecord {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Shown {
            brand: &self.brand,
            account: &self.account,
            viewer: &self.viewer,
            username: self.username.as_deref(),
            segment: self.segment,
            score: self.score(),
            tags: &self.tags,
            consent: self.consent,
            last_contact: self.last_contact.map(Timestamp::to_rfc3339),
            first_seen: self.first_seen.to_rfc3339(),
        }
        .serialize(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_fit() {
        for (score, milli) in [(0.0, 0), (1.2345, 1235), (-1.0, 0), (1e20, u32::MAX), (f64::NAN, 0)] {
            assert_eq!(thousandths(score), milli, "{score}");
        }
    }
}
