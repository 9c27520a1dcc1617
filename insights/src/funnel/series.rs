//! A day's Stories as one, and when Stories are posted. Pure.

use std::collections::BTreeMap;

use afterglow_domain::Timestamp;
use serde::Serialize;

use super::{StoryFigure, StoryFunnel, StoryLabel};

/// An account's Stories of one day, in their order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StorySeries {
    /// Whose.
    pub account: String,
    /// The day, in the brand's time zone.
    pub day: String,
    /// How many.
    pub frames: u32,
    /// What they are for, in their order; none where nobody said.
    pub labels: Vec<Option<StoryLabel>>,
    /// Whether a teaser, then value, then a call to action are among them, in this order.
    pub is_complete: bool,
    /// Who the last one reached, of who the first one reached.
    pub carried: StoryFigure,
    /// The frame with the greatest share of exits, from 1, with that share; none if no share is known.
    pub lost_most: Option<(u32, StoryFigure)>,
}

/// Each day's Stories as one, of a funnel.
pub fn series_of(stories: &[StoryFunnel]) -> Vec<StorySeries> {
    let mut days = BTreeMap::<(&str, &str), Vec<&StoryFunnel>>::new();
    for story in stories {
        days.entry((&story.account, &story.day)).or_default().push(story);
    }
    let series = |((account, day), mut frames): ((&str, &str), Vec<&StoryFunnel>)| {
        frames.sort_by_key(|story| story.frame);
        let labels: Vec<Option<StoryLabel>> = frames.iter().map(|story| story.label).collect();
        let (first, last) = (frames.first()?, frames.last()?);
        let share = |story: &&&StoryFunnel| match story.exits {
            StoryFigure::Share { value, .. } => Some(value),
            StoryFigure::Count { .. } | StoryFigure::Unknown { .. } => None,
        };
        let known = frames.iter().filter(|story| share(story).is_some());
        let worst = known.max_by(|a, b| share(a).unwrap_or(0.0).total_cmp(&share(b).unwrap_or(0.0)));
        Some(StorySeries {
            account: account.to_owned(),
            day: day.to_owned(),
            frames: u32::try_from(frames.len()).unwrap_or(u32::MAX),
            is_complete: in_order(&labels),
            labels,
            carried: last.reach.of(first.reach),
            lost_most: worst.map(|story| (story.frame, story.exits)),
        })
    };
    days.into_iter().filter_map(series).collect()
}

/// Whether the labels go through teaser, value and call to action.
fn in_order(labels: &[Option<StoryLabel>]) -> bool {
    let mut wanted = StoryLabel::ALL.into_iter().peekable();
    for label in labels.iter().flatten() {
        wanted.next_if_eq(label);
    }
    wanted.peek().is_none()
}

/// Stories that were posted in one hour of the week.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Heat {
    /// How many.
    pub stories: u64,
    /// Of these, those whose reach is known.
    pub known: u64,
    /// The reach of those, together.
    pub reach: i64,
    /// Replies to all of them, as the log has them.
    pub replies: u64,
}

/// By weekday (0 is Monday) and hour, in a time zone: Stories of which it is known when they were posted. The others are counted
/// apart.
pub fn heat_of(stories: &[StoryFunnel], zone: &str) -> ([[Heat; 24]; 7], u64) {
    let mut heat = [[Heat::default(); 24]; 7];
    let mut unknown = 0;
    for story in stories {
        let Some(posted) = story.posted.as_deref().and_then(Timestamp::parse) else {
            unknown += 1;
            continue;
        };
        let (day, hour) = posted.weekday_and_hour_in(zone);
        let cell = &mut heat[day][hour];
        cell.stories += 1;
        cell.replies += story.followed.replies;
        if let Some(reach) = story.reach.count() {
            cell.known += 1;
            cell.reach += reach;
        }
    }
    (heat, unknown)
}
