//! Who acts: a few people often, most people seldom (Zipf's law), each known to the account by a scoped id.

use std::collections::HashMap;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::world::Word;

/// Zipf's exponent: about a fifth of all actions come from the ten most eager of 5000.
const EXPONENT: f64 = 0.9;

/// What the plan remembers of a person, so that its labels are true.
#[derive(Debug, Default, Clone)]
pub(super) struct Memory {
    /// Time of their last event, epoch ms: no two events of one person share a time.
    pub(super) last_ms: i64,
    /// They said stop, or perhaps, and not start since.
    pub(super) silence: Option<Word>,
    /// A person of the brand wrote to them.
    pub(super) human: bool,
    /// Another app has the thread.
    pub(super) taken: bool,
}

impl Memory {
    /// They speak of being written to. A "perhaps" never weakens a stop.
    pub(super) fn speak(&mut self, word: Word) {
        self.silence = match (word, self.silence) {
            (Word::Start, _) => None,
            (Word::Stop, _) | (_, Some(Word::Stop)) => Some(Word::Stop),
            (Word::Perhaps, _) => Some(Word::Perhaps),
        };
    }

    /// Whether an automatic answer may be expected.
    pub(super) fn is_free(&self) -> bool {
        self.silence.is_none() && !self.human && !self.taken
    }
}

/// The people of all accounts.
#[derive(Debug)]
pub(super) struct People {
    /// Cumulative weights by rank.
    cumulative: Vec<f64>,
    memory: HashMap<(usize, u32), Memory>,
}

impl People {
    pub(super) fn new(per_account: u32, crowd: u32) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=per_account.max(1))
            .map(|rank| {
                sum += 1.0 / libm::pow(f64::from(rank.div_ceil(crowd.max(1))), EXPONENT);
                sum
            })
            .collect();
        Self { cumulative, memory: HashMap::new() }
    }

    /// Somebody, the eager more often.
    pub(super) fn eager(&self, rng: &mut StdRng) -> u32 {
        let total = self.cumulative.last().copied().unwrap_or(1.0);
        let draw = rng.random_range(0.0..total);
        u32::try_from(self.cumulative.partition_point(|sum| *sum <= draw)).unwrap_or(0)
    }

    /// Anybody, all alike: for what a person does once in a long time.
    pub(super) fn anybody(&self, rng: &mut StdRng) -> u32 {
        rng.random_range(0..u32::try_from(self.cumulative.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn memory(&mut self, account: usize, rank: u32) -> &mut Memory {
        self.memory.entry((account, rank)).or_default()
    }

    /// The time of the person's next event: `ms`, or just after their last.
    pub(super) fn next_ms(&mut self, account: usize, rank: u32, ms: i64) -> i64 {
        let memory = self.memory(account, rank);
        memory.last_ms = ms.max(memory.last_ms + 1);
        memory.last_ms
    }
}

/// Some people are known to us on standby alone: another app owns their thread from the beginning.
pub(super) fn is_standby(rank: u32) -> bool {
    rank % 53 == 17
}

/// The person's id for this account: 16 digits, scrambled so that neighbours do not look alike.
pub(super) fn igsid(account: usize, rank: u32) -> String {
    const DIGITS: u64 = 1_000_000_000_000; // the factor shares no divisor with it: no two people share an id
    let scrambled = (u64::from(rank) + 1).wrapping_mul(387_420_489_193) % DIGITS;
    format!("{}{scrambled:012}", 1000 + account % 9000)
}

/// The person's public name.
pub(super) fn username(account: usize, rank: u32) -> String {
    const NAMES: [&str; 12] =
        ["mila", "noah", "zoe", "jonas", "ines", "luca", "aylin", "sofie", "tomas", "chiara", "yuki", "amara"];
    format!("{}.{}{rank}", NAMES[rank as usize % NAMES.len()], account + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_few_act_often() {
        let people = People::new(5000, 1);
        let mut rng = StdRng::seed_from_u64(1);
        let top = (0..10_000).filter(|_| people.eager(&mut rng) < 10).count();
        assert!((1500..3000).contains(&top), "{top}");
        // In a crowd ten do together what one did.
        let people = People::new(50_000, 10);
        let most_eager = (0..10_000).filter(|_| people.eager(&mut rng) < 10).count();
        let alike = (0..10_000).filter(|_| people.eager(&mut rng) < 100).count();
        assert!(most_eager < 1000 && (1500..3000).contains(&alike), "{most_eager} {alike}");
    }

    #[test]
    fn nobody_shares_an_id() {
        let ids: HashSet<String> = (0..3).flat_map(|a| (0..20_000).map(move |r| igsid(a, r))).collect();
        assert_eq!(ids.len(), 60_000);
        assert!(ids.iter().all(|id| id.len() == 16));
    }
}
