//! Keeps the figures of a Story, which Meta shows for 24 hours only.
//!
//! Every live Story is asked for on a schedule that tightens before it ends; each sample becomes an interaction without a
//! viewer, so that the log holds the time series. One process collects at a time.

use std::collections::HashMap;
use std::sync::Arc;

use afterglow_bus::{Bus, Lane, Message, PublishError};
use afterglow_domain::{
    Body, DAY_MS, DerivedId as _, HOUR_MS, Interaction, InteractionId, Source, StoryInsights, Timestamp,
};
use afterglow_meta::graph::{ErrorClass, GraphAccount, GraphClient, LiveStory, ReadError};
use afterglow_runtime::error_chain;
use afterglow_store::{Account, StoreError};
use afterglow_tokens::{TokenError, Tokens};
use tokio_util::sync::CancellationToken;

use crate::Rounds;

const ROUND: &str = "story insights";
const MINUTE_MS: i64 = 60_000;

/// Asks for the figures of live Stories.
pub struct InsightsCollector {
    /// Through the accounts: how often it is looked for Stories and for samples that are due.
    pub rounds: Rounds,
    /// Where samples go.
    pub bus: Arc<dyn Bus>,
    /// How Meta is asked.
    pub graph: GraphClient,
    /// In whose name.
    pub tokens: Tokens,
}

/// An account's Stories could not be read; they are tried again next time.
#[derive(Debug, thiserror::Error)]
enum CollectError {
    #[error("no access token")]
    Token(#[from] TokenError),
    #[error("Meta does not tell")]
    Read(#[from] ReadError),
    #[error("the bus did not take a sample")]
    Bus(#[from] PublishError),
    #[error("a sample cannot be written")]
    Write(#[from] afterglow_domain::CloudEventError),
}

/// How long after a sample the next one is due, for a Story of this age. Attention flares in the first hour, and what is not
/// read before the end is lost: the last half hour is read every two minutes.
pub(crate) const fn interval_ms(age_ms: i64) -> i64 {
    if age_ms < HOUR_MS {
        5 * MINUTE_MS
    } else if age_ms < 20 * HOUR_MS {
        30 * MINUTE_MS
    } else if age_ms < DAY_MS - HOUR_MS / 2 {
        10 * MINUTE_MS
    } else {
        2 * MINUTE_MS
    }
}

impl InsightsCollector {
    /// Collects until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        if self.rounds.every.is_zero() {
            stop.cancelled().await;
            return;
        }
        let mut sampled: HashMap<String, Timestamp> = HashMap::new();
        while stop.run_until_cancelled(tokio::time::sleep(self.rounds.every)).await.is_some() {
            if let Some(Err(error)) = stop.run_until_cancelled(self.all(&mut sampled)).await {
                tracing::warn!(error = %error_chain(&error), "Story insights wait");
            }
        }
        self.rounds.end(ROUND).await;
    }

    async fn all(&self, sampled: &mut HashMap<String, Timestamp>) -> Result<(), StoreError> {
        let now = (self.rounds.clock)();
        sampled.retain(|_, at| now.since(*at) < DAY_MS);
        for account in self.rounds.accounts().await? {
            if !self.rounds.is_ours(ROUND).await? {
                return Ok(()); // another process collects
            }
            if let Err(error) = self.account(&account, sampled).await {
                metrics::counter!("afterglow_insights_failures_total").increment(1);
                tracing::warn!(account = %account.id, error = %error_chain(&error), "Story insights are not read");
            }
        }
        Ok(())
    }

    async fn account(&self, account: &Account, sampled: &mut HashMap<String, Timestamp>) -> Result<(), CollectError> {
        let token = self.tokens.of(&account.id).await?;
        let asking = GraphAccount { id: &account.id, login: token.login, token: &token.secret };
        for story in self.graph.live_stories(&asking).await? {
            let now = (self.rounds.clock)();
            let due =
                sampled.get(&story.id).is_none_or(|last| now.since(*last) >= interval_ms(now.since(story.posted)));
            if !due {
                continue;
            }
            let metrics = match self.graph.story_insights(&asking, &story.id).await {
                Ok(metrics) => metrics,
                // It ended between the list and the question.
                Err(ReadError::Refused(error)) if error.class == ErrorClass::ViewerUnreachable => continue,
                Err(error) => return Err(error.into()),
            };
            let sample = sample(account, &story, metrics, now);
            let message =
                Message { id: sample.id.to_string(), traceparent: None, body: sample.to_cloudevent()?.into() };
            self.bus.publish(Lane::Interactions, vec![message]).await?;
            metrics::counter!("afterglow_insights_samples_total").increment(1);
            sampled.insert(story.id, now);
        }
        Ok(())
    }
}

fn sample(
    account: &Account,
    story: &LiveStory,
    metrics: std::collections::BTreeMap<String, Option<i64>>,
    now: Timestamp,
) -> Interaction {
    // Two processes that ask in the same minute tell the same thing.
    let minute = (now.millis() / MINUTE_MS).to_string();
    Interaction {
        id: InteractionId::derive(&["insights", account.id.as_str(), &story.id, &minute]),
        brand: account.brand.clone(),
        account: account.id.clone(),
        viewer: None,
        username: None,
        channel: account.channel,
        source: Source::Poll,
        occurred: now,
        received: now,
        standby: false,
        body: Body::StoryInsights(StoryInsights { media_id: story.id.clone(), posted: Some(story.posted), metrics }),
        raw: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_tightens_before_the_end() {
        for (age, minutes) in
            [(0, 5), (HOUR_MS - 1, 5), (HOUR_MS, 30), (20 * HOUR_MS, 10), (DAY_MS - HOUR_MS / 2, 2), (DAY_MS, 2)]
        {
            assert_eq!(interval_ms(age) / MINUTE_MS, minutes, "{age}");
        }
        // From the first to the last minute: so many samples, at three calls each, stay far below any limit.
        let (mut at, mut samples) = (0, 0);
        while at < DAY_MS {
            (at, samples) = (at + interval_ms(at), samples + 1);
        }
        assert_eq!(samples, 12 + 38 + 21 + 15);
    }
}
