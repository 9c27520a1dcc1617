//! What people of a brand saw: names from a Story's viewer list, typed, pasted or imported; `viewer_list` reads them.
//!
//! The official API gives no viewer list, and Afterglow never scrapes. An observation is marked as one, opens no window,
//! and feeds no automatic send ([`Interaction::is_contact`] is false for it). The place in the list is not kept: it says
//! nothing of intent.

mod viewer_list;

use std::collections::HashMap;
use std::sync::Arc;

use afterglow_bus::{Bus, Lane, Message, PublishError};
use afterglow_domain::{
    AccountId, Body, BrandId, Channel, DAY_MS, DerivedId as _, Interaction, InteractionId, Kind, Observation, Source,
    Timestamp, ViewerId,
};
use afterglow_store::{Store, StoreError};

pub use viewer_list::{BadLine, LINES_MAX, Line, read_lines};

/// A name that nobody has answered to for so long may be another person's by now, in ms.
const NAME_TRUSTED_MS: i64 = 90 * DAY_MS;
/// Observations in one publish.
const TOGETHER: usize = 500;

/// What is the same for all lines.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Whose account.
    pub brand: BrandId,
    /// Which account's Story.
    pub account: AccountId,
    /// Instagram or Page.
    pub channel: Channel,
    /// What was seen: a view, a profile visit, a follow, a sticker tap.
    pub kind: Kind,
    /// The Story, if it concerns one.
    pub story_id: Option<String>,
    /// Tags for every line.
    pub tags: Vec<String>,
    /// Who saw it.
    pub operator: Option<String>,
    /// When.
    pub at: Timestamp,
    /// When it was recorded.
    pub recorded: Timestamp,
}

/// What became of observations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    /// On the bus.
    pub recorded: usize,
    /// Of them, matched to a viewer who had been heard of.
    pub matched: usize,
}

/// Observations could not be recorded; what was published before is kept, and recording all again changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The bus did not take them.
    #[error("the bus did not take them")]
    Bus(#[from] PublishError),
    /// One cannot be written: a defect.
    #[error("an observation cannot be written")]
    Write(#[from] afterglow_domain::CloudEventError),
}

/// Publishes observations. A name is matched to a viewer only if exactly one bears it and has been heard of lately:
/// people rename themselves, and a wrong match is worse than none. `progress` is told how many are done.
pub async fn record(
    store: &Store,
    bus: &Arc<dyn Bus>,
    seen: &Seen,
    lines: &[Line],
    progress: impl Fn(usize),
) -> Result<Recorded, RecordError> {
    let mut recorded = Recorded::default();
    for chunk in lines.chunks(TOGETHER) {
        let names = chunk.iter().map(|line| line.username.clone()).collect();
        let mut known: HashMap<String, Vec<(ViewerId, Timestamp)>> = HashMap::new();
        for (name, viewer, last_seen) in store.brand(&seen.brand).viewers_named(&seen.account, names).await? {
            known.entry(name).or_default().push((viewer, last_seen));
        }
        let mut messages = Vec::with_capacity(chunk.len());
        for line in chunk {
            let real = |(viewer, _): &&(ViewerId, Timestamp)| !viewer.as_str().starts_with(UNMATCHED);
            let bearers: Vec<_> = known.get(&line.username).into_iter().flatten().filter(real).collect();
            let viewer = match bearers.as_slice() {
                [(viewer, last_seen)] if seen.at.since(*last_seen) < NAME_TRUSTED_MS => {
                    recorded.matched += 1;
                    viewer.clone()
                }
                _ => ViewerId::new(format!("{UNMATCHED}{}", line.username)),
            };
            let interaction = interaction(seen, line, viewer);
            let id = interaction.id.to_string();
            messages.push(Message { id, traceparent: None, body: interaction.to_cloudevent()?.into() });
        }
        recorded.recorded += messages.len();
        bus.publish(Lane::Interactions, messages).await?;
        progress(recorded.recorded);
    }
    Ok(recorded)
}

/// With what the id of a viewer begins of whom only a name is known.
const UNMATCHED: &str = "username:";

fn interaction(seen: &Seen, line: &Line, viewer: ViewerId) -> Interaction {
    let mut tags = seen.tags.clone();
    tags.extend(line.tags.iter().filter(|tag| !seen.tags.contains(tag)).cloned());
    let observation = Observation { story_id: seen.story_id.clone(), tags, operator: seen.operator.clone() };
    let body = match seen.kind {
        Kind::ProfileVisit => Body::ProfileVisit(observation),
        Kind::Follow => Body::Follow(observation),
        Kind::StickerTap => Body::StickerTap(observation),
        _ => Body::ObservedView(observation),
    };
    // One Story is viewed once by one name, however often the list is pasted; without a Story, once in an hour.
    let hour = (seen.at.millis() / 3_600_000).to_string();
    let when = seen.story_id.as_deref().unwrap_or(&hour);
    Interaction {
        id: InteractionId::derive(&["observed", body.kind().as_str(), seen.account.as_str(), &line.username, when]),
        brand: seen.brand.clone(),
        account: seen.account.clone(),
        viewer: Some(viewer),
        username: Some(line.username.clone()),
        channel: seen.channel,
        source: Source::Operator,
        occurred: seen.at,
        received: seen.recorded,
        standby: false,
        body,
        raw: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(username: &str, tags: &[&str]) -> Line {
        Line { username: username.into(), tags: tags.iter().map(|tag| (*tag).into()).collect() }
    }

    #[test]
    fn an_observation_is_never_a_contact() {
        let seen = Seen {
            brand: BrandId::new("lumen"),
            account: AccountId::new("1"),
            channel: Channel::Instagram,
            kind: Kind::StickerTap,
            story_id: Some("s".into()),
            tags: vec!["vip".into()],
            operator: Some("ann".into()),
            at: Timestamp::from_millis(1),
            recorded: Timestamp::from_millis(2),
        };
        let one = interaction(&seen, &line("mila", &["vip", "b2b"]), ViewerId::new("7"));
        assert!(!one.is_contact() && one.source == Source::Operator);
        let again = Seen { at: Timestamp::from_millis(99), ..seen.clone() };
        assert_eq!(interaction(&again, &line("mila", &[]), ViewerId::new("8")).id, one.id, "once for each Story");
        let other = Seen { story_id: Some("t".into()), ..seen };
        assert_ne!(interaction(&other, &line("mila", &[]), ViewerId::new("7")).id, one.id);
    }
}
