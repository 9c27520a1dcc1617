//! Deliberate bugs.

use afterglow_domain::{ConsentState, Decision, Facts, Intent, Reason, Timestamp, WindowRule};
use afterglow_responder::{Gate, Policy, decide};

/// One bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// The gate does not ask for consent.
    IgnoresStop,
    /// The gate does not ask who has the conversation.
    TalksOverPeople,
    /// The gate does not ask for the window.
    IgnoresWindow,
    /// The gate takes what another app was told for something said to us.
    AnswersOnStandby,
    /// The gate says no to everything.
    DropsEverything,
    /// The gate waits for ever.
    WaitsForEver,
    /// Stops are lost on their way.
    LosesStops,
    /// Stops are recorded twenty minutes late.
    RecordsStopsLate,
    /// What is in doubt is sent again.
    RepeatsInDoubt,
    /// The message goes to the person who wrote before.
    WrongPerson,
    /// Intents that are put off are never looked at again.
    NeverSweeps,
    /// The text is longer than Meta takes.
    LongText,
}

impl Mutation {
    pub(crate) const ALL: [Self; 12] = [
        Self::IgnoresStop,
        Self::TalksOverPeople,
        Self::IgnoresWindow,
        Self::AnswersOnStandby,
        Self::DropsEverything,
        Self::WaitsForEver,
        Self::LosesStops,
        Self::RecordsStopsLate,
        Self::RepeatsInDoubt,
        Self::WrongPerson,
        Self::NeverSweeps,
        Self::LongText,
    ];
}

/// The gate, with the bug in it.
pub(crate) fn gate(mutation: Option<Mutation>) -> Gate {
    match mutation {
        Some(Mutation::IgnoresStop) => |intent, facts, now, policy| {
            let consent = Some(ConsentState::OptedIn);
            decide(intent, &Facts { consent, ..facts.clone() }, now, policy)
        },
        Some(Mutation::TalksOverPeople) => {
            |intent, facts, now, policy| decide(intent, &Facts { handed_over: false, ..facts.clone() }, now, policy)
        }
        Some(Mutation::IgnoresWindow) => |intent, facts, now, policy| {
            let mut facts = facts.clone();
            if let Some(cause) = &mut facts.cause {
                (cause.occurred, cause.opens) = (now, WindowRule::Standard);
            }
            decide(intent, &facts, now, policy)
        },
        Some(Mutation::AnswersOnStandby) => |intent, facts, now, policy| {
            let mut facts = Facts { handed_over: false, ..facts.clone() };
            if let Some(cause) = &mut facts.cause {
                (cause.contact, cause.opens) = (true, WindowRule::Standard);
            }
            decide(intent, &facts, now, policy)
        },
        Some(Mutation::DropsEverything) => {
            |_: &Intent, _: &Facts, _: Timestamp, _: &Policy| Decision::drop(vec![Reason::PlayOff])
        }
        Some(Mutation::WaitsForEver) => {
            |_: &Intent, _: &Facts, now: Timestamp, _: &Policy| Decision::defer(now.plus(3_600_000), Reason::MetaBusy)
        }
        _ => decide,
    }
}
