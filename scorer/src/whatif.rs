//! Other rules, tried on what happened: who would have stood where, and what would have been wished. Pure; nothing is sent.

use std::collections::BTreeMap;

use afterglow_domain::{Consent, ConsentState, Interaction, Segment, Timestamp, opt_out};
use afterglow_rules::{EvaluationError, Rulebook};
use serde::Serialize;

use crate::plays::{Before, intents_for};
use crate::standing::{next_change, segment_at};
use crate::state::ViewerState;

/// What one day would have been like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DayOutcome {
    /// Viewers who had been seen by the end of the day and were not Cool for ever.
    pub viewers: u64,
    /// Of these, who would have stood elsewhere at its end: by from and to, such as `hot → warm`.
    pub moves: BTreeMap<String, u64>,
    /// Messages that the rules in force would have wished.
    pub sends: u64,
    /// Messages that the other rules would have wished.
    pub sends_then: u64,
    /// Wished by the rules in force, and not by the others.
    pub no_more: u64,
    /// Wished by the others, and not by the rules in force.
    pub newly: u64,
}

/// A comparison of two sets of rules over viewers' logs.
pub struct WhatIf<'a> {
    now: &'a Rulebook,
    then: &'a Rulebook,
    /// Ends of the days that are looked at, in order, each with its name.
    days: Vec<(Timestamp, String)>,
    from: Timestamp,
    outcome: BTreeMap<String, DayOutcome>,
    interactions: u64,
}

/// One set of rules with one viewer's state under it.
struct Side<'a> {
    rulebook: &'a Rulebook,
    state: ViewerState,
    /// After this moment nothing changes by time alone.
    settled: bool,
}

impl<'a> Side<'a> {
    fn new(rulebook: &'a Rulebook) -> Self {
        Self { rulebook, state: ViewerState::default(), settled: false }
    }

    /// Which plays would have spoken because of an interaction.
    fn take(&mut self, interaction: &Interaction, silent: bool) -> Result<Vec<String>, EvaluationError> {
        let before = Before::of(&self.state, self.rulebook, interaction.occurred)?;
        self.state.apply(interaction, &self.rulebook.scoring);
        self.settled = false;
        if silent {
            return Ok(Vec::new());
        }
        let at = interaction.occurred;
        let intents = intents_for(interaction, before.as_ref(), &self.state, self.rulebook, at)?;
        let speaks = |name: &str| {
            self.rulebook
                .plays()
                .any(|play| play.rule.name.as_str() == name && play.rule.rollout != afterglow_domain::Rollout::Shadow)
        };
        // Later steps are judged when their time comes, by what the viewer did until then: they are no sends yet.
        let first = intents.into_iter().filter(|intent| intent.step == 0);
        Ok(first.map(|intent| intent.play.as_str().to_owned()).filter(|name| speaks(name)).collect())
    }

    fn segment(&mut self, at: Timestamp) -> Result<Segment, EvaluationError> {
        let (segment, _) = segment_at(&self.state, self.rulebook, at)?;
        self.settled = segment == Segment::Cool && next_change(&self.state, self.rulebook, at).is_none();
        Ok(segment)
    }
}

impl<'a> WhatIf<'a> {
    /// Of the rules in force (`now`) with others (`then`), from `from` on, by days given by their ends, in order.
    pub fn new(now: &'a Rulebook, then: &'a Rulebook, from: Timestamp, days: Vec<(Timestamp, String)>) -> Self {
        let outcome = days.iter().map(|(_, name)| (name.clone(), DayOutcome::default())).collect();
        Self { now, then, days, from, outcome, interactions: 0 }
    }

    /// Takes one viewer's log, by time. What was said before `from` counts for the state, and makes no wish.
    pub fn viewer(&mut self, log: &[Interaction]) -> Result<(), EvaluationError> {
        let (mut now, mut then) = (Side::new(self.now), Side::new(self.then));
        let mut consent = Consent::default();
        let mut log = log.iter().peekable();
        let days = self.days.clone();
        for (end, day) in days {
            while let Some(interaction) = log.next_if(|next| next.occurred < end) {
                self.interactions += 1;
                if let Some(said) = interaction.body.text().and_then(opt_out::classify) {
                    consent.apply(said, interaction.occurred);
                }
                let asked = matches!(consent.state(), Some(ConsentState::OptedOut | ConsentState::Ambiguous));
                let silent = asked || interaction.occurred < self.from;
                let (a, b) = (now.take(interaction, silent)?, then.take(interaction, silent)?);
                let outcome = self.outcome.entry(day.clone()).or_default();
                outcome.sends += a.len() as u64;
                outcome.sends_then += b.len() as u64;
                outcome.no_more += u64::from(!a.is_empty() && b.is_empty());
                outcome.newly += u64::from(a.is_empty() && !b.is_empty());
            }
            if now.state.seen.is_none() || (now.settled && then.settled) {
                continue;
            }
            let (a, b) = (now.segment(end)?, then.segment(end)?);
            let outcome = self.outcome.entry(day).or_default();
            outcome.viewers += 1;
            if a != b {
                *outcome.moves.entry(format!("{} → {}", a.as_str(), b.as_str())).or_default() += 1;
            }
        }
        Ok(())
    }

    /// How many interactions were looked at.
    pub fn interactions(&self) -> u64 {
        self.interactions
    }

    /// Day by day.
    pub fn outcome(&self) -> &BTreeMap<String, DayOutcome> {
        &self.outcome
    }
}
