//! What a brand lets its drafts cost in a day.
//!
//! The counters are the caller's, who knows the brand's day and keeps them where every process sees them. A call is
//! admitted only if the most it can cost still fits, so that the budget is a ceiling, not a hope.

/// The most a brand wants to spend in one of its days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Tokens, in and out.
    pub tokens: u64,
    /// Money, in millionths of the currency in which [`Prices`] are given.
    pub micros: u64,
}

/// What was spent: on the day so far, or by one attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Tokens, in and out.
    pub tokens: u64,
    /// Money, in millionths of the currency.
    pub micros: u64,
}

/// What a model costs, in millionths of a currency per million tokens: a price of 0.15 per million tokens is 150,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prices {
    /// For what is sent.
    pub input: u64,
    /// For what is answered.
    pub output: u64,
}

impl Prices {
    /// The cost of so many tokens, rounded up.
    pub fn cost(self, input_tokens: u64, output_tokens: u64) -> Spent {
        let input = u128::from(input_tokens) * u128::from(self.input);
        let output = u128::from(output_tokens) * u128::from(self.output);
        let micros = input.saturating_add(output);
        Spent {
            tokens: input_tokens.saturating_add(output_tokens),
            micros: u64::try_from(micros.div_ceil(1_000_000)).unwrap_or(u64::MAX),
        }
    }
}

/// The brand's budget for the day has no room for one more draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BudgetExceeded {
    /// Too few tokens are left.
    #[error("a draft may take {needed} tokens, and {left} are left for today")]
    Tokens {
        /// The most a draft can take.
        needed: u64,
        /// What is left.
        left: u64,
    },
    /// Too little money is left.
    #[error("a draft may cost {needed} millionths, and {left} are left for today")]
    Money {
        /// The most a draft can cost.
        needed: u64,
        /// What is left.
        left: u64,
    },
}

impl Budget {
    /// Whether an attempt that costs at most `most` fits, after what was `spent` today.
    pub fn admit(self, spent: Spent, most: Spent) -> Result<(), BudgetExceeded> {
        let tokens = self.tokens.saturating_sub(spent.tokens);
        let micros = self.micros.saturating_sub(spent.micros);
        if most.tokens > tokens {
            Err(BudgetExceeded::Tokens { needed: most.tokens, left: tokens })
        } else if most.micros > micros {
            Err(BudgetExceeded::Money { needed: most.micros, left: micros })
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn costs_are_rounded_up() {
        let prices = Prices { input: 150_000, output: 600_000 };
        for (input, output, micros) in [(0, 0, 0), (1, 0, 1), (1_000_000, 0, 150_000), (1_000, 200, 270), (10, 1, 3)] {
            assert_eq!(prices.cost(input, output), Spent { tokens: input + output, micros }, "{input} {output}");
        }
        assert_eq!(Prices { input: u64::MAX, output: u64::MAX }.cost(u64::MAX, u64::MAX).micros, u64::MAX);
    }

    proptest! {
        #[test]
        fn admitted_attempts_never_pass_the_budget(
            budget in (0_u64..10_000, 0_u64..10_000),
            attempts in prop::collection::vec((0_u64..3_000, 0_u64..3_000), 0..20),
        ) {
            let budget = Budget { tokens: budget.0, micros: budget.1 };
            let mut spent = Spent::default();
            for (tokens, micros) in attempts {
                let most = Spent { tokens, micros };
                if budget.admit(spent, most).is_ok() {
                    spent = Spent { tokens: spent.tokens + tokens, micros: spent.micros + micros };
                }
            }
            prop_assert!(spent.tokens <= budget.tokens && spent.micros <= budget.micros);
        }
    }
}
