//! Refusals for overload are answered after a pause.
//!
//! Whoever asks again the moment they are refused turns spare time into refusals: on two cores 1,500 such connections got 60,000
//! refusals a second, and 800 webhooks through where 28,000 had gone before (docs/performance.md). A pause costs a timer
//! and an idle connection, and a sender that waits for an answer cannot ask again meanwhile. Meta, which waits 5 s for an
//! answer and has its own schedule for the next attempt, notices nothing.

use std::time::Duration;

use tokio::sync::Semaphore;

/// How long a refusal is held. Far below the 5 s after which Meta gives up.
const PAUSE: Duration = Duration::from_millis(250);
/// Refusals that are held at once at most; more are answered without a pause, so that no flood can fill memory with them.
const HELD_MAX: usize = 8_192;

/// Holds refusals.
#[derive(Debug)]
pub struct HeldRefusals(Semaphore);

impl Default for HeldRefusals {
    fn default() -> Self {
        Self(Semaphore::new(HELD_MAX))
    }
}

impl HeldRefusals {
    /// Ends when the refusal is to be answered.
    pub(crate) async fn hold(&self) {
        if let Ok(_held) = self.0.try_acquire() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_are_held_and_the_others_are_not() {
        let refusals = HeldRefusals(Semaphore::new(1));
        let begun = tokio::time::Instant::now();
        let (held, others) = tokio::join!(
            async {
                refusals.hold().await;
                begun.elapsed()
            },
            async {
                refusals.hold().await;
                begun.elapsed()
            }
        );
        assert_eq!((held, others), (PAUSE, Duration::ZERO));
        refusals.hold().await;
        assert_eq!(begun.elapsed(), PAUSE * 2, "room is given back");
    }
}
