//! The live one-line status.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use afterglow_domain::{IntentStatus, Segment, Verdict};
use afterglow_sim::Sim;
use afterglow_store::{Store, Totals};
use tokio::time::Instant;

/// How often a line is written where it cannot be drawn over.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How many times as long as counting took it rests: a demo that is left running for days counts millions.
const REST: u32 = 20;

pub(super) struct Status<'a> {
    store: &'a Store,
    sim: &'a Sim,
    begun: Instant,
    terminal: bool,
    drawn: Option<Instant>,
    /// Not to be counted before.
    rests_until: Instant,
    last: Option<(Instant, u64, f64)>,
    first_answer: bool,
}

impl<'a> Status<'a> {
    pub(super) fn new(store: &'a Store, sim: &'a Sim, begun: Instant) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { store, sim, begun, terminal, drawn: None, rests_until: begun, last: None, first_answer: false }
    }

    pub(super) async fn draw(&mut self) {
        let counting = Instant::now();
        if counting < self.rests_until {
            return;
        }
        let Ok(totals) = self.store.totals().await else { return };
        let now = Instant::now();
        self.rests_until = now + (now - counting) * REST;
        let (intents, events) = (&totals.all.intents, totals.accepted + totals.duplicates + totals.quarantined);
        if !self.first_answer && count(intents, IntentStatus::Sent) > 0 {
            self.first_answer = true;
            self.clear();
            eprintln!("first auto-reply {:.1} s after the start", self.begun.elapsed().as_secs_f64());
        }
        if !self.terminal && self.drawn.is_some_and(|drawn| now.duration_since(drawn) < LINE_EVERY) {
            return;
        }
        self.drawn = Some(now);
        let per_second = self.per_second(now, events);
        let line = self.line(&totals, per_second);
        self.clear();
        if self.terminal {
            let mut stderr = std::io::stderr().lock();
            let _ = write!(stderr, "{line}"); // a status that cannot be shown is no reason to stop
            let _ = stderr.flush();
        } else {
            eprintln!("{line}");
        }
    }

    /// Events a second, over about the last two seconds.
    fn per_second(&mut self, now: Instant, events: u64) -> f64 {
        let (since, before, rate) = self.last.unwrap_or((self.begun, 0, 0.0));
        let span = now.duration_since(since).as_secs_f64();
        if self.last.is_some() && span < 2.0 {
            return rate;
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of events for a rate to be read")]
        let rate = events.saturating_sub(before) as f64 / span.max(0.001);
        self.last = Some((now, events, rate));
        rate
    }

    fn line(&self, totals: &Totals, per_second: f64) -> String {
        let viewers = |segment: Segment| count(&totals.all.viewers, segment);
        let intents = |status| count(&totals.all.intents, status);
        let violations = self.sim.totals().violations.values().sum::<u64>();
        let mut dropped: Vec<String> = totals
            .all
            .decisions
            .iter()
            .filter(|((verdict, _), _)| *verdict == Verdict::Drop)
            .map(|((_, reason), n)| format!("{} {n}", reason.as_str()))
            .collect();
        dropped.sort();
        let dropped = if dropped.is_empty() { String::new() } else { format!(" ({})", dropped.join(", ")) };
        format!(
            "{:>5.0}s {per_second:>5.0} ev/s │ hot {} warm {} cool {} │ sent {} held {} deferred {} dropped {}{dropped} │ \
             violations {violations}",
            self.begun.elapsed().as_secs_f64(),
            viewers(Segment::Hot),
            viewers(Segment::Warm),
            viewers(Segment::Cool),
            intents(IntentStatus::Sent),
            intents(IntentStatus::Held),
            intents(IntentStatus::Deferred),
            intents(IntentStatus::Dropped),
        )
    }

    fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[2K");
        }
    }

    /// Makes room for what comes after.
    pub(super) fn end(&self) {
        if self.terminal {
            eprintln!();
        }
    }
}

/// How many of one kind a tally has.
pub(super) fn count<K: PartialEq + Copy>(tally: &[(K, u64)], kind: K) -> u64 {
    tally.iter().filter(|(k, _)| *k == kind).map(|(_, n)| n).sum()
}
