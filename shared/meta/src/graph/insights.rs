//! Live Stories and their figures.
//!
//! Source: Meta, "Instagram Media Insights" (v25.0, read in 2026). Figures of a Story are there for 24 hours. A metric with
//! a breakdown is asked for in a call of its own, or the whole call fails. Fewer than five viewers are an error, which means
//! "unknown" and never zero; so does an empty data set.

use std::collections::BTreeMap;

use afterglow_domain::{Login, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::client::{GraphAccount, GraphClient};
use super::conversation::{ReadError, graph_time};

/// Metrics without a breakdown.
const PLAIN: &str = "reach,views,replies,shares,reposts,total_interactions,follows,profile_visits";
/// With Facebook Login Meta has two more.
const PLAIN_FACEBOOK: &str =
    "reach,views,replies,shares,reposts,total_interactions,follows,profile_visits,facebook_views,total_views";
/// Metrics with one, each asked for alone.
const BROKEN_DOWN: [(&str, &str); 2] =
    [("navigation", "story_navigation_action_type"), ("profile_activity", "action_type")];
/// Meta's code for "fewer than five viewers", without a subcode.
const TOO_FEW: i64 = 10;

/// A Story that is live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveStory {
    /// Its media id.
    pub id: String,
    /// When it was posted.
    pub posted: Timestamp,
}

#[derive(Deserialize)]
struct Stories {
    #[serde(default)]
    data: Vec<StoryItem>,
}

#[derive(Deserialize)]
struct StoryItem {
    id: String,
    #[serde(default)]
    timestamp: Option<String>,
}

impl GraphClient {
    /// The Stories that are live now.
    pub async fn live_stories(&self, account: &GraphAccount<'_>) -> Result<Vec<LiveStory>, ReadError> {
        let query = [("fields", "id,timestamp")];
        let stories: Stories = self.read_page(account, account.id.as_str(), "stories", &query).await?;
        let story = |item: StoryItem| Some(LiveStory { posted: graph_time(&item.timestamp?)?, id: item.id });
        Ok(stories.data.into_iter().filter_map(story).collect())
    }

    /// The figures of a Story as they stand: metric → value, `None` where Meta withholds it. Broken-down metrics are named
    /// `navigation_tap_forward`, `profile_activity_bio_link_clicked`, … Three calls.
    pub async fn story_insights(
        &self,
        account: &GraphAccount<'_>,
        story: &str,
    ) -> Result<BTreeMap<String, Option<i64>>, ReadError> {
        let plain = match account.login {
            Login::Instagram => PLAIN,
            Login::Facebook => PLAIN_FACEBOOK,
        };
        let mut metrics: BTreeMap<String, Option<i64>> = plain.split(',').map(|name| (name.to_owned(), None)).collect();
        let plain = [("metric", plain)];
        if let Some(answer) = self.insights(account, story, &plain).await? {
            read(&answer, &mut metrics);
        }
        for (metric, breakdown) in BROKEN_DOWN {
            metrics.insert(metric.to_owned(), None);
            let query = [("metric", metric), ("breakdown", breakdown)];
            if let Some(answer) = self.insights(account, story, &query).await? {
                read(&answer, &mut metrics);
            }
        }
        Ok(metrics)
    }

    /// One call; `None` if there are too few viewers for Meta to tell.
    async fn insights(
        &self,
        account: &GraphAccount<'_>,
        story: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<Value>, ReadError> {
        match self.read_page::<Value>(account, story, "insights", query).await {
            Err(ReadError::Refused(error))
                if error.code == Some(TOO_FEW)
                    && error.subcode.is_none()
                    && error.message.contains("Not enough viewers") =>
            {
                Ok(None)
            }
            read => read.map(Some),
        }
    }
}

/// Reads the figures in both of Meta's shapes; one that is negative (Meta's -1) is withheld.
fn read(answer: &Value, metrics: &mut BTreeMap<String, Option<i64>>) {
    let items = answer["data"].as_array();
    for item in items.into_iter().flatten() {
        let Some(name) = item["name"].as_str() else { continue };
        let known = |value: &Value| value.as_i64().filter(|value| *value >= 0);
        let total = known(&item["total_value"]["value"]);
        metrics.insert(name.to_owned(), total.or_else(|| known(&item["values"][0]["value"])));
        let breakdowns = item["total_value"]["breakdowns"].as_array();
        for result in breakdowns.into_iter().flatten().filter_map(|b| b["results"].as_array()).flatten() {
            if let Some(part) = result["dimension_values"][0].as_str() {
                metrics.insert(format!("{name}_{}", part.to_ascii_lowercase()), known(&result["value"]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_shapes_and_what_is_withheld() {
        let answer = json!({ "data": [
            { "name": "reach", "values": [{ "value": 300 }] },
            { "name": "replies", "values": [{ "value": -1 }] },
            { "name": "navigation", "total_value": { "value": 9, "breakdowns": [{ "results": [
                { "dimension_values": ["TAP_FORWARD"], "value": 7 }, { "dimension_values": ["tap_exit"], "value": 2 },
            ] }] } },
            { "title": "no name" },
        ] });
        let mut metrics = BTreeMap::new();
        read(&answer, &mut metrics);
        let wanted = [
            ("navigation", Some(9)),
            ("navigation_tap_exit", Some(2)),
            ("navigation_tap_forward", Some(7)),
            ("reach", Some(300)),
            ("replies", None),
        ];
        assert_eq!(metrics, wanted.map(|(name, value)| (name.to_owned(), value)).into());
        read(&json!({ "data": [] }), &mut metrics);
        assert_eq!(metrics.len(), 5, "an empty data set says nothing");
    }
}
