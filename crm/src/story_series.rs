//! The figures of Stories over time, as CSV and JSON.

use std::collections::{BTreeMap, BTreeSet};

use afterglow_domain::{Body, Interaction, StoryInsights, Timestamp};
use serde::Serialize;

/// One reading of one Story's figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StorySample {
    /// The Story.
    pub story_id: String,
    /// When it was read, RFC 3339.
    pub at: String,
    /// `poll` or `webhook`.
    pub source: &'static str,
    /// Metric → value; `null` where Meta withholds it, which is not zero.
    pub metrics: BTreeMap<String, Option<i64>>,
}

/// The samples among `interactions`, by Story and time.
pub fn story_series(interactions: &[Interaction], story: Option<&str>) -> Vec<StorySample> {
    let mut samples: Vec<(String, Timestamp, StorySample)> = interactions
        .iter()
        .filter_map(|interaction| {
            let Body::StoryInsights(insights) = &interaction.body else { return None };
            story.is_none_or(|story| story == insights.media_id).then(|| {
                let sample = StorySample {
                    story_id: insights.media_id.clone(),
                    at: interaction.occurred.to_rfc3339(),
                    source: interaction.source.as_str(),
                    metrics: insights
                        .metrics
                        .iter()
                        .map(|(name, value)| (StoryInsights::current_name(name).to_owned(), *value))
                        .collect(),
                };
                (insights.media_id.clone(), interaction.occurred, sample)
            })
        })
        .collect();
    samples.sort_by(|(a, at, _), (b, bt, _)| (a, at).cmp(&(b, bt)));
    samples.into_iter().map(|(_, _, sample)| sample).collect()
}

/// The samples as CSV: a column for each metric that any of them has; what is withheld is empty.
pub fn series_to_csv(samples: &[StorySample]) -> String {
    let metrics: BTreeSet<&String> = samples.iter().flat_map(|sample| sample.metrics.keys()).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = ["story_id", "at", "source"].into_iter().map(ToOwned::to_owned);
    // Writing to memory does not fail.
    let _ = writer.write_record(head.chain(metrics.iter().map(|metric| (*metric).clone())));
    for sample in samples {
        let value = |metric: &&String| {
            sample.metrics.get(*metric).copied().flatten().map_or_else(String::new, |v| v.to_string())
        };
        let fixed = [sample.story_id.clone(), sample.at.clone(), sample.source.to_owned()];
        let _ = writer.write_record(fixed.into_iter().chain(metrics.iter().map(value)));
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}
