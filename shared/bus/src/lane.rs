//! The queues.

/// A queue, by what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Interactions, as CloudEvents: ingest → scorer.
    Interactions,
    /// Interactions beyond their brand's quota, so that one brand's flood stands in front of nobody else: ingest → scorer.
    Overflow,
    /// Stop and start words, ahead of everything: ingest → responder.
    Consent,
    /// Wishes: scorer → responder.
    Intents,
    /// What was not understood: ingest → store.
    Quarantine,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Lane; 5] = [Lane::Interactions, Lane::Overflow, Lane::Consent, Lane::Intents, Lane::Quarantine];

    /// The name, as routing key, in storage and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Lane::Interactions => "interactions",
            Lane::Overflow => "overflow",
            Lane::Consent => "consent",
            Lane::Intents => "intents",
            Lane::Quarantine => "quarantine",
        }
    }
}
