//! What goes wrong with sends, as it is counted.

/// What became of sends, since somebody began to watch them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Harms {
    /// Sends that came to an end.
    pub sends: u64,
    /// Of these, how many were followed by a stop within a day, before anything else was said.
    pub stops: u64,
    /// How many reached nobody: the reader blocked the account, or cannot be written to.
    pub blocks: u64,
    /// How many Meta refused for another reason.
    pub failures: u64,
}

impl Harms {
    /// Both together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            sends: self.sends + other.sends,
            stops: self.stops + other.stops,
            blocks: self.blocks + other.blocks,
            failures: self.failures + other.failures,
        }
    }

    /// What came after `earlier`, which was counted before.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            sends: self.sends.saturating_sub(earlier.sends),
            stops: self.stops.saturating_sub(earlier.stops),
            blocks: self.blocks.saturating_sub(earlier.blocks),
            failures: self.failures.saturating_sub(earlier.failures),
        }
    }
}
