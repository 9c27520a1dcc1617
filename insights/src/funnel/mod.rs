//! From a Story to a sale: what is known of each Story of a period, in the order of its day's series. Pure.
//!
//! Guarantee: what Meta withholds, or was never asked for, is unknown with the reason; it is never 0.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `attribution` | which conversations and sales followed a Story |
//! | `figure` | a number of Meta's, or why there is none |
//! | `series` | a day's Stories as one, and when Stories are posted |

mod attribution;
mod figure;
mod series;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use afterglow_domain::{AccountId, Body, DAY_MS, HOUR_MS, Interaction, StoryInsights, Timestamp};
use serde::{Deserialize, Serialize};

pub use attribution::Followed;
pub use figure::{StoryFigure, StoryUnknown};
pub use series::{Heat, StorySeries, heat_of, series_of};

/// A Story whose last sample is this old at least has its figures as they stayed.
const KEPT_MS: i64 = 23 * HOUR_MS;

/// What a Story is for in its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoryLabel {
    /// It makes curious.
    Teaser,
    /// It gives what was promised.
    Value,
    /// It asks for something: a reply, a tap, a purchase.
    Cta,
}

impl StoryLabel {
    /// Each of them, in the order of a series.
    pub const ALL: [Self; 3] = [Self::Teaser, Self::Value, Self::Cta];

    /// As stored and asked for.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Teaser => "teaser",
            Self::Value => "value",
            Self::Cta => "cta",
        }
    }

    /// The label of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|label| label.as_str() == name)
    }
}

/// How far a Story's figures can be trusted to be its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoryStage {
    /// It is live: figures still grow.
    Live,
    /// Its figures were read within its last hour.
    Kept,
    /// Its figures end before its last hour: it was deleted, or Meta was not asked. What came later is unknown.
    CutShort,
    /// No figures were read while it was live.
    Unread,
}

/// One Story.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoryFunnel {
    /// Its media id.
    pub story: String,
    /// Whose.
    pub account: String,
    /// When it was posted, RFC 3339; none if Meta did not tell.
    pub posted: Option<String>,
    /// When it was first heard of, RFC 3339.
    pub heard: String,
    /// The day of its series, in the brand's time zone.
    pub day: String,
    /// Its place among the account's Stories of that day, from 1.
    pub frame: u32,
    /// What it is for, if somebody said.
    pub label: Option<StoryLabel>,
    /// How far its figures go.
    pub stage: StoryStage,
    /// Accounts that saw it.
    pub reach: StoryFigure,
    /// How often it was shown.
    pub views: StoryFigure,
    /// Times that somebody left Stories, or went on to another account's, of the times it was shown.
    pub exits: StoryFigure,
    /// Times that nobody did, of the times it was shown.
    pub completion: StoryFigure,
    /// Meta's count of replies.
    pub replies: StoryFigure,
    /// What is in the log: replies, taps, link clicks, and what followed.
    pub followed: Followed,
    /// When it began, in ms: posted, or else first heard of.
    #[serde(skip)]
    pub began: Timestamp,
}

/// What a funnel is made of.
#[derive(Debug, Clone, Copy)]
pub struct FunnelGround<'a> {
    /// What happened in the period and, for what followed, after it; in any order.
    pub happened: &'a [Interaction],
    /// The Story of each tracked link that has one, by the link's code.
    pub links: &'a HashMap<String, String>,
    /// What Stories are for, as people said.
    pub labels: &'a HashMap<String, StoryLabel>,
    /// The brand's time zone.
    pub zone: &'a str,
    /// Stories that began in it are shown.
    pub period: (Timestamp, Timestamp),
    /// The time.
    pub now: Timestamp,
}

struct Heard<'a> {
    account: &'a AccountId,
    first: Timestamp,
    posted: Option<Timestamp>,
    samples: Vec<(Timestamp, &'a StoryInsights)>,
}

