//! The viewer's state: a fold of their interactions in which order does not matter.
//!
//! Every part is a count, a maximum, a set of the latest few, or a [`DecayedSum`]: each of these gives the same result
//! for any order and any split of the same set of interactions. (Duplicates are removed before: they share an id.)

use std::collections::{BTreeMap, BTreeSet};

use afterglow_domain::{Body, Interaction, Kind, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decayed::DecayedSum;
use crate::weights::Weights;

/// How many of the latest views and questions are remembered.
const REMEMBERED: usize = 32;

/// All that the rules know of a viewer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ViewerState {
    /// Interactions by kind.
    pub counts: BTreeMap<Kind, u32>,
    /// The fading score.
    pub score: DecayedSum,
    /// When the viewer last spoke or tapped: replied, messaged, commented, reacted, tapped a sticker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spoke: Option<Timestamp>,
    /// When the viewer last did something that opens a right to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<Timestamp>,
    /// When the viewer last visited the profile or followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Timestamp>,
    /// The latest observed views.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub views: BTreeSet<Timestamp>,
    /// The latest words or taps that ask for an answer.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub asks: BTreeSet<Timestamp>,
    /// When the brand last wrote to the viewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<Timestamp>,
    /// When the first and the last interaction happened.
    pub seen: Option<(Timestamp, Timestamp)>,
    /// The name last heard, with the time it was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<(Timestamp, String)>,
}

impl ViewerState {
    /// Takes one interaction in.
    pub fn apply(&mut self, interaction: &Interaction, weights: &Weights) {
        let kind = interaction.kind();
        // A clock ahead of ours must not make a viewer hot for ever.
        let at = interaction.occurred.min(interaction.received);
        let count = self.counts.entry(kind).or_insert(0);
        *count = count.saturating_add(1);
        self.seen = Some(self.seen.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        if let Some(name) = &interaction.username {
            let heard = Some((at, name.clone()));
            self.username = self.username.take().max(heard);
        }
        if kind == Kind::MessageSent {
            self.answered = self.answered.max(Some(at));
            return;
        }
        if by_the_account(&interaction.body) {
            return;
        }
        self.score.add(weights.milli(kind), at, weights.half_life_ms);
        if interaction.is_contact() {
            self.contact = self.contact.max(Some(at));
        }
        if speaks(kind) {
            self.spoke = self.spoke.max(Some(at));
        }
        if asks(kind) {
            remember(&mut self.asks, at);
        }
        match kind {
            Kind::ObservedView => remember(&mut self.views, at),
            Kind::ProfileVisit | Kind::Follow => self.profile = self.profile.max(Some(at)),
            _ => {}
        }
    }

    /// Since when a question waits for an answer; `None` if none does.
    pub fn needs_reply_since(&self) -> Option<Timestamp> {
        self.asks.iter().copied().find(|ask| self.answered.is_none_or(|answered| *ask > answered))
    }

    /// When the last interaction happened; the moment as of which the stored segment holds.
    pub fn as_of(&self) -> Timestamp {
        self.seen.map_or(Timestamp::default(), |(_, last)| last)
    }
}

fn by_the_account(body: &Body) -> bool {
    match body {
        Body::Comment(c) | Body::LiveComment(c) => c.by_account || c.verb == "remove" || c.verb == "hide",
        Body::SelfMessage(_) => true,
        _ => false,
    }
}

/// Hot by the default rules: replied, messaged, commented, reacted or tapped.
const fn speaks(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Message
            | Kind::StoryReply
            | Kind::StoryMention
            | Kind::QuickReply
            | Kind::Postback
            | Kind::Reaction
            | Kind::Referral
            | Kind::Comment
            | Kind::LiveComment
            | Kind::StickerTap
    )
}

/// What a person would expect an answer to. A reaction is a nod.
const fn asks(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Message | Kind::StoryReply | Kind::QuickReply | Kind::Postback | Kind::Comment | Kind::LiveComment
    )
}

fn remember(latest: &mut BTreeSet<Timestamp>, at: Timestamp) {
    latest.insert(at);
    if latest.len() > REMEMBERED {
        latest.pop_first();
    }
}
