//! Who cared on one day, what came of it, and what is to be done. A pure function of what the store holds.

use std::collections::BTreeMap;

use afterglow_domain::{Body, Consent, DAY_MS, HOUR_MS, Interaction, Kind, Segment, Timestamp, ViewerKey};
use afterglow_rules::Rulebook;
use afterglow_scorer::{ViewerState, segment_at};
use serde::Serialize;

use crate::day::Day;

/// The follow-up steps: name, first and last moment after the trigger, in ms.
const STEPS: [(&str, i64, i64); 3] =
    [("day 0", 0, 2 * HOUR_MS), ("day 2", DAY_MS, 3 * DAY_MS), ("day 5-7", 4 * DAY_MS, 8 * DAY_MS)];

/// How long after the day something may still belong to one of its rows, in ms.
pub(crate) const FOLLOWED_MS: i64 = STEPS[2].2;

/// What the log of a day is made of.
#[derive(Debug, Default)]
pub struct Material {
    /// What happened, from the day's begin to the end of the last step; in any order.
    pub interactions: Vec<Interaction>,
    /// Messages that went out: to whom, and when.
    pub sent: Vec<(ViewerKey, Timestamp)>,
    /// The viewers as they stand.
    pub viewers: BTreeMap<ViewerKey, (ViewerState, Consent)>,
}

/// What brought a viewer into the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A direct message, a Story reply or mention, a tap.
    Dm,
    /// A public comment.
    Comment,
    /// A reaction, a click, a profile visit or follow.
    Reaction,
    /// Seen more than once.
    Repeat,
    /// Seen once.
    View,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// They asked, and nobody answered.
    ReplyNow,
    /// Follow up within 6 to 24 hours.
    FollowUp,
    /// Nothing now; show them more.
    Nurture,
    /// They have their answer.
    Answered,
    /// They said stop: nobody writes.
    LeaveAlone,
}

/// One step of a follow-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// `day 0`, `day 2`, `day 5-7`
    pub step: &'static str,
    /// When a message went out in it, if one did.
    pub sent: Option<Timestamp>,
    /// They did something after that message.
    pub reaction: bool,
    /// They reached a goal after that message.
    pub conversion: bool,
    /// A message is due in it and has not gone out, or went out and brought nothing.
    pub follow_up_needed: bool,
}

/// One viewer's line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogRow {
    /// The day, in the brand's time zone.
    pub date: String,
    /// The Story it was about, if it was about one.
    pub story_id: Option<String>,
    /// Their name, or their id if no name is known.
    pub username: String,
    /// `hot lead`, `repeat viewer`, `needs reply`, and what operators wrote.
    pub tags: Vec<String>,
    /// What brought them here.
    pub trigger: Trigger,
    /// What is to be done.
    pub required_action: Action,
    /// What was done.
    pub steps: Vec<Step>,
}

/// One day of one brand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DailyLog {
    /// The day.
    pub date: String,
    /// The most urgent first.
    pub rows: Vec<LogRow>,
}

/// The log of `day` as it stands at `now`.
pub fn daily_log(day: &Day, material: &Material, rulebook: &Rulebook, now: Timestamp) -> DailyLog {
    // A viewer has a line for each Story, and one for what was about none.
    let mut lines: BTreeMap<(ViewerKey, Option<String>), Vec<&Interaction>> = BTreeMap::new();
    for interaction in material.interactions.iter().filter(|i| day.holds(i.occurred) && trigger(i).is_some()) {
        if let Some(key) = interaction.viewer_key() {
            lines.entry((key, interaction.body.story_id().map(ToOwned::to_owned))).or_default().push(interaction);
        }
    }
    let mut rows: Vec<(Action, Timestamp, LogRow)> = lines
        .into_iter()
        .map(|((key, story_id), happened)| {
            let row = row(day, &key, story_id, &happened, (material, rulebook), now);
            (row.required_action, happened.iter().map(|i| i.occurred).min().unwrap_or_default(), row)
        })
        .collect();
    rows.sort_by_key(|(action, since, _)| (*action as u8, *since));
    DailyLog { date: day.date.clone(), rows: rows.into_iter().map(|(_, _, row)| row).collect() }
}

