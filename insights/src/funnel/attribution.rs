//! Which conversations and sales followed a Story. Pure.
//!
//! The rule: a viewer **touches** a Story by replying to it, by tapping a sticker on it, or by opening one of its tracked links. What
//! they do next belongs to the Story that they touched last: a conversation if they write (other than in reply to a Story) within 7
//! days, a sale if they buy within 30 days. A sale that names a Story's link belongs to that Story. A view alone attributes nothing: it is
//! not known of most viewers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use afterglow_domain::{Body, DAY_MS, Interaction, Timestamp, ViewerKey};
use serde::Serialize;

use super::FunnelGround;

/// How long after a touch a message belongs to it.
const DM_MS: i64 = 7 * DAY_MS;
/// How long after a touch a sale belongs to it.
const SALE_MS: i64 = 30 * DAY_MS;

/// What the log has of a Story, and of what followed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Followed {
    /// Replies to it.
    pub replies: u64,
    /// Viewers who replied.
    pub repliers: u64,
    /// Taps on its stickers, as far as they are told.
    pub taps: u64,
    /// Its tracked links were opened so often.
    pub clicks: u64,
    /// Viewers who wrote a message within 7 days after they touched it, and touched no other meanwhile.
    pub dms: u64,
    /// Viewers who bought within 30 days.
    pub sold: u64,
    /// Sales.
    pub sales: u64,
    /// What they brought, by currency, in its minor units.
    pub revenue: BTreeMap<String, i64>,
}

#[derive(Default)]
struct Found {
    followed: Followed,
    repliers: BTreeSet<ViewerKey>,
    dms: BTreeSet<ViewerKey>,
    buyers: BTreeSet<ViewerKey>,
}

/// What followed each Story.
pub(super) fn followed<'a>(ground: &FunnelGround<'a>) -> HashMap<&'a str, Followed> {
    let mut by_viewer = BTreeMap::<ViewerKey, Vec<&Interaction>>::new();
    let mut seen = BTreeSet::new();
    let mut found = HashMap::<&str, Found>::new();
    for interaction in ground.happened {
        if !seen.insert(interaction.id) {
            continue;
        }
        match interaction.viewer_key() {
            Some(viewer) => by_viewer.entry(viewer).or_default().push(interaction),
            // Who opened a link that is everybody's is not known; that it was opened is.
            None => {
                if let Some(story) = touched(interaction, ground.links) {
                    count(&mut found.entry(story).or_default().followed, interaction);
                }
            }
        }
    }
    for (viewer, mut life) in by_viewer {
        life.sort_by_key(|interaction| (interaction.occurred, interaction.id));
        follow(&viewer, &life, ground, &mut found);
    }
    let finish = |found: Found| Followed {
        repliers: found.repliers.len() as u64,
        dms: found.dms.len() as u64,
        sold: found.buyers.len() as u64,
        ..found.followed
    };
    found.into_iter().map(|(story, found)| (story, finish(found))).collect()
}

fn follow<'a>(
    viewer: &ViewerKey,
    life: &[&'a Interaction],
    ground: &FunnelGround<'a>,
    found: &mut HashMap<&'a str, Found>,
) {
    let mut last: Option<(&'a str, Timestamp)> = None;
    for interaction in life {
        let at = interaction.occurred;
        if let Some(story) = touched(interaction, ground.links) {
            let entry = found.entry(story).or_default();
            count(&mut entry.followed, interaction);
            if matches!(interaction.body, Body::StoryReply(_)) {
                entry.repliers.insert(viewer.clone());
            }
            last = Some((story, at));
            continue;
        }
        let within = |ms: i64| last.filter(|(_, touched)| at.since(*touched) < ms).map(|(story, _)| story);
        if let Body::Conversion(sale) = &interaction.body {
            let named = sale.link.as_ref().and_then(|link| ground.links.get(link)).map(String::as_str);
            let Some(story) = named.or_else(|| within(SALE_MS)) else { continue };
            let entry = found.entry(story).or_default();
            entry.followed.sales += 1;
            entry.buyers.insert(viewer.clone());
            if let Some((minor, currency)) = sale.value_minor.zip(sale.currency.as_ref()) {
                *entry.followed.revenue.entry(currency.clone()).or_default() += minor;
            }
        } else if interaction.is_contact()
            && !matches!(interaction.body, Body::StoryReply(_))
            && let Some(story) = within(DM_MS)
        {
            found.entry(story).or_default().dms.insert(viewer.clone());
        }
    }
}

fn count(followed: &mut Followed, interaction: &Interaction) {
    match interaction.body {
        Body::StoryReply(_) => followed.replies += 1,
        Body::StickerTap(_) => followed.taps += 1,
        _ => followed.clicks += 1,
    }
}

/// The Story that an interaction touches.
fn touched<'a>(interaction: &'a Interaction, links: &'a HashMap<String, String>) -> Option<&'a str> {
    match &interaction.body {
        Body::StoryReply(_) | Body::StickerTap(_) => interaction.body.story_id().filter(|id| !id.is_empty()),
        Body::LinkClick(click) => links.get(&click.link).map(String::as_str),
        _ => None,
    }
}
