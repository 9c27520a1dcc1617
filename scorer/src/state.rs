//! The viewer's state: a fold of their interactions in which order does not matter.
//!
//! Every part is a count, a maximum, a set of the latest few, or a [`DecayedSum`]: each of these gives the same result
//! for any order and any split of the same set of interactions. (Duplicates are removed before: they share an id.)

use std::collections::{BTreeMap, BTreeSet};

use afterglow_domain::{Body, DAY_MS, Interaction, Kind, Scoring, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decayed::DecayedSum;

/// How many of the latest views and questions are remembered.
const REMEMBERED: usize = 32;

/// What an interaction counts before it is weighed, in thousandths.
const ONE_MILLI: u32 = 1_000;

/// Interactions of one kind, fading. Weights come in when the score is asked for, so that a change of weights touches nobody's
/// state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fading {
    /// Time in which a contribution halves, in ms, as it was when the first came.
    #[serde(rename = "h")]
    pub half_life_ms: i64,
    /// The fading count.
    #[serde(rename = "s")]
    pub sum: DecayedSum,
}

/// All that the rules know of a viewer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ViewerState {
    /// Interactions by kind.
    pub counts: BTreeMap<Kind, u32>,
    /// What the score is made of.
    pub signals: BTreeMap<Kind, Fading>,
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
    /// The state that everything in `log` makes, in whatever order it stands there.
    pub fn of(log: &[Interaction], scoring: &Scoring) -> Self {
        let mut state = Self::default();
        for interaction in log {
            state.apply(interaction, scoring);
        }
        state
    }

    /// Adds what another part of the same viewer's interactions made, folded with the same half-lives.
    pub fn merge(&mut self, other: &Self) {
        for (kind, count) in &other.counts {
            let own = self.counts.entry(*kind).or_insert(0);
            *own = own.saturating_add(*count);
        }
        for (kind, fading) in &other.signals {
            let own = self.signals.entry(*kind).or_default();
            own.half_life_ms = own.half_life_ms.max(fading.half_life_ms);
            own.sum.merge(&fading.sum);
        }
        self.spoke = self.spoke.max(other.spoke);
        self.contact = self.contact.max(other.contact);
        self.profile = self.profile.max(other.profile);
        self.answered = self.answered.max(other.answered);
        other.views.iter().for_each(|at| remember(&mut self.views, *at));
        other.asks.iter().for_each(|at| remember(&mut self.asks, *at));
        self.seen = match (self.seen, other.seen) {
            (Some((first, last)), Some((earlier, later))) => Some((first.min(earlier), last.max(later))),
            (own, others) => own.or(others),
        };
        self.username = self.username.take().max(other.username.clone());
    }

    /// The state, were the viewer to do one more thing.
    #[must_use]
    pub fn with_one_more(&self, kind: Kind, at: Timestamp, scoring: &Scoring) -> Self {
        let mut state = self.clone();
        let count = state.counts.entry(kind).or_insert(0);
        *count = count.saturating_add(1);
        state.seen = Some(state.seen.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        state.act(kind, at, kind.opens() != afterglow_domain::WindowRule::Nothing, scoring);
        state
    }

    /// Takes one interaction in.
    pub fn apply(&mut self, interaction: &Interaction, scoring: &Scoring) {
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
        self.act(kind, at, interaction.is_contact(), scoring);
    }

    /// The viewer does something.
    fn act(&mut self, kind: Kind, at: Timestamp, contact: bool, scoring: &Scoring) {
        if has_points(kind) {
            let signal = self.signals.entry(kind).or_default();
            if signal.half_life_ms == 0 {
                signal.half_life_ms = scoring.half_life_ms(kind);
            }
            signal.sum.add(ONE_MILLI, at, signal.half_life_ms);
        }
        if contact {
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

    /// The score at a moment, in points. Kinds are added in one order, so that the same state gives the same bits.
    pub fn score_at(&self, now: Timestamp, scoring: &Scoring) -> f64 {
        let points = |kind: Kind| f64::from(scoring.milli(kind)) / 1000.0;
        self.signals.iter().map(|(kind, fading)| points(*kind) * fading.sum.value_at(now, fading.half_life_ms)).sum()
    }

    /// log₂ of the score, were it to fade forward by the document's main half-life: orders viewers the same way at every
    /// moment if all signals have that half-life, and as of the last interaction if not. Below any viewer with a score for one
    /// without.
    pub fn rank(&self, scoring: &Scoring) -> f64 {
        let as_of = self.as_of();
        let score = self.score_at(as_of, scoring);
        if score <= 0.0 {
            return f64::from(i16::MIN);
        }
        #[expect(clippy::cast_precision_loss, reason = "epoch milliseconds are below 2^52")]
        let forward = as_of.millis() as f64 / scoring.main_half_life_ms() as f64;
        libm::log2(score) + forward
    }

    /// Whether the state was folded with other half-lives than these: then only the log can give the right one.
    pub fn is_out_of_date(&self, scoring: &Scoring) -> bool {
        self.signals.iter().any(|(kind, fading)| fading.half_life_ms != scoring.half_life_ms(*kind))
    }

    /// The latest view that came within 24 hours of another one.
    pub fn repeat_view(&self) -> Option<Timestamp> {
        let newest_first: Vec<Timestamp> = self.views.iter().rev().copied().collect();
        newest_first.windows(2).find(|pair| pair[0].since(pair[1]) <= DAY_MS).map(|pair| pair[0])
    }

    /// When the last interaction happened; the moment as of which the stored segment holds.
    pub fn as_of(&self) -> Timestamp {
        self.seen.map_or(Timestamp::default(), |(_, last)| last)
    }
}

/// Whether interactions of this kind say something of the viewer's interest.
fn has_points(kind: Kind) -> bool {
    Scoring::default().milli(kind) > 0
}

/// Whether an interaction adds to the score.
pub(crate) fn scores(interaction: &Interaction) -> bool {
    has_points(interaction.kind()) && !by_the_account(&interaction.body)
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
