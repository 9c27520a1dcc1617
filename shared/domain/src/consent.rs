//! Consent travels in its own lane, ahead of everything else.

use serde::{Deserialize, Serialize};

use crate::{AccountId, BrandId, InteractionId, Timestamp, ViewerId, ViewerKey};

/// What a viewer has said about being written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    /// Stop: no automated message.
    OptedOut,
    /// Perhaps stop: automation holds until a person has looked.
    Ambiguous,
    /// Start again, after a stop.
    OptedIn,
}

impl ConsentState {
    /// The name as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            ConsentState::OptedOut => "opted_out",
            ConsentState::Ambiguous => "ambiguous",
            ConsentState::OptedIn => "opted_in",
        }
    }

    /// Reads [`ConsentState::as_str`].
    pub fn from_name(name: &str) -> Option<Self> {
        [ConsentState::OptedOut, ConsentState::Ambiguous, ConsentState::OptedIn]
            .into_iter()
            .find(|s| s.as_str() == name)
    }
}

/// All that a viewer has said about being written to, folded so that the order of arrival does not matter: each part is
/// a maximum over the changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The last clear word, stop or start, and when it was said.
    pub clear: Option<(ConsentState, Timestamp)>,
    /// When something was last said that may have meant stop.
    pub ambiguous: Option<Timestamp>,
}

impl Consent {
    /// Takes one change in. Of a stop and a start said in the same millisecond, stop wins.
    pub fn apply(&mut self, state: ConsentState, at: Timestamp) {
        match state {
            ConsentState::Ambiguous => self.ambiguous = self.ambiguous.max(Some(at)),
            clear => {
                let rank = |(state, at)| (at, state == ConsentState::OptedOut);
                if self.clear.is_none_or(|old| rank((clear, at)) > rank(old)) {
                    self.clear = Some((clear, at));
                }
            }
        }
    }

    /// What holds now; `None` if the viewer never spoke of it. A "perhaps" never weakens a clear stop, and a later
    /// clear word settles it.
    pub fn state(&self) -> Option<ConsentState> {
        match (self.clear, self.ambiguous) {
            (Some((ConsentState::OptedOut, _)), _) => Some(ConsentState::OptedOut),
            (Some((_, at)), Some(perhaps)) if perhaps > at => Some(ConsentState::Ambiguous),
            (Some((clear, _)), _) => Some(clear),
            (None, Some(_)) => Some(ConsentState::Ambiguous),
            (None, None) => None,
        }
    }
}

/// A stop, a perhaps, or a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentChange {
    /// Whose account.
    pub brand: BrandId,
    /// Which account.
    pub account: AccountId,
    /// Who spoke.
    pub viewer: ViewerId,
    /// What was said.
    pub state: ConsentState,
    /// The interaction that said it.
    pub cause: InteractionId,
    /// When it was said.
    pub occurred: Timestamp,
    /// When ingest took it.
    pub received: Timestamp,
}

impl ConsentChange {
    /// The viewer's key.
    pub fn viewer_key(&self) -> ViewerKey {
        ViewerKey { account: self.account.clone(), viewer: self.viewer.clone() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fold(changes: &[(ConsentState, i64)]) -> Consent {
        let mut consent = Consent::default();
        for (state, at) in changes {
            consent.apply(*state, Timestamp::from_millis(*at));
        }
        consent
    }

    #[test]
    fn what_holds() {
        use ConsentState::{Ambiguous, OptedIn, OptedOut};
        for (changes, expected) in [
            (vec![], None),
            (vec![(OptedOut, 1)], Some(OptedOut)),
            (vec![(OptedOut, 1), (OptedIn, 2)], Some(OptedIn)),
            (vec![(OptedIn, 2), (OptedOut, 1)], Some(OptedIn)),
            (vec![(OptedIn, 1), (OptedOut, 1)], Some(OptedOut)),
            (vec![(OptedOut, 1), (Ambiguous, 5)], Some(OptedOut)),
            (vec![(OptedIn, 2), (Ambiguous, 3)], Some(Ambiguous)),
            (vec![(Ambiguous, 3), (OptedIn, 4)], Some(OptedIn)),
        ] {
            assert_eq!(fold(&changes).state(), expected, "{changes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_order_any_number_of_times(
            changes in prop::collection::vec((prop::sample::select(vec![
                ConsentState::OptedOut, ConsentState::Ambiguous, ConsentState::OptedIn,
            ]), 0i64..5), 0..12),
            seed in any::<prop::sample::Index>(),
        ) {
            let mut shuffled = changes.clone();
            shuffled.extend(changes.iter().copied());
            let n = shuffled.len().max(1);
            let by = seed.index(n).min(shuffled.len());
            shuffled.rotate_left(by);
            shuffled.reverse();
            prop_assert_eq!(fold(&changes), fold(&shuffled));
        }
    }
}
