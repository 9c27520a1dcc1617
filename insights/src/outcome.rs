//! What viewers did after an experiment took them in. Pure, and of the whole history: order and repetition change nothing.

use afterglow_domain::{Body, Interaction, Timestamp};
use afterglow_store::{Exposed, Outcomes};

use crate::count::History;

/// What a viewer did first after `at`.
pub fn outcomes(history: &History, at: Timestamp) -> Outcomes {
    let first = |is: &dyn Fn(&Interaction) -> bool| {
        let after = history.happened.iter().filter(|one| one.occurred > at && is(one));
        after.map(|one| one.occurred).min()
    };
    Outcomes {
        replied: first(&|one| one.is_contact() && !history.stops.contains(&one.occurred)),
        clicked: first(&|one| matches!(one.body, Body::LinkClick(_))),
        bought: first(&|one| matches!(one.body, Body::Conversion(_))),
        stopped: history.stops.iter().copied().filter(|stop| *stop > at).min(),
    }
}

/// Those of a viewer's exposures of which something else is known now. What the log no longer reaches back to stays as it was.
pub(crate) fn noted(history: &History, exposed: Vec<Exposed>) -> Vec<Exposed> {
    let Some(first) = history.happened.iter().map(|one| one.occurred).min() else { return Vec::new() };
    let reached = exposed.into_iter().filter(|one| first <= one.at);
    let anew = reached.map(|one| (outcomes(history, one.at), one)).filter(|(now, one)| *now != one.outcomes);
    anew.map(|(outcomes, one)| Exposed { outcomes, ..one }).collect()
}