fn row(
    day: &Day,
    key: &ViewerKey,
    story_id: Option<String>,
    happened: &[&Interaction],
    (material, rulebook): (&Material, &Rulebook),
    now: Timestamp,
) -> LogRow {
    let unknown = (ViewerState::default(), Consent::default());
    let (state, consent) = material.viewers.get(key).unwrap_or(&unknown);
    // A rule that fails puts nobody in a segment; the scorer counts and tells of it.
    let segment = segment_at(state, rulebook, now).map_or(Segment::Cool, |(segment, _)| segment);
    let views = happened.iter().filter(|i| i.kind() == Kind::ObservedView).count();
    let strongest = happened.iter().filter_map(|i| trigger(i)).min().unwrap_or(Trigger::View);
    let seen_before = views > 1 || state.repeat_view().is_some_and(|at| now.since(at) < DAY_MS);
    let trigger = if strongest == Trigger::View && seen_before { Trigger::Repeat } else { strongest };
    let begun = happened.iter().map(|i| i.occurred).min().unwrap_or(day.begin);
    let silent = matches!(consent.state(), Some(afterglow_domain::ConsentState::OptedOut));
    let steps: Vec<Step> = STEPS.iter().map(|step| followed(*step, key, begun, material, now, silent)).collect();
    let required_action = match segment {
        _ if silent => Action::LeaveAlone,
        _ if state.needs_reply_since().is_some() => Action::ReplyNow,
        _ if steps.iter().any(|step| step.sent.is_some()) => Action::Answered,
        Segment::Hot | Segment::Warm => Action::FollowUp,
        Segment::Cool => Action::Nurture,
    };
    let name = state.username.as_ref().map(|(_, name)| name.clone());
    let name = name.or_else(|| happened.iter().find_map(|i| i.username.clone()));
    LogRow {
        date: day.date.clone(),
        story_id,
        username: name.unwrap_or_else(|| key.viewer.to_string()),
        tags: tags(happened, segment, seen_before, state),
        trigger,
        required_action,
        steps,
    }
}

fn followed(
    (name, from, to): (&'static str, i64, i64),
    key: &ViewerKey,
    begun: Timestamp,
    material: &Material,
    now: Timestamp,
    silent: bool,
) -> Step {
    let within = |at: Timestamp| (from..to).contains(&at.since(begun));
    let sent = material.sent.iter().filter(|(to, at)| to == key && within(*at)).map(|(_, at)| *at).min();
    let after = |kind: fn(&Interaction) -> bool| {
        let theirs = |i: &&Interaction| i.viewer_key().as_ref() == Some(key);
        sent.is_some_and(|sent| {
            material
                .interactions
                .iter()
                .filter(theirs)
                .any(|i| kind(i) && i.occurred > sent && i.occurred.since(begun) < to)
        })
    };
    let reaction = after(|i| trigger(i).is_some() && i.kind() != Kind::ObservedView);
    let conversion = after(|i| i.kind() == Kind::Conversion);
    let over = now.since(begun) >= to;
    let open = now.since(begun) >= from && !over;
    let follow_up_needed = !silent && !conversion && (open && sent.is_none() || sent.is_some() && over && !reaction);
    Step { step: name, sent, reaction, conversion, follow_up_needed }
}

fn tags(happened: &[&Interaction], segment: Segment, seen_before: bool, state: &ViewerState) -> Vec<String> {
    let mut tags = Vec::new();
    for (name, holds) in [
        ("hot lead", segment == Segment::Hot),
        ("repeat viewer", seen_before),
        ("needs reply", state.needs_reply_since().is_some()),
    ] {
        if holds {
            tags.push(name.to_owned());
        }
    }
    for interaction in happened {
        if let Body::ObservedView(o) | Body::ProfileVisit(o) | Body::Follow(o) | Body::StickerTap(o) = &interaction.body
        {
            tags.extend(o.tags.iter().filter(|tag| !tags.contains(tag)).cloned().collect::<Vec<_>>());
        }
    }
    tags
}

/// What of the viewer's own doing brings them into the log.
fn trigger(interaction: &Interaction) -> Option<Trigger> {
    match interaction.kind() {
        Kind::Message
        | Kind::StoryReply
        | Kind::StoryMention
        | Kind::QuickReply
        | Kind::Postback
        | Kind::StickerTap => Some(Trigger::Dm),
        Kind::Comment | Kind::LiveComment => interaction.is_contact().then_some(Trigger::Comment),
        Kind::Reaction | Kind::Referral | Kind::LinkClick | Kind::ProfileVisit | Kind::Follow => {
            Some(Trigger::Reaction)
        }
        Kind::ObservedView => Some(Trigger::View),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