/// Each Story of a period, by account, day and frame.
pub fn funnel(ground: &FunnelGround<'_>) -> Vec<StoryFunnel> {
    let mut heard = BTreeMap::<&str, Heard<'_>>::new();
    for interaction in ground.happened {
        let Some(id) = interaction.body.story_id().filter(|id| !id.is_empty()) else { continue };
        let new =
            || Heard { account: &interaction.account, first: interaction.occurred, posted: None, samples: Vec::new() };
        let story = heard.entry(id).or_insert_with(new);
        story.first = story.first.min(interaction.occurred);
        if let Body::StoryInsights(insights) = &interaction.body {
            story.posted = story.posted.or(insights.posted);
            story.samples.push((interaction.occurred, insights));
        }
    }
    let followed = attribution::followed(ground);
    let mut stories: Vec<StoryFunnel> = heard
        .into_iter()
        .map(|(id, story)| shown(ground, id, story, followed.get(id).cloned().unwrap_or_default()))
        .filter(|story| ground.period.0 <= story.began && story.began < ground.period.1)
        .collect();
    stories.sort_by(|a, b| (&a.account, a.began, &a.story).cmp(&(&b.account, b.began, &b.story)));
    let mut frames = HashMap::<(String, String), u32>::new();
    for story in &mut stories {
        let frame = frames.entry((story.account.clone(), story.day.clone())).or_default();
        *frame += 1;
        story.frame = *frame;
    }
    stories
}

fn shown(ground: &FunnelGround<'_>, id: &str, mut story: Heard<'_>, followed: Followed) -> StoryFunnel {
    story.samples.sort_by_key(|(at, _)| *at);
    let began = story.posted.unwrap_or(story.first);
    let last = story.samples.last();
    let stage = match last {
        _ if ground.now.since(began) < DAY_MS => StoryStage::Live,
        None => StoryStage::Unread,
        Some((at, _)) if at.since(began) >= KEPT_MS => StoryStage::Kept,
        Some(_) => StoryStage::CutShort,
    };
    // The latest that was told: a figure that Meta no longer tells stays as it was.
    let figure = |name: &str| figure::latest(&story.samples, name);
    let views = figure("views");
    let exits = figure("navigation_tap_exit").plus(figure("navigation_swipe_forward"));
    StoryFunnel {
        story: id.to_owned(),
        account: story.account.to_string(),
        posted: story.posted.map(Timestamp::to_rfc3339),
        heard: story.first.to_rfc3339(),
        day: began.day_in(ground.zone),
        frame: 0,
        label: ground.labels.get(id).copied(),
        stage,
        reach: figure("reach"),
        views,
        exits: exits.of(views),
        completion: views.minus(exits).of(views),
        replies: figure("replies"),
        followed,
        began,
    }
}

/// The funnel as CSV (RFC 4180): a line for each Story; what is unknown is empty, and the reason stands beside it.
pub fn funnel_to_csv(stories: &[StoryFunnel]) -> String {
    let mut text = "story,account,day,frame,label,stage,posted,reach,views,exits,completion,unknown,replies,repliers,taps,clicks,dms,sold,sales,revenue\n".to_owned();
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    for story in stories {
        let figures =
            [("reach", story.reach), ("views", story.views), ("exits", story.exits), ("completion", story.completion)];
        let reasons: Vec<String> =
            figures.iter().filter_map(|(name, figure)| Some(format!("{name}: {}", figure.unknown()?))).collect();
        let followed = &story.followed;
        let revenue: Vec<String> =
            followed.revenue.iter().map(|(currency, minor)| format!("{minor} {currency}")).collect();
        let mut cells = vec![
            quoted(&story.story),
            quoted(&story.account),
            story.day.clone(),
            story.frame.to_string(),
            story.label.map_or("", StoryLabel::as_str).to_owned(),
            story.stage.as_str().to_owned(),
            story.posted.clone().unwrap_or_default(),
        ];
        cells.extend(figures.iter().map(|(_, figure)| figure.cell()));
        cells.push(quoted(&reasons.join("; ")));
        let counts = [
            followed.replies,
            followed.repliers,
            followed.taps,
            followed.clicks,
            followed.dms,
            followed.sold,
            followed.sales,
        ];
        cells.extend(counts.iter().map(u64::to_string));
        cells.push(quoted(&revenue.join("; ")));
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

impl StoryStage {
    /// As programs have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Kept => "kept",
            Self::CutShort => "cut_short",
            Self::Unread => "unread",
        }
    }

    /// As people read it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Live => "live: figures grow",
            Self::Kept => "kept to its end",
            Self::CutShort => "figures end early: deleted, or not asked",
            Self::Unread => "no figures were read",
        }
    }
}
